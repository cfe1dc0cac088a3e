"""The worker's loops, as a process runs them."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from sealpost.domain.errors import Unavailable
from sealpost.usecases.service import Service
from sealpost.worker import run as worker
from tests.scripted import Scripted
from tests.usecases.test_outcomes import scripted_world
from tests.world import World


class Slow(Scripted):
    """Takes the mail, and answers the dot only when it is let."""

    async def _answer(self, stage: str, writer: asyncio.StreamWriter) -> bool:
        if stage == "dot":
            await self.over.wait()
        return await super()._answer(stage, writer)


async def retires(world: World, worker_id: UUID) -> bool:
    """Whether the worker is off the list within half a second; each look lets its loops go on."""
    for _ in range(50):
        if not await world.service.pool.fetchval("select count(*) from workers where id = $1", worker_id):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_an_answer_that_comes_while_the_worker_stops_is_recorded(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually
) -> None:
    monkeypatch.setattr("tests.usecases.test_outcomes.Scripted", Slow)
    async with scripted_world(dsn, tmp_path, {}, patient=True) as (world, server):
        token = await world.submitter.submit(world.message())
        stop = asyncio.Event()
        service = dataclasses.replace(world.service, worker=uuid4())
        running = asyncio.create_task(worker.run(service, stop))

        async def taken() -> bool:
            return bool(server.mails)

        await eventually(taken)
        stop.set()
        assert not await retires(world, service.worker), "its claims are given up only when what is under way has ended"
        server.over.set()
        await running
        assert (await world.kinds(token))[-1] == "announcement_accepted"
        assert await world.service.pool.fetchval("select count(*) from mails where claimed_by is not null") == 0
        assert await world.service.pool.fetchval("select count(*) from workers where id = $1", service.worker) == 0


async def test_what_is_cut_off_is_said_to_be_uncertain(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually
) -> None:
    monkeypatch.setattr("tests.usecases.test_outcomes.Scripted", Slow)
    monkeypatch.setattr(worker, "PATIENCE", 0.1)
    async with scripted_world(dsn, tmp_path, {}, patient=True) as (world, server):
        token = await world.submitter.submit(world.message())
        stop = asyncio.Event()
        service = dataclasses.replace(world.service, worker=uuid4())
        running = asyncio.create_task(worker.run(service, stop))

        async def taken() -> bool:
            return bool(server.mails)

        await eventually(taken)
        stop.set()
        await running
        server.over.set()
        await world.work_off()
        kinds = await world.kinds(token)
        assert kinds == ["submitted", "announcement_uncertain", "announcement_offered", "announcement_accepted"]
        first, second = [raw for raw in server.mails if b"<bob@example.com>" in raw.split(b"\r\n\r\n")[0]]
        assert first == second


async def test_an_idle_worker_asks_for_renewals_once_a_day(
    world: World, monkeypatch: pytest.MonkeyPatch, eventually
) -> None:
    """By the service's clock, whatever the loop's turns are; also where the authority is away."""
    turns, asked = list[datetime](), list[datetime]()

    async def turn(_: Service) -> int:
        turns.append(world.clock.now())
        return 0

    async def ask(_: Service) -> int:
        asked.append(world.clock.now())
        raise Unavailable("the authority is away")

    monkeypatch.setattr(worker, "stamp_pending", turn)
    monkeypatch.setattr(worker, "renew_newest", ask)
    monkeypatch.setattr(worker, "TICK", 0.01)
    enlisted, stop = asyncio.Event(), asyncio.Event()
    (stamping,) = [one for one in worker.LOOPS if one.__name__ == "_stamping"]
    running = asyncio.create_task(stamping(world.service, enlisted, stop))
    enlisted.set()

    async def two_turns() -> None:
        before = len(turns)

        async def turned() -> bool:
            return len(turns) >= before + 2

        await eventually(turned)

    await two_turns()
    start = world.clock.now()
    for minutes, times in ((60 * 24 - 1, 1), (1, 2), (60 * 23, 2), (60, 3), (60 * 24, 4)):
        world.clock.advance(minutes=minutes)
        await two_turns()
        assert len(asked) == times, minutes
    assert asked[1] == start + timedelta(days=1)
    stop.set()
    await running
