"""Tell the recipient that a registered e-mail waits (contract, section 8.1).

The first attempt also plans the sender's confirmation.
"""

from __future__ import annotations

from uuid import UUID
from zoneinfo import ZoneInfo

from sealpost.mail.transport import Handover
from sealpost.mail.views import AnnouncementView
from sealpost.store import mails, tickets
from sealpost.store.pool import Connection
from sealpost.usecases.chain import plan_mail
from sealpost.usecases.handover import Draft, Sending, hand_over
from sealpost.usecases.letters import SHOWN_AFTERWARDS, new_link, to_recipient
from sealpost.usecases.service import Service


async def announce(service: Service, mail_id: UUID) -> None:
    """Makes one attempt at an announcement, if it is still wanted."""

    async def compose(held: mails.Claim, ticket: tickets.Ticket | None) -> Draft | None:
        return announcement(service, held, ticket, reminder=False)

    async def confirm(connection: Connection, _held: mails.Claim, ticket: tickets.Ticket, _handover: Handover) -> None:
        await plan_mail(service, connection, ticket.account_id, "confirmation", ticket.id)

    await hand_over(service, mail_id, Sending(compose, "announcement", ends_at_expiry=True, afterwards=confirm))


def announcement(service: Service, held: mails.Claim, ticket: tickets.Ticket | None, *, reminder: bool) -> Draft | None:
    """The announcement or the reminder; None once the ticket is decided or its term is over."""
    if ticket is None or ticket.state.decision or service.clock.now() >= ticket.state.expire_at:
        return None
    link, stored = new_link(service, "pickup", ticket.state.expire_at + SHOWN_AFTERWARDS)
    view = AnnouncementView(
        language=ticket.language,
        sender_name=ticket.sender_name,
        sender_email=ticket.evidence.sender_email,
        account_name=ticket.account_name,
        subject=None if ticket.subject_hidden else ticket.subject,
        submitted_at=ticket.evidence.submitted_at,
        collect_until=ticket.state.expire_at,
        zone=ZoneInfo(ticket.zone),
        link=link,
        host=service.face.host,
        reference=ticket.token,
        check_url=f"{service.face.base_url}/genuine",
        reminder=reminder,
    )
    return Draft(to_recipient(service, held, ticket, service.composer.announcement(view)), stored)
