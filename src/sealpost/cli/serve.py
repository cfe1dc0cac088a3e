"""``sealpost serve`` and ``sealpost worker``: the service on one machine, in one process or several."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import AsyncExitStack
from typing import Annotated, Literal

import structlog
import typer

from sealpost import bootstrap
from sealpost.cli.owner import require_owner
from sealpost.cli.running import listen, run, serve_web, set_up_logs, stop_on_signals
from sealpost.settings import Settings, SettingsError, read_settings
from sealpost.worker.run import run as work

log = structlog.get_logger()
Role = Literal["all", "web", "worker", "inbound"]
STOP_SECONDS = 20


def serve(
    role: Annotated[Role, typer.Option(help="what this command runs: web, worker, inbound, or all of them")] = "all",
    processes: Annotated[
        int,
        typer.Option(
            min=1, max=64, help="web processes; more than one adds processes of their own for worker and inbound"
        ),
    ] = 1,
    listening: Annotated[int, typer.Option("--fd", hidden=True)] = -1,
) -> None:
    """Serve. SIGTERM and Ctrl-C stop it cleanly."""
    settings = read_settings()
    if role == "inbound" and not settings.inbound_port:
        raise SettingsError(
            "SEALPOST_INBOUND_PORT is 0, so that no mail is taken in: there is nothing to do for inbound"
        )
    require_owner(settings)
    set_up_logs(pretty=sys.stderr.isatty())
    if processes > 1 and role in {"all", "web"}:
        run(_supervise(settings, role, processes))
    else:
        run(_serve(settings, role, listening))


def worker() -> None:
    """Run a worker; any number of them share the work."""
    settings = read_settings()
    require_owner(settings)
    set_up_logs(pretty=sys.stderr.isatty())
    run(_serve(settings, "worker", -1))


async def _serve(settings: Settings, role: Role, fd: int) -> None:
    """Everything of a role in this process."""
    stop = stop_on_signals()
    web = None
    if role in {"all", "web"}:
        web = socket.socket(fileno=fd) if fd >= 0 else listen(settings.bind, settings.port)
    async with bootstrap.database(settings) as dsn:
        await bootstrap.migrate(dsn)
        await bootstrap.renew_seals(settings, dsn)
        async with AsyncExitStack() as stack:
            service = await stack.enter_async_context(bootstrap.opened(settings, dsn))
            if role in {"all", "inbound"} and settings.inbound_port:
                port = await stack.enter_async_context(bootstrap.inbound(settings, service))
                log.info("taking mail in", address=settings.inbound_bind, port=port, gateway=settings.gateway or None)
            parts = await stack.enter_async_context(asyncio.TaskGroup())
            if web:
                parts.create_task(_web(service, web, stop, settings))
            if role in {"all", "worker"}:
                parts.create_task(work(service, stop))
            log.info("serving", role=role, address=settings.base_url if web else None)
            await stop.wait()


async def _web(service: bootstrap.Service, web: socket.socket, stop: asyncio.Event, settings: Settings) -> None:
    async with bootstrap.asgi(service) as app:
        await serve_web(app, web, stop, settings.proxies)


async def _supervise(settings: Settings, role: Role, processes: int) -> None:
    """Starts the processes on one socket, starts one that died again, and stops them all."""
    stop = stop_on_signals()
    web = listen(settings.bind, settings.port)
    web.set_inheritable(True)
    async with bootstrap.database(settings) as dsn:
        await bootstrap.migrate(dsn)
        await bootstrap.renew_seals(settings, dsn)
        wanted = ["web"] * processes
        if role == "all":
            wanted += ["worker", "inbound"] if settings.inbound_port else ["worker"]
        running = [_start(one, web) for one in wanted]
        log.info("serving", processes=len(running), address=settings.base_url)
        while not stop.is_set():
            for place, child in enumerate(running):
                if child.poll() is not None:
                    log.warning("process ended, starting it again", role=wanted[place], code=child.returncode)
                    running[place] = _start(wanted[place], web)
            try:
                await asyncio.wait_for(stop.wait(), 1)
            except TimeoutError:
                continue
        await asyncio.to_thread(_stop, running)


def _start(role: str, web: socket.socket) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sealpost", "serve", "--role", role]
    if role == "web":
        command += ["--fd", str(web.fileno())]
    # A session of its own: a terminal's Ctrl-C reaches the parent, which stops its children in order.
    return subprocess.Popen(command, pass_fds=[web.fileno()], start_new_session=True, env=os.environ.copy())  # noqa: S603 - our own program


def _stop(running: list[subprocess.Popen[bytes]]) -> None:
    for child in running:
        child.send_signal(signal.SIGTERM)
    for child in running:
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
