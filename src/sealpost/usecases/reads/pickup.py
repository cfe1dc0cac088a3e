"""What the recipient's pages show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from sealpost.domain.content import shown_name
from sealpost.domain.errors import NotFound
from sealpost.domain.statement import DIRECT, read_statement
from sealpost.domain.ticket import Decision
from sealpost.store import mails, records, tickets
from sealpost.usecases.database import transaction
from sealpost.usecases.letters import SHOWN_AFTERWARDS
from sealpost.usecases.opened import opened_ticket
from sealpost.usecases.service import Service

DELIVERY = {"sent": "delivered", "failed": "failed"}
DELIVERED = ("content_delivered", "content_failed")


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
        delivered_by: whose word that is (`domain.statement.source_of`).
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
    delivered_by: str = DIRECT


async def pickup(service: Service, ticket_token: str, secrets: Sequence[str]) -> Pickup | None:
    """The ticket that the browser's links open, or None."""
    async with transaction(service) as connection:
        try:
            ticket_id, _ = await opened_ticket(service, connection, ticket_token, secrets)
        except NotFound:
            return None
        ticket = await tickets.by_id(connection, ticket_id)
        states = await mails.states(connection, ticket_id)
        told = await records.last_of(connection, ticket_id, DELIVERED)
    return _pickup(service, ticket, states.get("content", ""), told)


def _pickup(service: Service, ticket: tickets.Ticket, content_mail: str, told: bytes | None) -> Pickup:
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
        **(_delivery(content_mail, told) if accepted else {"delivery": ""}),
    )


def _delivery(content_mail: str, told: bytes | None) -> dict[str, str]:
    """How the content mail stands: what the last record of it says, else the mail's own state."""
    if told is None:
        return {"delivery": DELIVERY.get(content_mail, "waiting")}
    states = read_statement(msgspec.json.decode(told))
    return {"delivery": "failed" if states.kind == "content_failed" else "delivered", "delivered_by": states.source}


def _parts(ticket: tickets.Ticket) -> tuple[PickupPart, ...]:
    return tuple(
        PickupPart(index, shown_name(part.name, part.content_type), part.content_type, part.size, part.sha256)
        for index, part in enumerate(ticket.evidence.parts)
    )
