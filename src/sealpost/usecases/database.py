"""One transaction of a use case, with the database's absence told in our own words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from sealpost.domain.errors import Unavailable
from sealpost.store import logs
from sealpost.store.pool import AWAY, Connection
from sealpost.usecases.service import Service

log = structlog.get_logger()


@asynccontextmanager
async def transaction(service: Service) -> AsyncGenerator[Connection]:
    """A transaction: commits when the block ends, rolls back when it raises.

    Raises:
        Unavailable: the database is away, or went away in between. A crash or a lost connection leaves all or nothing.
    """
    try:
        async with service.pool.acquire() as connection, connection.transaction():
            yield connection
    except AWAY as error:
        raise Unavailable("the database is away") from error


async def as_writer(service: Service, act: Callable[[Service], Awaitable[int]], lock: int = logs.LOCK) -> int | None:
    """Does an act of the log's one writer; None where another process is at it.

    The lock is for liveness only: an act must be safe when it is lost in the middle (design, section 4, *Log writer*).

    Raises:
        Unavailable: the database or the disk is away.
    """
    try:
        async with service.pool.acquire() as session:
            if not await logs.take_lock(session, lock):
                return None
            try:
                return await act(service)
            finally:
                await logs.leave_lock(session, lock)
    except (*AWAY, OSError) as error:
        raise Unavailable("the database or the log's folder is away") from error


async def insist(act: Callable[[], Awaitable[None]]) -> None:
    """Does an act until the database has taken it: for facts that have happened and must not be dropped.

    The act is one transaction and is repeated whole. If this process dies meanwhile, the open attempt's mark tells the
    next one that the outcome is uncertain.
    """
    wait = 0.1
    while not await _stored(act):
        log.warning("database away, a fact waits to be stored", seconds=wait)
        await asyncio.sleep(wait)
        wait = min(wait * 2, 5.0)


async def _stored(act: Callable[[], Awaitable[None]]) -> bool:
    try:
        await act()
    except Unavailable:
        return False
    return True
