"""The form of records (EN 319 522-3 V1.2.1 in the subset of evidence format, section 1), and their canonical bytes.

The form stands in the rules as shapes, which command and page read alike without a schema library; a test holds them
against the published schema: what that refuses is refused here. All records of a bundle must speak of one message, the
same persons and the same content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, cast
from uuid import UUID

import rfc8785

from sealpost.domain.note import NoNote, strict_base64
from sealpost.verifier.case import Case, Record, event_label, instant
from sealpost.verifier.report import Said
from sealpost.verifier.tables import RULES, suite

SHA256_URI = "http://www.w3.org/2001/04/xmlenc#sha256"
_TIMES = frozenset({"EventTime", "SubmissionTime", "AuthenticationTime", "recordedAt", "at"})
_BASE64 = frozenset({"lineB64", "finalB64", "IssuerSerialV2", "X509Certificate", "SignatureValue"})
_SAME = ("MessageIdentifier", "SenderDetails", "RecipientDetails", "UserContentInfo", "SubmissionTime")
_URI = re.compile(RULES["uri"], re.ASCII)
_SHAPES: dict[str, Any] = RULES["shapes"]
_PLAIN: dict[str, Callable[[Any], bool]] = {
    "any": lambda _: True,
    "false": lambda value: value is False,
    "whole": lambda value: type(value) is int,
    "text": lambda value: isinstance(value, str),
    "full text": lambda value: isinstance(value, str) and value != "",
    "uri": lambda value: isinstance(value, str) and bool(_URI.fullmatch(value)),
}


def check(case: Case) -> None:
    """Says structure and canonical of every record."""
    findings = case.findings
    first: Record | None = next(iter(case.records.values()), None)
    if first is None:
        findings.say("structure.none")
    for record in case.records.values():
        with findings.about("structure", record.name, record=record.seq):
            if record.value is None:
                raise Said("structure.malformed", reason=record.fault)
            _require_form(record.value)
            if first is not None and first.value is not None:
                _require_same(record, first)
            if record.event:
                findings.say("structure.ok", record.name, record=record.seq)
            else:
                findings.say(
                    "structure.event", record.name, record=record.seq, event=event_label(record.value["ERDSEventId"])
                )
        with findings.about("canonical", record.name, record=record.seq):
            _require_canonical(record)
            findings.say("canonical.ok", record.name, record=record.seq)


def _require_canonical(record: Record) -> None:
    if record.value is None:
        raise Said("canonical.malformed", reason=record.fault)
    if rfc8785.dumps(record.value) != record.octets:
        raise Said("canonical.differs")


def _require(truth: Any, member: str) -> None:
    if not truth:
        raise Said("structure.member", member=member)


def _require_form(value: dict[str, Any]) -> None:
    _require(value.get("version") == RULES["version"], "version")
    _require(_is_uuid7(value.get("EvidenceIdentifier")), "EvidenceIdentifier")
    record = Record(0, "", b"", value)
    if wrong := _misfit(value, "record", "record"):
        raise Said("structure.member", member=wrong)
    if not 1 <= value["EvidenceRefersToRecipient"] <= len(value["RecipientDetails"]):
        raise Said("structure.recipient")
    content = value["UserContentInfo"]
    if content["ComposingParts"] != len(content["PartsInfo"]["PartInfo"]):
        raise Said("structure.parts")
    _require_extension(value, record.extension)
    for one in _objects_within(value):
        _require_spelling(one)


def _misfit(value: Any, shape: Any, member: str) -> str:
    """The name of the member that does not have its shape, or empty.

    Args:
        value: what stands there.
        shape: the name of one; or an object with ``needed`` and ``may`` members (others too, unless ``closed``), a
            ``list`` of one item up to ``most``, or ``one`` of several shapes.
        member: the name that it stands under; never empty, as empty means that it fits.
    """
    if isinstance(shape, str):
        if shape in _SHAPES:
            return _misfit(value, _SHAPES[shape], member)
        return "" if _PLAIN[shape](value) else member
    if "one" in shape:
        return "" if any(not _misfit(value, one, member) for one in shape["one"]) else member
    if "list" in shape:
        items = cast("list[Any]", value) if isinstance(value, list) else []
        if not 1 <= len(items) <= shape.get("most", len(items)):
            return member
        return next((wrong for one in items if (wrong := _misfit(one, shape["list"], member))), "")
    return _misfit_object(value, shape, member)


def _misfit_object(value: Any, shape: dict[str, Any], member: str) -> str:
    if not isinstance(value, dict):
        return member
    members = cast("dict[str, Any]", value)
    needed = shape.get("needed", {})
    known = {**needed, **shape.get("may", {})}
    unknown = members.keys() - known.keys()
    if unknown and shape.get("closed"):
        return ", ".join(sorted(unknown))[:60] or member
    missing = next((name for name in needed if name not in members), "")
    wrong = (_misfit(members[name], known[name], name) for name in known if name in members)
    return missing or next(filter(None, wrong), "")


def _is_uuid7(text: Any) -> bool:
    try:
        return str(found := UUID(text)) == text and found.version == 7
    except (ValueError, TypeError, AttributeError):
        return False


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _objects(value: Any) -> list[dict[str, Any]]:
    found = cast("list[Any]", value) if isinstance(value, list) else []
    return found if all(isinstance(one, dict) for one in found) else []


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _require_extension(value: dict[str, Any], ours: dict[str, Any]) -> None:
    seq, prev = ours.get("seq"), ours.get("prev", "")
    _require(type(seq) is int and seq > 0, "seq")
    _require(prev is None if seq == 1 else isinstance(prev, dict), "prev")
    _require("recordedAt" in ours, "recordedAt")
    _require(ours.get("environment") in {"live", "test"}, "environment")
    _require(_text(_object(ours.get("clock")).get("source")), "clock")
    _require(isinstance(ours.get("software"), dict), "software")
    _require("mail" not in ours or not _misfit(ours["mail"], "mail", "mail"), "mail")
    bounce = _object(ours.get("bounce"))
    fits = "authenticated" not in bounce or not _misfit(bounce["authenticated"], "authenticated", "authenticated")
    _require(fits, "authenticated")
    if suite(ours.get("suite")) is None:
        raise Said("structure.suite", suite=str(ours.get("suite"))[:60])
    sizes = _objects(ours.get("parts"))
    named = [part["Identifier"] for part in value["UserContentInfo"]["PartsInfo"]["PartInfo"]]
    if [one.get("Identifier") for one in sizes] != named:
        raise Said("structure.parts")
    _require(all(type(one.get("size")) is int and one["size"] >= 0 for one in sizes), "parts")


def _objects_within(value: Any) -> Iterator[dict[str, Any]]:
    """Every object, however deep."""
    stack: list[Any] = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            members = cast("dict[str, Any]", one)
            yield members
            stack.extend(members.values())
        elif isinstance(one, list):
            stack.extend(cast("list[Any]", one))


def _require_spelling(members: dict[str, Any]) -> None:
    """Times, base64 and hashes in their one way of writing, wherever they stand."""
    for name, value in members.items():
        if name in _TIMES:
            try:
                instant(value)
            except ValueError as error:
                raise Said("structure.time", member=name) from error
        elif name in _BASE64:
            try:
                strict_base64(value)
            except (NoNote, TypeError) as error:
                raise Said("structure.member", member=name) from error
    if ("DigestMethod" in members or "DigestValue" in members) and digest_of(members) is None:
        raise Said("structure.hash", member="DigestMethod")


def digest_of(value: Any) -> bytes | None:
    """The 32 octets of a hash as records write it, or None."""
    try:
        octets = strict_base64(value["DigestValue"])
        return octets if value["DigestMethod"] == {"Algorithm": SHA256_URI} and len(octets) == 32 else None
    except (NoNote, KeyError, TypeError):
        return None


def _require_same(record: Record, first: Record) -> None:
    ours, theirs = record.value or {}, first.value or {}
    same_parts = record.extension.get("parts") == first.extension.get("parts")
    same_environment = record.extension.get("environment") == first.extension.get("environment")
    if not same_parts or not same_environment or any(ours.get(one) != theirs.get(one) for one in _SAME):
        raise Said("structure.ticket", other=first.seq)
