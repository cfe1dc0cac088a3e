"""The account's tickets, newest first, page by page. No count, no OFFSET: each page begins after the one before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sealpost.domain.errors import InvalidInput
from sealpost.domain.status import BY_CODE, Status
from sealpost.domain.ticket import Decision
from sealpost.store import tickets as table
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service


@dataclass(frozen=True, slots=True)
class TicketRow:
    """A line of the list."""

    token: str
    recipient_email: str
    recipient_name: str
    subject: str
    status: Status
    submitted_at: datetime
    decision: Decision | None
    own_id: str
    campaign: str


@dataclass(frozen=True, slots=True)
class TicketPage:
    """A page of the list and the cursor of the next, None at the end."""

    rows: tuple[TicketRow, ...]
    next: str | None


async def tickets(service: Service, account_id: int, cursor: str | None, limit: int = 50) -> TicketPage:
    """One page.

    Raises:
        InvalidInput: the cursor is none of ours.
    """
    try:
        before = UUID(hex=cursor) if cursor else None
    except ValueError:
        raise InvalidInput("cursor", "is not one of ours") from None
    async with transaction(service) as connection:
        found = await table.page(connection, account_id, before, limit + 1)
    more = len(found) > limit
    rows = tuple(
        TicketRow(
            token=row["token"],
            recipient_email=row["recipient_email"],
            recipient_name=row["recipient_name"],
            subject=row["subject"],
            status=BY_CODE[row["status"]],
            submitted_at=row["submitted_at"],
            decision=row["decision"],
            own_id=row["own_id"],
            campaign=row["campaign"],
        )
        for row in found[:limit]
    )
    return TicketPage(rows, found[limit - 1]["id"].hex if more else None)
