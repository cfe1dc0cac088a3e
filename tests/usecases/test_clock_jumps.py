"""Jumps of the machine's clock: nothing goes back within a process, retries come in time, evidence keeps its order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sealpost import clock as clock_module
from sealpost.clock import SystemClock
from sealpost.domain.records import Event
from sealpost.store import tickets
from sealpost.usecases.chain import record
from sealpost.usecases.database import transaction
from tests.world import World

NOON = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # half an hour before summer time ends in Europe


class Wall(datetime):
    """A wall clock that says what it is given."""

    told: Iterator[datetime]

    @classmethod
    def now(cls, tz: object = None) -> datetime:
        return next(cls.told)


@pytest.mark.parametrize(
    "jumps",
    [
        [timedelta(0), timedelta(hours=-1), timedelta(seconds=1)],
        [timedelta(0), timedelta(days=1), timedelta(seconds=1), timedelta(hours=-25), timedelta(days=2)],
        [timedelta(0), timedelta(days=-10_000), timedelta(seconds=2)],
        [timedelta(0), timedelta(hours=1), timedelta(hours=1)],  # the night of the two hours, in UTC as any other
    ],
)
def test_the_service_s_time_never_goes_back(monkeypatch: pytest.MonkeyPatch, jumps: list[timedelta]) -> None:
    told = [NOON + jump for jump in jumps]
    Wall.told = iter(told)
    monkeypatch.setattr(clock_module, "datetime", Wall)
    one = SystemClock()
    heard = [one.now() for _ in told]
    assert heard == [max(told[: number + 1]) for number in range(len(told))]


async def test_a_mail_that_waits_is_tried_after_a_jump_either_way(world: World) -> None:
    """Its time is a column: a clock that jumps ahead brings it early, one that jumps back holds it no longer than that."""
    world.mailbox.mails.clear()
    await world.catcher.stop()
    token = await world.send()
    assert (await world.kinds(token))[-1] == "announcement_delayed"
    due = await world.service.pool.fetchval("select due_at from mails where purpose = 'announcement'")
    assert timedelta(0) < due - world.clock.now() <= timedelta(minutes=2)
    world.clock.advance(days=1)
    await world.work_off()
    kinds = await world.kinds(token)
    assert kinds.count("announcement_delayed") == 1, "told once"
    again = await world.service.pool.fetchval("select due_at from mails where purpose = 'announcement'")
    assert again > world.clock.now()
    world.clock.advance(hours=-1)
    await world.work_off()
    assert (await world.service.pool.fetchval("select due_at from mails where purpose = 'announcement'")) == again
    world.clock.advance(hours=1, minutes=10)
    await world.work_off()
    assert await world.service.pool.fetchval("select tries from mails where purpose = 'announcement'") == 3


async def test_with_a_clock_that_is_off_nothing_is_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second source says so, and both new submissions and new sends wait; a fact that has happened is stored."""
    token = await world.submitter.submit(world.message())

    async def lacking() -> str:
        return "the clock is 1 h off"

    readiness = world.service.readiness
    monkeypatch.setattr(type(readiness), "lacking", lambda _: lacking())
    await world.work_off()
    assert world.mailbox.mails == []
    assert await world.kinds(token) == ["submitted"]
    ticket_id = await world.service.pool.fetchval("select id from tickets where token = $1", token)
    async with transaction(world.service) as connection:
        ticket = await tickets.lock(connection, ticket_id)
        now = world.clock.now()
        await record(world.service, connection, ticket, [Event("announcement_opened", now, now)])
    assert await world.kinds(token) == ["submitted", "announcement_opened"]
