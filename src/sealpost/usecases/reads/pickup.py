"""What the recipient's pages show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sealpost.domain.content import shown_name
from sealpost.domain.errors import NotFound
from sealpost.domain.ticket import Decision
from sealpost.store import mails, tickets
from sealpost.usecases.database import transaction
from sealpost.usecases.letters import SHOWN_AFTERWARDS
from sealpost.usecases.opened import opened_ticket
from sealpost.usecases.service import Service

DELIVERY = {"sent": "delivered", "failed": "failed"}


@dataclass(frozen=True, slots=True)
class PickupPart:
    """One file of the accepted content."""

    index: int
    name: str
    content_type: str
    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Pickup:
    """A ticket as its recipient may see it.

    Args:
        subject: None while the account hides it.
        decision: ``expired`` as soon as the term is over, whether or not a job has said so.
        parts: empty unless accepted.
        download_until: None when there is nothing to download (any more).
        delivery: of the content mail: ``waiting``, ``delivered``, ``failed``; empty before acceptance.
    """

    ticket_token: str
    language: str
    account_name: str
    sender_name: str
    sender_email: str
    recipient_email: str
    recipient_name: str
    subject: str | None
    submitted_at: datetime
    expire_at: datetime
    zone: ZoneInfo
    decision: Decision | None
    decided_at: datetime | None
    reason: str
    parts: tuple[PickupPart, ...]
    download_until: datetime | None
    delivery: str


async def pickup(service: Service, ticket_token: str, secrets: Sequence[str]) -> Pickup | None:
    """The ticket that the browser's links open, or None."""
    async with transaction(service) as connection:
        try:
            ticket_id, _ = await opened_ticket(service, connection, ticket_token, secrets)
        except NotFound:
            return None
        ticket = await tickets.by_id(connection, ticket_id)
        states = await mails.states(connection, ticket_id)
    return _pickup(service, ticket, states.get("content", ""))


def _pickup(service: Service, ticket: tickets.Ticket, content_mail: str) -> Pickup:
    evidence, state, now = ticket.evidence, ticket.state, service.clock.now()
    over = state.decision is None and now >= state.expire_at
    accepted = state.decision == "accepted"
    until = state.decided_at + SHOWN_AFTERWARDS if accepted and state.decided_at else None
    if ticket.content.wrapped_key is None or (until and now >= until):
        until = None
    return Pickup(
        ticket_token=ticket.token,
        language=ticket.language,
        account_name=ticket.account_name,
        sender_name=ticket.sender_name,
        sender_email=evidence.sender_email,
        recipient_email=evidence.recipient_email,
        recipient_name=evidence.recipient_name,
        subject=None if ticket.subject_hidden and not accepted else ticket.subject,
        submitted_at=evidence.submitted_at,
        expire_at=state.expire_at,
        zone=ZoneInfo(ticket.zone),
        decision="expired" if over else state.decision,
        decided_at=state.expire_at if over else state.decided_at,
        reason=ticket.reason,
        parts=_parts(ticket) if accepted else (),
        download_until=until,
        delivery=DELIVERY.get(content_mail, "waiting") if accepted else "",
    )


def _parts(ticket: tickets.Ticket) -> tuple[PickupPart, ...]:
    return tuple(
        PickupPart(index, shown_name(part.name, part.content_type), part.content_type, part.size, part.sha256)
        for index, part in enumerate(ticket.evidence.parts)
    )
