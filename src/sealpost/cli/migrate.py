"""``sealpost migrate``: bring the database to today's tables. Safe to repeat, and beside running processes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sealpost import bootstrap
from sealpost.cli.owner import become_owner
from sealpost.cli.records import adopt_offered, show_offer
from sealpost.cli.running import run
from sealpost.settings import Settings, read_settings
from sealpost.usecases.adopt import look_at_offer


def migrate(
    adopt: Annotated[
        bool | None,
        typer.Option(
            "--adopt/--no-adopt", help="adopt records of an earlier release without a question, or leave them"
        ),
    ] = None,
) -> None:
    """Bring the database (DATABASE_URL, or the embedded one) to today's tables."""
    settings = read_settings()
    become_owner(settings)

    async def work() -> None:
        async with bootstrap.database(settings) as dsn:
            await bootstrap.migrate(dsn)
            print("The database is up to date.")
            if settings.keys.is_dir():  # else this is not where the service runs, and its keys are elsewhere
                await _offer_old_records(settings, dsn, adopt=adopt)

    run(work())


async def _offer_old_records(settings: Settings, dsn: str, *, adopt: bool | None) -> None:
    async with bootstrap.opened(settings, dsn) as service:
        found = await look_at_offer(service)
        if found is None:
            return
        show_offer(found)
        if adopt is None and sys.stdin.isatty():
            adopt = typer.confirm("Adopt them? This is asked once.")
        if adopt:
            await adopt_offered(service)
        else:
            print("Nothing is adopted until you say so: sealpost records adopt")
