"""Contents and mails against the fingerprints in the records (evidence format, sections 1 and 5)."""

from __future__ import annotations

from typing import Any

from sealpost.domain.content import plain_name, shown_name
from sealpost.verifier.case import Case, Record
from sealpost.verifier.report import Said
from sealpost.verifier.structure import digest_of
from sealpost.verifier.tables import ORDER

_PURPOSES = ("announcement", "reminder")


def check_contents(case: Case) -> None:
    """Says content: every part of the first record, and every member that is none of them."""
    findings = case.findings
    with findings.about("content"):
        parts = _parts(next(iter(case.records.values()), None))
        named = {int(found[1]): name for name, found in reversed(case.named("content"))}
        for name, found in case.named("content"):
            if not 1 <= int(found[1]) <= len(parts) or named[int(found[1])] != name:
                findings.say("content.unknown", name)
        for number, (part, size) in enumerate(parts, 1):
            _check_part(case, number, part, size, named.get(number))


def _parts(record: Record | None) -> list[tuple[dict[str, Any], int]]:
    if record is None or record.value is None:
        raise Said("content.malformed", reason="no record")
    parts = record.value["UserContentInfo"]["PartsInfo"]["PartInfo"]
    sizes = [one["size"] for one in record.extension["parts"]]
    return list(zip(parts, sizes, strict=True))


def _check_part(case: Case, number: int, part: dict[str, Any], size: int, name: str | None) -> None:
    findings, said = (
        case.findings,
        {"part": number, "name": given if isinstance(given := part.get("Identifier"), str) else "?"},
    )
    with findings.about("content", name or "", **said):
        if name is None:
            erased = [one for one in case.records.values() if one.event in ORDER["erased"]]
            if erased:
                findings.remark("remark.erased", record=erased[0].seq)
            raise Said("content.absent")
        if case.members.size(name) != size or case.members.sha256(name) != digest_of(part):
            raise Said("content.hash")
        if name != f"content/{number:02}-{_file_name(part)}":
            raise Said("content.name")
        findings.say("content.ok", name, **said)


def _file_name(part: dict[str, Any]) -> str:
    """What the bundle calls a part: two names for one file could tell two stories."""
    return plain_name(shown_name(part["Identifier"], part["ContentType"]))


def check_mails(case: Case) -> None:
    """Says mail: every announcement and reminder that a record speaks of, and every member that is none of them."""
    findings = case.findings
    wanted = _announcements(case)
    shown = set[tuple[bytes | None, int]]()
    for name, found in case.named("mail"):
        with findings.about("mail", name, record=int(found[1])):
            record = case.records.get(int(found[1]))
            sent = _sent(record) if record else None
            if sent is None:
                raise Said("mail.unknown")
            if sent != (case.members.sha256(name), case.members.size(name)):
                raise Said("mail.hash")
            if found[2] not in _purposes(record):
                raise Said("mail.name")
            shown.add(sent)
            findings.say("mail.ok", name, record=int(found[1]))
    for sent, seq in wanted.items():
        if sent not in shown:
            findings.say("mail.absent", "", record=seq)


def _purposes(record: Record | None) -> tuple[str, ...]:
    """What a mail of a record can be called: what it was for, as far as the record says."""
    kind = record.event.partition("_")[0] if record else ""
    return (kind,) if kind in _PURPOSES else _PURPOSES


def _announcements(case: Case) -> dict[tuple[bytes | None, int], int]:
    """Each mail once, by the first record that speaks of it."""
    wanted = dict[tuple[bytes | None, int], int]()
    for record in case.records.values():
        with case.findings.about("mail", record.name):
            sent = _sent(record) if record.event in ORDER["mailed"] else None
            if sent is not None:
                wanted.setdefault(sent, record.seq)
    return wanted


def _sent(record: Record) -> tuple[bytes | None, int] | None:
    """Fingerprint and size of the exact octets that a record says were sent."""
    smtp = record.extension.get("smtp")
    return (digest_of(smtp["sent"]), smtp["sent"]["size"]) if smtp else None
