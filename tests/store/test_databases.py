"""The databases of tests: what a test leaves is removed, and one that cannot be made as it was is dropped."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from itertools import count
from typing import Any

import asyncpg
import pytest

from sealpost.store.embedded import EmbeddedServer
from tests.conftest import TEMPLATE
from tests.support import databases as module
from tests.support.databases import Databases

DROPPED = {
    "a column": "alter table mails add column odd int",
    "a table": "create table odd (one int)",
    "a constraint": "alter table mails add constraint odd check (true)",
    "a trigger": "alter table pgqueuer disable trigger user",
    "a setting": "do $$ begin execute format('alter database %I set work_mem = 100', current_database()); end $$",
}


_numbers = count(10_000, 100)


@pytest.fixture
async def kept(server: EmbeddedServer) -> AsyncGenerator[Databases]:
    """Names of their own, so that nobody else is given them."""
    own = Databases(server.dsn, TEMPLATE, made=next(_numbers))
    yield own
    admin: Any = await asyncpg.connect(server.dsn)
    for name in own.free:
        await admin.execute(f"drop database {name} with (force)")
    await admin.close()


async def used(kept: Databases, use: Callable[[Any], Awaitable[Any]]) -> tuple[str, bool]:
    """The name of a database that was used and given back, and whether it is still there."""
    name = await kept.take()
    connection: Any = await asyncpg.connect(kept.address(name))
    await use(connection)
    await connection.close()
    await kept.give_back(name)
    admin: Any = await asyncpg.connect(kept.server)
    found = await admin.fetchval("select count(*) from pg_database where datname = $1", name)
    await admin.close()
    return name, bool(found)


async def test_what_a_test_leaves_is_removed_and_the_database_is_used_again(kept: Databases) -> None:
    async def write(connection: Any) -> None:
        await connection.execute(
            "insert into accounts (name, time_zone, language, created_at) values ('Alice', 'UTC', 'en', now())"
        )

    name, there = await used(kept, write)
    assert there
    assert await kept.take() == name
    connection: Any = await asyncpg.connect(kept.address(name))
    assert await connection.fetchval("select count(*) from accounts") == 0
    number = (
        "insert into accounts (name, time_zone, language, created_at) values ('Bob', 'UTC', 'en', now()) returning id"
    )
    assert await connection.fetchval(number) == 100_001, "the numbers begin anew"
    await connection.close()
    await kept.give_back(name)


@pytest.mark.parametrize("change", DROPPED)
async def test_one_whose_schema_was_changed_is_dropped(kept: Databases, change: str) -> None:
    async def alter(connection: Any) -> None:
        await connection.execute(DROPPED[change])

    name, there = await used(kept, alter)
    assert not there
    assert name not in kept.free


async def test_one_that_has_grown_is_dropped(kept: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    async def grow(connection: Any) -> None:
        await connection.execute(
            "insert into accounts (name, time_zone, language, created_at)"
            " select repeat('x', 100), 'UTC', 'en', now() from generate_series(1, 2000)"
        )

    monkeypatch.setattr(module, "ROOM", 100_000)  # eight megabytes would take a second
    name, there = await used(kept, grow)
    assert not there
    assert name not in kept.free


async def test_a_session_that_lives_on_is_ended(kept: Databases) -> None:
    """Its test is over; what it still holds must not reach the next one."""
    name = await kept.take()
    left: Any = await asyncpg.connect(kept.address(name))
    transaction: Any = left.transaction()
    await transaction.start()
    await left.execute("lock table mails")
    await kept.give_back(name)
    assert kept.free == [name]
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await left.execute("select 1")


async def test_one_that_cannot_be_emptied_is_dropped(kept: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: Any) -> None: ...

    await kept._read_template()
    monkeypatch.setattr(kept, "_emptying", "delete from no_such_table")
    name, there = await used(kept, nothing)
    assert not there
    assert name not in kept.free
