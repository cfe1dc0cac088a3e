"""kill -9 at each of the 24 points; once each here, twenty times in ``script/faults``, which prints a line for each.

The controls: with a safeguard taken out of the process that dies, the same runs must object.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from sealpost.store import migrate
from sealpost.store.embedded import EmbeddedServer
from sealpost.store.pool import connector
from tests.conftest import fresh_database, reachable, with_database
from tests.faults.crash_course import played
from tests.faults.crash_points import POINTS, Point
from tests.faults.given_out import Kept
from tests.faults.installation import Installation, Nursery, new_installation, nursery
from tests.faults.site import Violation

__all__ = ["nursery"]
RUNS = 20 if os.environ.get("SEALPOST_FAULTS_COMPLETE") else 1
KNOWN = {point.name: point for point in POINTS}
OLD = "of_before"
TABLES = ("accounts", "users", "mails", "attempts")
LEGACY = (
    "insert into accounts (name, created_at) values ('Charlie B.V.', now())",
    """insert into users (account_id, email, email_key, role, created_at)
       select id, 'charlie@example.net', 'charlie@example.net', 'user', now() from accounts""",
    """insert into mails (id, account_id, purpose, state, planned_at, mail_from)
       select gen_random_uuid(), id, 'invitation', 'sent', now(), 'post@sealpost.example' from accounts""",
    "insert into attempts (mail_id, number, state, prepared_at) select id, 1, 'accepted', now() from mails",
)


@pytest_asyncio.fixture(scope="module")
async def place(
    server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory, nursery: Nursery
) -> AsyncGenerator[tuple[Installation, Kept]]:
    folder = reachable(tmp_path_factory.mktemp("points"))
    async with fresh_database(server) as dsn, new_installation(folder, nursery, dsn) as made:
        made.launch("all", "all")
        yield made, Kept()


def tell(point: Point, violations: list[str], repeats: int, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{point.name:4}{point.told:40}{RUNS:3} runs, {len(violations)} violations, {repeats} repeats", end="")
    assert not violations, "\n".join(violations)


@pytest.mark.slow
@pytest.mark.timeout(120 * RUNS)
@pytest.mark.parametrize("point", POINTS[:23], ids=lambda point: point.name)
async def test_point(place: tuple[Installation, Kept], point: Point, capsys: pytest.CaptureFixture[str]) -> None:
    installation, kept = place
    repeats, violations = 0, list[str]()
    for number in range(RUNS):
        try:
            repeats += (await played(installation, point, number, kept)).repeats
        except Violation as violation:
            violations.append(f"{point.name}, run {number}: {violation}")
    tell(point, violations, repeats, capsys)


@pytest.mark.slow
async def test_a_point_that_is_never_reached(place: tuple[Installation, Kept]) -> None:
    """A point whose function is called no more, or less often than it is armed for, does not pass."""
    with pytest.raises(Violation, match="was not reached"):
        await played(place[0], Point("K0", "nowhere"), 0, Kept())


@asynccontextmanager
async def copy_of(server: EmbeddedServer, template: str) -> AsyncGenerator[str]:
    admin: Any = await connector(server.dsn)()
    await admin.execute(f"create database migrated_here template {template}")
    yield with_database(server.dsn, "migrated_here")
    await admin.execute("drop database migrated_here with (force)")
    await admin.close()


@pytest_asyncio.fixture(scope="module")
async def old(server: EmbeddedServer) -> str:
    """The name of a database with the tables of an earlier version, and rows in them."""
    admin: Any = await connector(server.dsn)()
    await admin.execute(f"create database {OLD}")
    await admin.close()
    connect = connector(with_database(server.dsn, OLD))

    def run(connection: Connection) -> None:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(run)
        for statement in LEGACY:
            await connection.exec_driver_sql(statement)
    await engine.dispose()
    return OLD


async def legacy(dsn: str) -> list[dict[str, Any]]:
    """The oldest row of each table."""
    reader: Any = await connector(dsn)()
    rows = [await reader.fetchrow(f"select * from {table} limit 1") for table in TABLES]
    await reader.close()
    return [dict(row) for row in rows]


def check_legacy(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """Every old row is there, as far as its columns are."""
    assert len(before) == len(after) == len(LEGACY)
    for one, other in zip(before, after, strict=True):
        assert {name: one[name] for name in one.keys() & other.keys()}.items() <= other.items()


@pytest.mark.slow
@pytest.mark.timeout(120 * RUNS)
async def test_migration(
    server: EmbeddedServer, old: str, tmp_path: Path, nursery: Nursery, capsys: pytest.CaptureFixture[str]
) -> None:
    """K24: killed at a statement of a migration; the next start does it whole, and what was there before is there."""
    point, repeats, violations = KNOWN["K24"], 0, list[str]()
    for number in range(RUNS):
        folder = tmp_path / f"{number}"
        folder.mkdir(mode=0o711)
        async with copy_of(server, old) as dsn:
            before = await legacy(dsn)

            async def dies(made: Installation, number: int = number) -> None:
                made.arm("K24", 1 + number * 7 % point.times)
                made.launch("all", "all")
                await made.serving()
                assert made.struck(), "the migration was not reached"

            try:
                async with new_installation(folder, nursery, dsn, before=dies) as made:
                    check_legacy(before, await legacy(dsn))
                    assert await migrate.is_current(connector(dsn))
                    repeats += (await played(made, point, number, Kept())).repeats
            except Violation as violation:
                violations.append(f"{point.name}, run {number}: {violation}")
    tell(point, violations, repeats, capsys)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("control", "change", "name", "number", "objection"),
    [
        ("no flush", "", "K5", 1, "I1: the content of .* is gone"),
        ("no mark", "", "K11", 0, "I5: announcement came 2 times"),
        ("no mark", "", "K20", 0, "I5: content came 2 times"),
        ("no memory", "drop index records_one_decision", "K16", 0, "I2: decided"),
    ],
)
async def test_without_a_safeguard(
    dsn: str, tmp_path: Path, nursery: Nursery, control: str, change: str, name: str, number: int, objection: str
) -> None:
    async with new_installation(tmp_path, nursery, dsn) as made:
        made.control = control
        if change:
            await made.service.pool.execute(change)
        made.launch("all", "all")
        with pytest.raises(Violation, match=objection):
            await played(made, KNOWN[name], number, Kept())
