"""What the short commands share: those that change something get a migrated database and the service on it.

Those that look get the service on what is there: nothing is migrated or made. As root, both go on as the owner.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sealpost import bootstrap
from sealpost.cli.owner import become_owner
from sealpost.cli.running import run
from sealpost.settings import read_settings
from sealpost.usecases.service import Service


def with_service(act: Callable[[Service], Awaitable[None]]) -> None:
    """Runs an act on a migrated database."""
    settings = read_settings()
    become_owner(settings)

    async def work() -> None:
        async with bootstrap.database(settings) as dsn:
            await bootstrap.migrate(dsn)
            async with bootstrap.opened(settings, dsn) as service:
                await act(service)

    run(work())


def with_look(act: Callable[[Service], Awaitable[None]]) -> None:
    """Runs an act that only reads, on the database as it is."""
    settings = read_settings()
    become_owner(settings)

    async def work() -> None:
        async with bootstrap.database(settings, looking=True) as dsn:
            await bootstrap.require_current(dsn)
            async with bootstrap.looked_into(settings, dsn) as service:
                await act(service)

    run(work())
