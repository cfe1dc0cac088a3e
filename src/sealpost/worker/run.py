"""The worker: PgQueuer hands out jobs, each bound to one use case; a timer loop enqueues what is due.

Any number of worker processes share the work. A job is only a hint: the use case claims its mail or locks its ticket
first, so a job that runs twice, late or never does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries

from sealpost.domain.errors import Unavailable
from sealpost.usecases.adopt import adopt_listed
from sealpost.usecases.announce import announce
from sealpost.usecases.check_domains import check_due
from sealpost.usecases.cosign import ask_witnesses
from sealpost.usecases.deliver import deliver
from sealpost.usecases.enlist import pause, stay_enlisted
from sealpost.usecases.enqueue_due import enqueue_due
from sealpost.usecases.erase import erase
from sealpost.usecases.expire import expire
from sealpost.usecases.extend_log import LogStopped, extend_log, is_due
from sealpost.usecases.forget import forget
from sealpost.usecases.notify import notify
from sealpost.usecases.readiness import LOG, TIME, WITNESSES
from sealpost.usecases.remind import plan_reminder, remind
from sealpost.usecases.seals import seal_pending
from sealpost.usecases.service import Service
from sealpost.usecases.stamp import renew_newest, stamp_pending
from sealpost.worker.lasting import Lasting, lasting_jobs

log = structlog.get_logger()

Loop = Callable[[Service, asyncio.Event, asyncio.Event], Coroutine[Any, Any, None]]
ENTRY_POINTS: dict[str, Callable[[Service, UUID], Awaitable[None]]] = {
    "announce": announce,
    "remind": remind,
    "deliver": deliver,
    "notify": notify,
    "plan_reminder": plan_reminder,
    "expire": expire,
}
BATCH = 50
AT_ONCE = 100
MOST_LASTING = 400
"""Jobs that hold none of these places any more, because they go on for long."""
HEARTBEAT = timedelta(seconds=30)
TICK = 1.0
SEALING = 10.0
OUT_OF_ORDER = 5.0
BEAT = 10.0
MINUTE = 60.0
HOUR = 3600.0
PATIENCE = 15.0


async def run(service: Service, stop: asyncio.Event) -> None:
    """Works until ``stop``; then what is under way may end, for a while, before the claims are given up.

    What is cut off after that leaves its attempt's mark, and the next worker says what is known of it.
    """
    enlisted, finished = asyncio.Event(), asyncio.Event()
    living = asyncio.create_task(stay_enlisted(service, enlisted, finished))
    working = [asyncio.create_task(_kept(loop, service, enlisted, stop)) for loop in LOOPS]
    try:
        await stop.wait()
        await asyncio.wait(working, timeout=PATIENCE)
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        finished.set()
        await living


async def _kept(loop: Loop, service: Service, enlisted: asyncio.Event, stop: asyncio.Event) -> None:
    """Runs a loop until ``stop``, whatever it raises: one that died silently would stop evidence or deadlines for good."""
    while not stop.is_set():
        try:
            await loop(service, enlisted, stop)
        except Exception as error:
            log.exception("a loop of the worker failed", loop=loop.__name__, why=type(error).__name__)
        await pause(stop, TICK)


async def _timers(service: Service, enlisted: asyncio.Event, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            if enlisted.is_set():
                await enqueue_due(service)
        except Unavailable:
            log.warning("database away, deadlines wait")
        await pause(stop, TICK)


async def _forgetting(service: Service, enlisted: asyncio.Event, stop: asyncio.Event) -> None:
    """Each hour, in every worker: what two remove at once, one of them removes."""
    while not stop.is_set():
        try:
            if enlisted.is_set() and (removed := await forget(service)):
                log.info("ended rows removed", rows=removed)
        except Unavailable:
            log.warning("database away, what has ended stays")
        try:
            if enlisted.is_set() and (erased := await erase(service)):
                log.info("content erased", tickets=erased)
        except Unavailable as error:
            log.warning("content not erased yet", why=str(error))
        await pause(stop, HOUR if enlisted.is_set() else TICK)


async def _sealing(service: Service, enlisted: asyncio.Event, stop: asyncio.Event) -> None:
    """What was stored without a seal gets it, a batch at a time."""
    while not stop.is_set():
        sealed = 0
        try:
            if enlisted.is_set() and (adopted := await adopt_listed(service)):
                log.info("records of an earlier release adopted", records=adopted)
            if enlisted.is_set() and (sealed := await seal_pending(service)):
                log.info("records sealed later", records=sealed)
        except Unavailable as error:
            log.warning("records wait for their seal", why=str(error))
        await pause(stop, TICK if sealed else SEALING)


async def _logging(service: Service, enlisted: asyncio.Event, stop: asyncio.Event) -> None:
    """Brings what is sealed into the log and asks the witnesses."""
    heard = Heard()
    while not stop.is_set():
        if enlisted.is_set():
            await heard.say(service, LOG, await _turn(service, _extend))
            await heard.say(service, WITNESSES, await _turn(service, ask_witnesses))
        await pause(stop, heard.wait)


async def _stamping(service: Service, enlisted: asyncio.Event, stop: asyncio.Event) -> None:
    """Has checkpoints and decisions stamped: a loop of its own, because an authority may be slow."""
    heard, asked = Heard(), None
    while not stop.is_set():
        if enlisted.is_set():
            await heard.say(service, TIME, await _turn(service, stamp_pending))
            now = service.clock.now()
            if asked is None or not timedelta() <= now - asked < timedelta(days=1):
                asked = now
                if why := await _turn(service, renew_newest):
                    log.warning("time stamps are not renewed yet", why=why)
        await pause(stop, heard.wait)


class Heard:
    """What a loop said last; it says it again every `BEAT` seconds, as a sign of life and because others may have spoken."""

    def __init__(self) -> None:
        self._said = dict[str, tuple[str, float]]()

    @property
    def wait(self) -> float:
        """Seconds to the next turn: longer where something is out of order."""
        return OUT_OF_ORDER if any(why for why, _ in self._said.values()) else TICK

    async def say(self, service: Service, part: str, why: str | None) -> None:
        """Says how a part stands, if that is new or was said a while ago; None: another worker is at it."""
        before, at = self._said.get(part, (None, 0.0))
        now = asyncio.get_running_loop().time()
        if why is None or (why == before and now < at + BEAT):
            return
        with suppress(Unavailable):
            await service.readiness.say(part, why)
            self._said[part] = (why, now)


async def _turn(service: Service, act: Callable[[Service], Awaitable[int | None]]) -> str | None:
    """Why an act cannot be done; empty: it is done; None: another worker is at it, and will say."""
    try:
        return None if await act(service) is None else ""
    except LogStopped as error:
        return f"stopped: {error}"
    except Unavailable as error:
        return str(error)
    except Exception as error:
        log.exception("the log's writer failed", why=type(error).__name__)
        return "an unexpected failure"


async def _extend(service: Service) -> int | None:
    return await extend_log(service) if await is_due(service) else 0


async def _checking(service: Service, enlisted: asyncio.Event, stop: asyncio.Event) -> None:
    """Looks daily at the DNS records of senders' domains."""
    while not stop.is_set():
        checked = 0
        try:
            if enlisted.is_set() and (checked := await check_due(service)):
                log.info("sender domains checked", domains=checked)
        except Unavailable as error:
            log.warning("sender domains not checked yet", why=str(error))
        await pause(stop, TICK if checked else MINUTE)


async def _jobs(service: Service, enlisted: asyncio.Event, stop: asyncio.Event) -> None:
    """Runs the queue, and runs it anew whenever the database comes back."""
    async with lasting_jobs(MOST_LASTING) as lasting:
        while not stop.is_set():
            if enlisted.is_set():
                try:
                    await _queue(service, stop, lasting)
                except Exception as error:  # noqa: BLE001 - the loop must outlive every failure of the queue's connection
                    log.warning("queue interrupted", why=type(error).__name__)
            await pause(stop, 0.2)


async def _queue(service: Service, stop: asyncio.Event, lasting: Lasting) -> None:
    pool: Any = service.pool
    queue = QueueManager(Queries(AsyncpgPoolDriver(pool)))
    for name, act in ENTRY_POINTS.items():
        queue.entrypoint(name)(_bound(service, name, act, lasting))

    async def end() -> None:
        await stop.wait()
        queue.shutdown.set()

    ending = asyncio.create_task(end())
    try:
        await queue.run(
            dequeue_timeout=timedelta(seconds=5),
            batch_size=BATCH,
            max_concurrent_tasks=AT_ONCE,
            shutdown_on_listener_failure=True,
            heartbeat_timeout=HEARTBEAT,
        )
    finally:
        ending.cancel()


def _bound(
    service: Service, name: str, act: Callable[[Service, UUID], Awaitable[None]], lasting: Lasting
) -> Callable[[Job], Awaitable[None]]:
    async def done(subject: UUID) -> None:
        try:
            await act(service, subject)
        except Unavailable as error:
            log.warning("job waits", job=name, subject=str(subject), why=str(error))
        except Exception as error:
            log.exception("job failed", job=name, subject=str(subject), why=type(error).__name__)

    async def entry(job: Job) -> None:
        if job.payload is not None:
            await lasting.run(done(UUID(job.payload.decode())))

    return entry


LOOPS: tuple[Loop, ...] = (_timers, _jobs, _forgetting, _sealing, _logging, _stamping, _checking)
