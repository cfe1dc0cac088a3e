"""Negative controls: with a safeguard taken out, the check that watches over it must object."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from sealpost.content.placement import ContentDamaged
from sealpost.domain.records import Event, Link, make
from sealpost.domain.ticket import TicketState, apply
from sealpost.store import mails, tickets
from sealpost.store.tickets import Visible
from sealpost.usecases import chain
from sealpost.usecases.decide import decide
from sealpost.usecases.submission_group import Submission, SubmissionGroup
from tests.faults.breaking import Faults, Mode
from tests.faults.invariants import check_chain, check_facts, check_reasons
from tests.faults.lives import LIVES
from tests.faults.site import Site, Violation, new_site
from tests.faults.sweeping import run
from tests.faults.test_outage import whole
from tests.world import ACT, World

ACCEPT = LIVES[0]


@pytest.fixture
async def site(world: World, dsn: str, tmp_path: Path) -> AsyncGenerator[Site]:
    async with new_site(world, dsn, tmp_path) as opened:
        yield opened


def forgetful(state: TicketState, kind: str, at: datetime, event: str = "") -> TicketState:
    """The state machine of somebody who never remembers a decision."""
    return apply(dataclasses.replace(state, decision=None), kind, at, event)


async def test_two_decisions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index holds where the code does not; without both there are two, and the check finds them."""
    token = await world.send()
    pool, secret = world.service.pool, [world.secret()]
    await decide(world.service, token, secret, "accepted", "", ACT)
    monkeypatch.setattr(chain, "apply", forgetful)
    with pytest.raises(asyncpg.UniqueViolationError):
        await decide(world.service, token, secret, "refused", "", ACT)
    await pool.execute("drop index records_one_decision")
    await decide(world.service, token, secret, "refused", "", ACT)
    ticket = await pool.fetchrow("select * from tickets where token = $1", token)
    records = await pool.fetch("select * from records where ticket_id = $1 order by seq", ticket["id"])
    with pytest.raises(Violation, match="I2: decided"):
        check_chain(ticket, records)


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ("update records set octets = octets || '\\x20'", "was altered"),
        ("delete from records where seq = 2", "a gap"),
        ("delete from records where seq = 3", "last record"),
        ("update tickets set last_sha256 = '\\x00'", "last record"),
    ],
)
async def test_a_changed_chain(world: World, change: str, objection: str) -> None:
    token = await world.send()
    pool = world.service.pool
    await pool.execute(change)
    ticket = await pool.fetchrow("select * from tickets where token = $1", token)
    records = await pool.fetch("select * from records where ticket_id = $1 order by seq", ticket["id"])
    with pytest.raises(Violation, match=objection):
        check_chain(ticket, records)


async def test_a_250_that_nobody_gave(world: World) -> None:
    token = await world.send()
    records = await world.service.pool.fetch(
        "select r.* from records r join tickets t on t.id = r.ticket_id where t.token = $1 order by seq", token
    )
    with pytest.raises(Violation, match="never given"):
        check_facts(records, ["250 2.0.0 Ok: queued as another"])


@pytest.mark.parametrize(
    ("kind", "reasons", "objection"),
    [
        ("announcement_accepted", (("policy", "no"),), "announcement_accepted has the reasons"),
        ("content_offered", (("announcement", ""),), "content_offered has the reasons"),
        ("announcement_failed", (), r"announcement_failed has the reasons \[\]"),
        ("announcement_failed", (("policy", "a"), ("full", "b")), "announcement_failed has the reasons"),
        ("announcement_failed", (("announcement", ""),), "not its own"),
        ("expired", (("policy", ""),), "not its own"),
        ("refused", (("term-over", ""),), "not its own"),
    ],
)
async def test_a_reason_where_none_belongs(
    quiet_world: World, kind: str, reasons: tuple[tuple[str, str], ...], objection: str
) -> None:
    service, at = quiet_world.service, quiet_world.clock.at
    token = await quiet_world.submitter.submit(quiet_world.message())
    pool = service.pool
    ticket = await tickets.by_token(pool, token, Visible(quiet_world.alice))
    assert ticket is not None
    subject, link = ticket.evidence, Link(2, bytes(32))
    made = make(service.issuer, subject, link, Event(kind, at, at, reasons), UUID(int=0), {"source": "none"})
    check_reasons(await pool.fetch("select * from records where ticket_id = $1", ticket.id))
    with pytest.raises(Violation, match=objection):
        check_reasons([{"kind": kind, "octets": made.octets}])


async def test_without_the_mark_before_the_dot(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repeat after a crash would be secret."""

    async def unmarked(_: Any, due: Sequence[tuple[mails.Claim, int]], __: Any) -> set[UUID]:
        return {held.id for held, _ in due}

    monkeypatch.setattr(mails, "dots_due", unmarked)
    with pytest.raises(Violation, match="I5: announcement came 2 times"):
        await run(site, ACCEPT, Faults(0, Mode.killed_after, "smtp: dot"))


async def test_an_answer_before_the_commit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    durable = SubmissionGroup.commit
    storing: list[asyncio.Task[None]] = []

    async def hasty(self: SubmissionGroup, submission: Submission) -> None:
        storing.append(asyncio.create_task(durable(self, submission)))

    monkeypatch.setattr(SubmissionGroup, "commit", hasty)
    with pytest.raises(Violation, match="I1: acknowledged, but gone"):
        await run(site, ACCEPT, Faults(0, Mode.killed_before, "commit: messages, tickets, records, mails"))
    for task in storing:
        task.cancel()


async def test_a_lost_queue_without_the_timers(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that died with a process come back through the deadlines alone."""

    async def never(*_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(mails, "take_due", never)
    with pytest.raises(Violation, match="stuck"):
        await run(site, ACCEPT, Faults(0, Mode.killed_before, "commit: mails"))


@pytest.mark.parametrize("synced", [True, False])
async def test_power_loss(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: bool) -> None:
    """What was not flushed is gone when the power goes; the 200 rests on the flush of the content."""
    durable = {path: path.stat().st_size for path in (tmp_path / "content").glob("*.seg")}
    flush = os.fdatasync

    def watched(fd: int) -> None:
        if synced:
            flush(fd)
            durable[Path(f"/proc/self/fd/{fd}").resolve()] = os.fstat(fd).st_size

    monkeypatch.setattr(os, "fdatasync", watched)
    token = await world.submitter.submit(world.message())
    for path, size in durable.items():
        os.truncate(path, size)
    if synced:
        assert (await whole(world, token))[0] == world.message().body.encode()
    else:
        with pytest.raises(ContentDamaged):
            await whole(world, token)
