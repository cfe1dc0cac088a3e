"""The order rules: what can follow what, and which time can come before which (evidence format, section 6).

The rules' names of events and tolerances are data (`rules.json`). Clocks of several machines may differ a little, so
times are compared with a tolerance; a time token's own accuracy is added to it.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sealpost.verifier import adoption
from sealpost.verifier.case import Case, Record, instant
from sealpost.verifier.certificates import shown
from sealpost.verifier.report import Said
from sealpost.verifier.tables import MEMBERS, ORDER, RULES
from sealpost.verifier.timestamps import StampedTime

_CLOCK = timedelta(seconds=RULES["tolerance"]["clockSeconds"])
_LATER = RULES["tolerance"]["sealedLaterSeconds"]
_SECOND = timedelta(seconds=1)
_LOG = re.compile(MEMBERS["log"], re.ASCII)


def check(case: Case) -> None:
    """Says order, and remarks on what the records say of their clock and environment."""
    findings = case.findings
    with findings.about("order"):
        records = list(case.records.values())
        if not records or any(one.value is None for one in records):
            raise Said("order.malformed", reason="a record that cannot be read")
        _require_events(records)
        _require_decisions(records)
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
    for record in records:
        if (record.event in ORDER["submission"]) != (record.seq == 1):
            raise Said("order.submission")


def _require_decisions(records: list[Record]) -> None:
    decided: Record | None = None
    for record in records:
        if record.event in ORDER["decisions"]:
            if decided is not None:
                raise Said("order.decisions", other=decided.seq, record=record.seq)
            decided = record
        if record.event in ORDER["recipientDecisions"]:
            _require_announced(records, record)
        if record.event in ORDER["content"] and (decided is None or decided.event not in ORDER["acceptance"]):
            raise Said("order.content", record=record.seq)


def _require_announced(records: list[Record], decision: Record) -> None:
    """By the times of events: the record of a handover may be written after somebody who was faster has accepted.

    An uncertain handover is noticed later than it happened, so its record alone may have a later time.
    """
    for record in records:
        if record.event in ORDER["announcements"] and (
            _event_time(record) <= _event_time(decision) or record.event in ORDER["uncertain"]
        ):
            return
    raise Said("order.announced", record=decision.seq)


def _event_time(record: Record) -> datetime:
    return instant((record.value or {}).get("EventTime"))


def _recorded(record: Record) -> datetime:
    return instant(record.extension.get("recordedAt"))


def _require_times(case: Case, record: Record) -> None:
    recorded = _recorded(record)
    if _event_time(record) > recorded:
        raise Said("order.future", record=record.seq)
    if _event_time(record) < instant((record.value or {}).get("SubmissionTime")):
        raise Said("order.submitted", record=record.seq)
    if record.seal is not None and record.seal.sealed_at + _SECOND + _CLOCK < recorded:
        raise Said("order.sealed", record=record.seq)
    _require_covered(record, case.times.get(record.covered), "order.covered")
    _require_covered(record, record.own_time, "order.token")


def _require_covered(record: Record, token: StampedTime | None, code: str) -> None:
    """Neither record nor seal can be later than a time that was given over them."""
    latest = max(_recorded(record), record.seal.sealed_at if record.seal else _recorded(record))
    if token is not None and latest > token.at + token.accuracy + _CLOCK:
        raise Said(code, record=record.seq, time=shown(token.at), recorded=shown(latest))


def _require_sequence(one: Record, other: Record) -> None:
    if _recorded(other) + _CLOCK < _recorded(one):
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
    findings, ours = case.findings, record.extension
    clock: dict[str, Any] = ours.get("clock") or {}
    if ours.get("environment") == "test":
        findings.remark("remark.test")
    if clock.get("source") == "none":
        findings.remark("remark.clock")
    if clock.get("demoShiftSeconds"):
        findings.remark("remark.shifted")
    if record.seal is not None and record.value is not None:
        seconds = int((record.seal.sealed_at - _recorded(record)).total_seconds())
        if seconds > _LATER:
            findings.remark("remark.sealed_later", record=record.seq, seconds=seconds)
