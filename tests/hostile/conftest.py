"""One quiet site for all hostile cases, what it holds, and a count of the cases at the end of the run."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio
import structlog

from sealpost.store.embedded import EmbeddedServer
from tests.conftest import fresh_database, reachable
from tests.hostile.table import Known
from tests.hostile.values import MARK
from tests.site import Site, basic, new_site
from tests.world import links_in

COUNTED_ELSEWHERE = {"quotas"}
"""Calls are counted, whatever becomes of them."""


@dataclass
class Quiet:
    """A site that must not change, and how to see that it has not."""

    site: Site
    known: Known

    @property
    def port(self) -> int:
        return int(self.site.base_url.rpartition(":")[2])

    async def held(self) -> dict[str, Any]:
        """Everything that is stored: each table as one hash, the content, the spool, the mails."""
        service, pool = self.site.world.service, self.site.world.service.pool
        tables = [
            row[0] for row in await pool.fetch("select tablename from pg_tables where schemaname = 'public' order by 1")
        ]
        found: dict[str, Any] = {}
        for table in set(tables) - COUNTED_ELSEWHERE:
            rows = await pool.fetch(f"select t::text as row from {table} t order by 1")
            found[table] = (len(rows), hashlib.sha256(repr(rows).encode()).hexdigest())
        folder = service.spool_folder.parent
        files = (path for path in folder.rglob("*") if path.is_file())
        found["files"] = {str(path): path.stat().st_size for path in files}
        found["mails"] = len(self.site.world.mailbox.mails)
        assert not list(service.spool_folder.iterdir())
        return found

    @asynccontextmanager
    async def unchanged(self) -> AsyncGenerator[None]:
        """Nothing may be stored, planned, mailed or left in a folder meanwhile, and no log line may hold a value."""
        before = await self.held()
        with quiet_logs() as lines:
            yield
        assert await self.held() == before
        assert "request" in lines, "the log was not seen"
        assert MARK not in lines


@contextmanager
def quiet_logs() -> Generator[LogLines]:
    """All log lines of the service and of its libraries."""
    lines = LogLines()
    logging.getLogger().addHandler(lines)
    try:
        with structlog.testing.capture_logs() as captured:
            yield lines
            lines.texts += [json.dumps(line, default=repr) for line in captured]
    finally:
        logging.getLogger().removeHandler(lines)


class LogLines(logging.Handler):
    """Remembers what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(logging.Formatter().format(record))

    def __contains__(self, word: str) -> bool:
        return any(word in text for text in self.texts)


async def _furnished(site: Site) -> Known:
    """Makes what the tables speak of: a ticket that Bob may decide, Alice's session, links that wait."""
    world = site.world
    admin = await site.bearer(world.alice_client.name, world.alice_client.secret)
    token = await site.send()
    async with site.client() as browser:
        await site.sign_in(browser)
        session = browser.cookies["session"]
    async with site.client() as program:
        for path, address in (("/api/user/", "bob@example.org"), ("/allowed_email_address/", "shared@example.org")):
            assert (await program.post(path, json={"email_address": address}, headers=admin)).status_code == 201
    await world.work_off()
    known = Known(
        service=site.alice_basic["Authorization"],
        admin=admin["Authorization"],
        client=basic(world.alice_client.name, world.alice_client.secret)["Authorization"],
        session=f"session={session}",
        pickup=f"pickup={world.secret()}",
        token=token,
        user=world.alice_user,
    )
    return replace(known, activation=_link(site, "bob@example.org"), confirmation=_link(site, "shared@example.org"))

    return basic(site.world.alice_client.name, site.world.alice_client.secret)["Authorization"]


def _link(site: Site, address: str) -> str:
    (mail,) = site.world.mailbox.to(address)
    (link,) = [link for link in links_in(mail) if "/activate/" in link or "/address/" in link]
    return link.rsplit("/", 1)[1]


@pytest_asyncio.fixture(scope="session")
async def quiet(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Quiet]:
    """The site."""
    folder = reachable(tmp_path_factory.mktemp("hostile"))
    async with fresh_database(server) as dsn, new_site(dsn, folder) as site:
        yield Quiet(site, await _furnished(site))
