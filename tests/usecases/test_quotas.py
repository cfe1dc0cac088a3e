"""Quotas over several processes: never a call above the limit, whatever races, crashes, clocks and operators do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog

from sealpost import bootstrap
from sealpost.domain.errors import InvalidInput, NotFound, Unavailable
from sealpost.settings import SettingsError, read_settings
from sealpost.store.pool import Pool, open_pool
from sealpost.usecases import quotas
from sealpost.usecases.clients import change_client, clients_of, revoke_client
from sealpost.usecases.found import NewAccount, found_account, found_client
from sealpost.usecases.quotas import Quotas, Standing
from sealpost.usecases.service import Service
from tests.world import START, MovableClock


@dataclass
class House:
    """A database with some clients, and processes that open it."""

    dsn: str
    folder: Path
    stack: AsyncExitStack
    clock: MovableClock
    first: Service
    clients: list[int]

    async def process(self, limit: int, unit: str = "hour", clock: MovableClock | None = None) -> Quotas:
        """Another process, with a pool of its own."""
        return (await self.service(limit, unit, clock)).quotas

    async def service(self, limit: int, unit: str = "hour", clock: MovableClock | None = None) -> Service:
        settings = read_settings({}, data=self.folder, quota=limit, quota_unit=unit, pool=4)
        return await self.stack.enter_async_context(bootstrap.opened(settings, self.dsn, clock=clock or self.clock))

    async def row(self, client: int) -> tuple[datetime, int]:
        row = await self.first.pool.fetchrow("select window_start, leased from quotas where client_id = $1", client)
        return row["window_start"], row["leased"]


@asynccontextmanager
async def opened_house(dsn: str, folder: Path) -> AsyncGenerator[House]:
    clock = MovableClock()
    async with AsyncExitStack() as stack:
        settings = read_settings({}, data=folder, pool=4)
        first = await stack.enter_async_context(bootstrap.opened(settings, dsn, clock=clock))
        alice = await found_account(first, NewAccount("Alice Incasso N.V."))
        for number in range(6):
            await found_client(first, alice, "oauth", f"alice-{number}", "user")
        rows = await first.pool.fetch("select id from clients order by id")
        yield House(dsn, folder, stack, clock, first, [row["id"] for row in rows])


@pytest_asyncio.fixture
async def house(dsn: str, tmp_path: Path) -> AsyncGenerator[House]:
    async with opened_house(dsn, tmp_path) as made:
        yield made


async def allowed(*calls: Any) -> int:
    standings: list[Standing] = await asyncio.gather(*calls)
    for one in standings:
        assert 0 <= one.used <= one.limit
    return sum(one.allowed for one in standings)


@pytest.mark.parametrize("limit", [1, 37, 250])
@pytest.mark.parametrize("seed", range(3))
async def test_never_above_the_limit_over_all_processes(house: House, limit: int, seed: int) -> None:
    """Waves of random size on random processes; each process ends by asking for more than there is."""
    choice = random.Random(seed)
    processes = [await house.process(limit) for _ in range(3)]
    client = house.clients[0]
    got = asked = 0
    while asked < limit * 2:
        wave = choice.choices(processes, k=choice.randint(1, 60))
        got += await allowed(*(one.take(client) for one in wave))
        asked += len(wave)
        assert got <= limit
    for one in processes:
        got += await allowed(*(one.take(client) for _ in range(10)))
    assert got == limit, "nothing is lost where nobody crashes"
    assert (await house.row(client))[1] < limit + max(limit // 100, 1)
    assert await allowed(processes[0].take(house.clients[1])) == 1, "another client has its own quota"


async def test_one_process_counts_every_call(house: House) -> None:
    one = await house.process(250)
    standings = [await one.take(house.clients[0]) for _ in range(253)]
    assert [standing.used for standing in standings] == [*range(1, 251), 250, 250, 250]
    assert [standing.allowed for standing in standings] == [True] * 250 + [False] * 3
    assert {(standing.limit, standing.unit) for standing in standings} == {(250, "hour")}
    assert (await house.row(house.clients[0]))[1] == 250


async def test_calls_at_once_share_one_lease(house: House) -> None:
    one = await house.process(10_000)
    assert await allowed(*(one.take(house.clients[0]) for _ in range(100))) == 100
    assert (await house.row(house.clients[0]))[1] == 100
    other = await house.process(10_000)
    assert (await other.take(house.clients[0])).used == 101, "what others have leased counts as used"
    assert (await other.take(house.clients[0], 1_000_000)).limit == 1_000_000
    assert (await house.row(house.clients[0]))[1] == 200


@pytest.mark.parametrize("limit", [3, 37, 700])
@pytest.mark.parametrize("seed", range(3))
async def test_several_calls_together_are_never_above_the_limit(house: House, limit: int, seed: int) -> None:
    """Single calls and groups, on random processes and all at once: a group has all its calls or none."""
    choice = random.Random(seed)
    processes = [await house.process(limit) for _ in range(3)]
    client = house.clients[0]
    got = 0
    for _ in range(12):
        wave = [choice.choice([0, choice.randint(1, limit // 3)]) for _ in range(6)]
        standings = await asyncio.gather(
            *(
                process.take_all(client, calls) if calls else process.take(client)
                for calls in wave
                for process in [choice.choice(processes)]
            )
        )
        got += sum(max(calls, 1) for calls, standing in zip(wave, standings, strict=True) if standing.allowed)
        assert got <= limit
    for one in processes:
        got += await allowed(*(one.take(client) for _ in range(limit)))
    assert got == limit, "what was refused took nothing from those who came later"


async def test_several_calls_that_are_too_many(house: House) -> None:
    one, other, client = await house.process(100), await house.process(100), house.clients[0]
    for calls in (101, 100_000):
        assert await one.take_all(client, calls) == Standing(100, "hour", 0, one.unused().reset_at, allowed=False)
    assert (await one.take_all(client, 60)).used == 60
    for process in (one, other):
        assert not (await process.take_all(client, 41)).allowed
    assert (await other.take_all(client, 40)).used == 100
    assert not (await one.take_all(client, 1)).allowed
    assert await house.row(client) == (START.replace(minute=0, second=0, microsecond=0), 100)
    house.clock.real_at += timedelta(hours=1)
    assert (await one.take_all(client, 100)).allowed
    assert not (await other.take(client)).allowed


async def test_several_calls_use_what_is_at_hand(house: House) -> None:
    one, client = await house.process(1000), house.clients[0]
    assert (await one.take(client)).used == 1
    assert (await one.take_all(client, 9)).used == 10
    assert (await house.row(client))[1] == 10
    assert (await one.take(client)).used == 11
    assert (await one.take_all(client, 10)).used == 21, "too few at hand: they stay there"
    assert await allowed(*(one.take(client) for _ in range(9))) == 9
    assert (await house.row(client))[1] == 30


async def test_several_calls_where_another_clock_is_ahead(house: House) -> None:
    ahead = MovableClock()
    ahead.real_at += timedelta(hours=2)
    here, there, client = await house.process(10), await house.process(10, clock=ahead), house.clients[0]
    assert (await here.take(client)).used == 1
    assert (await there.take_all(client, 6)).used == 6
    assert not (await here.take_all(client, 5)).allowed
    standing = await here.take_all(client, 4)
    assert (standing.used, standing.allowed) == (10, True), "it goes along with the newer window"
    assert not (await there.take(client)).allowed


async def test_several_calls_while_the_database_is_away(house: House) -> None:
    one, client = await house.process(100), house.clients[0]
    alive, one._pool = one._pool, await dead_pool(house.dsn)
    with pytest.raises(Unavailable):
        await one.take_all(client, 5)
    one._pool = alive
    assert (await one.take_all(client, 100)).used == 100


@pytest.mark.parametrize(
    ("unit", "at", "reset"),
    [
        ("minute", START, START.replace(minute=16, second=0, microsecond=0)),
        ("hour", START, datetime(2026, 11, 23, 11, tzinfo=UTC)),
        ("day", START, datetime(2026, 11, 24, tzinfo=UTC)),
        ("hour", datetime(2026, 11, 23, 11, tzinfo=UTC), datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("day", datetime(2028, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
    ],
)
async def test_windows_are_those_of_the_clock(house: House, unit: str, at: datetime, reset: datetime) -> None:
    house.clock.real_at = at
    one = await house.process(2, unit)
    assert one.unused() == Standing(2, unit, 0, reset, allowed=True)
    taken = [await one.take(house.clients[0]) for _ in range(3)]
    assert [(standing.allowed, standing.reset_at) for standing in taken] == [
        (True, reset),
        (True, reset),
        (False, reset),
    ]
    house.clock.real_at = reset - timedelta(microseconds=1)
    assert not (await one.take(house.clients[0])).allowed
    house.clock.real_at = reset
    again = await one.take(house.clients[0])
    assert (again.allowed, again.used, again.reset_at > reset) == (True, 1, True)


async def test_a_lease_ends_with_its_window(house: House) -> None:
    one = await house.process(1_000)
    await one.take(house.clients[0])
    house.clock.real_at += timedelta(hours=1)
    assert await allowed(*(one.take(house.clients[0]) for _ in range(1_100))) == 1_000
    assert (await house.row(house.clients[0]))[0] == START.replace(hour=11, minute=0, second=0, microsecond=0)


async def test_a_turn_in_the_middle_of_a_lease_counts_in_the_new_window(house: House) -> None:
    one, client = await house.process(3), house.clients[0]
    async with house.first.pool.acquire() as other, other.transaction():
        await other.execute(
            "insert into quotas values ($1, $2, 1)", client, START.replace(minute=0, second=0, microsecond=0)
        )
        calls = [asyncio.create_task(one.take(client)) for _ in range(3)]
        await waits_for_a_lock(house)
        house.clock.real_at += timedelta(hours=1)
        calls.append(asyncio.create_task(one.take(client)))
        await asyncio.sleep(0)  # the late call begins, and finds the new window
    standings = await asyncio.gather(*calls)
    start, leased = await house.row(client)
    new = [standing for standing in standings if standing.reset_at == start + timedelta(hours=1)]
    assert start.hour == 11
    assert sum(standing.allowed for standing in new) <= leased <= 3
    assert sum(standing.allowed for standing in standings) >= 3


async def waits_for_a_lock(house: House) -> None:
    """Until a lease of another process stands before a row that is not its to take yet."""
    async with asyncio.timeout(20):
        while not await house.first.pool.fetchval(
            "select count(*) from pg_locks l join pg_stat_activity a using (pid) where not granted and a.datname = current_database()"
        ):
            await asyncio.sleep(0.01)


async def test_a_crash_loses_calls_and_never_grants_more(house: House) -> None:
    limit, client = 1_000, house.clients[0]
    died = await house.process(limit)
    got = await allowed(*(died.take(client) for _ in range(3)))
    del died  # its block of ten had seven left
    heir = await house.process(limit)
    got += await allowed(*(heir.take(client) for _ in range(limit)))
    assert got == limit - 7


async def test_another_machines_clock_is_ahead(house: House) -> None:
    ahead = MovableClock()
    ahead.real_at = START + timedelta(hours=2)
    client = house.clients[0]
    here, there = await house.process(100), await house.process(100, clock=ahead)
    assert await allowed(*(here.take(client) for _ in range(30))) == 30
    assert await allowed(*(there.take(client) for _ in range(60))) == 60
    newer = (await house.row(client))[0]
    with structlog.testing.capture_logs() as lines:
        got = await allowed(*(here.take(client) for _ in range(100)))
    assert got == 40, "it goes along with the newer window, and never back"
    assert await allowed(*(there.take(client) for _ in range(5))) == 0
    assert await house.row(client) == (newer, 100)
    assert (await here.take(client)).reset_at == newer + timedelta(hours=1)
    assert lines[0]["event"] == "quota window is ahead of this clock"
    assert lines[0]["client"] == client
    house.clock.real_at = START - timedelta(hours=3)
    fresh = await house.process(100)
    assert await allowed(fresh.take(client), here.take(client)) == 0, "a clock that steps back changes nothing"


async def test_limits_that_change_in_a_window(house: House) -> None:
    client = house.clients[0]
    one, other = await house.process(500), await house.process(500)
    assert await allowed(*(one.take(client, 300) for _ in range(200))) == 200
    assert not (await one.take(client, 150)).allowed, "a lower limit holds at once, also for what is leased"
    assert (await one.take(client, 150)).used == 150
    assert not (await other.take(client, 150)).allowed
    got = await allowed(*(process.take(client, 303) for process in (one, other) for _ in range(200)))
    assert got == 103
    assert await allowed(*(other.take(client) for _ in range(300))) in range(195, 198), "a raised one lets in again"


async def test_a_unit_that_changes_keeps_what_was_used(house: House) -> None:
    by_hour, by_day = await house.process(5), await house.process(5, "day")
    assert await allowed(*(by_hour.take(house.clients[0]) for _ in range(4))) == 4
    standing = await by_day.take(house.clients[0])
    assert (standing.used, standing.reset_at) == (5, datetime(2026, 11, 24, tzinfo=UTC))
    assert not (await by_day.take(house.clients[0])).allowed


async def dead_pool(dsn: str) -> Pool:
    pool = await open_pool(dsn, 1)
    pool.terminate()
    return pool


async def test_a_database_that_is_away(house: House) -> None:
    one = await house.process(300)
    alive = one._pool
    await one.take(house.clients[0])
    one._pool = await dead_pool(house.dsn)
    assert (await one.take(house.clients[0])).used == 2, "what is leased is counted off"
    await one.take(house.clients[0])
    with pytest.raises(Unavailable):
        await one.take(house.clients[0])
    one._pool = alive
    assert (await one.take(house.clients[0])).used == 4
    assert await allowed(*(one.take(house.clients[0]) for _ in range(400))) == 296


async def test_those_who_wait_for_a_lease_share_its_failure(house: House) -> None:
    one, client = await house.process(300), house.clients[0]
    async with house.first.pool.acquire() as other, other.transaction():
        await other.execute("insert into quotas values ($1, $2, 1)", client, START)
        calls = [asyncio.create_task(one.take(client)) for _ in range(50)]
        await waits_for_a_lock(house)
        await house.first.pool.execute(
            "select pg_terminate_backend(pid) from pg_locks where not granted and locktype = 'transactionid'"
        )
        tried = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in tried} == {Unavailable}
    assert one._held[client].failures == 1


async def test_little_is_remembered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "MOST", 3)
    one = await house.process(4)
    got: dict[int, int] = dict.fromkeys(house.clients, 0)
    for _ in range(6):
        for client in house.clients:
            got[client] += await allowed(one.take(client))
            assert len(one._held) <= 3
    assert set(got.values()) == {4}, "a block of one is not lost when its place is taken"
    house.clock.real_at += timedelta(hours=1)
    await one.take(house.clients[0])
    assert list(one._held) == [house.clients[0]], "ended windows are dropped"


@pytest.mark.parametrize("wrong", [-1, 1_000_000_001])
async def test_clients_as_the_operator_keeps_them(house: House, wrong: int) -> None:
    service = house.first
    alice = await service.pool.fetchval("select id from accounts")
    new = await found_client(service, alice, "web_service", "alice-web", "user", 5)
    await change_client(service, new.name, role="administrator")
    (line,) = [line for line in await clients_of(service, alice) if line.name == new.name]
    assert (line.kind, line.role, line.quota, line.revoked_at) == ("web_service", "administrator", 5, None)
    assert new.secret not in repr(line)
    await change_client(service, new.name, quota=0)
    assert [line.quota for line in await clients_of(service, alice)] == [None] * 7
    with pytest.raises(InvalidInput):
        await change_client(service, new.name, quota=wrong)
    with pytest.raises(InvalidInput):
        await found_client(service, alice, "oauth", "alice-wrong", "user", wrong)
    for _ in range(2):
        await revoke_client(service, new.name)
        assert (await clients_of(service, alice))[-1].revoked_at == START, "the first time stays"
        house.clock.real_at += timedelta(seconds=1)
    for act in (
        change_client(service, new.name, quota=1),
        change_client(service, new.name, role="user"),
        revoke_client(service, "nobody"),
        clients_of(service, alice + 1),
    ):
        with pytest.raises(NotFound):
            await act


@pytest.mark.parametrize(
    "variables",
    [{"SEALPOST_QUOTA": "0"}, {"SEALPOST_QUOTA": "1000000001"}, {"SEALPOST_QUOTA_UNIT": "week"}],
)
def test_settings_that_cannot_be(variables: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(variables))):
        read_settings(variables)
