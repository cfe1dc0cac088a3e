"""The form of records (EN 319 522-3 V1.2.1 in the subset of evidence format, section 1), and their canonical bytes.

Written out by hand, for a verifier without a schema library; tests hold it against the published schema. All records of
a bundle must speak of one message, the same persons and the same content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

import rfc8785

from sealpost.domain.note import NoNote, strict_base64
from sealpost.verifier.case import Case, Record, instant
from sealpost.verifier.report import Said
from sealpost.verifier.tables import RULES, suite

SHA256_URI = "http://www.w3.org/2001/04/xmlenc#sha256"
_TIMES = frozenset({"EventTime", "SubmissionTime", "AuthenticationTime", "recordedAt", "at"})
_BASE64 = frozenset({"lineB64", "finalB64", "IssuerSerialV2"})
_SAME = ("MessageIdentifier", "SenderDetails", "RecipientDetails", "UserContentInfo", "SubmissionTime")
_URI = re.compile(r"[a-z][a-z0-9+.-]*:\S+", re.ASCII)
_KNOWN = frozenset(
    [
        "version",
        "EvidenceIdentifier",
        "ERDSEventId",
        "EventTime",
        "EventReasons",
        "EvidenceIssuerDetails",
        "EvidenceIssuerPolicyID",
        "SenderDetails",
        "SenderDelegateDetails",
        "RecipientDetails",
        "EvidenceRefersToRecipient",
        "SubmissionTime",
        "MessageIdentifier",
        "UserContentInfo",
        "ForwardedToExternalSystem",
        "TransactionLogInformation",
        "Extensions",
    ]
)


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
            findings.say("structure.ok", record.name, record=record.seq)
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
    _require(value.keys() <= _KNOWN, ", ".join(sorted(value.keys() - _KNOWN))[:60])
    _require(value.get("version") == RULES["version"], "version")
    _require(_is_uuid7(value.get("EvidenceIdentifier")), "EvidenceIdentifier")
    record = Record(0, "", b"", value)
    if not record.event:
        raise Said("structure.event", event=str(value.get("ERDSEventId"))[:120])
    for member in ("EventTime", "SubmissionTime"):
        _require(member in value, member)
    _require(_text(value.get("MessageIdentifier")), "MessageIdentifier")
    _require_parties(value)
    _require_content(value.get("UserContentInfo"))
    _require_extension(value, record.extension)
    for member in _walk(value):
        _require_member(*member)


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


def _require_parties(value: dict[str, Any]) -> None:
    _require_identity(value.get("EvidenceIssuerDetails"), "EvidenceIssuerDetails", needed=True)
    policies = _object(value.get("EvidenceIssuerPolicyID")).get("PolicyID", ["a:b"])
    _require(isinstance(policies, list) and policies and all(map(_is_uri, cast("list[Any]", policies))), "PolicyID")
    for member in ("SenderDetails", "SenderDelegateDetails"):
        if member in value or member == "SenderDetails":
            _require_person(value.get(member), member)
    recipients = _objects(value.get("RecipientDetails"))
    _require(recipients, "RecipientDetails")
    for recipient in recipients:
        _require_person(recipient, "RecipientDetails")
    number = value.get("EvidenceRefersToRecipient")
    if type(number) is not int or not 1 <= number <= len(recipients):
        raise Said("structure.recipient")
    reasons = _object(value.get("EventReasons", {"EventReason": [{"Code": "a:b"}]})).get("EventReason")
    _require(_objects(reasons) and all(_is_uri(one.get("Code")) for one in _objects(reasons)), "EventReasons")


def _is_uri(value: Any) -> bool:
    return isinstance(value, str) and bool(_URI.fullmatch(value))


def _require_person(value: Any, member: str) -> None:
    identifier = _object(_object(value).get("Identifier"))
    _require(_text(identifier.get("value")) and _text(identifier.get("IdentifierSchemeName")), member)
    _require_identity(value, member, needed=False)


def _require_identity(value: Any, member: str, *, needed: bool) -> None:
    person = _object(value)
    if not needed and "Identity" not in person:
        return
    attributes = _objects(_object(person.get("Identity")).get("Attribute"))
    _require(attributes, member)
    for one in attributes:
        values = one.get("AttributeValue")
        _require(_text(one.get("Name")) and isinstance(values, list) and values, member)


def _require_content(value: Any) -> None:
    content = _object(value)
    parts = _objects(_object(content.get("PartsInfo")).get("PartInfo"))
    _require(parts, "PartInfo")
    if content.get("ComposingParts") != len(parts) or type(content.get("ComposingParts")) is not int:
        raise Said("structure.parts")
    for part in parts:
        _require(_text(part.get("Identifier")) and _text(part.get("ContentType")), "PartInfo")
        _require("DigestMethod" in part, "PartInfo")


def _require_extension(value: dict[str, Any], ours: dict[str, Any]) -> None:
    given = _objects(value.get("Extensions"))
    _require(given and all(one.get("isCritical") is False for one in given), "Extensions")
    seq, prev = ours.get("seq"), ours.get("prev", "")
    _require(type(seq) is int and seq > 0, "seq")
    _require(prev is None if seq == 1 else isinstance(prev, dict), "prev")
    _require("recordedAt" in ours, "recordedAt")
    _require(ours.get("environment") in {"live", "test"}, "environment")
    _require(_text(_object(ours.get("clock")).get("source")), "clock")
    _require(isinstance(ours.get("software"), dict), "software")
    if suite(ours.get("suite")) is None:
        raise Said("structure.suite", suite=str(ours.get("suite"))[:60])
    sizes = _objects(ours.get("parts"))
    named = [part["Identifier"] for part in value["UserContentInfo"]["PartsInfo"]["PartInfo"]]
    if [one.get("Identifier") for one in sizes] != named:
        raise Said("structure.parts")
    _require(all(type(one.get("size")) is int and one["size"] >= 0 for one in sizes), "parts")


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Every member of every object, however deep, and every object itself under the name it stands by."""
    stack: list[Any] = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            for name, member in cast("dict[str, Any]", one).items():
                yield name, member
                stack.append(member)
            if "DigestMethod" in one or "DigestValue" in one:
                yield "DigestMethod", cast("dict[str, Any]", one)
        elif isinstance(one, list):
            stack.extend(cast("list[Any]", one))


def _require_member(name: str, value: Any) -> None:
    if name in _TIMES:
        try:
            instant(value)
        except ValueError as error:
            raise Said("structure.time", member=name) from error
    elif name == "DigestMethod" and "DigestMethod" in value:
        if digest_of(value) is None:
            raise Said("structure.hash", member=name)
    elif name in _BASE64:
        try:
            strict_base64(value)
        except (NoNote, TypeError) as error:
            raise Said("structure.member", member=name) from error


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
