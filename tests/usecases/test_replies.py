"""What people reply: passed on to the sender as what it is, once, and erased with the content or as long after it came."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from sealpost.store import erasures
from sealpost.usecases.decide import decide
from sealpost.usecases.erase import erase
from sealpost.usecases.notify import MOST_TEXT, notify
from sealpost.usecases.take_returned import MOST_REPLIES, reply_of
from tests.usecases.test_returned import TAKEN, answer, bounce, give, message_id, path, planned
from tests.world import ACT, World, parsed, text_of

POST = "post@sealpost.example"
KEEP = timedelta(days=30)
HEADING = "Er is gereageerd op uw bericht"


async def reply(world: World, text: str = "What is this?", mail_from: str = "bob@example.com") -> None:
    """Bob replies, and nothing is passed on yet."""
    assert await give(world, POST, answer(message_id(world), text), mail_from) == TAKEN


def passed_on(world: World, to: str = "alice@example.org") -> list[EmailMessage]:
    return [mail for mail in world.mailbox.to(to) if HEADING in text_of(mail)]


def words(mail: EmailMessage) -> str:
    return text_of(mail).replace("\r\n", "\n")


async def end(world: World, token: str) -> None:
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    await world.work_off()


async def state_of(world: World, purpose: str = "reply:%") -> list[tuple[str, bool]]:
    """State of the mails that pass replies on, and whether they can still be opened."""
    rows = await world.service.pool.fetch(
        "select state, wrapped_key is not null as kept from mails where purpose like $1 order by planned_at", purpose
    )
    return [(row["state"], row["kept"]) for row in rows]


async def kept(world: World) -> dict[tuple[str, str], bool]:
    """What came back (its kind, our mail's purpose), and whether it can still be opened."""
    rows = await world.service.pool.fetch(
        """select i.kind, m.purpose, i.wrapped_key is not null as kept
           from inbound_mails i join mails m on m.id = i.mail_id"""
    )
    return {(row["kind"], row["purpose"]): row["kept"] for row in rows}


async def test_the_sender_reads_it(world: World) -> None:
    token = await world.send()
    world.clock.advance(hours=2)
    await reply(world, "Wat is dit?\r\n\r\nGroet, <b>Bob</b>")
    before = await world.kinds(token)
    await world.work_off()
    [mail] = passed_on(world)
    assert mail["subject"] == "Reactie op uw bericht: Notice of default"
    assert mail["reply-to"].addresses[0].addr_spec == "bob@example.com"
    assert mail["from"].addresses[0].addr_spec == POST
    assert mail["auto-submitted"] == "auto-generated"
    told = words(mail)
    assert "> Wat is dit?\n> \n> Groet, <b>Bob</b>\n" in told
    for line in (
        "Uw bericht is daarmee niet geaccepteerd en niet geweigerd.",
        "Reactie van: bob@example.com\nDit adres is niet gecontroleerd.",
        "Binnengekomen: maandag 23 november 2026 om 13:15 (Nederlandse tijd / CET)",
        "Onderwerp van de reactie: Re: it",
        "Als u deze mail beantwoordt, schrijft u aan bob@example.com.",
        token,
    ):
        assert line in told
    html = mail.get_body(("html",))
    assert html is not None
    assert "&lt;b&gt;Bob&lt;/b&gt;" in html.get_content()
    assert await world.kinds(token) == before, "it is no evidence"
    assert await state_of(world) == [("sent", True)]
    await world.work_off()
    assert len(passed_on(world)) == 1


async def test_nobody_else_reads_it(world: World) -> None:
    await world.send()
    await reply(world)
    await world.work_off()
    assert [to for _, to, raw in world.mailbox.mails if HEADING in text_of(parsed(raw))] == ["alice@example.org"]


async def test_from_another_address(world: World) -> None:
    await world.send()
    await reply(world, mail_from="charlie@example.net")
    await world.work_off()
    [mail] = passed_on(world)
    assert "Reactie van: charlie@example.net\nDit adres is niet gecontroleerd." in words(mail)
    assert mail["reply-to"].addresses[0].addr_spec == "bob@example.com"


HOSTILE: dict[str, bytes] = {
    "header in the subject": b"Subject: =?utf-8?q?x=0D=0ABcc:_charlie@example.net?=\r\n",
    "encoded twice": b"Subject: =?utf-8?b?PT91dGYtOD9xP3g9MEQ9MEFCY2M6X2NoYXJsaWVAZXhhbXBsZS5uZXQ/PQ==?=\r\n",
    "turned": "Subject: \u202egnp.exe\r\n".encode(),
    "long subject": b"Subject: " + b"x" * 5000 + b"\r\n",
    "no text": b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n",
    "charset": b"Content-Type: text/plain; charset=utf-7\r\n",
    "html": b"Content-Type: text/html\r\n",
    "broken multipart": b'Content-Type: multipart/mixed; boundary=""\r\n',
}
BODY = b"\x00\x1b[2J\xff\xfe +AAo- {{ 7*7 }} %(recipient)s <script>x</script>\r\n.\r\n--\r\nSealpost \xe2\x80\xa8X\r\n"


@pytest.mark.parametrize("case", HOSTILE)
async def test_hostile_replies_arrive_as_text(case: str, world: World) -> None:
    await world.send()
    octets = b"In-Reply-To: " + message_id(world).encode() + b"\r\n" + HOSTILE[case] + b"\r\n" + BODY
    assert await give(world, POST, octets, "bob@example.com") == TAKEN
    before = len(world.mailbox.mails)
    await world.work_off()
    [(_, to, raw)] = world.mailbox.mails[before:]
    mail = parsed(raw)
    assert to == "alice@example.org"
    assert [name for name in mail if name.lower() in {"bcc", "cc"}] == []
    html = mail.get_body(("html",))
    assert html is not None
    assert "<script" not in html.get_content()
    assert not set(text_of(mail)) & set("\x00\x1b\u202e\u2028")
    assert "\nSealpost X" not in words(mail), "each line of it is marked"


@pytest.mark.parametrize(("length", "is_cut"), [(MOST_TEXT, False), (MOST_TEXT + 1, True), (60_000, True)])
async def test_long_replies(length: int, is_cut: bool, world: World) -> None:
    await world.send()
    await reply(world, "x" * length)
    await world.work_off()
    [mail] = passed_on(world)
    assert text_of(mail).count("x") - text_of(mail).replace("x" * MOST_TEXT, "").count("x") == MOST_TEXT
    assert ("de rest is hier weggelaten" in text_of(mail)) == is_cut


async def test_an_address_that_plain_smtp_cannot_carry(world: World) -> None:
    await world.send()
    await reply(world)
    await world.service.pool.execute("update tickets set recipient_key = 'b\u00f6b@example.com'")
    await world.work_off()
    [mail] = passed_on(world)
    assert mail["reply-to"].addresses[0].addr_spec == "alice@example.org"
    assert "schrijft u aan" not in text_of(mail)


async def test_many(world: World) -> None:
    await world.send()
    for number in range(MOST_REPLIES + 2):
        await reply(world, f"{number}")
    await world.work_off()
    assert len(passed_on(world)) == MOST_REPLIES


# Erasure -------------------------------------------------------------------------------------------------------------


async def test_what_was_erased_is_not_passed_on(world: World) -> None:
    await world.send()
    await reply(world)
    await world.service.pool.execute("update inbound_mails set wrapped_key = null")
    await world.work_off()
    assert not passed_on(world)
    assert await state_of(world) == [("cancelled", False)]


async def test_erased_with_the_content(world: World) -> None:
    token = await world.send()
    await reply(world)
    await give(world, path(world), bounce())
    await give(world, path(world), b"Auto-Submitted: auto-replied\r\n\r\nI am away.\r\n")
    await end(world, token)
    await give(world, path(world, 1), bounce())
    [mail] = await planned(world)
    assert len(passed_on(world)) == 1
    assert all((await kept(world)).values())
    world.clock.at += KEEP
    assert await erase(world.service) == 1
    assert await kept(world) == {
        ("failed", "announcement"): True,
        ("auto_reply", "announcement"): False,
        ("reply", "announcement"): False,
        ("failed", "content"): False,
    }
    assert await state_of(world) == [("sent", False)]
    assert await state_of(world, "announcement") == [("sent", True)]
    assert await reply_of(world.service, mail["ticket_id"], mail["purpose"]) is None


async def test_what_waits_is_cancelled(world: World) -> None:
    """Also one that was built and waits for its next try, whose octets are gone."""
    token = await world.send()
    await end(world, token)
    await reply(world, "one")
    await reply(world, "two")
    await world.service.pool.execute("delete from pgqueuer")
    await world.service.pool.execute(
        "update mails set state = 'built', wrapped_key = 'x' where purpose = (select max(purpose) from mails where purpose like 'reply:%' and state = 'sent')"
    )
    world.clock.at += KEEP
    assert await erase(world.service) == 1
    assert await state_of(world) == [("cancelled", False)] * 2
    await world.work_off()
    assert not passed_on(world)


async def test_another_tickets_words_stay(world: World) -> None:
    await world.send()
    await reply(world)
    await world.work_off()
    [mine] = await planned(world)
    await world.send()
    other = await world.service.pool.fetchval("select id from tickets where id <> $1", mine["ticket_id"])
    async with world.service.pool.acquire() as connection:
        assert await erasures.erase_words(connection, other)
    assert await state_of(world) == [("sent", True)]
    assert await kept(world) == {("reply", "announcement"): True}


@pytest.fixture
async def handing_over(world: World) -> AsyncIterator[tuple[Any, asyncio.Task[None], asyncio.Event]]:
    """A worker that holds a reply's mail, has read the reply, and waits."""
    token = await world.send()
    await end(world, token)
    await reply(world)
    mail_id = await world.service.pool.fetchval("select id from mails where purpose like 'reply:%'")
    await world.service.pool.execute("delete from pgqueuer")
    reached, go_on = asyncio.Event(), asyncio.Event()

    class Slow:
        """The content store, which keeps the worker waiting with the mail in its hands."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.service.content, name)

        async def append(self, blob: Any) -> Any:
            reached.set()
            await go_on.wait()
            return await world.service.content.append(blob)

    working = asyncio.create_task(notify(dataclasses.replace(world.service, content=Slow()), mail_id))
    await reached.wait()
    yield token, working, go_on
    go_on.set()
    await working


async def test_a_mail_in_a_workers_hands_is_waited_for(
    world: World, handing_over: tuple[str, asyncio.Task[None], asyncio.Event]
) -> None:
    token, working, go_on = handing_over
    world.clock.at += KEEP
    assert await erase(world.service) == 0
    assert "content_erased" not in await world.kinds(token)
    go_on.set()
    await working
    assert await state_of(world) == [("sent", True)]
    assert await erase(world.service) == 1
    assert await state_of(world) == [("sent", False)]


async def test_what_came_after_the_erasure_is_kept_as_long(world: World) -> None:
    token = await world.send()
    await end(world, token)
    world.clock.at += KEEP
    assert await erase(world.service) == 1
    world.clock.advance(days=10)
    await reply(world)
    await give(world, path(world), bounce())
    await world.work_off()
    assert len(passed_on(world)) == 1
    world.clock.at += KEEP - timedelta(seconds=1)
    await erase(world.service)
    assert await kept(world) == {("reply", "announcement"): True, ("failed", "announcement"): True}
    world.clock.advance(seconds=1)
    await erase(world.service)
    assert await kept(world) == {("reply", "announcement"): False, ("failed", "announcement"): True}
    assert await state_of(world) == [("sent", False)]


async def test_what_is_late_and_not_passed_on_yet_stays(world: World) -> None:
    token = await world.send()
    await end(world, token)
    world.clock.at += KEEP
    await erase(world.service)
    await reply(world)
    await world.service.pool.execute("update accounts set suspended_at = now()")
    world.clock.at += KEEP
    await erase(world.service)
    assert await kept(world) == {("reply", "announcement"): True}
    await world.service.pool.execute("update accounts set suspended_at = null")
    await world.work_off()
    assert len(passed_on(world)) == 1
    await erase(world.service)
    assert await kept(world) == {("reply", "announcement"): False}


async def test_while_a_ticket_is_open_its_replies_stay(world: World) -> None:
    await world.send(expiry_days=90)
    await reply(world)
    await world.work_off()
    world.clock.at += KEEP * 2
    await erase(world.service)
    assert await kept(world) == {("reply", "announcement"): True}


async def test_what_came_back_for_a_mail_of_no_ticket_goes_too(world: World) -> None:
    await world.send()
    assert await give(world, path(world), b"Auto-Submitted: auto-replied\r\n\r\nI am away.\r\n") == TAKEN
    await world.service.pool.execute("update mails set ticket_id = null where purpose = 'announcement'")
    await world.service.pool.execute("update inbound_mails set ticket_id = null")
    world.clock.at += KEEP - timedelta(seconds=1)
    await erase(world.service)
    assert await kept(world) == {("auto_reply", "announcement"): True}
    world.clock.advance(seconds=1)
    await erase(world.service)
    assert await kept(world) == {("auto_reply", "announcement"): False}


async def test_again_after_a_restore(world: World) -> None:
    """Whatever state the copy has them in: sent, waiting, or in the hands of a worker that is no more."""
    await world.send()
    for text in ("one", "two"):
        await reply(world, text)
    await world.work_off()
    await reply(world, "three")
    await give(world, path(world), bounce())
    await world.service.pool.execute("delete from pgqueuer")
    claim = "update mails set claimed_by = gen_random_uuid(), state = 'built' where id = (select min(id::text)::uuid from mails where purpose like 'reply:%' and state = 'sent')"
    await world.service.pool.execute(claim)
    messages = [row["id"] for row in await world.service.pool.fetch("select id from messages")]
    async with world.service.pool.acquire() as connection:
        assert await erasures.erase_again(connection, [world.service.worker]) == 0
        assert all((await kept(world)).values()), "only what is on the list"
        assert await erasures.erase_again(connection, messages) == 1
    assert await kept(world) == {("reply", "announcement"): False, ("failed", "announcement"): True}
    assert sorted(await state_of(world)) == [("cancelled", False), ("cancelled", False), ("sent", False)]
