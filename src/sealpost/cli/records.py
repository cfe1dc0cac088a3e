"""``sealpost records …``: records of a release that neither sealed nor logged are adopted once, at the upgrade."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sealpost.cli.acting import with_service
from sealpost.domain.errors import PreconditionFailed
from sealpost.usecases.adopt import Offer, adopt_listed, look_at_offer, settle
from sealpost.usecases.service import Service

records = typer.Typer(help="Records of an earlier release.", no_args_is_help=True)


@records.command("adopt")
def adopt(
    confirmed: Annotated[bool, typer.Option("--yes", help="adopt them without a question")] = False,
    none: Annotated[
        bool, typer.Option("--none", help="none of them is this service's own: adopt nothing, for good")
    ] = False,
) -> None:
    """Show the records that an earlier release made without seals, and adopt them: they are sealed and logged now."""
    if confirmed and none:
        raise typer.BadParameter("give --yes or --none")

    async def act(service: Service) -> None:
        found = await look_at_offer(service)
        if found is None:
            print("no records of an earlier release wait")
            await finish_adopting(service)
            return
        show_offer(found)
        if not (confirmed or none) and not sys.stdin.isatty():
            raise PreconditionFailed("say --yes or --none")
        if none:
            await settle(service, adopted=False)
            print("nothing is adopted, for good")
        elif confirmed or typer.confirm("Adopt them? This is asked once."):
            await adopt_offered(service)

    with_service(act)


def show_offer(found: Offer) -> None:
    """Prints what would be adopted."""
    span = (
        f", from {found.first:%Y-%m-%d %H:%M} to {found.last:%Y-%m-%d %H:%M} UTC" if found.first and found.last else ""
    )
    print(f"{found.records} records of {found.tickets} tickets are of an earlier release that made no seals{span}.")
    print("Adopted, they are sealed and logged now, and a record says so: nothing proves them before now.")
    print(
        "Records that this service did not make would be among them if somebody had added them to the database before."
    )


async def adopt_offered(service: Service) -> None:
    """Writes the operator's word down and does what it says."""
    await settle(service, adopted=True)
    await finish_adopting(service)


async def finish_adopting(service: Service) -> None:
    """Adopts what is confirmed and was left by a crash, or by a key that was away."""
    if adopted := await adopt_listed(service):
        print(f"{adopted} records adopted; a worker brings them into the log")
