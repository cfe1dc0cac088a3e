"""``sealpost witness``: cosigns the checkpoints of somebody else's logs, on a machine of its own, without a database."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from sealpost.cli.running import listen, run, serve_web, set_up_logs, stop_on_signals
from sealpost.clock import SystemClock
from sealpost.domain.errors import InvalidInput
from sealpost.seal.witness.app import NoWitness, Witness, witness_app
from sealpost.seal.witness.folder import open_witness

log = structlog.get_logger()


def witness(
    name: Annotated[str, typer.Option(help="its name, as witness.example.org/sealpost; it cannot change later")],
    data: Annotated[Path, typer.Option(help="folder for its state and keys")],
    logs: Annotated[list[str], typer.Option("--log", help="verifier key of a log; as often as there are keys")],
    bind: Annotated[str, typer.Option(help="address to listen on; behind a proxy that ends TLS")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="port to listen on; 0: any that is free")] = 8026,
    prefix: Annotated[str, typer.Option(help="path before /add-checkpoint, if the proxy does not take it off")] = "",
    keys: Annotated[bool, typer.Option("--keys", help="print its verifier keys and end")] = False,
) -> None:
    """Cosign the checkpoints of logs. Prints its verifier keys first, for policies; SIGTERM and Ctrl-C stop it cleanly."""
    set_up_logs(pretty=sys.stderr.isatty())
    given = os.environ.get("SEALPOST_KEYS_PASSPHRASE", "")  # no option: everybody on the machine sees those
    try:
        opened = open_witness(data, name, logs, SystemClock(), given=given)
    except NoWitness as error:
        raise InvalidInput("witness", str(error)) from error
    print(*opened.keys, sep="\n", flush=True)
    if not keys:
        run(_serve(opened, listen(bind, port), prefix.rstrip("/")))


async def _serve(opened: Witness, listening: socket.socket, prefix: str) -> None:
    stop: asyncio.Event = stop_on_signals()
    log.info("witness_serves", name=opened.name, port=listening.getsockname()[1], known=opened.sizes())
    await serve_web(witness_app(opened, prefix), listening, stop)
