"""What all tests share: a real PostgreSQL (the embedded one), a service on it, and Alice, Bob and Charlie."""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
import pytest_socket
from argon2 import PasswordHasher

from sealpost.store.embedded import EmbeddedServer
from sealpost.store.migrate import migrate
from sealpost.store.pool import connector
from sealpost.usecases import passwords
from tests.hostile.counted import summary
from tests.site import Site, new_site
from tests.support.databases import Databases
from tests.world import World, new_world

TEMPLATE = "migrated"
# Argon2 as costly as it must be would be most of the suite's time; its parameters are tested by themselves.
passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_databases: dict[str, Databases] = {}
_BEGAN = time.monotonic()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Temporary folders of this run's own, away from the one that pytest shares between a user's runs.

    Each run that starts closes the shared one to other accounts, and so to the database of a run that is under way.
    """
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="sealpost-tests-", ignore_cleanup_errors=True)
        config.option.basetemp = folder.name
        config.add_cleanup(folder.cleanup)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many hostile cases there were, for whoever reads the run; here, because workers print nothing."""
    passed = {report.nodeid for report in terminalreporter.stats.get("passed", ())}
    if any(nodeid.startswith("tests/hostile/test_tables") for nodeid in passed):
        terminalreporter.write_line(summary())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seconds", type=float, default=math.inf, help="skip the tests that have not begun by then")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """No network beyond this machine, and no test that there is no time for."""
    seconds: float = item.config.option.seconds
    if time.monotonic() - _BEGAN > seconds:
        pytest.skip("no time was left for it")
    pytest_socket.socket_allow_hosts(["127.0.0.0/8", "::1", "localhost"], allow_unix_socket=True)


def with_database(dsn: str, name: str) -> str:
    return dsn.replace("/sealpost?", f"/{name}?")


def reachable(folder: Path) -> Path:
    """Lets other accounts pass a test's folder, without reading it.

    Root's embedded server runs under an account of its own. What that account cannot reach, it keeps under
    /var/lib/sealpost, and a test run would leave its databases there.
    """
    beyond = Path(tempfile.gettempdir()).resolve()
    for one in (folder, *folder.parents):
        if one == beyond or beyond not in one.parents:
            break
        one.chmod(0o711)
    return folder


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    return reachable(tmp_path)


@pytest_asyncio.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[EmbeddedServer]:
    """An embedded server with a migrated template database."""
    async with EmbeddedServer(reachable(tmp_path_factory.mktemp("pg"))) as running:
        admin = await asyncpg.connect(running.dsn)
        await forgo_durability(admin)
        await admin.execute(f"create database {TEMPLATE}")
        await migrate(connector(with_database(running.dsn, TEMPLATE)))
        await admin.close()
        yield running


async def forgo_durability(admin: Any) -> None:
    """Makes a new database four times cheaper: the shared server's data need not outlive the run.

    Tests that kill a server, or look at what it flushes, start one of their own (`EmbeddedServer`), which is as durable
    as everybody's.
    """
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        await admin.execute(f"alter system set {name} = off")
    await admin.execute("select pg_reload_conf()")


@asynccontextmanager
async def fresh_database(server: EmbeddedServer) -> AsyncGenerator[str]:
    databases = _databases.setdefault(server.dsn, Databases(server.dsn, TEMPLATE))
    name = await databases.take()
    yield databases.address(name)
    await databases.give_back(name)


@pytest_asyncio.fixture
async def dsn(server: EmbeddedServer) -> AsyncGenerator[str]:
    """A database of this test's own."""
    async with fresh_database(server) as made:
        yield made


@pytest_asyncio.fixture
async def world(dsn: str, tmp_path: Path) -> AsyncGenerator[World]:
    """The service with a catcher, a clock that the test moves, and two accounts: Alice's and Charlie's."""
    async with new_world(dsn, tmp_path) as made:
        yield made


@pytest.fixture
def eventually() -> Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]:
    """Waits for a condition, at most twenty seconds."""

    async def wait(condition: Callable[[], Awaitable[Any]]) -> Any:
        async with asyncio.timeout(20):
            while not (found := await condition()):
                await asyncio.sleep(0.02)
            return found

    return wait


@pytest_asyncio.fixture(scope="module")
async def quiet_world(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    """A world that a module's tests share: for what must be refused and leaves nothing behind."""
    async with fresh_database(server) as dsn, new_world(dsn, reachable(tmp_path_factory.mktemp("quiet"))) as made:
        yield made


@pytest_asyncio.fixture(scope="module")
async def quiet_site(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Site]:
    """A site that a module's tests share: for requests that must leave nothing behind."""
    async with fresh_database(server) as dsn, new_site(dsn, reachable(tmp_path_factory.mktemp("quiet"))) as made:
        yield made


@pytest_asyncio.fixture
async def site(dsn: str, tmp_path: Path) -> AsyncGenerator[Site]:
    """The whole web application on a real port, and the world behind it."""
    async with new_site(dsn, tmp_path) as made:
        yield made
