"""One mail in is one mail out, whatever its text looks like; and what the demo's catcher promises."""

import asyncio
import dataclasses
import os
import re
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pybase64
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealpost.domain.errors import InvalidInput
from sealpost.inbound.catcher import Catcher
from sealpost.mail.build import build
from sealpost.mail.direct import Direct
from sealpost.mail.dkim import DkimKey, signed
from sealpost.mail.dns import Resolver
from sealpost.mail.letter import File, Letter, UnsafeMail
from sealpost.mail.reread import text_octets
from sealpost.mail.transport import Envelope
from sealpost.usecases.decide import decide
from sealpost.usecases.submit_message import Attachment
from tests.conftest import reachable
from tests.faults.mail_servers import KINDS, CannotRun, Kind, running
from tests.mail.dns_server import DnsServer
from tests.mail.dns_server import running as answering
from tests.mail.lenient import lenient
from tests.usecases.servers import through
from tests.world import ACT, World, links_in, parsed

_BREAKS = ("\n", "\r", "\r\n", "\n\r", "\r\r\n")
# Every line end before and after the dot holds the nine of SMTP-Smuggling-Tools and the ten of smtpsmug, but for their
# NULs, which follow; then what no server is known to take, and one might.
KNOWN = [
    *(f"{before}.{after}" for before in _BREAKS for after in _BREAKS),
    "\r\n\0.\r\n",
    "\r\n.\0\r\n",
    "\0\r\n.\r\n",
    "\r\n.\r\n\0",
    "\n\0.\n",
    "\n.\0\n",
    "\r\0\n.\r\0\n",
    "\r\n\0.\0\r\n",
]
ENDS = [
    *KNOWN, "\n\n.\n\n", "\r\n..\r\n", "\x85.\x85", "\u2028.\u2028", "\r\n .\r\n", "\r\n. \r\n", "\r\n\t.\r\n", "\x0b.\x0b", "\x0c.\x0c",
    "\x1a.\x1a", "\r\n=2E\r\n", "=0D=0A.=0D=0A", "\r\n=\r\n.\r\n", "\u560d\u560a.\u560d\u560a",
]  # fmt: skip
SECOND = "MAIL FROM:<charlie@example.org>{0}RCPT TO:<charlie@example.com>{0}DATA{0}Subject: smuggled{0}{0}Hi{1}"
BODIES = {
    "as lines": "\r\n", "with bare LF": "\n", "with bare CR": "\r",
}  # fmt: skip
"""How the lines of a second mail that is sent along behind a would-be end are broken."""
AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
BATCH = 8
"""Mails over one connection: of more than ten Exim delivers only the first ten at once."""
COMPLETE = bool(os.environ.get("SEALPOST_FAULTS_COMPLETE"))
ADDRESSES = {b"MAIL FROM:<b+token@bounce.sealpost.test", b"RCPT TO:<bob@example.com"}


async def nothing() -> None:
    """A mark that is made without effort."""


def second(end: str, between: str) -> str:
    """A mail with a would-be end in it, and a second mail behind that."""
    return "Hello Bob" + end + SECOND.format(between, end)


def hiding(letter: Callable[..., Letter], text: str) -> Letter:
    """A letter whose every text holds it, and whose file holds it from its first octet, at a line's start and raw."""
    octets = text.encode()
    files = (
        File("message.txt", "text/plain", octets),
        File("second.bin", "message/rfc822", octets[9:]),
        File("third.bin", "application/octet-stream", b"\r\n.\r\n" * 30 + octets),
    )
    return letter(text=text, html=text, files=files)


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


@asynccontextmanager
async def directly(port: int, **options: Any) -> AsyncGenerator[Direct]:
    """Direct delivery to a port of this machine, which example.com and example.org name as theirs."""
    zones: Any = {name: {"MX": ["10 mx.test."]} for name in ("example.com", "example.org")}
    async with answering(DnsServer(zones | {"mx.test": {"A": ["127.0.0.1"]}})) as dns:
        direct = Direct(
            dns=Resolver(["127.0.0.1"], port=dns.port), sts=None, our_name="out.sealpost.test", shuffle=lambda _: None,
            clock=lambda: AT, port=port, private=True, **options,
        )  # fmt: skip
        try:
            yield direct
        finally:
            await direct.close()


async def test_not_even_the_most_credulous_server_finds_a_second_mail(letter, relays, envelope, capsys):
    """Every would-be end with every kind of line behind it, by Relay and by Direct, with a signature and without."""
    key = DkimKey("sealpost.test", "s1", Ed25519PrivateKey.generate())
    sent = 0
    async with lenient() as server, directly(server.port) as direct:
        for way in (relays(server.port), direct):
            for end in ENDS:
                for between in BODIES.values():
                    mail = build(hiding(letter, second(end, between)))
                    for octets in (mail, signed(mail, [key], AT)):
                        got = await way.hand_over(envelope, octets, nothing)
                        sent += 1
                        assert (got.outcome, len(server.mails)) == ("accepted", sent), (end, between)
                        assert server.mails[-1] + b"\r\n" == octets.replace(b"\r\n.", b"\r\n.."), (end, between)
    assert set(server.paths()) == ADDRESSES
    assert len(server.paths()) == 2 * sent
    assert b"charlie@example" not in b"".join(server.commands)
    with capsys.disabled():
        print(f"\nsmuggling out, to a credulous server: {len(ENDS)} ends, {sent:,} mails sent, as many came")


async def test_raw_octets_with_a_foreign_line_end_are_not_sent_at_all(relays, envelope):
    """What ``build`` would never make: only what every server reads alike gets out, with its dots doubled."""
    refused = 0
    async with lenient() as server, directly(server.port) as direct:
        for way in (relays(server.port), direct):
            for end in KNOWN:
                mail = b"Subject: x\r\n\r\n" + second(end, "\r\n").encode() + b"\r\n"
                if end == "\r\n.\r\n":
                    assert (await way.hand_over(envelope, mail, nothing)).outcome == "accepted"
                    continue
                with pytest.raises(UnsafeMail):
                    await way.hand_over(envelope, mail, nothing)
                refused += 1
        assert len(server.mails) == 2
    assert set(server.paths()) == ADDRESSES
    assert refused == 2 * (len(KNOWN) - 1)


@pytest.mark.parametrize("field", ["mail_from", "rcpt_to"])
async def test_no_command_can_be_smuggled_by_an_address(field, letter, relays, envelope):
    """An address reaches MAIL, RCPT and, by ORCPT, a parameter; what the envelope's number says reaches ENVID."""
    mail, sent = build(letter()), 0
    async with lenient() as server, directly(server.port) as direct:
        for way in (relays(server.port), direct):
            for end in [
                *ENDS,
                " ",
                "\t",
                ">",
                "> ",
                "<",
                "\0",
                "\r\nRSET\r\n",
                "\nRCPT TO:<charlie@example.com>\n",
                "\u3000",
                "\xa0",
            ]:
                for address in (
                    f"bob{end}@example.com",
                    f"bob@example.com{end}",
                    f"{end}bob@example.com",
                    f"b@example.com>{end}RCPT TO:<c@example.com",
                ):
                    bad = dataclasses.replace(envelope, **{field: address}, smtputf8=not address.isascii())
                    try:
                        got = await way.hand_over(bad, mail, nothing)
                    except UnsafeMail:
                        continue
                    sent += got.outcome == "accepted"
                    assert "\r" not in address
                    assert "\n" not in address
    assert len(server.mails) == sent
    assert len(server.paths()) == 2 * sent
    assert {command[:4] for command in server.commands} <= {b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT"}


def fields(text: str) -> list[dict[str, Any]]:
    """Each field of a submission that a sender fills and that is one line, with the text in it."""
    one_line = [
        "subject",
        "sender_name",
        "recipient_name",
        "own_id",
        "own_guid",
        "campaign",
        "address_basis",
    ]
    attached = [
        {"attachments": [Attachment("message.txt" + text, "text/plain", [b"eA=="])]},
        {"attachments": [Attachment("message.txt", "text/plain" + text, [b"eA=="])]},
    ]
    addresses = [{name: f"alice{text}@example.org"} for name in ("sender_email", "recipient_email")]
    return [*({name: "x" + text} for name in one_line), *attached, *addresses]


async def test_one_ticket_is_its_mails_and_no_more(world: World, capsys: pytest.CaptureFixture[str]):
    """Through the whole service: each line end in each field, in the text and in a file; what is good goes all the way."""
    refused = taken = 0
    async with lenient() as server, directly(server.port) as direct:
        world = through(world, direct)
        for end in ENDS:
            for changes in fields(second(end, "\r\n")):
                with pytest.raises(InvalidInput):
                    await world.submitter.submit(world.message(**changes))
                refused += 1
            before = len(server.mails), len(server.paths())
            taken += await to_the_end(world, end, server.mails)
            assert len(server.paths()) - before[1] == 2 * (len(server.mails) - before[0])
    accounts = {path.partition(b"<")[2] for path in server.paths() if path.startswith(b"RCPT")}
    assert accounts == {b"alice@example.org", b"bob@example.com"}
    assert taken > 30
    with capsys.disabled():
        print(
            f"\nsmuggling out, through the service: {refused} fields refused, {taken} tickets, {len(server.mails)} mails"
        )


async def to_the_end(world: World, end: str, mails: list[bytes]) -> bool:
    """A ticket whose text and file hold a second mail, until the content has come: five mails; or it is refused."""
    text, came = second(end, "\r\n"), len(mails)
    attached = [Attachment("message.txt", "text/plain", [pybase64.b64encode(text.encode())])]
    try:
        token = await world.submitter.submit(world.message(body=text, attachments=attached))
    except InvalidInput as why:
        assert why.field == "message_body"
        assert any(one in text for one in "\0\x0b\x0c\x1a\x85")
        return False
    await world.work_off()
    (secret,) = [one for raw in mails[came:] for one in links_of(raw)]
    await decide(world.service, token, [secret], "accepted", second(end, "\r\n"), ACT)
    await world.work_off()
    assert len(mails) == came + 5, end
    return True


def links_of(raw: bytes) -> list[str]:
    """The secrets of links in a mail, as the most credulous server has it: dots at the start of lines are doubled."""
    links = links_in(parsed(raw.replace(b"\r\n..", b"\r\n.")))
    return [link.rsplit("/", 1)[1] for link in links if "/p/" in link]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not COMPLETE, reason="script/faults runs this: it fetches Debian's mail servers")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_real_servers_find_one_mail(
    kind: Kind, letter, envelope, certificate: Path, tmp_path_factory: pytest.TempPathFactory, eventually, capsys
):
    """Each would-be end, a few over one connection: as many mails in Bob's mailbox as were sent."""
    try:
        with running(kind, reachable(tmp_path_factory.mktemp(kind.name)), certificate) as server:
            context = ssl.create_default_context(cafile=str(certificate))
            # One more behind them, so that whatever a server made of them has been delivered before it is counted.
            texts = [*(second(end, "\r\n") for end in ENDS), "Hello Bob"]
            for start in range(0, len(texts), BATCH):
                async with directly(server.port, context=context) as direct:
                    for number, text in enumerate(texts[start : start + BATCH], start):
                        made = dataclasses.replace(hiding(letter, text), message_id=f"<{number}@smuggling.test>")
                        assert (await direct.hand_over(envelope, build(made), nothing)).outcome == "accepted", text
            await eventually(lambda: came(server.mails(), len(texts)))
            ids = message_ids(server.mails())
            assert ids == sorted(f"<{number}@smuggling.test>" for number in range(len(texts)))
            log = server.log()
            assert "from=<charlie@" not in log
            assert "to=<charlie@" not in log
            with capsys.disabled():
                print(f"\nsmuggling out, to {kind.name} {server.version}: {len(ids)} mails sent, {len(ids)} came")
    except CannotRun as why:
        pytest.skip(f"{kind.name}: {why}")


def message_ids(mails: list[Path]) -> list[str]:
    """Of all mails in all mailboxes, whether a mailbox is one file or a file is one mail (one that is still being written is none)."""
    found = [
        re.findall(r"(?m)^Message-ID: (\S+)", path.read_text(errors="replace"))
        for path in mails
        if path.parent.name != "tmp"
    ]
    return sorted(one for some in found for one in some)


async def came(mails: list[Path], count: int) -> bool:
    return len(message_ids(mails)) >= count


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
