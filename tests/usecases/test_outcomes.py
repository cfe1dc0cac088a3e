"""What servers answer, and what becomes of a ticket: delays, refusals, too large, unknown outcomes. Over real SMTP."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from sealpost.domain.timetable import QUEUE_LIFETIME, retry_delay
from sealpost.mail.relay import Relay
from sealpost.mail.session import Timeouts
from sealpost.usecases.announce import announce
from sealpost.usecases.decide import decide
from sealpost.usecases.deliver import deliver
from tests.scripted import Scripted
from tests.world import ACT, World, links_in, new_world, parsed, text_of

QUICK = Timeouts(connect=5, greeting=5, command=5, tls=5, data=5, block=5, dot=0.3)


@asynccontextmanager
async def scripted_world(
    dsn: str, folder: Path, script: dict[str, bytes | str], *, patient: bool = False
) -> AsyncGenerator[tuple[World, Scripted]]:
    """A world whose mail goes to a scripted server; its script can be changed on the way."""
    server = Scripted(script)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        async with new_world(dsn, folder) as world:
            relay = Relay(
                host="127.0.0.1",
                port=port,
                our_name="out.test",
                clock=world.clock.now,
                tls="none",
                timeouts=Timeouts() if patient else QUICK,
            )
            service = dataclasses.replace(world.service, transport=relay)
            yield dataclasses.replace(world, service=service), server
            await relay.close()
    finally:
        await ended(server, listening)


async def ended(server: Scripted, listening: asyncio.Server) -> None:
    server.over.set()
    for writer in server.writers:
        writer.transport.abort()
    for conversation in server.ended:
        await conversation.wait()
    listening.close()
    await listening.wait_closed()


def subjects(server: Scripted) -> list[str]:
    return [str(parsed(raw)["subject"]) for raw in server.mails]


async def test_delayed_is_told_once_and_the_same_bytes_are_sent_again(dsn: str, tmp_path: Path) -> None:
    async with scripted_world(dsn, tmp_path, {"rcpt": b"451 4.7.1 Greylisted\r\n"}) as (world, server):
        token = await world.send()
        for _ in range(4):
            world.clock.advance(minutes=20)
            await world.work_off()
        assert await world.kinds(token) == ["submitted", "announcement_offered", "announcement_delayed"]
        server.script["rcpt"] = b"250 2.1.5 Ok\r\n"
        world.clock.advance(hours=1)
        await world.work_off()
        assert (await world.kinds(token))[-1] == "announcement_accepted"
        rows = await world.service.pool.fetch(
            "select a.state, m.sha256 from attempts a join mails m on m.id = a.mail_id where purpose = 'announcement' order by number"
        )
        assert [row["state"] for row in rows] == ["delayed"] * 5 + ["accepted"]


async def test_refused_for_good(dsn: str, tmp_path: Path) -> None:
    async with scripted_world(dsn, tmp_path, {"rcpt": b"550 5.1.1 No such user\r\n"}) as (world, server):
        token = await world.send()
        kinds = ["submitted", "announcement_offered", "announcement_failed"]
        assert await world.kinds(token) == kinds
        server.script["rcpt"] = b"250 2.1.5 Ok\r\n"
        world.clock.advance(days=7)
        await world.work_off()
        assert await world.kinds(token) == kinds, "no reminder after a final failure"
        # The notices to Alice were refused as well by this server, for good.
        world.clock.advance(days=10)
        await world.work_off()
        assert (await world.kinds(token))[-1] == "expired"


async def test_the_sender_is_told_of_a_failure(dsn: str, tmp_path: Path) -> None:
    async with scripted_world(dsn, tmp_path, {"dot": b"550 5.7.1 Not here\r\n"}) as (world, server):
        await world.submitter.submit(world.message())
        rows = await world.service.pool.fetch("delete from pgqueuer returning payload")
        await announce(world.service, UUID(rows[0]["payload"].decode()))
        server.script["dot"] = b"250 2.0.0 Ok: queued as N\r\n"
        await world.work_off()
        notices = [parsed(raw) for raw in server.mails if b"alice@example.org" in raw.split(b"\r\n\r\n")[0]]
        assert any("550 5.7.1 Not here" in text_of(notice) for notice in notices)


async def test_nobody_answers_until_the_term_ends(dsn: str, tmp_path: Path) -> None:
    async with scripted_world(dsn, tmp_path, {"greeting": "close"}) as (world, _):
        token = await world.send(reminder_days=1, expiry_days=2)
        for _ in range(60):
            world.clock.advance(hours=1)
            await world.work_off()
        kinds = await world.kinds(token)
        assert kinds[1] == "announcement_delayed"
        assert kinds.count("announcement_delayed") == 1
        assert kinds[-1] == "expired"
        assert "announcement_accepted" not in kinds
        assert (
            await world.service.pool.fetchval(
                "select count(*) from mails where state in ('planned', 'built') and ticket_id is not null and purpose not like 'notice%' and purpose <> 'confirmation'"
            )
            == 0
        )


@pytest.mark.parametrize("answer", ["silence", "close"])
async def test_an_unknown_outcome_is_said_and_repeated_with_the_same_bytes(
    dsn: str, tmp_path: Path, answer: str
) -> None:
    async with scripted_world(dsn, tmp_path, {"dot": answer}) as (world, server):
        token = await world.send()
        assert "announcement_uncertain" in await world.kinds(token)
        server.script["dot"] = b"250 2.0.0 Ok: queued as AGAIN\r\n"
        world.clock.advance(minutes=10)
        await world.work_off()
        kinds = await world.kinds(token)
        assert kinds == ["submitted", "announcement_offered", "announcement_uncertain", "announcement_accepted"]
        first, second = [raw for raw in server.mails if b"<bob@example.com>" in raw.split(b"\r\n\r\n")[0]]
        assert first == second


async def test_too_large_for_the_recipient_becomes_a_collection_link(dsn: str, tmp_path: Path) -> None:
    async with scripted_world(dsn, tmp_path, {}) as (world, server):
        token = await world.send()
        announcement = next(parsed(raw) for raw in server.mails if b"bob@example.com" in raw)
        link = next(link for link in links_in(announcement) if "/p/" in link)
        server.script["dot"] = b"552 5.3.4 Message too big\r\n"
        await decide(world.service, token, [link.rsplit("/", 1)[1]], "accepted", "", ACT)
        rows = await world.service.pool.fetch("delete from pgqueuer where entrypoint = 'deliver' returning payload")
        await deliver(world.service, UUID(rows[0]["payload"].decode()))
        server.script["dot"] = b"250 2.0.0 Ok: queued as C\r\n"
        await world.work_off()
        kinds = await world.kinds(token)
        assert kinds[-2:] == ["content_offered", "content_failed"]
        collection = parsed(
            next(raw for raw in reversed(server.mails) if b"bob@example.com" in raw.split(b"\r\n\r\n")[0])
        )
        assert any("/p/" in link for link in links_in(collection))


async def test_late_facts_are_added_and_revert_nothing(dsn: str, tmp_path: Path) -> None:
    async with scripted_world(dsn, tmp_path, {"dot": "close"}) as (world, server):
        token = await world.send()
        link = next(link for link in links_in(parsed(server.mails[0])) if "/p/" in link)
        server.script["dot"] = b"250 2.0.0 Ok: queued as LATE\r\n"
        await decide(world.service, token, [link.rsplit("/", 1)[1]], "refused", "", ACT)
        world.clock.advance(minutes=10)
        await world.work_off()
        status = await world.service.pool.fetchval("select status from tickets where token = $1", token)
        assert status == 90
        assert len([raw for raw in server.mails if b"<bob@example.com>" in raw.split(b"\r\n\r\n")[0]]) == 1


def test_retry_schedule_fits_the_lifetime() -> None:
    total, tries = timedelta(), 0
    while total < QUEUE_LIFETIME:
        tries += 1
        total += retry_delay(tries, 1)
    assert 20 < tries < 60
