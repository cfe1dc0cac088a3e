"""What a case is, what must come of it, and how the answer is held against that."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from tests.hostile.values import MARK
from tests.hostile.wire import Answered

Shape = Literal["envelope", "page", "xml", "empty", "any"]
ENVELOPE = ("transactionId", "status", "name", "message", "info")
OAUTH = ("error", "error_description")
KNOWN_HEADERS = frozenset(
    [
        "allow",
        "api-version",
        "cache-control",
        "connection",
        "content-disposition",
        "content-language",
        "content-length",
        "content-security-policy",
        "content-type",
        "date",
        "link",
        "location",
        "permissions-policy",
        "quota-interval",
        "quota-limit",
        "quota-reset-utc",
        "quota-time-unit",
        "quota-used",
        "referrer-policy",
        "retry-after",
        "set-cookie",
        "transfer-encoding",
        "vary",
        "www-authenticate",
        "x-content-type-options",
        "x-request-id",
    ]
)
# A ticket's token may stand in the way back from the sign-in page, whoever made it up.
LOCATION = re.compile(
    r"|/signin(?:\?[A-Za-z0-9=&%._-]*)?|/dashboard/|/pickup/[A-Za-z0-9._/?=-]+|/webservice/dashboard/\?[A-Za-z0-9=&._-]+"
)
SET_COOKIE = re.compile(r"(?:session|pickup)=[A-Za-z0-9_.-]*; [A-Za-z0-9=/; -]+")


@dataclass(frozen=True)
class Case:
    """One request and its expectation.

    Args:
        name: for the failure's message.
        octets: the request as sent.
        status: the only status that is right.
        field: what ``info`` must name, or None: no field is at fault.
        shape: of the answer's body.
        method: HEAD has no body.
    """

    name: str
    octets: bytes
    status: int
    field: str | None = None
    shape: Shape = "envelope"
    method: str = ""


def wrong(case: Case, got: Answered) -> str | None:
    """What is wrong with an answer, or None."""
    if got.status != case.status:
        return f"{got.status} instead of {case.status}: {got.body[:300]!r}"
    return _wrong_headers(got) or _wrong_body(case, got)


def _wrong_headers(got: Answered) -> str | None:
    names = {name for name, _ in got.headers}
    if names - KNOWN_HEADERS:
        return f"headers {names - KNOWN_HEADERS}"
    if any((MARK in value and name != "location") or not value.isprintable() for name, value in got.headers):
        return f"a header repeats the value: {got.headers}"
    if str(UUID(got.header("x-request-id"))) != got.header("x-request-id") or got.header("api-version") != "1":
        return f"headers of every answer are missing: {got.headers}"
    if any(name == "set-cookie" and not SET_COOKIE.fullmatch(value) for name, value in got.headers):
        return f"cookie {got.header('set-cookie')}"
    if not LOCATION.fullmatch(got.header("location")):
        return f"location {got.header('location')}"
    if (got.status == 401 and got.header("content-type") == "application/json") != bool(got.header("www-authenticate")):
        return "401 and WWW-Authenticate do not go together"
    return "405 without Allow" if got.status == 405 and not got.header("allow") else None


def _wrong_body(case: Case, got: Answered) -> str | None:
    kind = got.header("content-type")
    if case.shape == "envelope":
        return f"type {kind}" if kind != "application/json" else _wrong_envelope(case, got)
    if case.shape == "page":
        good = kind == "text/html; charset=utf-8" and "default-src 'none'" in got.header("content-security-policy")
        return None if good and got.body.startswith(b"<!doctype html>") else f"no page: {kind} {got.body[:80]!r}"
    if case.shape == "xml":
        ET.fromstring(got.body)
        return None if kind == "application/xml; charset=utf-8" else f"type {kind}"
    return None if case.shape == "any" or not got.body else f"a body: {got.body[:80]!r}"


def _wrong_envelope(case: Case, got: Answered) -> str | None:
    told = got.members()
    if tuple(told) not in {ENVELOPE, (*ENVELOPE, *OAUTH)} or any(type(member) is not str for member in told.values()):
        return f"envelope {told}"
    if told["transactionId"] != got.header("x-request-id") or told["status"] != str(got.status) or not told["message"]:
        return f"envelope {told}"
    if case.field is not None and not told["info"].startswith(f"{case.field}: "):
        return f"{told['info']!r} does not name {case.field}"
    return f"info repeats the value: {told['info']!r}" if MARK in told["info"] else None
