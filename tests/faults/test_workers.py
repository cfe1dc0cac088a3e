"""Several worker processes on one machine: they share the work, replace one that freezes, and survive a lost LISTEN."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from sealpost.usecases.submit import Submitter
from tests.faults.installation import Installation, Process, new_installation, nursery, resolved, until
from tests.faults.invariants import check_copies
from tests.faults.witness import MAILS, UNFINISHED
from tests.world import World

__all__ = ["nursery"]
WORKERS = 3
ANNOUNCED = 200
LISTENERS = """select pid from pg_stat_activity where datname = current_database() and query ilike 'listen %'"""
TOLD = "select md5(string_agg({0}::text, '' order by {0}::text)) from {1} t"
EVERYTHING = [TOLD.format("t", one) for one in ("mails", "attempts", "tickets")]
EVERYTHING.append(TOLD.format("(t.ticket_id, t.seq, t.sha256)", "records"))  # seals and places in the log come later


class Office:
    """An installation of workers, and Alice, who submits without a web server.

    Args:
        at: runs.
    """

    def __init__(self, at: Installation) -> None:
        self.at = at
        self.submitter = Submitter(at.service)
        self._alice: Any = SimpleNamespace(alice=at.account, alice_client=SimpleNamespace(name="alice-service"))

    def hire(self, name: str) -> Process:
        """Starts a worker whose name the recipients' server hears."""
        return self.at.launch(name, "worker", our_name=f"{name}.sealpost.example")

    async def enlisted(self, count: int) -> None:
        async def all_there() -> bool:
            await self.at.revive()  # says why, if one has died
            return await self.at.service.pool.fetchval("select count(*) from workers") >= count

        await until(all_there, "not all workers are there")

    async def submit(self, bob: str, count: int = 1) -> None:
        now = datetime.now(UTC)
        made = [
            World.message(
                self._alice, recipient_email=bob, authenticated_at=now, request_sha256=hashlib.sha256(b"").digest()
            )
            for _ in range(count)
        ]
        await asyncio.gather(*(self.submitter.submit(message) for message in made))

    async def worked_off(self, bob: str, patience: float = 90) -> None:
        async def done() -> bool:
            return not await self.at.service.pool.fetch(UNFINISHED, bob)

        await until(done, f"not everything for {bob} is worked off", patience)

    async def mails(self, bob: str) -> list[tuple[Any, set[str]]]:
        """Mails of all tickets to somebody, and the kinds of records of each one's ticket."""
        pool = self.at.service.pool
        found = list[tuple[Any, set[str]]]()
        for ticket in await pool.fetch("select id from tickets where recipient_key = $1", bob):
            kinds = await pool.fetch("select kind from records where ticket_id = $1", ticket["id"])
            found += [(mail, {row["kind"] for row in kinds}) for mail in await pool.fetch(MAILS, ticket["id"])]
        return found

    async def check(self, bob: str, *, most: int = 1) -> set[str]:
        """Every mail came once, or up to ``most`` times with a mark; who brought them."""
        names = set[str]()
        for mail, kinds in await self.mails(bob):
            copies = self.at.sink.received[mail["message_header"]]
            check_copies(mail, copies, kinds)
            assert len(copies) <= most
            assert mail["handover"]["final"] in self.at.sink.given[mail["message_header"]]
            names |= set(self.at.sink.came[mail["message_header"]])
        return {name.partition(".")[0] for name in names}


@asynccontextmanager
async def opened(dsn: str, folder: Path, nursery: Any, stale: str) -> AsyncGenerator[Office]:
    async with new_installation(folder, nursery, dsn) as made:
        made.stale = stale
        found = Office(made)
        for number in range(1, WORKERS + 1):
            found.hire(f"w{number}")
        await found.enlisted(WORKERS)
        yield found
        await found.submitter.close()


@pytest_asyncio.fixture
async def office(dsn: str, tmp_path: Path, nursery: Any) -> AsyncGenerator[Office]:
    """Workers that are given up after twenty seconds: on a busy machine nobody is taken for frozen who is not."""
    async with opened(dsn, tmp_path, nursery, "20 seconds") as found:
        yield found


@pytest_asyncio.fixture
async def hasty(dsn: str, tmp_path: Path, nursery: Any) -> AsyncGenerator[Office]:
    """Workers that are given up after three seconds."""
    async with opened(dsn, tmp_path, nursery, "3 seconds") as found:
        yield found


@pytest.mark.slow
async def test_they_share_the_work(office: Office) -> None:
    """Each mail once, by more than one of them; one that comes in the middle takes part."""
    await office.submit("bob@example.com", ANNOUNCED)
    await office.worked_off("bob@example.com")
    assert len(await office.mails("bob@example.com")) == 2 * ANNOUNCED
    await office.check("bob@example.com")

    async def several_did() -> bool:  # on a busy machine one may be done before the others have looked
        if len(await office.check("bob@example.com")) > 1:
            return True
        await office.submit("bob@example.com", 40)
        await office.worked_off("bob@example.com")
        return False

    await until(several_did, "one of them does it all", 60)
    office.hire("late")

    async def takes_part() -> bool:
        await office.submit("bob@example.net", 20)
        await office.worked_off("bob@example.net")
        return "late" in await office.check("bob@example.net")

    await until(takes_part, "the late worker gets nothing to do", 90)


@pytest.mark.slow
async def test_a_lost_listen(office: Office) -> None:
    """The connections that hear of new jobs are cut; the work goes on within seconds, and they are back."""
    pool = office.at.service.pool
    await office.submit("bob@example.com", 10)
    await office.worked_off("bob@example.com")

    async def listening() -> set[int]:
        found = {row["pid"] for row in await pool.fetch(LISTENERS)}
        return found if len(found) == WORKERS else set()

    before = await until(listening, "they do not listen", 60)
    await asyncio.gather(
        office.submit("bob@example.net", 50), *(pool.execute("select pg_terminate_backend($1)", pid) for pid in before)
    )
    await office.worked_off("bob@example.net", 15)
    await office.check("bob@example.net", most=2)

    async def back() -> bool:
        now = await listening()
        return bool(now) and not now & before

    await until(back, "they do not listen again", 60)


class Held:
    """The recipients' server lets one client wait for its answer."""

    def __init__(self, bob: str) -> None:
        self.bob, self.by = bob, ""
        self.reached, self.over = asyncio.Event(), asyncio.Event()

    async def __call__(self, name: str, recipient: str) -> None:
        if recipient == self.bob and not self.by:
            self.by = name.partition(".")[0]
            self.reached.set()
            await self.over.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "states"), [("at_rcpt", ["abandoned", "accepted"]), ("at_dot", ["uncertain", "accepted"])]
)
async def test_one_freezes(hasty: Office, stage: str, states: list[str]) -> None:
    """Another one takes its mail over; thawed, it finds its claim gone and changes nothing, however far it was."""
    bob, pool = "bob@example.com", hasty.at.service.pool
    held = Held(bob)
    setattr(hasty.at.sink, stage, held)
    await hasty.submit(bob)
    await held.reached.wait()
    frozen = hasty.at.processes[held.by]
    frozen.signal(signal.SIGSTOP)
    await hasty.submit("bob@example.net", 20)
    await hasty.worked_off(bob)
    await hasty.worked_off("bob@example.net")
    before = [await pool.fetchval(one) for one in EVERYTHING]
    held.over.set()
    frozen.signal(signal.SIGCONT)
    log = hasty.at.folder / f"{held.by}.log"
    await until(lambda: resolved("claim lost" in log.read_text()), "it does not find its claim lost")
    assert [await pool.fetchval(one) for one in EVERYTHING] == before
    await hasty.check(bob, most=2)
    await hasty.check("bob@example.net", most=2)
    found = {mail["purpose"]: mail["states"] for mail, _ in await hasty.mails(bob)}
    assert found["announcement"] == states
    await hasty.enlisted(WORKERS)  # the thawed one, too, works again


@pytest.mark.slow
@pytest.mark.parametrize("point", ["settling", "K13"])
async def test_one_freezes_with_locks(hasty: Office, point: str) -> None:
    """In the middle of a transaction, or as the log's writer: the others go on without it."""
    bob, pool = "bob@example.com", hasty.at.service.pool
    hasty.at.arm(point, 1, signal.SIGSTOP)
    await hasty.submit(bob, 10)
    await until(lambda: resolved(hasty.at.struck()), "nobody froze")
    frozen = next(one for one in hasty.at.processes.values() if one.pid == (hasty.at.struck() or {})["pid"])
    hasty.at.disarm()
    await hasty.submit("bob@example.net", 10)
    await hasty.worked_off("bob@example.net", 60)
    await hasty.worked_off(bob, 60)

    async def logged() -> bool:
        return not await pool.fetchval("select count(*) from records where log_index is null")

    await until(logged, "the log stands still", 60)
    frozen.signal(signal.SIGCONT)
    await hasty.enlisted(WORKERS)
    await hasty.check(bob, most=2)
