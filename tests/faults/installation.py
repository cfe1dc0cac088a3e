"""An installation of several processes that can be killed and started again, and the one server that takes its mails.

The processes are forked by `crashing`; the server of the recipients stays in this process, and what it has said is the
truth. An observer, a Service of its own on the same database and folder, founds the account and looks at what is stored.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

import httpx2
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from sealpost import bootstrap
from sealpost.inbound.catcher import Catcher
from sealpost.settings import Settings, read_settings
from sealpost.usecases.found import NewAccount, found_account, found_client, found_user
from sealpost.usecases.service import Service
from tests.faults.crash_points import ARMED, STRUCK
from tests.faults.demo_process import ROOT, Demo, free_port
from tests.faults.site import Violation
from tests.world import PASSWORD

PATIENCE = 60.0
"""Seconds in which a start, or whatever was interrupted, must be done."""
LOOK = 0.02
"""Seconds between two looks at another process, which cannot be waited for."""
MAIL_DOMAIN = "sealpost.example"


class Sink(Catcher):
    """The recipients' server. ``given``: Message-ID → its answers to that mail's final dots, literally."""

    def __init__(self) -> None:
        super().__init__(self._keep_mail)
        self.given = defaultdict[str, list[str]](list)
        self.received = defaultdict[str, list[bytes]](list)
        self.came = defaultdict[str, list[str]](list)
        """Message-ID → the names that its clients gave themselves."""
        self.arrived = list[tuple[str, str, bytes]]()
        """Sender's and recipient's address and the mail, in order."""
        self.at_rcpt: Callable[[str, str], Awaitable[None]] | None = None
        self.at_dot: Callable[[str, str], Awaitable[None]] | None = None
        """Awaited with client's name and recipient before the answer is given."""

    async def _keep_mail(self, mail_from: str, rcpt_to: str, raw: bytes) -> None:
        self.received[message_id(raw)].append(raw)
        self.arrived.append((mail_from, rcpt_to, raw))

    def forget(self) -> None:
        """What came until now has been looked at."""
        for known in (self.given, self.received, self.came, self.arrived):
            known.clear()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.at_rcpt:
            await self.at_rcpt(str(session.host_name), address)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        reply = await super().handle_DATA(server, session, envelope)
        named = message_id(envelope.original_content or b"")
        self.given[named].append(reply)
        self.came[named].append(str(session.host_name))
        if self.at_dot:
            await self.at_dot(str(session.host_name), envelope.rcpt_tos[0])
        return reply


def message_id(raw: bytes) -> str:
    return str(BytesHeaderParser().parsebytes(raw)["message-id"])


class Process:
    """One process of the installation; its number cannot become a stranger's while this object knows it."""

    def __init__(self, role: str, pid: int) -> None:
        self.role, self.pid = role, pid
        self._fd = os.pidfd_open(pid)

    @property
    def alive(self) -> bool:
        waiting = select.poll()
        waiting.register(self._fd, select.POLLIN)
        return not waiting.poll(0)

    def signal(self, number: signal.Signals) -> None:
        """Nothing happens to one that has ended."""
        if self.alive:
            signal.pidfd_send_signal(self._fd, number)

    async def killed(self) -> None:
        self.signal(signal.SIGKILL)
        await until(lambda: resolved(not self.alive), f"{self.role} does not die")
        os.close(self._fd)


class Nursery:
    """Where processes come from: an interpreter that has imported everything, and forks."""

    def __init__(self, log: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        with log.open("ab") as out:
            self._parent = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.crashing"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=out, env=environment, cwd=ROOT,
            )  # fmt: skip
        self._answer()

    def fork(self, order: dict[str, Any]) -> Process:
        assert self._parent.stdin
        self._parent.stdin.write(json.dumps(order).encode() + b"\n")
        self._parent.stdin.flush()
        return Process(order["role"], self._answer())

    def _answer(self) -> int:
        assert self._parent.stdout
        return int(self._parent.stdout.readline())

    def close(self) -> None:
        """Its children die with it."""
        self._parent.kill()
        self._parent.communicate()


class Installation(Demo):
    """Processes of one data folder.

    Args:
        folder: its own.
        nursery: where processes come from.
        sink: takes the mails; runs.
        dsn: a migrated database; empty: the embedded server's.
    """

    def __init__(self, folder: Path, nursery: Nursery, sink: Sink, dsn: str = "") -> None:
        super().__init__(folder)
        self.folder, self.nursery, self.sink = folder, nursery, sink
        self.processes = dict[str, Process]()
        self.control, self.stale = "", "20 seconds"
        self.observer: Service | None = None
        self._orders = dict[str, tuple[str, dict[str, Any]]]()
        self.inbound_port = free_port()
        self.account = 0
        self._run = 0
        self.settings: dict[str, Any] = {
            "data": str(self.data), "database_url": dsn, "base_url": f"http://127.0.0.1:{self._port}", "port": self._port,
            "smtp_host": "127.0.0.1", "smtp_port": sink_port(sink), "smtp_tls": "none", "mail_domain": MAIL_DOMAIN,
            "our_name": "out1.sealpost.example", "legal_name": "Sealpost Test B.V.", "environment": "test", "pool": 12,
            "tsa_url": "own", "inbound_port": self.inbound_port,
        }  # fmt: skip
        self.data.mkdir(mode=0o755)

    @property
    def service(self) -> Service:
        assert self.observer
        return self.observer

    def read(self, **changes: Any) -> Settings:
        return read_settings({}, **{**self.settings, "data": self.data, **changes})

    async def found(self, service: Service) -> None:
        """Alice's account and her program's credentials; ``service`` observes from here on."""
        account = self.account = await found_account(service, NewAccount("Alice Incasso N.V.", language="en"))
        await found_user(service, account, "alice@example.org", PASSWORD, "administrator")
        basic = await found_client(service, account, "web_service", "alice-service", "administrator", quota=10**6)
        self.observer = service
        self.ready = {
            "base_url": self.settings["base_url"],
            "web_service_user": basic.name,
            "web_service_password": basic.secret,
            "sender_email": "alice@example.org",
        }

    def browser(self, **more: Any) -> httpx2.AsyncClient:
        """A browser, or with ``auth`` a program; certificates are not loaded, for there is no TLS."""
        return httpx2.AsyncClient(base_url=self.settings["base_url"], timeout=20, verify=False, **more)

    def program(self) -> httpx2.Client:
        basic = (self.ready["web_service_user"], self.ready["web_service_password"])
        return httpx2.Client(base_url=self.ready["base_url"], timeout=20, auth=basic, verify=False)

    # Processes --------------------------------------------------------------------------------------------------------

    def launch(self, name: str, role: str, **changes: Any) -> Process:
        """Starts a process under a name of ours; what it says goes to ``NAME.log``."""
        order = {
            "role": role, "log": str(self.folder / f"{name}.log"), "folder": str(self.folder), "control": self.control,
            "stale": self.stale, "settings": {**self.settings, **changes},
        }  # fmt: skip
        self._orders[name] = role, changes
        made = self.processes[name] = self.nursery.fork(order)
        return made

    def again(self, name: str) -> Process:
        """Starts one that has died as it was started before."""
        role, changes = self._orders[name]
        return self.launch(name, role, **changes)

    async def serving(self) -> None:
        """Waits for an answer over HTTP; a process that dies at its point meanwhile is started again."""

        async def answers() -> bool:
            await self.revive()
            try:
                async with self.browser() as client:
                    return (await client.get("/trust/policy")).status_code < 500
            except httpx2.TransportError:
                return False

        await until(answers, "it does not serve")

    async def revive(self) -> list[str]:
        """Starts what has died again; names of these.

        Raises:
            Violation: it died of something else than the point that is armed.
        """
        dead = [name for name, process in self.processes.items() if not process.alive]
        for name in dead:
            struck = self.struck()
            if struck is None or not (self.folder / ARMED).exists():
                log = (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]
                raise Violation(f"{name} died by itself: {log}")
            (self.folder / ARMED).unlink()
            self._lose_power(struck["flushed"])
            self.again(name)
        return dead

    def _lose_power(self, flushed: dict[str, int]) -> None:
        """What the dead process had written but not flushed is gone."""
        for path, size in flushed.items():
            if Path(path).exists() and Path(path).stat().st_size > size:
                os.truncate(path, size)

    def arm(self, point: str, time: int, number: signal.Signals = signal.SIGKILL) -> None:
        self._run += 1
        (self.folder / STRUCK).unlink(missing_ok=True)
        draft = self.folder / "armed.new"
        draft.write_text(json.dumps({"run": str(self._run), "point": point, "time": time, "signal": number}))
        draft.replace(self.folder / ARMED)

    def disarm(self) -> None:
        (self.folder / ARMED).unlink(missing_ok=True)

    def struck(self) -> dict[str, Any] | None:
        """What the knife told before it fell, if it fell in this run."""
        try:
            told = json.loads((self.folder / STRUCK).read_text())
        except FileNotFoundError:
            return None
        return told if told["run"] == str(self._run) else None

    async def stop(self) -> None:
        """Kills everything: it never ends in order here."""
        for process in self.processes.values():
            await process.killed()
        self.processes.clear()


def sink_port(sink: Sink) -> int:
    assert sink._server
    return int(sink._server.sockets[0].getsockname()[1])


async def resolved(value: Any) -> Any:
    return value


async def until(condition: Callable[[], Awaitable[Any]], otherwise: str, patience: float = PATIENCE) -> Any:
    """Waits for something; what it says in the end.

    Raises:
        Violation: it does not come about.
    """
    deadline = time.monotonic() + patience
    while not (found := await condition()):
        if time.monotonic() > deadline:
            raise Violation(otherwise)
        await asyncio.sleep(LOOK)
    return found


@asynccontextmanager
async def new_installation(
    folder: Path, nursery: Nursery, dsn: str = "", before: Callable[[Installation], Awaitable[None]] | None = None
) -> AsyncGenerator[Installation]:
    """Founded on a database that is migrated, if need be by what ``before`` starts; else nothing runs yet."""
    sink = Sink()
    async with AsyncExitStack() as stack:
        await sink.start()
        stack.push_async_callback(sink.stop)
        made = Installation(folder, nursery, sink, dsn)
        if not dsn:
            dsn = await stack.enter_async_context(bootstrap.database(made.read()))
            await bootstrap.migrate(dsn)
        stack.push_async_callback(made.stop)
        if before:
            await before(made)
        service = await stack.enter_async_context(bootstrap.opened(made.read(), dsn))
        await made.found(service)
        yield made


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Generator[Nursery]:
    """Of a whole test run: modules that use it import it."""
    made = Nursery(tmp_path_factory.mktemp("nursery") / "nursery.log")
    yield made
    made.close()
