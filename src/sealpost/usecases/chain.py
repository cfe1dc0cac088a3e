"""The record chain of a ticket: the one way in which anything about a ticket becomes a fact.

Each record is appended under the ticket's row lock together with the state that follows from it and with what it calls
for (the sender's notices), in the caller's transaction. A crash before the commit leaves nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sealpost.domain.ids import uuid7
from sealpost.domain.records import Event, Link, make
from sealpost.domain.status import status_of
from sealpost.domain.ticket import DECISIONS, apply
from sealpost.store import jobs, mails, records, tickets
from sealpost.store.pool import Connection
from sealpost.usecases.seals import salt_for, seal_fact
from sealpost.usecases.service import Service

LOOK_AGAIN = timedelta(minutes=5)
"""When the timers look at a planned mail again if its job was lost."""


async def record(service: Service, connection: Connection, ticket: tickets.Ticket, events: Sequence[Event]) -> None:
    """Appends records to a locked ticket.

    Args:
        service: the parts.
        connection: in the transaction that holds the ticket's lock.
        ticket: as ``store.tickets.lock`` gave it, unchanged since.
        events: in the order in which they happened.

    Raises:
        AlreadyDecided, TermOver, Conflict: an event that does not fit; the caller's transaction must end.
    """
    state, seq, last = ticket.state, ticket.last_seq, ticket.last_sha256
    for event in events:
        state = apply(state, event.kind, event.at)
        seq += 1
        evidence_id = uuid7(event.recorded_at, service.random)
        made = make(
            service.issuer, ticket.evidence, Link(seq, last), event, evidence_id, service.evidence.guard.statement()
        )
        await records.append(connection, ticket.id, made, salt_for(service, made), seal_fact(service, made))
        last = made.sha256
    await tickets.save_state(connection, ticket, state, (seq, last))
    if any(event.kind in DECISIONS for event in events):
        await mails.cancel_planned(connection, ticket.id, ["announcement", "reminder"])
    await _plan_notices(service, connection, ticket, [event.kind for event in events])


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
    now = service.clock.now()
    mail_id = uuid7(now, service.random)
    row = mails.plan_row(mail_id, account_id, purpose, now, now + LOOK_AGAIN, ticket_id, user_id, address_id)
    await mails.plan(connection, [row])
    await jobs.enqueue(connection, [(jobs.for_mail(purpose), str(mail_id))])


async def _plan_notices(service: Service, connection: Connection, ticket: tickets.Ticket, kinds: Sequence[str]) -> None:
    names = {status_of(kind).name for kind in kinds} & set(ticket.notices)
    for name in sorted(names):
        await plan_mail(service, connection, ticket.account_id, f"notice:{name}", ticket.id)
