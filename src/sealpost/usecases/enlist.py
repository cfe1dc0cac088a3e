"""A worker says that it lives, and takes over from those that do not."""

from __future__ import annotations

import asyncio

import asyncpg
import structlog

from sealpost.domain.errors import Unavailable
from sealpost.store import workers
from sealpost.store.pool import AWAY
from sealpost.usecases.enqueue_due import give_up_dead
from sealpost.usecases.service import Service

log = structlog.get_logger()
BEAT = 1.0


async def stay_enlisted(service: Service, enlisted: asyncio.Event, stop: asyncio.Event) -> None:
    """Holds the worker's advisory lock on a connection of its own and beats each second, until ``stop``.

    Args:
        service: the parts.
        enlisted: set while the worker may claim.
        stop: ends it; what is still claimed is freed then.
    """
    while not stop.is_set():
        try:
            await _hold(service, enlisted, stop)
        except (*AWAY, Unavailable):
            log.warning("database away, the worker waits")
        except asyncpg.PostgresError as error:  # it answers, but takes nothing: read-only, out of space
            log.warning("database away, the worker waits", why=type(error).__name__)
        except Exception as error:
            # Whatever it was: without this loop nobody would hear of us again, nor of those that die beside us.
            log.exception("the worker's sign of life failed", why=type(error).__name__)
        finally:
            enlisted.clear()
        await pause(stop, BEAT)
    await workers.retire(service.pool, service.worker, service.clock.now())


async def _hold(service: Service, enlisted: asyncio.Event, stop: asyncio.Event) -> None:
    async with service.pool.acquire() as session:
        await workers.enlist(session, service.worker)
        enlisted.set()
        while not stop.is_set():
            if not await workers.beat(session, service.worker):
                # Given up by another (we were frozen): claims are gone, their writes are fenced; begin anew.
                await workers.enlist(session, service.worker)
            if freed := await give_up_dead(service):
                log.warning("took over from a dead worker", mails=freed)
            await pause(stop, BEAT)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Waits, but not longer than until ``stop``."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
