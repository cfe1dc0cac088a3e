"""Verifies one bundle: every check, in an order in which each finds what it needs. The verifier's entry point.

No network, no database, no settings. Whatever a file holds, the answer is a report: only a file that is no bundle at all
is an exception. A trust folder that cannot be used is told, and all that needs none is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

from sealpost.verifier import (
    adoption,
    agreement,
    audit,
    chain,
    circumstances,
    container,
    dating,
    earlier,
    fingerprints,
    logged,
    order,
    pdf,
    prose,
    seals,
    signer,
    structure,
    times,
    tls,
)
from sealpost.verifier.case import Case, Dated, Record, event_label, opened
from sealpost.verifier.certificates import shown
from sealpost.verifier.earlier import Receipt
from sealpost.verifier.members import BadZip, Members
from sealpost.verifier.prose import Reset
from sealpost.verifier.report import Findings, Moment, Report, Said, Unusable, finished, reasons_of
from sealpost.verifier.tables import MEMBERS, NOT_PROVEN, PASS, WORDS
from sealpost.verifier.trust import Trust, Unfit

_CHECKS = (
    (structure.check, "structure"),
    (chain.check, "chain"),
    (logged.check, "inclusion"),
    (times.check, "time"),
    (seals.check, "seal"),
    (fingerprints.check_contents, "content"),
    (fingerprints.check_mails, "mail"),
    (tls.check, "tls"),
    (adoption.check, "chain"),
    (agreement.check, "agreement"),
    (order.check, "order"),
    (dating.check, "dating"),
    (circumstances.check_environment, "environment"),
    (circumstances.check_clock, "clock"),
    (container.check, "container"),
    (pdf.check, "pdf"),
    (signer.check, "signer"),
    (order.check_closed, "order"),
)


def verify(
    source: Path | bytes | BinaryIO,
    trust: Trust | Unfit | None = None,
    receipts: Sequence[Receipt] = (),
    language: str = "en",
    *,
    log: Path | None = None,
    reset: Reset | None = None,
) -> Report:
    """Verifies a bundle.

    Args:
        source: the file, its octets, or where it is open for reading.
        trust: of `trust.choose_trust`; without one that can be used, who sealed and whose log it is stays not proven.
        receipts: bundles or proofs given out before.
        language: of the report's words: nl, en, de or fr.
        log: a copy of the log's folder.
        reset: sets the certificate again from the records, and compares; None: its text is not checked.

    Raises:
        Unusable: not a readable file, no bundle at all, or no copy of a log; never for its trust folder.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
            members = Members(BytesIO(file) if isinstance(file, bytes) else file)
        except OSError as error:
            raise Unusable("{path} cannot be read", path=source) from error
        except BadZip as error:
            return _refused(error, language)
        return _report(members, trust, tuple(receipts), language, log, reset)


def _refused(error: BadZip, language: str) -> Report:
    findings = Findings()
    findings.say("container.zip", **reasons_of(error))
    return finished(findings, (), {}, language)


def _report(
    members: Members,
    trust: Trust | Unfit | None,
    receipts: tuple[Receipt, ...],
    language: str,
    log: Path | None,
    reset: Reset | None,
) -> Report:
    chosen = None if isinstance(trust, Unfit) else trust
    case = _examined(members, chosen)
    findings = case.findings
    _say_trust(case)
    if isinstance(trust, Unfit):
        findings.say(trust.why, **trust.values)
    states = earlier.check(case, receipts, lambda one: _examined(one, chosen))
    if log is not None:
        audit.check(case, log, states)
    prose.check(case, reset)
    findings.remark("remark.read")
    return finished(findings, _time_line(case), _parties(case), language, _as_of(case))


def _examined(members: Members, trust: Trust | None) -> Case:
    """A bundle after every check that needs nothing but itself and the trust folder."""
    findings = Findings()
    case = opened(members, trust, findings)
    with findings.about("container"):
        _require_whole(members)
    for check, name in _CHECKS:
        with findings.about(name):
            check(case)
    return case


def _say_trust(case: Case) -> None:
    """Which folder is believed, for a person to compare; the bundle's own is of its time, and says nothing by itself."""
    if case.trust is None:
        return
    case.findings.head("head.trust", fingerprint=case.trust.fingerprint)
    if case.own and case.own.fingerprint != case.trust.fingerprint:
        case.findings.remark("remark.other_trust", fingerprint=case.own.fingerprint)


def _require_whole(members: Members) -> None:
    """Every member unpacks to what its header says."""
    for name in members.names:
        try:
            for _ in members.pieces(name):
                pass
        except BadZip as error:
            raise Said("container.zip", **reasons_of(error)) from error


def _time_line(case: Case) -> tuple[Moment, ...]:
    nothing = Dated(None, is_close=False)
    return tuple(
        _moment(one, case.dated.get(one.seq, nothing)) for one in case.records.values() if one.value is not None
    )


def _moment(record: Record, dated: Dated) -> Moment:
    value, smtp, web = record.value or {}, _object(record, "smtp"), _object(record, "web")
    said = "bounce" if "bounce" in record.extension else "relay" if smtp.get("by") == "relay" else _sign(record)
    given = web.get("automation")
    signs = cast("list[Any]", given) if isinstance(given, list) else []
    signed, signers = _signed(record)
    return Moment(
        str(value.get("EventTime"))[:40],
        record.seq,
        record.event or event_label(value.get("ERDSEventId")),
        str(smtp.get("final") or smtp.get("finalB64") or ""),
        by=said if f"event.{record.event}.{said}" in WORDS else "",
        proven=shown(dated.at) if dated.at else "",
        verdict=PASS if dated.is_close else NOT_PROVEN,
        signs=tuple(str(one)[:60] for one in signs[:20]),
        signed=signed,
        signers=signers,
        reason=agreement.class_of_failure(record),
    )


def _object(record: Record, name: str) -> dict[str, Any]:
    return _members(record.extension.get(name))


def _members(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _as_of(case: Case) -> str:
    """The time of the bundle's own token; nothing in it shows what came afterwards."""
    token = case.closed.get(MEMBERS["signature"])
    return shown(token.at) if token else ""


def _signed(record: Record) -> tuple[str, tuple[str, ...]]:
    """What a record says of the signatures on a returned mail."""
    found = _members(_object(record, "bounce").get("authenticated"))
    if not found:
        return "", ()
    given: Any = found.get("signatures")
    ones = [_members(one) for one in cast("list[Any]", given)] if isinstance(given, list) else []
    valid = [one for one in ones if one.get("result") == "pass" and one.get("mechanism") in ("dkim", "arc")]
    by = tuple(f"{one['domain']} ({one['mechanism'].upper()})" for one in valid if isinstance(one.get("domain"), str))
    result = found.get("result")
    if result == "pass" and by:
        return "pass", by
    return (str(result), ()) if result in ("none", "temperror") else ("other", ())


def _sign(record: Record) -> str:
    """Whether an act on a page bears signs of a program."""
    found = record.extension.get("web")
    signs = cast("dict[str, Any]", found).get("automation") if isinstance(found, dict) else None
    return "program" if isinstance(signs, list) and signs else ""


def _parties(case: Case) -> dict[str, str]:
    nobody: dict[str, Any] = {}
    first = next((one.value for one in case.records.values() if one.value is not None), nobody)
    try:
        return {
            "reference": str(first["MessageIdentifier"]),
            "sender": _person(first["SenderDetails"]),
            "recipient": ", ".join(_person(one) for one in first["RecipientDetails"]),
        }
    except (KeyError, TypeError, IndexError, AttributeError):
        return {}


def _person(details: dict[str, Any]) -> str:
    address = str(details["Identifier"]["value"])
    if "Identity" not in details:
        return address
    return f"{details['Identity']['Attribute'][0]['AttributeValue'][0]} <{address}>"
