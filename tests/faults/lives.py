"""Lives of a registered e-mail, told so that each step can be taken again after a fault."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pybase64

from sealpost.domain.ticket import AlreadyDecided, Decision
from sealpost.usecases.decide import decide
from sealpost.usecases.open_pickup import open_pickup
from sealpost.usecases.reads.tickets import Visible
from sealpost.usecases.submit_message import Attachment
from sealpost.usecases.withdraw import withdraw
from tests.faults.site import Site
from tests.world import ACT, START, links_in, text_of

BOB = "bob@example.com"
UNFINISHED = """
    select m.purpose, m.state, m.claimed_by is not null as claimed, m.tries
    from mails m join tickets t on t.id = m.ticket_id
    where t.own_id like $1 and (m.state in ('planned', 'built') or m.claimed_by is not null
        or exists (select from attempts a where a.mail_id = m.id and a.state in ('prepared', 'dot_due')))
    union all
    select 'deadline', t.decision, false, 0
    from tickets t where t.own_id like $1 and t.decision is null and least(t.remind_at, t.expire_at) <= $2
"""


@dataclass
class Course:
    """One course of a life: what was sent, what was acknowledged.

    Args:
        sent: own id → (body, PDF), for every try.
        acknowledged: ticket tokens that the sender was given.
    """

    site: Site
    name: str
    sent: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)

    async def submit(self) -> None:
        own_id = f"{self.name}.{len(self.sent)}"
        body, pdf = f"Dear Bob,\n\nthis is {own_id}.\n", b"%PDF-1.4\n" + os.urandom(2000) + b"\n%%EOF\n"
        self.sent[own_id] = body.encode(), pdf
        attached = [Attachment("notice.pdf", "application/pdf", [pybase64.b64encode(pdf)])]
        message = self.site.world.message(own_id=own_id, body=body, attachments=attached)
        self.acknowledged.append(await self.site.submitter.submit(message))

    async def tokens(self) -> list[str]:
        """All tickets of this course, acknowledged or not."""
        rows = await self.site.world.service.pool.fetch(
            "select token from tickets where own_id like $1 order by id", f"{self.name}.%"
        )
        return [row["token"] for row in rows]

    def secret(self, token: str) -> str:
        """What stands in Bob's announcement."""
        texts = [mail for mail in self.site.world.mailbox.to(BOB) if token in text_of(mail)]
        return next(link for mail in texts for link in links_in(mail) if "/p/" in link).rsplit("/", 1)[1]

    async def unfinished(self) -> list[str]:
        rows = await self.site.world.service.pool.fetch(UNFINISHED, f"{self.name}.%", self.site.world.clock.now())
        return [str(dict(row)) for row in rows]

    async def announced(self) -> None:
        await self.site.persist(self.submit)
        await self.settled()

    async def settled(self) -> None:
        await self.site.settle(self.unfinished)

    async def decided(self, decision: Decision) -> None:
        """Bob decides on what he was told of; somebody who got an error looks, and finds his own decision or tries again."""
        for token in await self.tokens():
            secret = [self.secret(token)]

            async def opened(token: str = token, secret: list[str] = secret) -> None:
                await open_pickup(self.site.service, token, secret, ACT)

            async def confirmed(token: str = token, secret: list[str] = secret) -> None:
                try:
                    if decision == "withdrawn":
                        world = self.site.world
                        await withdraw(self.site.service, Visible(world.alice), world.alice_user, token)
                    elif decision != "expired":
                        await decide(self.site.service, token, secret, decision, "", ACT)
                except AlreadyDecided as error:
                    if error.decision != decision:
                        raise

            if decision != "withdrawn":
                await self.site.persist(opened)
            await self.site.persist(confirmed)

    def later(self, days: int) -> None:
        """The clock stands at 08:00 in Amsterdam of that day after the submission."""
        day: datetime = START + timedelta(days=days)
        self.site.world.clock.at = max(self.site.world.clock.at, day.replace(hour=7, minute=0, second=0))


@dataclass(frozen=True)
class Life:
    """A life and how it must end.

    Args:
        mails: purpose → state in the end, beside ``announcement`` and ``confirmation``, which are sent.
    """

    name: str
    live: Callable[[Course], Awaitable[None]]
    decision: Decision
    mails: dict[str, str]


async def _accept(course: Course) -> None:
    await course.announced()
    await course.decided("accepted")
    await course.settled()


async def _refuse(course: Course) -> None:
    await course.announced()
    await course.decided("refused")
    await course.settled()


async def _expire(course: Course) -> None:
    await course.announced()
    course.later(6)
    await course.settled()
    course.later(12)
    await course.settled()


async def _withdraw(course: Course) -> None:
    await course.announced()
    await course.decided("withdrawn")
    await course.settled()


LIVES = (
    Life(
        "accept",
        _accept,
        "accepted",
        {"content": "sent", "notice:accepted": "sent", "notice:content_delivered": "sent"},
    ),
    Life("refuse", _refuse, "refused", {"notice:refused": "sent"}),
    Life("expire", _expire, "expired", {"reminder": "sent", "notice:expired": "sent"}),
    Life("withdraw", _withdraw, "withdrawn", {}),
)
