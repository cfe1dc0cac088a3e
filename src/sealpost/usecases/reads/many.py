"""Many tickets with every status, oldest first, in batches: any number of them in the memory of one batch.

For ``sealpost.xmlapi.many``. An answer is cut before it begins: ``cut`` finds where the next one starts, so that the
cursor can stand in a header, and bounds this one by the present, so that it ends.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from uuid import UUID

from sealpost.domain.ids import first_uuid7
from sealpost.store import records, ticket_lists
from sealpost.store.ticket_lists import STEP, Wanted
from sealpost.store.tickets import Visible
from sealpost.usecases.database import transaction
from sealpost.usecases.reads.cursors import read_cursor, write_cursor
from sealpost.usecases.reads.ticket import TicketView, ticket_view
from sealpost.usecases.service import Service

BATCH = 100


@dataclass(frozen=True, slots=True)
class Cut:
    """One answer's part of a list.

    Args:
        since: id of its first ticket, or None: from the beginning.
        until: id before which it ends.
        next: the cursor of what follows, or None: nothing does.
    """

    since: UUID | None
    until: UUID
    next: str | None


async def cut(service: Service, visible: Visible, wanted: Wanted, cursor: str | None, most: int) -> Cut:
    """Where an answer begins and ends.

    Args:
        service: the parts.
        visible: whose tickets.
        wanted: which of them.
        cursor: of an earlier answer, or None.
        most: tickets that one answer holds.

    Raises:
        InvalidInput: the cursor is none of ours, or of other filters.
    """
    since = read_cursor(cursor, wanted)
    async with transaction(service) as connection:
        follows = await ticket_lists.nth(connection, visible, wanted, since, most)
    # Without the bound a list that is read while tickets come in would not end, and would end without a cursor.
    return Cut(
        since, follows or first_uuid7(service.clock.now() + STEP), write_cursor(follows, wanted) if follows else None
    )


async def batches(service: Service, visible: Visible, wanted: Wanted, part: Cut) -> AsyncGenerator[list[TicketView]]:
    """The tickets of one answer. No connection is held while the caller is slow to take a batch.

    Raises:
        Unavailable: the database went away; what was given before stands.
    """
    since = part.since
    while True:
        async with transaction(service) as connection:
            found = await ticket_lists.oldest(connection, visible, wanted, since, part.until, BATCH + 1)
            rows = await records.of_tickets(connection, [ticket.id for ticket in found[:BATCH]])
        yield [ticket_view(ticket, rows.get(ticket.id, [])) for ticket in found[:BATCH]]
        if len(found) <= BATCH:
            return
        since = found[BATCH].id
