"""One life of three registered e-mails with a kill at a point of it, and what must hold when all is worked off.

Alice's program sends, asks again after every cut connection, and half of the time says with an Idempotency-Key that it
is the same request; Bob accepts what he is told of. The recipients' server (`Sink`) is the witness of every mail.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import aiosmtplib
import httpx2
from aiosmtplib import SMTPException

from tests.faults.crash_points import ARMED, Point
from tests.faults.given_out import Kept
from tests.faults.installation import Installation, until
from tests.faults.invariants import demand
from tests.faults.site import Violation
from tests.faults.witness import BOUNCE, UNFINISHED, check_ticket
from tests.world import links_in, parsed

SENT = 3
RECEIPTS = 1
"""Bundles of earlier runs that each run's is held against."""
_numbers = itertools.count(1)


@dataclass
class Course:
    """One run.

    Args:
        sent: own id → (body, PDF).
        acknowledged: ticket token → own id, for every 200.
        repeats: mails that came more than once.
    """

    at: Installation
    point: Point
    time: int
    keyed: bool
    name: str = field(default_factory=lambda: f"run{next(_numbers)}")
    sent: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    repeats: int = 0

    @property
    def bob(self) -> str:
        return f"bob.{self.name}@example.com"

    @property
    def decision(self) -> str:
        return "refused" if self.point.name == "K23" else "accepted"

    async def play(self, kept: Kept) -> None:
        """The whole run.

        Raises:
            Violation: something was lost, came twice without a word, or the point was not reached.
        """
        if self.point.name != "K24":  # that one has fallen before anything was served
            self.at.arm(self.point.name, self.time)
        await self.at.serving()
        for number in range(SENT):
            await self.submit(number)
        await self.settled()
        if self.point.name in {"K13", "K14"}:
            await self.struck()
        for token in await self.tokens():
            await self.decide(token)
        await self.settled()
        if self.point.name == "K21":
            await self.bounce()
        if self.point.name == "K23":
            await self.erased()
        await self.settled()
        demand(not (self.at.folder / ARMED).exists(), f"{self.point.name}, call {self.time}: was not reached")
        self.told = self.at.struck() or {}
        await self.check()
        for old in list(kept.bundles)[:-RECEIPTS]:
            del kept.bundles[old]
        await self.at.serving()
        decided = dict.fromkeys((await self.tokens())[:1], self.decision)
        await asyncio.to_thread(kept.check, self.at, decided)

    # What people do, again and again until it is done -------------------------------------------------------------------

    async def submit(self, number: int) -> None:
        own_id = f"{self.name}.{number}"
        body, pdf = f"Dear Bob, this is {own_id}.", b"%PDF-1.4\n" + os.urandom(3000)
        self.sent[own_id] = body.encode(), pdf
        attached = {"attachment_name": "notice.pdf", "attachment_type": "application/pdf"}
        request = {
            "sender_email": self.at.ready["sender_email"], "sender_real_name": "Alice", "subject": own_id,
            "recipient_email": self.bob, "recipient_language": "en", "message_body": body, "x-own-id": own_id,
            "attachments": [{**attached, "attachment": base64.b64encode(pdf).decode()}],
        }  # fmt: skip
        headers = {"Idempotency-Key": own_id} if self.keyed else {}

        async def done() -> bool:
            answer = await self.asked("POST", "/webservice/mailsender/send", json=request, headers=headers)
            if answer is None or answer.status_code in {409, 503}:
                return False
            demand(answer.status_code == 200, f"send: {answer.status_code} {answer.text[:300]}")
            self.acknowledged[answer.json()["ticket_token"]] = own_id
            return True

        await until(done, "a submission is not taken")

    async def asked(self, method: str, path: str, **more: Any) -> httpx2.Response | None:
        """An answer to Alice's program, or None: the connection was cut, and what died is up again."""
        who = self.at.ready["web_service_user"], self.at.ready["web_service_password"]
        try:
            async with self.at.browser(auth=who) as program:
                return await program.request(method, path, **more)
        except httpx2.TransportError:
            await self.at.revive()
            return None

    async def decide(self, token: str) -> None:
        """Bob walks through the pages, with a new browser each time; he is content when they say that it is decided."""
        choice = {"accepted": "accept", "refused": "refuse"}[self.decision]

        async def done() -> bool:
            try:
                async with self.at.browser() as browser:
                    page = (await browser.get(self.link(token))).headers["location"]
                    await browser.post(page, data={"decision": choice})
                    answer = await browser.post(f"{page}/{choice}", data={"confirm": "yes"})
            except httpx2.TransportError:
                await self.at.revive()
                return False
            demand(answer.status_code in {303, 409, 503}, f"confirm: {answer.status_code} {answer.text[:300]}")
            return answer.status_code != 503

        await until(done, "Bob cannot decide")

    def link(self, token: str) -> str:
        for copies in list(self.at.sink.received.values()):
            if self.bob.encode() in copies[0] and token.encode() in copies[0]:
                links = [link for link in links_in(parsed(copies[0])) if "/p/" in link]
                if links:
                    return links[0]
        raise AssertionError(f"no link for {token}")

    async def bounce(self) -> None:
        """The recipient's server sends a late bounce until it is taken, and once more."""
        token = (await self.tokens())[0]
        path = await self.at.service.pool.fetchval(
            """select a.mail_from from attempts a join mails m on m.id = a.mail_id join tickets t on t.id = m.ticket_id
               where t.token = $1 and m.purpose = 'announcement' order by a.number desc limit 1""",
            token,
        )

        async def given() -> bool:
            try:
                async with aiosmtplib.SMTP(hostname="127.0.0.1", port=self.at.inbound_port, timeout=10) as client:
                    await client.sendmail("", [path], BOUNCE.format(self.bob).encode())
            except (SMTPException, OSError):
                await self.at.revive()
                return False
            return True

        await until(given, "the bounce is not taken")
        await until(given, "the bounce is not taken again")
        kinds = [record["kind"] for record in await self.records(token)]
        demand(kinds.count("announcement_failed") == 1, f"K21: the bounce stands {kinds} in the record")
        taken = await self.at.service.pool.fetchval(
            "select count(*) from inbound_mails i join tickets t on t.id = i.ticket_id where t.token = $1", token
        )
        demand(taken == 1, f"K21: the bounce was kept {taken} times")

    async def erased(self) -> None:
        """Its time is over: the content goes, once."""
        pool = self.at.service.pool
        await pool.execute(
            "update tickets set decided_at = decided_at - interval '31 days' where recipient_key = $1", self.bob
        )

        async def gone() -> bool:
            await self.at.revive()
            return not await pool.fetchval(
                """select count(*) from tickets t join messages m on m.id = t.message_id
                   where t.recipient_key = $1 and (m.wrapped_key is not null or t.erased_at is null)""",
                self.bob,
            )

        await until(gone, "K23: not erased")
        listed = set(self.at.service.erasures.read())
        for row in await pool.fetch("select id, message_id from tickets where recipient_key = $1", self.bob):
            demand(row["message_id"] in listed, "K23: erased, but not on the list")

    async def struck(self) -> None:
        """The point lies in a loop of the log's writer: what is submitted brings it there."""

        async def fallen() -> bool:
            await self.at.revive()
            return not (self.at.folder / ARMED).exists()

        for _ in range(3):
            with suppress(Violation):
                await until(fallen, "not yet", 3)
                break
            await self.submit(len(self.sent))
        await self.settled()

    async def settled(self) -> None:
        """I6: everything comes to its end by itself."""

        async def done() -> bool:
            await self.at.revive()
            left.clear()
            left.extend(map(dict, await self.at.service.pool.fetch(UNFINISHED, self.bob)))
            return not left

        left = list[dict[str, Any]]()
        try:
            await until(done, "I6: stuck")
        except AssertionError as error:
            raise type(error)(f"{error}: {left}") from error

    async def tokens(self) -> list[str]:
        rows = await self.at.service.pool.fetch(
            "select token from tickets where recipient_key = $1 order by id", self.bob
        )
        return [row["token"] for row in rows]

    async def records(self, token: str) -> list[Any]:
        return await self.at.service.pool.fetch(
            "select r.* from records r join tickets t on t.id = r.ticket_id where t.token = $1 order by r.seq", token
        )

    # What must hold ---------------------------------------------------------------------------------------------------

    async def check(self) -> None:
        tokens = await self.tokens()
        demand(set(self.acknowledged) <= set(tokens), f"I1: acknowledged, but gone: {self.acknowledged} in {tokens}")
        demand(sorted(self.acknowledged.values()) == sorted(self.sent), "I1: not every submission has its ticket")
        if self.keyed:
            demand(len(tokens) == len(self.sent), f"I2: {len(tokens)} tickets of {len(self.sent)} requests with a key")
        for token in tokens:
            await self.check_ticket(token)

    async def check_ticket(self, token: str) -> None:
        gone = self.point.name == "K23"
        for mail, copies in await check_ticket(self.at, token, self.sent, self.decision, gone=gone):
            self.repeats += copies - 1
            under_way = str(mail["id"]) == self.told.get("mail")
            fewest, most = self.point.copies if under_way else (1, 2)
            demand(fewest <= copies <= most, f"I5: {mail['purpose']} came {copies} times")
            if under_way and self.point.copies[1] == 2:
                demand("uncertain" in mail["states"], f"I5: {mail['purpose']}: attempts {mail['states']}")


async def played(at: Installation, point: Point, number: int, kept: Kept) -> Course:
    """The n-th run at a point: another call, and with or without a key."""
    course = Course(at, point, number % point.times + 1, keyed=number % 2 == 0)
    async with AsyncExitStack() as stack:
        stack.callback(at.disarm)
        await course.play(kept)
    return course
