"""The collection term: what the first record says of it, and what may happen before and after its end. For the order rules.

An event that this verifier does not know may be an extension, and then states a new term; a known one other than the
submission may not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sealpost.verifier.case import Record, an_object, event_time, instant, submitted_at
from sealpost.verifier.certificates import shown
from sealpost.verifier.report import Findings, Said
from sealpost.verifier.tables import ORDER, RULES

_SHORTEST = timedelta(seconds=RULES["shortestTermSeconds"])


@dataclass(frozen=True, slots=True)
class Term:
    """When the recipient is reminded, when the collection ends, and the record that says so."""

    stated: Record
    remind_at: datetime
    end_at: datetime


def check(findings: Findings, records: Sequence[Record]) -> None:
    """Says order where an expiry is not all proven.

    Raises:
        Said: with a code of the order rules.
    """
    for record in records:
        term, at = term_of(records, record), event_time(record) if record.event else None
        if at is None:
            continue
        if record.event in ORDER["expiry"]:
            _require_end(findings, record, term)
            if not any(_reached(one, at) for one in records):
                findings.say("order.unannounced", "", record=record.seq)
        elif term and record.event in ORDER["decisions"] and at >= term.end_at:
            raise Said("order.over", record=record.seq, time=shown(at), term=shown(term.end_at))
        elif term and record.event in ORDER["reminders"] and at < term.remind_at:
            raise Said("order.reminder", record=record.seq, time=shown(at), term=shown(term.remind_at))


def term_of(records: Sequence[Record], record: Record) -> Term | None:
    """The term as it is stated up to a record; None where no record states one.

    Raises:
        Said: it is none that can be.
    """
    stated = [
        one
        for one in records
        if one.seq <= record.seq and "term" in one.extension and (one.event in ORDER["submission"] or not one.event)
    ]
    if not stated:
        return None
    last = stated[-1]
    try:
        found = an_object(last.extension["term"])
        term = Term(last, instant(found.get("reminderAt")), instant(found.get("expiryAt")))
    except (ValueError, TypeError) as error:
        raise Said("order.term", record=last.seq) from error
    if not submitted_at(last) < term.remind_at < term.end_at:
        raise Said("order.term", record=last.seq)
    return term


def _require_end(findings: Findings, record: Record, term: Term | None) -> None:
    at, end_at = event_time(record), term.end_at if term else submitted_at(record) + _SHORTEST
    if at < end_at:
        raise Said("order.early", record=record.seq, time=shown(at), term=shown(end_at))
    if term is None:
        findings.say("order.termless", "", record=record.seq)


def _reached(record: Record, at: datetime) -> bool:
    """Whether an announcement was offered to a server by then."""
    return record.event in ORDER["reached"] and (event_time(record) <= at or record.event in ORDER["uncertain"])
