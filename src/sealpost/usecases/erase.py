"""Erase content whose time is over: some days after a ticket's end, per account (status 98; design, section 4, *Erasure*).

The erasure list first, then the keys and the record in one transaction for each ticket. A crash between the two leaves
ids on the list whose keys are still there: the next call does the rest. Announcements are kept: they are evidence, and
so is what servers said about them. What people answered goes with the content, or, if it came later, as long after.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from sealpost.domain.canonical import instant
from sealpost.domain.errors import Unavailable
from sealpost.domain.records import Event
from sealpost.domain.ticket import ERASED
from sealpost.store import erasures, tickets
from sealpost.usecases.chain import record
from sealpost.usecases.database import transaction
from sealpost.usecases.letters import SHOWN_AFTERWARDS
from sealpost.usecases.service import Service

BATCH = 100


async def erase(service: Service) -> int:
    """Erases everything that is due, in batches; of how many tickets.

    Raises:
        Unavailable: the database is away, or the erasure list cannot be written; the rest waits for the next time.
    """
    async with transaction(service) as connection:
        await erasures.erase_late_words(connection, service.clock.now())
    erased = 0
    while True:
        now = service.clock.now()
        async with transaction(service) as connection:
            found = await erasures.due(connection, now, now - SHOWN_AFTERWARDS, BATCH)
        if not found:
            return erased
        await _list(service, [message_id for _, message_id in found])
        done = sum([await _erase(service, *one) for one in found])
        erased += done
        if len(found) < BATCH or not done:
            return erased


async def _list(service: Service, message_ids: list[UUID]) -> None:
    try:
        await asyncio.to_thread(service.erasures.add, message_ids)
    except OSError as error:
        raise Unavailable("the erasure list cannot be written") from error


async def _erase(service: Service, ticket_id: UUID, message_id: UUID) -> bool:
    """Whether it was done here: another worker may have been faster, or just pass a reply on; then it is done later."""
    async with transaction(service) as connection:
        ticket = await tickets.lock(connection, ticket_id)
        if not await erasures.is_open(connection, ticket_id):
            return False
        if not await erasures.erase_words(connection, ticket_id):
            return False
        now = service.clock.now()
        await erasures.erase(connection, ticket_id, message_id, now)
        until = {"backupsUntil": instant(now + service.backups_kept)}
        await record(service, connection, ticket, [Event(ERASED, now, now, extension={"erasure": until})])
    return True
