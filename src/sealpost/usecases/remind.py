"""Remind the recipient once, on the day that the account or the ticket sets (contract, section 8.4)."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from sealpost.store import mails, records, tickets
from sealpost.usecases.announce import announcement, is_open
from sealpost.usecases.chain import plan_mail
from sealpost.usecases.database import transaction
from sealpost.usecases.handover import hand_over
from sealpost.usecases.sending import Draft, Sending
from sealpost.usecases.service import Service


async def plan_reminder(service: Service, ticket_id: UUID) -> None:
    """Plans the reminder's mail when its day has come; none after a final failure of the announcement, or its bounce."""
    async with transaction(service) as connection:
        ticket = await tickets.lock(connection, ticket_id)
        now = service.clock.now()
        if ticket.state.decision or ticket.remind_at is None or ticket.remind_at > now:
            return
        states = await mails.states(connection, ticket_id)
        failed = states.get("announcement") == "failed" or "announcement_failed" in await records.kinds(
            connection, ticket_id
        )
        if not failed and now < ticket.state.expire_at:
            await plan_mail(service, connection, ticket.account_id, "reminder", ticket_id)
        await tickets.reminder_planned(connection, ticket_id)


async def remind(service: Service, mail_id: UUID) -> None:
    """Makes one attempt at a reminder, if it is still wanted."""

    async def compose(held: mails.Claim, ticket: tickets.Ticket | None) -> Draft | None:
        return announcement(service, held, ticket, reminder=True)

    await hand_over(service, mail_id, Sending(compose, partial(is_open, service), "reminder", ends_at_expiry=True))
