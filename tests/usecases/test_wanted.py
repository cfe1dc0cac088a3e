"""What is not wanted any more is not sent: each durable step of an attempt looks anew. And whose fault an attempt's end was."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from sealpost.domain.errors import Unavailable
from sealpost.domain.records import Event
from sealpost.mail.transport import Envelope, Handover, Transport
from sealpost.store import mails, tickets
from sealpost.usecases import handover
from sealpost.usecases.announce import announce
from sealpost.usecases.chain import record
from sealpost.usecases.database import transaction
from sealpost.usecases.decide import decide
from sealpost.usecases.expire import expire
from sealpost.usecases.handovers import Mark
from tests.usecases.servers import sending_to, served, through
from tests.world import ACT, World

Act = Callable[[World, UUID], Awaitable[None]]


async def decided(world: World, ticket_id: UUID, kind: str) -> None:
    async with transaction(world.service) as connection:
        ticket = await tickets.lock(connection, ticket_id)
        now = world.clock.now()
        await record(world.service, connection, ticket, [Event(kind, now, now)])


async def accept(world: World, ticket_id: UUID) -> None:
    await decided(world, ticket_id, "accepted")


async def refuse(world: World, ticket_id: UUID) -> None:
    await decided(world, ticket_id, "refused")


async def withdraw(world: World, ticket_id: UUID) -> None:
    await decided(world, ticket_id, "withdrawn")


async def end_the_term(world: World, ticket_id: UUID) -> None:
    world.clock.at = await world.service.pool.fetchval("select expire_at from tickets where id = $1", ticket_id)


async def end_and_expire(world: World, ticket_id: UUID) -> None:
    await end_the_term(world, ticket_id)
    await expire(world.service, ticket_id)


ENDS: list[Act] = [accept, refuse, withdraw, end_the_term, end_and_expire]


@dataclasses.dataclass
class Meddling:
    """A way out: something happens while the mail waits for its place, or while the server is slow to take it."""

    inner: Transport
    waiting: Callable[[], Awaitable[None]] | None = None
    sending: Callable[[], Awaitable[None]] | None = None
    dots: int = 0

    async def book(self, recipient: str, *, pressing: bool = False) -> float:
        if self.waiting:
            await self.waiting()
        return await self.inner.book(recipient, pressing=pressing)

    def unbook(self, recipient: str) -> None:
        self.inner.unbook(recipient)

    async def hand_over(self, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]]) -> Handover:
        async def before() -> None:
            if self.sending:
                await self.sending()
            await before_dot()
            self.dots += 1

        return await self.inner.hand_over(envelope, mail, before)

    async def close(self) -> None:
        await self.inner.close()


async def announced(world: World) -> tuple[UUID, UUID]:
    """A ticket and the mail that is to announce it; nothing has been tried."""
    await world.submitter.submit(world.message())
    row = await world.service.pool.fetchrow("select id, ticket_id from mails where purpose = 'announcement'")
    assert row
    return row["ticket_id"], row["id"]


async def left(world: World) -> tuple[Any, list[str]]:
    row = await world.service.pool.fetchrow("select * from mails where purpose = 'announcement'")
    rows = await world.service.pool.fetch("select state from attempts order by number")
    return row, [one["state"] for one in rows]


@pytest.mark.parametrize("end", ENDS)
async def test_the_claim_itself_looks(world: World, end: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where nothing has cancelled the mail: a claim of before, say, was given back after the decision."""

    async def nothing(*_: Any) -> None:
        """No mail is cancelled with the decision."""

    ticket_id, mail_id = await announced(world)
    monkeypatch.setattr(mails, "cancel_planned", nothing)
    await end(world, ticket_id)
    await announce(world.service, mail_id)
    row, states = await left(world)
    assert (row["state"], row["claimed_by"], row["due_at"], states) == ("cancelled", None, None, [])
    assert world.mailbox.to("bob@example.com") == []


@pytest.mark.parametrize("end", ENDS)
async def test_a_decision_between_claim_and_build(world: World, end: Act) -> None:
    ticket_id, mail_id = await announced(world)
    way = Meddling(world.service.transport)
    here = through(world, way)
    way.waiting = lambda: end(here, ticket_id)
    await announce(here.service, mail_id)
    row, states = await left(here)
    assert (row["state"], row["claimed_by"], states) == ("cancelled", None, []), "not one connection was made for it"
    assert here.mailbox.to("bob@example.com") == []


@pytest.mark.parametrize("end", ENDS)
async def test_a_decision_while_a_server_is_slow_to_take_it(world: World, end: Act) -> None:
    """The mark before the dot is the last look. What is decided after that comes too late, and nobody can mend it."""
    ticket_id, mail_id = await announced(world)
    way = Meddling(world.service.transport)
    here = through(world, way)
    way.sending = lambda: end(here, ticket_id)
    await announce(here.service, mail_id)
    row, states = await left(here)
    assert (row["state"], row["claimed_by"], states, way.dots) == ("cancelled", None, ["abandoned"], 0)
    assert here.mailbox.to("bob@example.com") == []


async def test_content_follows_an_acceptance_whatever_the_term_does(world: World) -> None:
    token = await world.send()
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    world.clock.at = await world.service.pool.fetchval("select expire_at from tickets where token = $1", token)
    before = len(world.mailbox.to("bob@example.com"))
    await world.work_off()
    assert "content_delivered" in await world.kinds(token)
    assert len(world.mailbox.to("bob@example.com")) == before + 1


@pytest.mark.parametrize("purpose", ["content", "collection"])
async def test_it_follows_nothing_else(world: World, purpose: str) -> None:
    token = await world.send()
    ticket_id = await world.service.pool.fetchval("select id from tickets where token = $1", token)
    await world.service.pool.execute(
        """insert into mails (id, account_id, ticket_id, purpose, state, due_at, planned_at)
           select $1, account_id, id, $3, 'planned', $4, $4 from tickets where id = $2""",
        uuid4(), ticket_id, purpose, world.clock.now(),
    )  # fmt: skip
    before = len(world.mailbox.to("bob@example.com"))
    await world.work_off()
    state = await world.service.pool.fetchval("select state from mails where purpose = $1", purpose)
    assert (state, len(world.mailbox.to("bob@example.com"))) == ("cancelled", before)


# Whose fault it was


@dataclasses.dataclass
class Crashes:
    """A worker that dies before its mail was offered, or behind the mark, so many times."""

    inner: Transport
    left: int
    marked: bool = False

    async def book(self, recipient: str, *, pressing: bool = False) -> float:
        return await self.inner.book(recipient, pressing=pressing)

    def unbook(self, recipient: str) -> None:
        self.inner.unbook(recipient)

    async def hand_over(self, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]]) -> Handover:
        if envelope.rcpt_to == "bob@example.com" and self.left:
            self.left -= 1
            if self.marked:
                await before_dot()
            raise KeyboardInterrupt  # no handler of ours sees it, as none sees the end of a process
        return await self.inner.hand_over(envelope, mail, before_dot)

    async def close(self) -> None:
        await self.inner.close()


async def crashed(world: World, times: int, *, marked: bool) -> tuple[World, str]:
    here = through(world, Crashes(world.service.transport, times, marked))
    token = await here.submitter.submit(here.message())
    _, mail_id = await announced_of(here, token)
    for _ in range(times):
        with pytest.raises(KeyboardInterrupt):
            await announce(here.service, mail_id)
        await here.service.pool.execute("update mails set claimed_by = null where id = $1", mail_id)
    return here, token


async def announced_of(world: World, token: str) -> tuple[UUID, UUID]:
    row = await world.service.pool.fetchrow(
        "select m.id, ticket_id from mails m join tickets t on t.id = ticket_id where token = $1 and purpose = 'announcement'",
        token,
    )
    assert row
    return row["ticket_id"], row["id"]


async def test_attempts_that_ended_with_us_make_no_pause_longer(world: World) -> None:
    async with served({"rcpt": b"450 4.2.1 wait\r\n"}) as server, sending_to(world, server) as there:
        here, token = await crashed(there, 6, marked=False)
        _, mail_id = await announced_of(here, token)
        await announce(here.service, mail_id)
        row, states = await left(here)
        assert states == ["abandoned"] * 6 + ["delayed"]
        assert timedelta(minutes=1) <= row["due_at"] - here.clock.now() <= timedelta(minutes=1.25), (
            "as after a first try"
        )


async def test_attempts_that_ended_with_us_are_no_unknown_outcomes(world: World) -> None:
    here, token = await crashed(world, 5, marked=False)
    _, mail_id = await announced_of(here, token)
    await announce(here.service, mail_id)
    assert (await left(here))[1] == ["abandoned"] * 5 + ["accepted"]
    assert "announcement_uncertain" not in await here.kinds(token)


async def test_behind_the_mark_each_is_one_for_the_dot_may_have_been_sent(world: World) -> None:
    here, token = await crashed(world, 3, marked=True)
    _, mail_id = await announced_of(here, token)
    await announce(here.service, mail_id)
    row, states = await left(here)
    assert (row["state"], states) == ("failed", ["uncertain"] * 3)
    assert (await here.kinds(token)).count("announcement_uncertain") == 3


async def test_a_mark_whose_answer_was_lost_is_no_dot(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit came through, the database went away, and the dot was not sent: we live, and know it."""
    marking = handover.mark_dots

    async def lost(service: Any, due: list[Mark]) -> Any:
        await marking(service, due)
        raise Unavailable("its answer was lost")

    monkeypatch.setattr(handover, "mark_dots", lost)
    _, mail_id = await announced(world)
    await announce(world.service, mail_id)
    row, states = await left(world)
    assert (row["state"], row["claimed_by"], states) == ("built", None, ["abandoned"])
