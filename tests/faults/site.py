"""A service that can be killed and opened again on the same database and folder; the world beside it only looks on."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import asyncpg

from sealpost import bootstrap
from sealpost.domain.errors import Unavailable
from sealpost.settings import Settings, read_settings
from sealpost.store import workers
from sealpost.usecases.enqueue_due import enqueue_due, give_up_dead
from sealpost.usecases.service import Service
from sealpost.usecases.submit import Submitter
from sealpost.worker.run import ENTRY_POINTS
from tests.faults.breaking import Faults, FaultyContent, FaultyPool, Killed
from tests.faults.line import Line
from tests.world import World

NOT_TAKEN = "delete from pgqueuer where status = 'queued' returning entrypoint, payload"


class Violation(AssertionError):
    """A promise was broken."""


def settings_of(folder: Path, port: int) -> Settings:
    return read_settings(
        {}, data=folder, smtp_host="127.0.0.1", smtp_port=port, smtp_tls="none", mail_domain="sealpost.example",
        our_name="out1.sealpost.example", legal_name="Sealpost Test B.V.", environment="test", pool=4, tsa_url="own",
    )  # fmt: skip


class Site:
    """One process after another; ``surprises`` are what jobs raised, which a worker logs and survives."""

    def __init__(self, world: World, dsn: str, settings: Settings, line: Line) -> None:
        self.world = world
        self.line = line
        self.faults = line.faults
        self.surprises: list[BaseException] = []
        self._dsn, self._settings = dsn, settings
        self.service: Service = world.service
        self.submitter: Submitter = world.submitter
        self._lifetime: AbstractAsyncContextManager[Service] | None = None
        self._real: Any = None

    async def open(self) -> None:
        """Starts a process: a service, enlisted as a worker."""
        self._lifetime = bootstrap.opened(self._settings, self._dsn, clock=self.world.clock)
        real: Any = await self._lifetime.__aenter__()
        self._real = real
        pool: Any = FaultyPool(real.pool, self.faults)
        content = FaultyContent(real.content, self.faults, self._settings.content)
        self.service = dataclasses.replace(real, pool=pool, content=content)
        self.submitter = Submitter(self.service)
        await workers.enlist(await real.pool.acquire(), self.service.worker)

    def begin(self, faults: Faults) -> None:
        """What the following acts are counted and broken by."""
        service: Any = self.service
        self.faults = self.line.faults = service.pool.faults = service.content.faults = faults
        self.surprises.clear()
        self._hang_up()

    def _hang_up(self) -> None:
        """Drops idle SMTP connections, so that every run begins with a connect, and the dead say no QUIT."""
        idle = self._real.transport._usual._idle
        while idle:
            idle.pop()[1].wire.abort()

    async def survive(self, step: Callable[[], Awaitable[None]]) -> bool:
        """Takes a step; False when the process was killed in it, and another one is up."""
        working = asyncio.ensure_future(step())
        dying = asyncio.ensure_future(self.faults.dead.wait())
        await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if not self.faults.dead.is_set():
            await working
            return True
        working.cancel()
        await asyncio.wait({working})
        if not working.cancelled() and not isinstance(working.exception(), Killed | None):
            raise Violation("something caught the kill") from working.exception()
        await self._rise()
        return False

    async def _rise(self) -> None:
        dead = self.service.worker
        await self.bury()
        self.begin(Faults(acts=self.faults.acts, struck=self.faults.struck))
        await self.open()
        # Instead of waiting until the dead one's beat is too old.
        await self.world.service.pool.execute(
            "update workers set beat_at = beat_at - interval '1 minute' where id = $1", dead
        )
        await give_up_dead(self.service)

    async def bury(self) -> None:
        """What the kernel does with a dead process: its connections, files and locks go. Nothing is written any more."""
        if self._lifetime is None:
            return
        self._real.pool.terminate()
        self._hang_up()
        await self._lifetime.__aexit__(None, None, None)
        self._lifetime = None

    async def persist(self, step: Callable[[], Awaitable[None]]) -> None:
        """Takes a step until it is done, as its caller would: again after a 503, again after a crash."""
        for _ in range(4):
            try:
                if await self.survive(step):
                    return
            except Unavailable:
                continue
        raise Violation("still unavailable, long after the fault")

    async def settle(self, unfinished: Callable[[], Awaitable[list[str]]]) -> None:
        """Works everything off while the clock moves on.

        Raises:
            Violation: after an hour there is still something unfinished.
        """
        for _ in range(10):
            while not await self.survive(self._work_off):
                pass
            if not await unfinished():
                return
            self.world.clock.advance(minutes=6)
        raise Violation(f"stuck: {await unfinished()}; jobs raised {self.surprises}")

    async def _work_off(self) -> None:
        """What timers and queue do; whatever a job raises, the worker goes on."""
        while True:
            try:
                await enqueue_due(self.service)
            except Unavailable:
                continue
            jobs = await self.world.service.pool.fetch(NOT_TAKEN)
            if not jobs:
                return
            for job in jobs:
                await self._run(job["entrypoint"], UUID(job["payload"].decode()))

    async def _run(self, name: str, subject: UUID) -> None:
        try:
            await ENTRY_POINTS[name](self.service, subject)
        except Unavailable:
            return
        except Exception as error:  # noqa: BLE001 - the worker survives any; the checks say whether it mattered
            self.surprises.append(error)


@asynccontextmanager
async def new_site(world: World, dsn: str, folder: Path) -> AsyncGenerator[Site]:
    """A site before the world's catcher, on the world's database and folder."""
    assert world.catcher._server is not None
    line = Line(world.catcher._server.sockets[0].getsockname()[1], Faults())
    site = Site(world, dsn, settings_of(folder, await line.start()), line)
    await site.open()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_unless_killed)
    try:
        # The database of the tests may have started just now, and then nobody counts as dead for a moment.
        with patch.object(workers, "RESTARTED", "0 seconds"):
            yield site
    finally:
        await site.bury()
        await line.stop()
        loop.set_exception_handler(None)


def _unless_killed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Tasks of a killed process have nobody left who asks what they ended with."""
    if not isinstance(context.get("exception"), Killed | asyncpg.PostgresConnectionError):
        loop.default_exception_handler(context)
