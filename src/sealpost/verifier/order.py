"""The order rules: what can follow what, and which time can come before which (evidence format, section 6).

The rules' names of events and tolerances are data (`rules.json`). Clocks of several machines may differ a little, so
times are compared with a tolerance; a time token's own accuracy is added to it.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import pairwise

from sealpost.verifier import adoption, mailing, terms
from sealpost.verifier.case import CLOCK, Case, Record, event_time, recorded_at, submitted_at
from sealpost.verifier.certificates import shown
from sealpost.verifier.report import Said
from sealpost.verifier.tables import MEMBERS, ORDER, RULES
from sealpost.verifier.timestamps import StampedTime

_LATER = RULES["tolerance"]["sealedLaterSeconds"]
_SECOND = timedelta(seconds=1)
_LOG = re.compile(MEMBERS["log"], re.ASCII)


def check(case: Case) -> None:
    """Says order, and remarks on records that were sealed later."""
    findings = case.findings
    with findings.about("order"):
        records = list(case.records.values())
        if not records or any(one.value is None for one in records):
            raise Said("order.malformed", reason="a record that cannot be read")
        _require_events(records)
        _require_decisions(records)
        mailing.check(records)
        terms.check(findings, records)
        for record in records:
            _require_times(case, record)
        adopted = adoption.adopted(case)
        for one, other in pairwise(records):
            _require_sequence(one, other)
            if one.seq not in adopted or other.seq in adopted:  # else the older one got its place when it was adopted
                _require_places(one, other)
        findings.say("order.ok")
    for record in case.records.values():
        with findings.about("order", record.name):
            _remark(case, record)


def _require_events(records: list[Record]) -> None:
    """The submission first, and only there; where the first event is unknown, its own sentence says so."""
    for record in records:
        if record.event and (record.event in ORDER["submission"]) != (record.seq == 1):
            raise Said("order.submission")
    if records[0].event and abs(event_time(records[0]) - submitted_at(records[0])) > CLOCK:
        raise Said("order.submitted", record=records[0].seq)


def _require_decisions(records: list[Record]) -> None:
    decided: Record | None = None
    for record in records:
        if record.event in ORDER["decisions"]:
            if decided is not None:
                raise Said("order.decisions", other=decided.seq, record=record.seq)
            decided = record
        if record.event in ORDER["recipientDecisions"]:
            _require_announced(records, record, "order.announced")
        if record.event in ORDER["opened"]:
            _require_announced(records, record, "order.opened")
        if record.event in ORDER["content"] and not _follows(record, decided, ORDER["acceptance"]):
            raise Said("order.content", record=record.seq)
        if record.event in ORDER["erased"] and not _follows(record, decided, ORDER["decisions"]):
            raise Said("order.erased", record=record.seq)


def _follows(record: Record, decided: Record | None, events: frozenset[str]) -> bool:
    """Whether it comes after such a decision, by number and by time."""
    return decided is not None and decided.event in events and event_time(record) + CLOCK >= event_time(decided)


def _require_announced(records: list[Record], act: Record, code: str) -> None:
    """By the times of events: the record of a handover may be written after somebody who was faster has accepted.

    An uncertain handover is noticed later than it happened, so its record alone may have a later time.
    """
    for record in records:
        if record.event in ORDER["announcements"] and (
            event_time(record) <= event_time(act) or record.event in ORDER["uncertain"]
        ):
            return
    raise Said(code, record=act.seq)


def _require_times(case: Case, record: Record) -> None:
    recorded = recorded_at(record)
    if event_time(record) > recorded:
        raise Said("order.future", record=record.seq)
    if event_time(record) < submitted_at(record):
        raise Said("order.submitted", record=record.seq)
    if record.seal is not None and record.seal.sealed_at + _SECOND + CLOCK < recorded:
        raise Said("order.sealed", record=record.seq)
    _require_covered(record, case.times.get(record.covered), "order.covered")
    _require_covered(record, record.own_time, "order.token")


def _require_covered(record: Record, token: StampedTime | None, code: str) -> None:
    """Neither record nor seal can be later than a time that was given over them."""
    latest = _latest(record)
    if token is not None and latest > token.at + token.accuracy + CLOCK:
        raise Said(code, record=record.seq, time=shown(token.at), recorded=shown(latest))


def _require_sequence(one: Record, other: Record) -> None:
    if recorded_at(other) + CLOCK < recorded_at(one):
        raise Said("order.recorded", record=other.seq, other=one.seq)


def _require_places(one: Record, other: Record) -> None:
    if one.place and other.place and _place(other.place) <= _place(one.place):
        raise Said("order.index", record=other.seq, other=one.seq)


def _place(place: tuple[str, int, int]) -> tuple[list[int], int]:
    """Logs follow one another by their names: 2026, 2026-2, 2027.

    Raises:
        ValueError: a name of another form: `int` alone would take other scripts' digits, signs, spaces and underscores.
    """
    name = place[0].rpartition("/")[2]
    if not _LOG.fullmatch(name):
        raise ValueError("a log whose name is no number")
    return [int(one) for one in name.split("-")], place[1]


def _remark(case: Case, record: Record) -> None:
    if record.seal is not None and record.value is not None:
        seconds = int((record.seal.sealed_at - recorded_at(record)).total_seconds())
        if seconds > _LATER:
            case.findings.remark("remark.sealed_later", record=record.seq, seconds=seconds)


def check_closed(case: Case) -> None:
    """Says order where certificate or bundle were stamped before the newest thing in them."""
    inside = list[tuple[str, datetime]]()
    with case.findings.about("order"):
        inside = [(record.name, _latest(record)) for record in case.records.values() if record.value is not None]
    for member in (MEMBERS["certificate"], MEMBERS["signature"]):
        token = case.closed.get(member)
        if token is not None:
            with case.findings.about("order", member):
                _require_later(member, token, inside)
            inside.append((member, token.at))
        inside += [(name, one.at) for name, one in case.times.items()]
        inside += [(one.name, one.own_time.at) for one in case.records.values() if one.own_time]


def _latest(record: Record) -> datetime:
    return max(recorded_at(record), record.seal.sealed_at if record.seal else recorded_at(record))


def _require_later(member: str, token: StampedTime, inside: list[tuple[str, datetime]]) -> None:
    name, latest = max(inside, key=lambda one: one[1], default=("", token.at))
    if latest > token.at + token.accuracy + CLOCK:
        raise Said("order.closed", about=member, time=shown(token.at), member=name, later=shown(latest))
