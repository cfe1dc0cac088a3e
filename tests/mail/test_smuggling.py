"""One mail in is one mail out, whatever its text looks like; and what the demo's catcher promises."""

import asyncio
from email import message_from_bytes, policy

import pytest

from sealpost.inbound.catcher import Catcher
from sealpost.mail.build import build
from sealpost.mail.letter import File
from sealpost.mail.reread import text_octets
from sealpost.mail.transport import Envelope

ENDS = [
    "\n.\n", "\n.\r\n", "\n.\r", "\r.\r", "\r.\n", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r\n.\r\n", "\r\n\0.\r\n",
    "\r\n.\0\r\n", "\n\n.\n\n", "\r\n..\r\n", "\x85.\x85", "\u2028.\u2028",
]  # fmt: skip
SECOND = "MAIL FROM:<charlie@example.org>{0}RCPT TO:<charlie@example.com>{0}DATA{0}Subject: smuggled{0}{0}Hi{1}"


async def nothing() -> None:
    """A mark that is made without effort."""


@pytest.mark.parametrize("end", ENDS, ids=repr)
async def test_a_second_mail_cannot_be_smuggled(end, letter, relays, catcher, envelope):
    port, kept = catcher
    text = "Hello Bob" + end + SECOND.format("\r\n", end)
    mail = build(letter(text=text, html=text, subject="x", files=(File("message.txt", "text/plain", text.encode()),)))
    relay = relays(port)
    assert (await relay.hand_over(envelope, mail, nothing)).outcome == "accepted"
    assert (await relay.hand_over(envelope, mail, nothing)).outcome == "accepted"
    assert kept == [("b+token@bounce.sealpost.test", "bob@example.com", mail)] * 2
    plain, html, file = [
        bytes(part.get_payload(decode=True) or b"")  # pyright: ignore[reportArgumentType] - decode=True gives bytes
        for part in message_from_bytes(kept[0][2], policy=policy.SMTP).walk()
        if not part.is_multipart()
    ]
    assert plain + b"\r\n" == html + b"\r\n" == text_octets(text)
    assert file == text.encode()


async def test_dots_at_the_start_of_lines_survive(relays, catcher, envelope):
    port, kept = catcher
    mail = b".first\r\nSubject: x\r\n\r\n.\r\n..\r\n.x\r\n\r\n.\r\n"
    await relays(port).hand_over(envelope, mail, nothing)
    assert kept[0][2] == mail


async def test_an_address_in_utf8_reaches_the_catcher(letter, relays, catcher):
    port, kept = catcher
    wide = Envelope("p@bounce.test", "bób@example.com", smtputf8=True, envid="")
    await relays(port).hand_over(wide, build(letter(subject="é")), nothing)
    assert kept[0][1] == "bób@example.com"


async def test_the_catcher_promises_only_what_is_kept(letter, relays, envelope):
    keeping, kept = asyncio.Event(), asyncio.Event()

    async def keep(_sender: str, _recipient: str, _raw: bytes) -> None:
        keeping.set()
        await kept.wait()

    one = Catcher(keep)
    task = asyncio.create_task(relays(await one.start()).hand_over(envelope, build(letter()), nothing))
    await keeping.wait()
    assert not task.done()
    kept.set()
    got = await task
    assert got.final.startswith(b"250 2.0.0 Ok: queued as ")
    await one.stop()


async def test_the_catcher_refuses_for_now_what_it_cannot_keep(letter, relays, envelope):
    async def keep(_sender: str, _recipient: str, _raw: bytes) -> None:
        raise OSError("disk full")

    one = Catcher(keep)
    got = await relays(await one.start()).hand_over(envelope, build(letter()), nothing)
    assert (got.outcome, got.code, got.enhanced) == ("delayed", 451, "4.3.0")
    await one.stop()


async def test_a_stopped_catcher_is_gone(letter, relays, envelope):
    one = Catcher(lambda *_: nothing())
    port = await one.start()
    relay = relays(port)
    assert (await relay.hand_over(envelope, build(letter()), nothing)).outcome == "accepted"
    await one.stop()
    assert (await relay.hand_over(envelope, build(letter()), nothing)).outcome == "delayed"


async def test_a_mail_larger_than_the_catcher_takes(relays, catcher, envelope):
    port, kept = catcher
    got = await relays(port).hand_over(envelope, (b"x" * 76 + b"\r\n") * 480_000, nothing)
    assert (got.outcome, got.reason, kept) == ("failed", "too_large", [])
