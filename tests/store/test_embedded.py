"""The embedded server: starts, is shared, is taken over after a kill, opens nothing to others. All in tmp folders."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from sealpost.store.embedded import EmbeddedServer
from sealpost.store.embedded_postmaster import _postmaster

HOLDER = """
import asyncio, sys
from pathlib import Path
from sealpost.store.embedded import EmbeddedServer
async def hold():
    async with EmbeddedServer(Path(sys.argv[1])) as server:
        print(server.dsn, flush=True)
        await asyncio.Event().wait()
asyncio.run(hold())
"""


async def ask(dsn: str, question: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def hold(folder: Path) -> tuple[subprocess.Popen[str], str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert holder.stdout
    return holder, holder.stdout.readline().strip()


def modes(folder: Path) -> dict[Path, tuple[int, int, int]]:
    return {path: (stat.st_mode, stat.st_uid, stat.st_gid) for path in folder.parents if (stat := path.stat())}


async def test_starts_is_shared_and_is_stopped_by_the_last(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    before = modes(folder / "x") if folder.exists() else modes(folder)
    first, second = EmbeddedServer(folder), EmbeddedServer(folder)
    await first.start()
    await second.start()
    assert first.dsn == second.dsn
    assert await ask(first.dsn, "select current_setting('fsync') || current_setting('listen_addresses')") == "on"
    assert await ask(first.dsn, "select current_setting('data_checksums')") == "on"
    await first.stop()
    assert await ask(second.dsn, "select 1") == 1
    await second.stop()
    with pytest.raises(OSError):
        await asyncpg.connect(second.dsn)
    assert modes(folder) == before, "no folder above the data changes its mode or owner"


async def test_nobody_else_gets_in(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path / "data") as server:
        assert server.socket_folder.stat().st_mode & 0o077 == 0
        with pytest.raises(asyncpg.PostgresError):
            await asyncpg.connect(server.dsn.replace("sealpost@", "postgres@"))
        hba = str(await ask(server.dsn, "select string_agg(auth_method, ',') from pg_hba_file_rules"))
        assert hba == "peer"


async def test_a_killed_owner_leaves_a_server_that_is_taken_over(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    holder, dsn = hold(folder)
    try:
        await ask(dsn, "select 1")
    finally:
        holder.send_signal(signal.SIGKILL)
        await asyncio.to_thread(holder.wait)
        assert holder.stdout
        holder.stdout.close()
    async with EmbeddedServer(folder) as server:
        assert await ask(server.dsn, "select 1") == 1
    with pytest.raises(OSError):
        await asyncpg.connect(dsn)


async def test_a_killed_postmaster_loses_nothing(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "data")
    await server.start()
    await ask(server.dsn, "create table kept as select 42 as answer")
    assert server._place
    found = _postmaster(server._place.cluster)
    assert found
    os.kill(found[0], signal.SIGKILL)
    async with asyncio.timeout(20):
        while _postmaster(server._place.cluster) is not None:
            await asyncio.sleep(0.02)
    assert await server.ensure_running()
    assert await ask(server.dsn, "select answer from kept") == 42
    await server.stop()


async def test_a_living_strangers_number_in_the_lock_files_stops_nothing(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "data")
    await server.start()
    assert server._place
    place = server._place
    found = _postmaster(place.cluster)
    assert found
    os.kill(found[0], signal.SIGKILL)
    async with asyncio.timeout(20):
        while _postmaster(place.cluster) is not None:
            await asyncio.sleep(0.02)
    # Of the server's own account, and not a parent of it: others PostgreSQL does not take for a postmaster.
    stranger = subprocess.Popen(["/bin/sleep", "100"], **place.account.run_as)  # noqa: ASYNC220 - it only sleeps
    try:
        for file in (place.cluster / "postmaster.pid", place.socket / ".s.PGSQL.5432.lock"):
            _, rest = file.read_text().split("\n", 1)
            file.write_text(f"{stranger.pid}\n{rest}")
        assert await server.ensure_running()
        assert await ask(server.dsn, "select 1") == 1
    finally:
        stranger.kill()
        stranger.wait()
    await server.stop()


async def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20) / ("name" * 20)
    async with EmbeddedServer(folder) as server:
        assert len(os.fsencode(server.socket_folder / ".s.PGSQL.5432")) <= 107
        assert await ask(server.dsn, "select 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")
async def test_root_does_not_run_it_as_root(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path / "data") as server:
        assert server._place
        found = _postmaster(server._place.cluster)
        assert found
        assert Path(f"/proc/{found[0]}").stat().st_uid != 0
