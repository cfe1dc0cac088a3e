"""End a ticket's term when nobody decided."""

from __future__ import annotations

from uuid import UUID

from sealpost.domain.records import Event
from sealpost.store import people, tickets
from sealpost.usecases.chain import record
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service


async def expire(service: Service, ticket_id: UUID) -> None:
    """Records the expiry, dated at the instant when the term ended, if it has ended and nothing was decided."""
    async with transaction(service) as connection:
        ticket = await tickets.lock(connection, ticket_id)
        now = service.clock.now()
        if ticket.state.decision or now < ticket.state.expire_at:
            return
        account = await people.account(connection, ticket.account_id)
        reasons = [("term-over", "the collection period ended without a decision")]
        if account["suspended_at"] is not None and account["suspended_at"] < ticket.state.expire_at:
            # It is no fault of the recipient's, and whoever reads the evidence must know.
            reasons.append(("account-suspended", "the account was suspended; its links did not work"))
        await record(service, connection, ticket, [Event("expired", ticket.state.expire_at, now, tuple(reasons))])
