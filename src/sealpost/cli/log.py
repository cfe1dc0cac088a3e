"""``sealpost log …``: the transparency log."""

from __future__ import annotations

from typing import Annotated

import typer

from sealpost.cli.acting import with_look, with_service
from sealpost.domain.canonical import instant
from sealpost.domain.errors import PreconditionFailed
from sealpost.usecases.extend_log import begin_log, next_name
from sealpost.usecases.reads.trust import log_views
from sealpost.usecases.service import Service

log = typer.Typer(help="The transparency log.", no_args_is_help=True)


@log.command("list")
def list_logs() -> None:
    """List the logs, newest first, with tabs between name, origin, size, time of the newest checkpoint and state."""

    async def act(service: Service) -> None:
        print("name\torigin\tsize\tat\tstate")
        for one in await log_views(service):
            at = instant(one.at) if one.at else "-"
            print(f"{one.name}\t{one.origin}\t{one.size}\t{at}\t{one.stopped or 'goes on'}")

    with_look(act)


@log.command("begin")
def begin(
    confirmed: Annotated[bool, typer.Option("--yes", help="the current log ends for good")] = False,
) -> None:
    """End the current log and begin the next, with the newest keys: after a log stopped, once you know why."""

    async def act(service: Service) -> None:
        views = await log_views(service)
        if not views:
            raise PreconditionFailed("there is no log yet; it begins by itself")
        if not confirmed:
            raise PreconditionFailed(f"{views[0].name} would end for good; say --yes")
        made = await begin_log(service, next_name(views[0].name))
        print(f"{made.name}\t{made.origin}")

    with_service(act)
