"""What whoever holds a genuine link may be told once it opens nothing (any more). Reading only.

No more than the mail said that held the link: its reference, its sender, until when. Not what was decided, no subject, no
address, no content; mails with ended links stand in bundles, and go from hand to hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sealpost.domain.canonical import sha256
from sealpost.store import addresses, links, people, tickets
from sealpost.usecases.database import transaction
from sealpost.usecases.opened import MOST_SECRETS
from sealpost.usecases.service import Service

State = Literal["used", "over", "closed"]


@dataclass(frozen=True, slots=True)
class EndedPickup:
    """A link to a ticket's pages that opens none.

    Args:
        state: ``over``, or ``closed``: it has not ended, but opens nothing while its account is suspended.
        purpose: of the link: ``pickup`` (announcement, reminder) or ``collection`` (instead of contents too large).
        collect_until: when the ticket's term ends.
        ended_at: when the link ended, or would.
    """

    state: State
    purpose: str
    ticket_token: str
    sender_name: str
    collect_until: datetime
    ended_at: datetime
    language: str
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class EndedLink:
    """A link of an invitation, or of the question about an address; ``ended_at`` only where its time ended it."""

    state: State
    ended_at: datetime | None
    language: str
    zone: ZoneInfo


async def ended_pickup(service: Service, secrets: Sequence[str], ticket_token: str | None = None) -> EndedPickup | None:
    """What the newest of some links led to, or None: we do not know them, or they are open.

    Args:
        service: the service.
        secrets: of a link that was followed, or all that a browser holds.
        ticket_token: only links to this ticket.
    """
    now = service.clock.now()
    hashes = [sha256(secret.encode()) for secret in secrets[:MOST_SECRETS]]
    async with transaction(service) as connection:
        row = await links.newest(connection, hashes, ticket_token)
        if row is None or not (row["suspended"] or row["expires_at"] <= now):
            return None
        ticket = await tickets.by_id(connection, row["ticket_id"])
    return EndedPickup(
        state="over" if row["expires_at"] <= now else "closed",
        purpose=row["purpose"],
        ticket_token=ticket.token,
        sender_name=ticket.sender_name,
        collect_until=ticket.state.expire_at,
        ended_at=row["expires_at"],
        language=ticket.language,
        zone=ZoneInfo(ticket.zone),
    )


async def ended_invitation(service: Service, secret: str) -> EndedLink | None:
    """What became of an activation link that is not good; None: we do not know it."""
    async with transaction(service) as connection:
        row = await people.link(connection, sha256(secret.encode()))
    return row and _ended(service, row, is_used=row["activated_at"] is not None and row["deleted_at"] is None)


async def ended_question(service: Service, secret: str) -> EndedLink | None:
    """What became of the link that asks about an address, when it is not good; None: we do not know it."""
    async with transaction(service) as connection:
        row = await addresses.link(connection, sha256(secret.encode()))
    return row and _ended(service, row, is_used=row["confirmed_at"] is not None)


def _ended(service: Service, row: Any, *, is_used: bool) -> EndedLink:
    is_over = row["expires_at"] <= service.clock.real()
    is_closed = row["suspended_at"] is not None and not is_over
    state: State = "used" if is_used else "closed" if is_closed else "over"
    at = row["expires_at"] if is_over else None
    return EndedLink(state, at, row["language"], ZoneInfo(row["time_zone"]))
