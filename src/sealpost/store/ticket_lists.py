"""Lists of tickets: filtered, page by page along the id, which as a UUIDv7 is the time of submission. No OFFSET over all.

For ``sealpost.usecases.reads``. Every condition that may stand alone has an index of its own (migration 0002).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sealpost.domain.ids import first_uuid7
from sealpost.store.pool import Runner
from sealpost.store.tickets import READ, Ticket, Visible, ticket_of

OWN = ("campaign", "own_id", "own_guid")
STEP = timedelta(milliseconds=1)  # the finest time that an id tells


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters; None takes all.

    Args:
        since, until: times of submission, half-open.
        status: the current status code.
        campaign, own_id, own_guid: the sender's own references, exactly.
        status_event: what the current status comes from (`domain.statement.event_of`).
    """

    since: datetime | None = None
    until: datetime | None = None
    status: int | None = None
    campaign: str | None = None
    own_id: str | None = None
    own_guid: str | None = None
    status_event: str | None = None

    def conditions(self, before: Sequence[Any]) -> tuple[str, list[Any]]:
        """SQL over ``tickets t``, beginning with ``and`` if there is any, and all values so far."""
        values, terms = list(before), ""
        for condition, value in self._terms():
            values.append(value)
            terms += f" and t.{condition} ${len(values)}"
        # The indexes of these leave empty ones out: the planner must see, without values, that none is asked for.
        terms += "".join(f" and t.{name} <> ''" for name in OWN if getattr(self, name))
        return terms, values

    def _terms(self) -> list[tuple[str, Any]]:
        terms: list[tuple[str, Any]] = []
        if self.since is not None:
            terms += [("id >=", first_uuid7(self.since)), ("submitted_at >=", self.since)]
        if self.until is not None:
            terms += [("id <", first_uuid7(self.until + STEP)), ("submitted_at <", self.until)]
        terms += [
            (f"{name} =", value)
            for name in ("status", "status_event", *OWN)
            if (value := getattr(self, name)) is not None
        ]
        return terms


async def newest(runner: Runner, visible: Visible, wanted: Wanted, before: UUID | None, limit: int) -> list[Any]:
    """Rows for a list, newest first, older than ``before``."""
    conditions, values = _conditions(visible, wanted, "<", before)
    return await runner.fetch(
        f"""select t.id, t.token, t.recipient_email, t.recipient_name, m.subject, t.status, t.status_event, t.submitted_at, t.decision,
                   t.own_id, t.campaign
            from tickets t join messages m on m.id = t.message_id
            where {conditions} order by t.id desc limit {int(limit)}""",
        *values,
    )


async def oldest(
    runner: Runner, visible: Visible, wanted: Wanted, since: UUID | None, until: UUID | None, limit: int
) -> list[Ticket]:
    """Whole tickets, oldest first, from id ``since`` up to but without ``until``."""
    conditions, values = _conditions(visible, wanted, ">=", since)
    if until is not None:
        values.append(until)
        conditions += f" and t.id < ${len(values)}"
    rows = await runner.fetch(f"{READ} where {conditions} order by t.id limit {int(limit)}", *values)
    return [ticket_of(row) for row in rows]


async def nth(runner: Runner, visible: Visible, wanted: Wanted, since: UUID | None, number: int) -> UUID | None:
    """The id of the ticket that stands so many places after ``since``, oldest first; None if there are fewer.

    It walks over ``number`` index entries, so the number is bounded by its caller.
    """
    conditions, values = _conditions(visible, wanted, ">=", since)
    return await runner.fetchval(
        f"select t.id from tickets t where {conditions} order by t.id offset {int(number)} limit 1", *values
    )


def _conditions(visible: Visible, wanted: Wanted, compare: str, bound: UUID | None) -> tuple[str, list[Any]]:
    own, values = visible.conditions()
    filters, values = wanted.conditions(values)
    conditions = own + filters
    if bound is not None:
        values.append(bound)
        conditions += f" and t.id {compare} ${len(values)}"
    return conditions, values
