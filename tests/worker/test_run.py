"""The worker's loops, as a process runs them."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from uuid import UUID, uuid4

import pytest

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
