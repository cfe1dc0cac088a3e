"""A whole ``sealpost demo`` as a process of its own, to be driven over HTTP and killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx2

from sealpost.store.embedded_place import PORT, find_place, server_account
from sealpost.store.embedded_postmaster import _postmaster, stop

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90.0
"""Seconds in which a start, or whatever was interrupted, must be done."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pause() -> None:
    """Between two looks at another process, which cannot be waited for."""
    threading.Event().wait(0.05)


class Demo:
    """The demo of one folder, started and killed any number of times, on one port.

    Args:
        folder: its own, closed to nobody above it; the log is ``demo.log`` there.
    """

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.ready: dict[str, str] = {}
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it serves.

        Raises:
            RuntimeError: it does not come up.
        """
        ready, log = self._folder / "ready.json", self._folder / "demo.log"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "sealpost", "demo", "--data", self.data, "--port", str(self._port)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [*command, "--ready-file", ready, "--test-clock"], stdout=out, stderr=out, env=environment, cwd=ROOT
            )
        deadline = time.monotonic() + PATIENCE
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the demo does not start: {log.read_text(errors='replace')[-3000:]}")
            pause()
        self.ready = json.loads(ready.read_text())

    def kill(self, *, database_too: bool) -> None:
        """kill -9, of the embedded server as well if asked for; in this order or the other by chance of the scheduler."""
        assert self._process
        if database_too and (found := _postmaster(self._place().cluster)):
            os.kill(found[0], signal.SIGKILL)
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Leaves nothing running, whatever state it is in."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self.data.exists():
            stop(self._place())

    @property
    def dsn(self) -> str:
        return f"postgresql://sealpost@/sealpost?host={self._place().socket}&port={PORT}&sslmode=disable"

    def client(self) -> httpx2.Client:
        """A browser: keeps cookies, follows no redirect."""
        return httpx2.Client(base_url=self.ready["base_url"], timeout=20)

    def program(self) -> httpx2.Client:
        """The web service user's program."""
        basic = (self.ready["web_service_user"], self.ready["web_service_password"])
        return httpx2.Client(base_url=self.ready["base_url"], timeout=20, auth=basic)

    def inbox(self, client: httpx2.Client, address: str) -> list[dict[str, Any]]:
        answer = client.get("/inbox/api/messages", params={"to": address})
        answer.raise_for_status()
        return answer.json()

    def _place(self) -> Any:
        return find_place(self.data.resolve(), server_account())
