"""Every durable act of the log's writer is broken, one at a time, in each way; and what happens without its safeguards."""

from __future__ import annotations

import dataclasses
import os
import zlib
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from sealpost.seal.log.folder import LogFolder
from sealpost.seal.log.tiles import Tile
from sealpost.store import logs
from sealpost.usecases import extend_log as writer
from sealpost.usecases.extend_log import LogStopped, extend_log
from tests.faults.breaking import Mode
from tests.faults.log_life import LogSite, check_log, sweep
from tests.faults.site import Violation, new_site
from tests.world import World

COMPLETE = bool(os.environ.get("SEALPOST_FAULTS_COMPLETE"))
SAMPLE = 48


@pytest.fixture
async def place(world: World, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[LogSite]:
    # No test here kills the database, so its log need not be flushed.
    await world.service.pool.execute(f"alter database {urlsplit(dsn).path[1:]} set synchronous_commit = off")
    async with new_site(world, dsn, tmp_path) as opened:
        yield LogSite(opened, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("begin", [0, 251], ids=["begins", "fills a tile"])
async def test_sweep(place: LogSite, begin: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The log begins in this life; or its first tile becomes full in it. A sample, unless all is asked for."""

    def chosen(at: int, mode: Mode) -> bool:
        return COMPLETE or zlib.crc32(f"{begin} {at} {mode}".encode()) % SAMPLE == 0

    swept = await sweep(place, begin, chosen)
    with capsys.disabled():
        print(f"\nlog from {begin}: {len(swept.acts)} acts, {swept.cells} cells, {len(swept.violations)} violations")
    assert swept.cells
    assert not swept.violations, "\n".join(swept.violations)


def forked(place: LogSite) -> str:
    """Whether the checks see two roots for one size."""
    return ", ".join(str(one) for one, roots in place.signed.roots.items() if len(roots) > 1)


async def put_back(place: LogSite) -> None:
    """The database is as it was before the newest checkpoint; then as many other records come as it lost."""
    await place.reset()
    await place.sent()
    await place.logged()
    pool = place.site.world.service.pool
    size = await pool.fetchval("select size from logs")
    await place.fill(3)
    await place.logged()
    await pool.execute("delete from checkpoints where size > $1", size)
    await pool.execute("delete from records where log_index >= $1", size)
    await pool.execute("update logs set size = $1", size)
    await place.fill(3)


async def test_a_database_that_was_put_back(place: LogSite) -> None:
    """The control of the control: with everything in place the log stops and nothing is forked."""
    await put_back(place)
    with pytest.raises(LogStopped, match="put back"):
        await extend_log(place.site.service)
    assert not forked(place)


async def test_without_the_folders_word(place: LogSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody looks at the folder's checkpoint, nor at the tiles there, the put-back database forks the log."""

    async def believed(*_: Any) -> None:
        return

    await put_back(place)
    monkeypatch.setattr(writer, "_published", believed)
    with pytest.raises(LogStopped, match="other octets"):  # tiles never change: the second safeguard
        await extend_log(place.site.service)
    await place.site.service.pool.execute("update logs set stopped = null")
    monkeypatch.setattr(LogFolder, "_keep", overwritten)
    await extend_log(place.site.service)
    assert forked(place)
    with pytest.raises(Violation, match="two roots"):
        await check_log(place.site.service.pool, place.logs, place.signed)


def overwritten(self: LogFolder, tile: Tile, octets: bytes) -> None:
    """A folder that lets tiles change."""
    path = self.folder / tile.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)


async def test_published_before_it_is_settled(place: LogSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another root was settled for that size: it must be known before anything is published."""
    settle, late = logs.settle, list[tuple[Any, ...]]()

    async def at_once(*args: Any) -> bytes:
        late.append(args)
        return args[3]

    await place.reset()
    await place.sent()
    await place.logged()
    pool = place.site.world.service.pool
    tree = await logs.newest(pool)
    assert tree
    await place.fill(3)
    await settle(pool, tree.id, tree.size + 3, bytes(32), place.site.world.clock.now())
    monkeypatch.setattr(logs, "settle", at_once)
    await extend_log(place.site.service)
    await settle(*late[0])
    with pytest.raises(Violation, match="another root than is settled"):
        await check_log(pool, place.logs, place.signed)


@pytest.mark.parametrize("with_index", [True, False])
async def test_places_that_are_not_compared(place: LogSite, monkeypatch: pytest.MonkeyPatch, with_index: bool) -> None:
    """A second writer that read the log's size before the first one took its places gives them away again."""
    await place.reset()
    await place.sent()
    await place.logged()
    pool = place.site.world.service.pool
    stale = await logs.newest(pool)
    assert stale
    await place.fill(3)
    await place.logged()
    await place.fill(3)

    async def blind(connection: Any, tree: logs.Log, keys: Any) -> bool:
        await connection.execute("update logs set size = $2 where id = $1", tree.id, stale.size + len(keys))
        placing = dataclasses.replace(tree, size=stale.size)
        for number, (ticket_id, seq) in enumerate(keys):
            await connection.execute(
                "update records set log_id = $1, log_index = $2 where ticket_id = $3 and seq = $4",
                tree.id, placing.size + number, ticket_id, seq,
            )  # fmt: skip
        return True

    monkeypatch.setattr(logs, "place", blind)
    if with_index:
        with pytest.raises(asyncpg.UniqueViolationError):
            await extend_log(place.site.service)
        return
    await pool.execute("drop index records_logged")
    with suppress(LogStopped):  # by chance of which of the two records at a place is read
        await extend_log(place.site.service)
    with pytest.raises(Violation, match=r"places are not|is stopped"):
        await check_log(pool, place.logs, place.signed)
