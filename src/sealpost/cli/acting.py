"""What the commands that change something share: a migrated database and the service on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sealpost import bootstrap
from sealpost.cli.running import run
from sealpost.settings import read_settings
from sealpost.usecases.service import Service


def with_service(act: Callable[[Service], Awaitable[None]]) -> None:
    """Runs an act on a migrated database."""

    async def work() -> None:
        settings = read_settings()
        async with bootstrap.database(settings) as dsn:
            await bootstrap.migrate(dsn)
            async with bootstrap.opened(settings, dsn) as service:
                await act(service)

    run(work())
