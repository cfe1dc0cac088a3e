"""Tell the recipient that a registered e-mail waits (contract, section 8.1).

With the first one the sender's confirmation is planned, before anything is sent.
"""

from __future__ import annotations

from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

from sealpost.mail.views import AnnouncementView
from sealpost.store import mails, tickets
from sealpost.usecases.handover import hand_over
from sealpost.usecases.letters import SHOWN_AFTERWARDS, new_link, sender_of, to_recipient
from sealpost.usecases.sending import Draft, Sending
from sealpost.usecases.service import Service


async def announce(service: Service, mail_id: UUID) -> None:
    """Makes one attempt at an announcement, if it is still wanted."""

    async def compose(held: mails.Claim, ticket: tickets.Ticket | None) -> Draft | None:
        return announcement(service, held, ticket, reminder=False)

    wanted = partial(is_open, service)
    sending = Sending(compose, wanted, "announcement", ends_at_expiry=True, plans="confirmation")
    await hand_over(service, mail_id, sending)


def is_open(service: Service, ticket: tickets.Ticket | None) -> bool:
    """Whether the recipient can still decide."""
    return ticket is not None and ticket.state.decision is None and service.clock.now() < ticket.state.expire_at


def announcement(service: Service, held: mails.Claim, ticket: tickets.Ticket | None, *, reminder: bool) -> Draft | None:
    """The announcement or the reminder."""
    if ticket is None:
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
    return Draft(to_recipient(service, held, ticket, service.composer.announcement(view)), stored, sender_of(ticket))
