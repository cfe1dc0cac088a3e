"""The account's tickets, newest first, page by page. No count, no OFFSET: each page begins after the one before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sealpost.domain.status import BY_CODE, Status
from sealpost.domain.ticket import Decision
from sealpost.store import ticket_lists
from sealpost.store.ticket_lists import Wanted
from sealpost.store.tickets import Visible
from sealpost.usecases.database import transaction
from sealpost.usecases.reads.cursors import read_cursor, write_cursor
from sealpost.usecases.service import Service


@dataclass(frozen=True, slots=True)
class TicketRow:
    """A line of the list."""

    token: str
    recipient_email: str
    recipient_name: str
    subject: str
    status: Status
    event: str
    submitted_at: datetime
    decision: Decision | None
    own_id: str
    campaign: str


@dataclass(frozen=True, slots=True)
class TicketPage:
    """A page of the list and the cursor of the next, None at the end."""

    rows: tuple[TicketRow, ...]
    next: str | None


async def tickets(
    service: Service, visible: Visible, wanted: Wanted, cursor: str | None, limit: int = 50
) -> TicketPage:
    """One page.

    Raises:
        InvalidInput: the cursor is none of ours, or of other filters.
    """
    before = read_cursor(cursor, wanted)
    async with transaction(service) as connection:
        found = await ticket_lists.newest(connection, visible, wanted, before, limit + 1)
    more = len(found) > limit
    rows = tuple(
        TicketRow(
            token=row["token"],
            recipient_email=row["recipient_email"],
            recipient_name=row["recipient_name"],
            subject=row["subject"],
            status=BY_CODE[row["status"]],
            event=row["status_event"],
            submitted_at=row["submitted_at"],
            decision=row["decision"],
            own_id=row["own_id"],
            campaign=row["campaign"],
        )
        for row in found[:limit]
    )
    return TicketPage(rows, write_cursor(found[limit - 1]["id"], wanted) if more else None)
