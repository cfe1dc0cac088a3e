"""Brings a database to today's tables: ours by Alembic, the queue's by PgQueuer.

Both are safe to run again and beside another process: an advisory lock lets one run at a time, and each migration is
one transaction, so a crash leaves the database before or after it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from sealpost.store.pool import Connect

LOCK = 0x5EA1_0001


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


async def migrate(connect: Connect) -> None:
    """Runs everything that is missing.

    Args:
        connect: makes a direct connection (not through a transaction pooler).
    """
    lock = await connect()
    try:
        await lock.execute("select pg_advisory_lock($1)", LOCK)
        await _migrate_tables(connect)
        await _migrate_queue(lock)
    finally:
        await lock.close()


async def _migrate_tables(connect: Connect) -> None:
    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


async def _migrate_queue(connection: Any) -> None:
    queries = Queries(AsyncpgDriver(connection))
    if await queries.schema_is_installed():
        await queries.upgrade()
    else:
        await queries.install()


async def is_current(connect: Connect) -> bool:
    """Whether no migration of ours is missing."""
    return await standing(connect) == "current"


async def standing(connect: Connect) -> Literal["current", "older", "newer"]:
    """How the database's tables are to this program's; an empty one is older. Nothing is changed."""
    scripts = ScriptDirectory.from_config(_config())
    known = {one.revision for one in scripts.walk_revisions()}

    def read(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.connect() as connection:
        current = await connection.run_sync(read)
    await engine.dispose()
    if current == scripts.get_current_head():
        return "current"
    return "older" if current is None or current in known else "newer"
