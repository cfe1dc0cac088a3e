"""Mails that end without an attempt that ended them: why, and what was tried before, is in the record and reaches people."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from sealpost.mail.letter import UnsafeMail
from sealpost.mail.transport import Envelope, Handover, Transport
from sealpost.store.mails import Claim
from sealpost.text.catalogue import translator
from sealpost.text.statements import CAUSES
from sealpost.usecases import handover
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.gather import for_sender
from sealpost.usecases.reads.ticket import ticket
from sealpost.usecases.reads.tickets import Visible
from sealpost.usecases.service import Service
from sealpost.verifier.verify import verify
from tests.usecases.servers import sending_to, served, through
from tests.web.test_templates import ticket_page
from tests.world import World, text_of

BOB = "bob@example.com"
GREYLISTED = b"451 4.7.1 Greylisted, come back\r\n"


@dataclasses.dataclass
class Spoilt:
    """A way out for Bob's mail that can be spoilt, and a good one for all other mail."""

    bobs: Transport
    others: Transport
    rests: bool = False
    is_faulty: bool = False

    async def book(self, recipient: str, *, pressing: bool = False) -> float:
        return 300.0 if self.rests and recipient == BOB else 0.0

    def unbook(self, recipient: str) -> None:
        """Nothing was counted."""

    async def hand_over(self, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]]) -> Handover:
        if envelope.rcpt_to != BOB:
            return await self.others.hand_over(envelope, mail, before_dot)
        if self.is_faulty:
            raise RuntimeError("a fault of ours")
        return await self.bobs.hand_over(envelope, mail, before_dot)

    async def close(self) -> None:
        """The others close both."""


def spoil(way: Spoilt, cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on Bob's mail ends for this cause."""
    way.rests, way.is_faulty = cause == "not-tried", cause == "own-fault"

    def unsafe(genuine: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def read(service: Service, held: Claim, *draft: Any) -> Any:
            if held.purpose == "announcement":
                raise UnsafeMail("subject")
            return await genuine(service, held, *draft)

        return read

    if cause == "unsendable":
        monkeypatch.setattr(handover, "read_back", unsafe(handover.read_back))
        monkeypatch.setattr(handover, "build_mail", unsafe(handover.build_mail))


async def given_up(world: World, token: str) -> dict[str, Any]:
    """Lets the announcement's time go by, in steps, and returns the record that ends it."""
    ends_at = await world.service.pool.fetchval("select expire_at from tickets where token = $1", token)
    for before in (timedelta(hours=1), *(timedelta(seconds=seconds) for seconds in range(240, 0, -20))):
        world.clock.at = ends_at - before
        for _ in range(20):  # a fault goes through to the worker, and the other jobs wait for the next turn
            with suppress(RuntimeError):
                await world.work_off()
                break
    octets = await world.service.pool.fetchval("select octets from records where kind = 'announcement_failed'")
    return json.loads(octets)


async def check_told(world: World, token: str, cause: str) -> None:
    """Page and notice say the cause in the account's language, and the evidence holds together."""
    why = translator("nl").gettext(CAUSES[cause])
    assert why != CAUSES[cause]
    view = await ticket(world.service, Visible(world.alice), token)
    assert view is not None
    assert why in ticket_page("nl", view)
    assert any(why in " ".join(text_of(mail).split()) for mail in world.mailbox.to("alice@example.org"))
    await extend_log(world.service)
    async with for_sender(world.service, Visible(world.alice), token, "en") as made:
        report = verify(b"".join([piece async for piece in made.chunks()]))
    assert [claim for claim in report.claims if claim.verdict == "FAIL"] == []


@pytest.mark.parametrize("cause", ["own-fault", "unsendable", "not-tried"])
@pytest.mark.parametrize("is_tried", [False, True])
async def test_the_cause_and_the_attempts_before(
    world: World, monkeypatch: pytest.MonkeyPatch, cause: str, *, is_tried: bool
) -> None:
    async with served({"rcpt": GREYLISTED}) as server, sending_to(world, server) as sending:
        way = Spoilt(sending.service.transport, world.service.transport)
        here = through(world, way)
        token = await here.submitter.submit(here.message(reminder_days=1, expiry_days=2))
        if is_tried:
            await here.work_off()
        spoil(way, cause, monkeypatch)
        with capture_logs():  # to draw what an exception went through takes seconds
            record = await given_up(here, token)
        monkeypatch.undo()
        way.is_faulty = False
        here.clock.at += timedelta(hours=1)  # jobs that a fault took with it are brought back
        await here.work_off()
    mail = record["Extensions"][0]["sealpost/1"]["mail"]
    assert (mail["purpose"], mail["cause"], bool(mail["why"])) == ("announcement", cause, True)
    assert "smtp" not in record["Extensions"][0]["sealpost/1"]
    earlier = [(one["attempt"], one["final"]) for one in mail.get("earlier", [])]
    assert earlier == ([(1, "451 4.7.1 Greylisted, come back")] if is_tried else [])
    dialogues = record.get("TransactionLogInformation", {"TransactionLog": []})["TransactionLog"]
    assert [one["attempt"] for one in dialogues] == ([1] if is_tried else [])
    assert all("451 4.7.1 Greylisted, come back" in [line["line"] for line in one["lines"]] for one in dialogues)
    await check_told(here, token, cause)
