"""Which database: the one that was set, or the embedded server's, which runs meanwhile; migrated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from sealpost.domain.errors import SealpostError
from sealpost.settings import Settings
from sealpost.store.embedded import EmbeddedServer, EmbeddedServerError
from sealpost.store.migrate import migrate as migrate_tables
from sealpost.store.migrate import standing
from sealpost.store.pool import connector
from sealpost.usecases.enlist import pause

log = structlog.get_logger()
RESTORING = "restoring"  # in the data folder from a restore's first change to its end


class NotCurrent(SealpostError):
    """The database is not of this version; the sentence says what to do."""


class RestoreUnfinished(SealpostError):
    """The data folder has half of a restore; the sentence says what to do."""


@asynccontextmanager
async def database(settings: Settings, *, restoring: bool = False, looking: bool = False) -> AsyncGenerator[str]:
    """The database's address: the one that was set, or that of the embedded server, which runs meanwhile.

    Args:
        settings: how this installation runs.
        restoring: only a restore may go on with what an interrupted one left: its log would sign what is lost.
        looking: an embedded database that is not there is not made.

    Raises:
        RestoreUnfinished: a restore was interrupted.
    """
    if not restoring and (settings.data / RESTORING).exists():
        raise RestoreUnfinished(f"a restore into {settings.data} was interrupted: run the same sealpost restore again")
    if settings.database_url:
        yield settings.database_url
        return
    async with EmbeddedServer(settings.data, looking=looking) as server:
        stop = asyncio.Event()
        watching = asyncio.create_task(_kept_running(server, stop))
        try:
            yield server.dsn
        finally:
            stop.set()
            await watching  # not cancelled: it may be starting the server at this moment


async def _kept_running(server: EmbeddedServer, stop: asyncio.Event) -> None:
    """Nobody else would start it again: a postmaster that died under us (killed, out of memory) is back in a second."""
    while not stop.is_set():
        try:
            if await server.ensure_running():
                log.warning("the embedded database had died and was started again")
        except (EmbeddedServerError, OSError):
            log.exception("the embedded database does not start")
        await pause(stop, 1.0)


async def migrate(dsn: str) -> None:
    """Brings the database to today's tables."""
    await migrate_tables(connector(dsn))


async def require_current(dsn: str) -> None:
    """Returns if the database has today's tables; nothing is changed.

    Raises:
        NotCurrent: it has not.
    """
    found = await standing(connector(dsn))
    if found == "older":
        raise NotCurrent("the database is of an earlier version, or empty: run sealpost migrate, or start the service")
    if found == "newer":
        raise NotCurrent("the database is of a later version than this program: use that one")
