"""``sealpost keys …``: the evidence keys."""

from __future__ import annotations

from typing import Annotated

import typer

from sealpost.cli.acting import with_look, with_service
from sealpost.usecases.rotate import rotate_key
from sealpost.usecases.service import Service

keys = typer.Typer(help="Evidence keys.", no_args_is_help=True)


@keys.command("rotate")
def rotate(
    purpose: Annotated[str, typer.Argument(help="record-seal, pdf-seal, log-ed25519, log-mldsa44 or root")],
) -> None:
    """Make the next key of a purpose and record that. Running processes use it from their next start."""

    async def act(service: Service) -> None:
        print(f"{purpose} {await rotate_key(service, purpose)}")

    with_service(act)


@keys.command("list")
def list_keys() -> None:
    """List the evidence keys, with tabs between purpose, number and the end of the certificate."""

    async def act(service: Service) -> None:
        folder = service.evidence.keys
        print("purpose\tnumber\tuntil")
        for purpose, number in folder.all():
            chain = folder.certificates(purpose, number)
            print(
                f"{purpose}\t{number}\t{chain[0].not_valid_after_utc:%Y-%m-%d}" if chain else f"{purpose}\t{number}\t-"
            )

    with_look(act)
