"""What the long-running commands share: the event loop, logs, signals, and the web server."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog
import uvicorn
import uvloop

from sealpost.cli.heads import BoundedHeads

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Runs a coroutine to its end on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def set_up_logs(*, pretty: bool) -> None:
    """Log lines go to standard error: for people where it is a terminal, else one JSON object each."""
    renderer = structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("pgqueuer").setLevel(logging.ERROR)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that a port that is taken is told before anything starts.

    Raises:
        OSError: the port is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by name: asyncio's own loop turns Nagle's algorithm off only where it sees it, else answers wait 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listening.listen(2048)
    return listening


class WebServer(uvicorn.Server):
    """uvicorn without signal handling of its own; the command decides when it ends."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def serve_web(app: Any, listening: socket.socket, stop: asyncio.Event, proxies: str = "") -> None:
    """Serves until ``stop``, then lets requests under way finish for ten seconds."""
    config = uvicorn.Config(
        app,
        http=BoundedHeads,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies or None,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
    )
    server = WebServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    await serving
    stop.set()
