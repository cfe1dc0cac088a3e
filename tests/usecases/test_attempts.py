"""What becomes of attempts that go on for long or go wrong inside: bounded, told in the record, never stuck."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from base64 import b64decode
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from sealpost.domain.timetable import MOST_UNCERTAIN
from sealpost.mail.destinations import FIRST
from sealpost.mail.direct import Direct
from sealpost.mail.dns import Resolver
from sealpost.mail.session import Timeouts
from sealpost.mail.transport import By, Envelope, Handover, Line, Transport
from sealpost.usecases import dialogue
from sealpost.usecases.announce import announce
from tests.mail.dns_server import DnsServer, running
from tests.usecases.servers import sending_to, served, through
from tests.world import World, parsed, text_of

GREYLISTED = b"451 4.7.1 Greylisted\r\n"
ZONES = {"example.com": {"MX": ["10 mx.test."]}, "mx.test": {"A": ["127.0.0.1"]}}


async def last_record(world: World, token: str) -> dict[str, Any]:
    octets = await world.service.pool.fetchval(
        "select r.octets from records r join tickets t on t.id = r.ticket_id where t.token = $1 order by seq desc limit 1",
        token,
    )
    return json.loads(octets)


def extension(record: dict[str, Any]) -> dict[str, Any]:
    parts = [part for one in record["Extensions"] for part in one.values() if isinstance(part, dict)]
    (smtp,) = [part.get("smtp", part) for part in parts if "smtp" in part or "messageId" in part]
    return smtp


def dialogues(record: dict[str, Any]) -> list[dict[str, Any]]:
    return record["TransactionLogInformation"]["TransactionLog"]


async def states(world: World) -> list[str]:
    return [
        row["state"]
        for row in await world.service.pool.fetch(
            "select a.state from attempts a join mails m on m.id = a.mail_id where purpose = 'announcement' order by number"
        )
    ]


async def mail(world: World) -> Any:
    return await world.service.pool.fetchrow("select * from mails where purpose = 'announcement'")


async def again(world: World) -> None:
    world.clock.at = (await mail(world))["due_at"]
    await world.work_off()


# Every reply can be recorded


@pytest.mark.parametrize(
    ("script", "outcome", "name", "line"),
    [
        ({"dot": b"250 2.0.0 Ok: queued as A\0B\r\n"}, "accepted", "finalB64", b"250 2.0.0 Ok: queued as A\0B"),
        ({"dot": b"250 2.0.0 \xff\xfe Ok\r\n"}, "accepted", "finalB64", b"250 2.0.0 \xff\xfe Ok"),
        ({"greeting": b"220 mx\0test\r\n"}, "accepted", "", b""),
        ({"rcpt": b"550 5.1.1 no\0body\r\n"}, "failed", "finalB64", b"550 5.1.1 no\0body"),
        ({"rcpt": b"450 4.2.1 wait\0\r\n"}, "delayed", "finalB64", b"450 4.2.1 wait\0"),
        (
            {"rcpt": "550 no\u202ebody\ufffe\ud7ff".encode() + b"\r\n"},
            "failed",
            "final",
            "550 no\u202ebody\ufffe\ud7ff",
        ),
    ],
    ids=str,
)
async def test_whatever_octets_a_server_says_are_in_the_record(
    world: World, script: dict[str, bytes | str], outcome: str, name: str, line: bytes | str
) -> None:
    async with served(script) as server, sending_to(world, server) as here:
        token = await here.send()
        assert (await here.kinds(token))[-1] == f"announcement_{outcome}"
        assert (await mail(here))["claimed_by"] is None
        smtp = extension(await last_record(here, token))
        if name:
            assert (b64decode(smtp[name]) if isinstance(line, bytes) else smtp[name]) == line


async def test_a_server_that_talks_without_end_makes_no_record_that_nobody_can_read(world: World) -> None:
    long = b"".join(b"250-" + b"x" * 4000 + b"\r\n" for _ in range(100)) + b"250 mx.test\r\n"
    async with (
        served({"ehlo": long, "rcpt": b"550 5.1.1 No such user\r\n"}) as server,
        sending_to(world, server) as here,
    ):
        token = await here.send()
        record = await last_record(here, token)
        (said,) = dialogues(record)
        assert sum(len(one["line"]) for one in said["lines"]) < dialogue.MOST_OCTETS + 100
        assert said["lines"][0]["line"].endswith("lines before are left out)")
        assert said["lines"][0]["by"] == "c"
        assert "550 5.1.1 No such user" in [one["line"] for one in said["lines"]]


async def test_the_sender_is_told_also_of_words_that_no_mail_can_hold(world: World) -> None:
    async with served({"dot": b"550 5.7.1 \0\x1b[2J\xff away\r\n"}) as server, sending_to(world, server) as here:
        await here.submitter.submit(here.message())
        (job,) = await here.service.pool.fetch("delete from pgqueuer where entrypoint = 'announce' returning payload")
        await announce(here.service, UUID(job["payload"].decode()))
        server.script = {}
        await here.work_off()
        notices = [text_of(parsed(raw)) for raw in server.mails if b"alice@example.org" in raw.split(b"\r\n\r\n")[0]]
        assert any("550 5.7.1" in notice for notice in notices)
        assert not any(set(notice) & set("\0\x1b") for notice in notices)


def test_of_very_many_earlier_dialogues_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    monkeypatch.setattr(dialogue, "MOST_BEFORE", 1000)
    at = world.clock.now()
    lines = [{"by": "s", "at": "2026-11-23T09:15:04.113Z", "line": "x" * 90}]
    before = [
        dialogue.Delay(number, at, {"class": "greylisted", "lines": lines, "earlier": [{"lines": lines}]})
        for number in range(1, 40)
    ]
    handover = Handover(
        outcome="accepted", stage="dot", code=250, enhanced="", final=b"250 ok", reason="accepted", host="mx.test", address=None,
        port=25, our_name="out.test", tls=None, transcript=(Line(By.server, at, b"250 ok"),), started_at=at, ended_at=at,
    )  # fmt: skip
    found = dialogue.transcripts(handover, before)
    assert [one.get("attempt") for one in found] == [34, 35, 35, 36, 36, 37, 37, 38, 38, 39, 39, None]
    made = dialogue.Try(dialogue.Built("<a@b>", "bob@example.com", False, bytes(32), 1, None), 40, "b@x")  # type: ignore[arg-type] - unused
    assert [one["attempt"] for one in dialogue.smtp(made, handover, before=before)["smtp"]["earlier"]] == list(
        range(1, 40)
    )


# The whole story in the last record


async def test_the_last_record_has_the_dialogues_of_every_attempt(world: World) -> None:
    async with served({"rcpt": GREYLISTED}) as server, sending_to(world, server) as here:
        token = await here.send()
        assert extension(await last_record(here, token)).get("earlier") is None
        await again(here)
        server.script = {"greeting": b"421 4.3.2 not now\r\n"}
        await again(here)
        server.script = {}
        await again(here)
        assert (await here.kinds(token))[-1] == "announcement_accepted"
        record = await last_record(here, token)
        smtp = extension(record)
        assert smtp["attempt"] == 4
        assert [(one["attempt"], one["class"]) for one in smtp["earlier"]] == [
            (1, "greylisted"), (2, "greylisted"), (3, smtp["earlier"][2]["class"]),
        ]  # fmt: skip
        assert [one["final"].encode() + b"\r\n" for one in smtp["earlier"][:2]] == [GREYLISTED] * 2
        assert smtp["earlier"][2]["final"] == "421 4.3.2 not now"
        assert [one.get("attempt") for one in dialogues(record)] == [1, 2, 3, None]
        said = [[line["line"] for line in one["lines"] if line["by"] == "s"] for one in dialogues(record)]
        for attempt, reply in ((0, GREYLISTED), (1, GREYLISTED), (2, b"421 4.3.2 not now\r\n")):
            assert reply.decode().strip() in said[attempt]
        assert said[3][-1] == smtp["final"]
        times = [line["at"] for one in dialogues(record) for line in one["lines"]]
        assert times == sorted(times)


async def test_greylisting_that_begins_late_is_followed_quickly(world: World) -> None:
    async with served({"greeting": "close"}) as server, sending_to(world, server) as here:
        token = await here.send()
        for _ in range(8):
            await again(here)
        server.script = {"rcpt": GREYLISTED}
        await again(here)
        assert ((await mail(here))["due_at"] - here.clock.at).total_seconds() < 90
        server.script = {}
        await again(here)
        assert (await here.kinds(token))[-1] == "announcement_accepted"


# Unknown outcomes end


async def test_copies_after_unknown_outcomes_are_few(world: World) -> None:
    async with served({"dot": "close"}) as server, sending_to(world, server) as here:
        token = await here.send()
        for _ in range(60):
            here.clock.advance(hours=2)
            await here.work_off()
        copies = [raw for raw in server.mails if b"bob@example.com" in raw.split(b"\r\n\r\n")[0]]
        assert len({raw.split(b"Message-ID: ")[1].split(b"\r\n")[0] for raw in copies}) == 1
        assert len(copies) == MOST_UNCERTAIN
        assert (await here.kinds(token)).count("announcement_uncertain") == MOST_UNCERTAIN
        assert await states(here) == ["uncertain"] * MOST_UNCERTAIN
        row = await mail(here)
        assert (row["state"], row["due_at"], row["claimed_by"]) == ("failed", None, None)


# Faults of ours


@dataclasses.dataclass
class Faulty:
    """A way out with a fault: before the dot may be sent, or after."""

    inner: Transport
    when: str

    async def book(self, recipient: str, *, pressing: bool = False) -> float:
        return await self.inner.book(recipient, pressing=pressing)

    def unbook(self, recipient: str) -> None:
        self.inner.unbook(recipient)

    async def hand_over(self, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]]) -> Handover:
        if self.when == "never" or envelope.rcpt_to != "bob@example.com":
            return await self.inner.hand_over(envelope, mail, before_dot)
        if self.when == "after":
            await before_dot()
        raise RuntimeError("a fault of ours")

    async def close(self) -> None:
        await self.inner.close()


async def worked(world: World) -> None:
    with pytest.raises(RuntimeError, match="a fault of ours"):
        await world.work_off()


async def test_a_fault_before_the_dot_is_tried_again_and_ends_with_the_term(world: World) -> None:
    faulty = Faulty(world.service.transport, "before")
    here = through(world, faulty)
    token = await here.submitter.submit(here.message(reminder_days=1, expiry_days=2))
    await worked(here)
    row = await mail(here)
    assert (row["state"], row["claimed_by"]) == ("built", None)
    assert (row["due_at"] - here.clock.at).total_seconds() == 300
    here.clock.at = row["due_at"]
    await worked(here)
    assert await states(here) == ["abandoned", "abandoned"], "the dot was not sent, and we know"
    ends_at = await here.service.pool.fetchval("select expire_at from tickets where token = $1", token)
    here.clock.at = ends_at - timedelta(minutes=4)
    for _ in range(4):
        try:
            await here.work_off()
        except RuntimeError:
            continue
        break
    assert "announcement_failed" in await here.kinds(token)
    assert (await mail(here))["state"] == "failed"
    assert set(await states(here)) == {"abandoned"}


async def test_a_fault_that_passes_loses_nothing(world: World) -> None:
    faulty = Faulty(world.service.transport, "before")
    here = through(world, faulty)
    token = await here.submitter.submit(here.message())
    await worked(here)
    faulty.when = "never"
    await again(here)
    assert await here.kinds(token) == ["submitted", "announcement_offered", "announcement_accepted"]
    assert await states(here) == ["abandoned", "accepted"]
    assert len(here.mailbox.to("bob@example.com")) == 1


async def test_a_fault_after_the_dot_is_an_unknown_outcome(world: World) -> None:
    here = through(world, Faulty(world.service.transport, "after"))
    token = await here.submitter.submit(here.message())
    await worked(here)
    for _ in range(MOST_UNCERTAIN - 1):
        here.clock.at = (await mail(here))["due_at"]
        await worked(here)
    await again(here)
    assert (await here.kinds(token)).count("announcement_uncertain") == MOST_UNCERTAIN
    assert await states(here) == ["uncertain"] * MOST_UNCERTAIN
    assert (await mail(here))["state"] == "failed"


# A burst


async def test_a_burst_to_a_silent_domain_takes_no_more_than_its_window(dsn: str, world: World) -> None:
    async with served({"greeting": "silence"}) as server, running(DnsServer(ZONES)) as dns:
        way = Direct(
            dns=Resolver(["127.0.0.1"], port=dns.port), sts=None, our_name="out.test", clock=world.clock.now,
            shuffle=lambda _: None, private=True, port=server.port, timeouts=Timeouts(greeting=1),
        )  # fmt: skip
        here = through(world, way)
        await asyncio.gather(*(here.submitter.submit(here.message()) for _ in range(40)))
        jobs = await here.service.pool.fetch("delete from pgqueuer where entrypoint = 'announce' returning payload")
        await asyncio.gather(*(announce(here.service, UUID(job["payload"].decode())) for job in jobs))
        assert (len(jobs), server.connections) == (40, FIRST)
        assert await here.service.pool.fetchval("select count(*) from attempts") == FIRST
        assert await here.service.pool.fetchval("select count(*) from mails where claimed_by is not null") == 0
        assert await way.book("bob@example.com") > 0, "silence counts as out of reach"
        await way.close()
