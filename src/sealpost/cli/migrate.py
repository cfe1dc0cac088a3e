"""``sealpost migrate``: bring the database to today's tables. Safe to repeat, and beside running processes."""

from __future__ import annotations

from sealpost import bootstrap
from sealpost.cli.running import run
from sealpost.settings import read_settings


def migrate() -> None:
    """Bring the database (DATABASE_URL, or the embedded one) to today's tables."""

    async def work() -> None:
        async with bootstrap.database(read_settings()) as dsn:
            await bootstrap.migrate(dsn)

    run(work())
    print("The database is up to date.")
