"""``sealpost trust …``: what others need to check our evidence."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from sealpost.cli.acting import with_look
from sealpost.domain.anchors import trust_fingerprint
from sealpost.usecases.reads.trust import trust_folder
from sealpost.usecases.service import Service

trust = typer.Typer(help="The trust folder: what others need to check our evidence.", no_args_is_help=True)


@trust.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="made if missing; files of the same names are replaced")],
) -> None:
    """Write the trust folder, as it is published at /trust/."""

    async def act(service: Service) -> None:
        files = await trust_folder(service)
        await asyncio.to_thread(_written, folder, files)
        print(f"{len(files)} files in {folder}")
        print(f"fingerprint {trust_fingerprint(files)}")

    with_look(act)


def _written(folder: Path, files: dict[str, bytes]) -> None:
    for name, octets in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)
