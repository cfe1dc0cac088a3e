"""An installation of a past state, from its fixture, in a database and a data folder of a test's own."""

from __future__ import annotations

import json
import tarfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from sealpost import bootstrap
from sealpost.inbound.catcher import Catcher
from sealpost.settings import Settings, read_settings
from sealpost.store import workers
from sealpost.store.dump import major, restore
from sealpost.store.embedded import EmbeddedServer
from sealpost.usecases.adopt import adopt_listed
from sealpost.usecases.enqueue_due import enqueue_due
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.seals import seal_pending
from sealpost.usecases.service import Service
from sealpost.usecases.stamp import stamp_pending
from sealpost.worker.run import ENTRY_POINTS
from tests.conftest import with_database
from tests.world import MovableClock

HERE = Path(__file__).parent
STATES = sorted(path.parent.name for path in HERE.glob("*/data.tar.xz"))


@dataclass
class Brought:
    """The installation under today's code. ``said``: what the past state said of its tickets."""

    service: Service
    settings: Settings
    dsn: str
    clock: MovableClock
    said: dict[str, Any]

    async def work_off(self) -> None:
        """Every job that waits, as the worker would."""
        while True:
            await enqueue_due(self.service)
            jobs = await self.service.pool.fetch(
                "delete from pgqueuer where status = 'queued' returning entrypoint, payload"
            )
            if not jobs:
                return
            for job in jobs:
                await ENTRY_POINTS[job["entrypoint"]](self.service, UUID(job["payload"].decode()))

    async def turn(self) -> int:
        """What the worker's loops do, until nothing waits; how many records were adopted."""
        await self.work_off()
        adopted = await adopt_listed(self.service)
        for act in (seal_pending, extend_log, stamp_pending):
            while await act(self.service):
                pass
        return adopted

    async def fetch(self, question: str, *values: Any) -> list[Any]:
        return await self.service.pool.fetch(question, *values)


@asynccontextmanager
async def loaded(server: EmbeddedServer, state: str, folder: Path, number: int = 0) -> AsyncGenerator[str]:
    """The fixture in a database of its own and in the folder, as the past state left it."""
    with tarfile.open(HERE / state / "data.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    for path in (folder / "keys").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    name = f"past_{state.replace('-', '_')}_{number}"
    admin = await asyncpg.connect(server.dsn)
    await admin.execute(f"create database {name} template template0")
    try:
        dsn = with_database(server.dsn, name)
        await restore(dsn, folder / "database.dump", await major(admin))
        yield dsn
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


def told(state: str) -> dict[str, Any]:
    return json.loads((HERE / state / "tickets.json").read_text())


def settings_of(folder: Path, port: int = 25) -> Settings:
    return read_settings(
        {}, data=folder, smtp_host="127.0.0.1", smtp_port=port, smtp_tls="none", mail_domain="sealpost.example",
        base_url="http://127.0.0.1:8025", our_name="out1.sealpost.example", legal_name="Sealpost Test B.V.",
        environment="test", pool=8, tsa_url="own",
    )  # fmt: skip


@asynccontextmanager
async def brought(dsn: str, folder: Path, state: str) -> AsyncGenerator[Brought]:
    """Today's code on it, a day after the past state stopped."""

    async def keep(_mail_from: str, _rcpt_to: str, _raw: bytes) -> None:
        pass

    catcher, said = Catcher(keep), told(state)
    settings = settings_of(folder, await catcher.start())
    clock = MovableClock(datetime.fromisoformat(said["at"]) + timedelta(days=1))
    try:
        await bootstrap.migrate(dsn)
        async with bootstrap.opened(settings, dsn, clock=clock) as service, service.pool.acquire() as session:
            await workers.enlist(session, service.worker)
            yield Brought(service, settings, dsn, clock, said)
    finally:
        await catcher.stop()
