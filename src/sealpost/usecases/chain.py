"""The record chain of a ticket: the one way in which anything about a ticket becomes a fact.

Each record is appended under the ticket's row lock together with the state that follows from it and with what it calls
for (the sender's notices), in the caller's transaction. A crash before the commit leaves nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sealpost.domain.ids import uuid7
from sealpost.domain.records import ADOPTED, Event, Link
from sealpost.domain.statement import event_of
from sealpost.domain.status import status_of
from sealpost.domain.ticket import DECISIONS, TicketState, apply
from sealpost.store import jobs, mails, records, tickets
from sealpost.store.pool import Connection
from sealpost.usecases.seals import make_sealed_fact, salt_for
from sealpost.usecases.service import Service

LOOK_AGAIN = timedelta(minutes=5)
"""When the timers look at a planned mail again if its job was lost."""


async def record(service: Service, connection: Connection, ticket: tickets.Ticket, events: Sequence[Event]) -> None:
    """Appends records to a locked ticket; as ``record_all``."""
    await record_all(service, connection, [(ticket, events)])


async def record_all(
    service: Service, connection: Connection, told: Sequence[tuple[tickets.Ticket, Sequence[Event]]]
) -> None:
    """Appends records to locked tickets.

    Args:
        service: the parts.
        connection: in the transaction that holds the tickets' locks.
        told: each ticket once, as ``store.tickets.lock`` gave it, unchanged since; its events in the order in which they
            happened.

    Raises:
        AlreadyDecided, TermOver, Conflict: an event that does not fit; the caller's transaction must end.
    """
    told = [(ticket, events) for ticket, events in told if events]
    if not told:
        return
    chained = [(ticket, *_chained(service, ticket, events)) for ticket, events in told]
    await records.append_all(connection, [row for _, rows, *_ in chained for row in rows])
    await tickets.save_states(connection, [(ticket, state, seq, last) for ticket, _, state, seq, last in chained])
    for ticket, events in told:
        if any(event.kind in DECISIONS for event in events):
            await mails.cancel_planned(connection, ticket.id, ["announcement", "reminder"], service.clock.now())
    await _plan_notices(service, connection, told)


def _chained(
    service: Service, ticket: tickets.Ticket, events: Sequence[Event]
) -> tuple[list[tuple[Any, ...]], TicketState, int, bytes]:
    """The rows of a ticket's new records, the state that follows, and the new end of the chain."""
    state, seq, last = ticket.state, ticket.last_seq, ticket.last_sha256
    rows: list[tuple[Any, ...]] = []
    for event in events:
        state = apply(state, event.kind, event.at, event_of(event.kind, event.extension))
        seq += 1
        evidence_id = uuid7(event.recorded_at, service.random)
        made, seal = make_sealed_fact(service, ticket.evidence, Link(seq, last), event, evidence_id)
        rows.append(records.row(ticket.id, made, salt_for(service, made), seal))
        last = made.sha256
    return rows, state, seq, last


async def plan_mail(
    service: Service,
    connection: Connection,
    account_id: int,
    purpose: str,
    ticket_id: UUID | None,
    user_id: int | None = None,
    address_id: int | None = None,
) -> None:
    """Plans a mail and its job: both exist when the transaction commits, neither if it does not."""
    await _plan(service, connection, [(account_id, purpose, ticket_id, user_id, address_id)])


async def plan_for_tickets(
    service: Service, connection: Connection, planned: Sequence[tuple[tickets.Ticket, str]]
) -> None:
    """As ``plan_mail``, a purpose for each ticket."""
    await _plan(
        service, connection, [(ticket.account_id, purpose, ticket.id, None, None) for ticket, purpose in planned]
    )


async def _plan(
    service: Service, connection: Connection, planned: Sequence[tuple[int, str, UUID | None, int | None, int | None]]
) -> None:
    now = service.clock.now()
    rows: list[tuple[Any, ...]] = []
    wanted: list[jobs.Job] = []
    for account_id, purpose, ticket_id, user_id, address_id in planned:
        mail_id = uuid7(now, service.random)
        subject = ticket_id, user_id, address_id
        rows.append(mails.plan_row(mail_id, account_id, purpose, now, now + LOOK_AGAIN, *subject))
        wanted.append((jobs.for_mail(purpose), str(mail_id)))
    if rows:
        await mails.plan(connection, rows)
        await jobs.enqueue(connection, wanted)


async def _plan_notices(
    service: Service, connection: Connection, told: Sequence[tuple[tickets.Ticket, Sequence[Event]]]
) -> None:
    planned = [
        (ticket, f"notice:{name}")
        for ticket, events in told
        for name in sorted({status_of(one.kind).name for one in events if one.kind != ADOPTED} & set(ticket.notices))
    ]
    await plan_for_tickets(service, connection, planned)
