"""The SMTP server for what comes in, over real connections: one mail in is exactly one out, or none; and its limits."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
import uvloop

from sealpost.inbound.conversing import bad_octets, unstuffed
from sealpost.inbound.destination import Conversation
from sealpost.inbound.server import InboundServer
from tests.mail.conftest import certificate as certificate
from tests.mail.conftest import server_tls as server_tls

HELLO = [b"EHLO out.example.org"]
TO_BOB = [b"MAIL FROM:<alice@example.org>", b"RCPT TO:<bob@example.com>", b"DATA"]
LIMIT = 100_000


class Kept:
    """A destination that keeps mail for example.com, and says what a test wants."""

    def __init__(self, domain: str = "example.com") -> None:
        self.domain = domain
        self.mails: list[tuple[str, tuple[str, ...], bytes]] = []
        self.seen: list[Conversation] = []
        self.says: str | Exception = "250 2.0.0 Kept"
        self.asked = asyncio.Event()

    async def admits(self, conversation: Conversation, recipient: str, mail_from: str) -> str | None:
        if not recipient.lower().endswith(f"@{self.domain}"):
            return None
        if recipient.startswith("raise"):
            raise RuntimeError(mail_from)
        if recipient.startswith("odd"):
            return "250 Ok\r\n250 twice"
        return "550 5.1.1 No Charlie here" if recipient.startswith("charlie") else "250 2.1.5 Ok"

    async def take(self, conversation: Conversation, mail_from: str, recipients: Sequence[str], octets: bytes) -> str:
        self.asked.set()
        if isinstance(self.says, Exception):
            raise self.says
        if self.says == "wait":
            await asyncio.Event().wait()
        self.seen.append(conversation)
        self.mails.append((mail_from, tuple(recipients), octets))
        return self.says


class Speaker:
    """A client that says anything."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hear(self) -> bytes:
        """One reply, all its lines; empty at the end of the connection."""
        lines = b""
        with contextlib.suppress(ConnectionError):
            while line := await asyncio.wait_for(self.reader.readline(), 10):
                lines += line
                if line[3:4] != b"-":
                    break
        return lines

    async def say(self, line: bytes) -> bytes:
        self.writer.write(line + b"\r\n")
        return await self.hear()

    async def all(self, *lines: bytes) -> list[bytes]:
        return [await self.say(line) for line in lines]

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        heard = b""
        with contextlib.suppress(ConnectionError):
            while piece := await asyncio.wait_for(self.reader.read(65536), 10):
                heard += piece
        return heard

    async def mail(self, octets: bytes) -> bytes:
        """A whole transaction; the reply to the dot."""
        answers = await self.all(*TO_BOB)
        assert answers[-1].startswith(b"354"), answers
        return await self.say(octets + b"\r\n.")


Start = Callable[..., Awaitable[tuple[InboundServer, int]]]
Connect = Callable[..., Awaitable[Speaker]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    running: list[InboundServer] = []

    async def begin(*destinations: Any, **options: Any) -> tuple[InboundServer, int]:
        values: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": 0,
            "hostname": "in.sealpost.example",
            "size_limit": LIMIT,
        }
        server = InboundServer(destinations, **(values | options))
        running.append(server)
        return server, await server.start()

    yield begin
    for server in running:
        await server.stop()
        assert server.connections == 0


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    speakers: list[Speaker] = []

    async def begin(port: int, *, greeted: bool = True) -> Speaker:
        speaker = Speaker(*await asyncio.open_connection("127.0.0.1", port))
        speakers.append(speaker)
        if greeted:
            assert (await speaker.hear()).startswith(b"220 in.sealpost.example ")
            await speaker.all(*HELLO)
        return speaker

    yield begin
    for speaker in speakers:
        speaker.writer.close()
        with contextlib.suppress(OSError):
            await speaker.writer.wait_closed()


async def test_a_mail_comes_in_as_it_was_sent(start: Start, connect: Connect) -> None:
    kept = Kept()
    _, port = await start(kept)
    speaker = await connect(port)
    assert await speaker.mail(b"Subject: x\r\n\r\n..first\r\n...\r\nl\xc3\xa9") == b"250 2.0.0 Kept\r\n"
    assert await speaker.mail(b"..") == b"250 2.0.0 Kept\r\n"
    await speaker.all(b"MAIL FROM:<> SIZE=20 BODY=8BITMIME", *TO_BOB[1:])
    assert (await speaker.say(b".")).startswith(b"250"), "an empty mail"
    assert [octets for *_, octets in kept.mails] == [b"Subject: x\r\n\r\n.first\r\n..\r\nl\xc3\xa9\r\n", b".\r\n", b""]
    assert [sender for sender, *_ in kept.mails] == ["alice@example.org", "alice@example.org", ""]
    assert kept.seen[0] == Conversation("127.0.0.1", "out.example.org", size=20)
    assert (await speaker.say(b"QUIT")).startswith(b"221")


async def test_what_is_offered(start: Start, connect: Connect, server_tls: ssl.SSLContext) -> None:
    _, port = await start(Kept(), tls=server_tls, authenticate=nobody)
    offered = (await (await connect(port)).say(b"EHLO x")).split(b"\r\n")
    assert offered == [
        b"250-in.sealpost.example", b"250-PIPELINING", b"250-SIZE 100000", b"250-8BITMIME", b"250-SMTPUTF8", b"250 STARTTLS", b"",
    ]  # fmt: skip
    _, port = await start(Kept())
    speaker = await connect(port)
    assert b"STARTTLS" not in await speaker.say(b"EHLO x")
    assert (await speaker.say(b"AUTH PLAIN AGEAYg=="))[:1] == b"5"


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        ([b"MAIL FROM:<a@example.org>", b"RCPT TO:<bob@example.net>"], b"550 5.1.1"),
        ([b"MAIL FROM:<a@example.org>", b"RCPT TO:<bob%example.net@example.org>"], b"550 5.1.1"),
        ([b"MAIL FROM:<a@example.org>", b"RCPT TO:<charlie@example.com>"], b"550 5.1.1"),
        ([b"MAIL FROM:<a@example.org>", b"RCPT TO:<raise@example.com>"], b"451 4.3.0"),
        ([b"MAIL FROM:<a@example.org>", b"RCPT TO:<odd@example.com>"], b"451 4.3.0"),
        ([b"MAIL FROM:<a@example.org>", b"RCPT TO:<>"], b"550 5.1.1"),
        ([b"MAIL FROM:<a@example.org>", b"RCPT TO:<postmaster>"], b"550 5.1.1"),
        ([b"MAIL FROM:<a@example.org>", b"RCPT TO:bob@example.com"], b"553"),
        ([b"MAIL FROM:<a@example.org>", b"RCPT TO:<bob@example.com> NOTIFY=NEVER"], b"555"),
        ([b"MAIL FROM:<a@example.org>", b"RCPT TO:<b\xc3\xb6b@example.com>"], b"553 5.6.7"),
        ([b"MAIL FROM:<\xc3\xa4@example.org>"], b"553 5.6.7"),
        ([b"MAIL FROM:<\xff@example.org>"], b"553"),
        ([b"MAIL FROM:<a@example.org> SIZE=100001"], b"552"),
        ([b"MAIL FROM:<a@example.org> SIZE=\xc2\xb2"], b"501"),
        ([b"MAIL FROM:<a@example.org> SIZE"], b"501"),
        ([b"MAIL FROM:<a@example.org> SIZE=1 SIZE=2"], b"501"),
        ([b"MAIL FROM:<a@example.org> RET=HDRS"], b"555"),
        ([b"MAIL FROM:<" + b"(" * 900 + b">"], b"553"),
        ([b"MAIL FROM:<a@example.org>" + b" " * 1200], b"500"),
        ([b"RCPT TO:<bob@example.com>"], b"503"),
        ([b"DATA"], b"503"),
        ([b"MAIL FROM:<a@example.org>", b"DATA"], b"503"),
        ([*TO_BOB[:2], b"DATA now"], b"501"),
        ([b"BDAT 10 LAST"], b"500"),
        ([b"VRFY bob"], b"252"),
        ([b"VRFY \xff\xfe"], b"252"),
        ([b"EXPN list"], b"502"),
        ([b"STARTTLS"], b"454"),
        ([b"TURN"], b"500"),
        ([b"\x00\xff\xfe"], b"500"),
        ([b"HELO \xff\x00" + b"x" * 600], b"250"),
        ([b"EHLO"], b"501"),
    ],
)  # fmt: skip
async def test_no_relay_and_no_oddities(lines: list[bytes], last: bytes, start: Start, connect: Connect) -> None:
    kept = Kept()
    _, port = await start(kept)
    speaker = await connect(port)
    answers = await speaker.all(*lines)
    assert answers[-1].startswith(last), answers
    assert (await speaker.say(b"RSET")).startswith(b"250"), "the conversation goes on"
    assert not kept.mails


async def test_a_sender_in_utf8(start: Start, connect: Connect) -> None:
    kept = Kept()
    _, port = await start(kept)
    speaker = await connect(port)
    answers = await speaker.all("MAIL FROM:<ä@example.org> SMTPUTF8 AUTH=<>".encode(), "RCPT TO:<böb@example.com>".encode(), b"DATA")  # fmt: skip
    assert answers[-1][:3] == b"354"
    await speaker.say(b"\r\n.")
    assert kept.mails[0][:2] == ("ä@example.org", ("böb@example.com",))
    assert kept.seen[0].smtputf8


ENDS = [
    b"\n.\n", b"\n.\r\n", b"\n.\r", b"\r.\r", b"\r.\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n.\r\r\n", b"\r\r\n.\r\n",
    b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\x00\r\n.\r\n", b"\n\n.\n\n", b"\r\n.\n\r\n", b"\r\n\n.\r\n", b"\r\n\r.\r\n", b"\n\r\n.\r\n", b"\r\n..\r\n",
    b"\r\n .\r\n", b"\r\n. \r\n", b"\r\n.\t\r\n", b"\r\n\x1a.\r\n", b"\r\n.\xc2\x85", b"\xe2\x80\xa8.\xe2\x80\xa8", b"\x0b.\x0b", b"\x0c.\x0c",
]  # fmt: skip
SECOND = b"MAIL FROM:<charlie@example.net>{0}RCPT TO:<bob@example.com>{0}DATA{0}Subject: smuggled{0}{0}Hi\r\n.\r\n"


@pytest.mark.parametrize("between", [b"\r\n", b"\n", b"\r"], ids=repr)
@pytest.mark.parametrize("end", ENDS, ids=repr)
async def test_nothing_can_be_smuggled(end: bytes, between: bytes, start: Start, connect: Connect) -> None:
    """A first mail holds a would-be end and a second mail, all sent at once: at most one mail comes out of it."""
    kept = Kept()
    _, port = await start(kept)
    speaker = await connect(port)
    await speaker.all(*TO_BOB)
    first = b"Subject: first\r\n\r\nHello" + end + SECOND.replace(b"{0}", between)
    speaker.writer.write(first + b"QUIT\r\n")
    heard = await speaker.rest()
    harmless = not bad_octets(first)
    assert len(kept.mails) == (1 if harmless else 0), heard
    assert heard.startswith(b"250" if harmless else b"550 5.5.2"), heard
    assert heard.count(b"\r\n") == (2 if harmless else 1), "after a refusal nothing more is read"
    if harmless:
        sender, _, octets = kept.mails[0]
        assert sender == "alice@example.org"
        assert octets.endswith(b"Hi\r\n")


async def test_pipelining_is_no_smuggling(start: Start, connect: Connect) -> None:
    """RFC 2920: after the end of a mail the next transaction may have been sent already."""
    kept = Kept()
    _, port = await start(kept)
    speaker = await connect(port)
    await speaker.all(*TO_BOB)
    speaker.writer.write(b"one\r\n.\r\n" + b"\r\n".join(TO_BOB) + b"\r\n")
    assert [(await speaker.hear())[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
    assert (await speaker.say(b"two\r\n."))[:3] == b"250"
    assert [octets for *_, octets in kept.mails] == [b"one\r\n", b"two\r\n"]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 1000, 65536])
async def test_the_end_is_found_in_pieces_of_any_size(size: int, start: Start, connect: Connect) -> None:
    kept = Kept()
    _, port = await start(kept)
    speaker = await connect(port)
    await speaker.all(*TO_BOB)
    octets = b"x" * 3000 + b"\r\n" + b"..y\r\n" * (3 if size < 10 else 10_000) + b"\r\n.\r\n"
    if size < 10:
        octets = octets[2990:]
    for begin in range(0, len(octets), size):
        speaker.writer.write(octets[begin : begin + size])
        await speaker.writer.drain()
    assert (await speaker.hear())[:3] == b"250"
    assert kept.mails[0][2] == octets[:-3].replace(b"\r\n..", b"\r\n.")


async def test_too_large(start: Start, connect: Connect) -> None:
    kept = Kept()
    _, port = await start(kept)
    speaker = await connect(port)
    assert (await speaker.mail(b"x" * (LIMIT - 2)))[:3] == b"250"
    assert (await speaker.mail(b"x" * (LIMIT - 1))).startswith(b"552 5.3.4")
    assert (await speaker.mail(b"x\r\n" * 400_00)).startswith(b"552 5.3.4")
    assert (await speaker.mail(b"small"))[:3] == b"250"
    await speaker.all(*TO_BOB)
    speaker.writer.write(b"x" * (2 * LIMIT + 1024 * 1024 + 10))
    assert (await speaker.rest()).startswith(b"552 5.3.4"), "an endless mail is not read to its end"
    assert len(kept.mails) == 2


async def test_all_that_is_held_has_a_limit(start: Start, connect: Connect) -> None:
    kept = Kept()
    server, port = await start(kept)
    server._places._octets_left = 4000
    speaker = await connect(port)
    assert (await speaker.mail(b"x" * 2000)).startswith(b"452 4.3.1")
    assert (await speaker.mail(b"x" * 900))[:3] == b"250"
    assert (await speaker.mail(b"x" * 900))[:3] == b"250"
    assert server._places._octets_left == 4000


async def test_loops_end(start: Start, connect: Connect) -> None:
    kept = Kept()
    _, port = await start(kept)
    speaker = await connect(port)
    hop = b"Received: from a\r\n\tby b\r\n"
    assert (await speaker.mail(hop * 50 + b"\r\n" + hop * 60))[:3] == b"250"
    assert (await speaker.mail(hop * 50 + b"rEceived: x\r\n\r\nhi")).startswith(b"554 5.4.6")
    assert (await speaker.mail(hop * 51)).startswith(b"554 5.4.6"), "a mail that is all header"


async def test_recipients(start: Start, connect: Connect) -> None:
    one, other = Kept(), Kept("example.net")
    _, port = await start(one, other)
    speaker = await connect(port)
    await speaker.say(TO_BOB[0])
    for number in range(100):
        assert (await speaker.say(b"RCPT TO:<b%d@example.com>" % number))[:3] == b"250"
        if number == 0:
            assert (await speaker.say(b"RCPT TO:<bob@example.net>")).startswith(b"452 4.5.3")
    assert (await speaker.say(b"RCPT TO:<bob@example.com>")).startswith(b"452 4.5.3")
    await speaker.say(b"DATA")
    await speaker.say(b".")
    assert len(one.mails[0][1]) == 100
    assert not other.mails
    await speaker.all(TO_BOB[0], b"RCPT TO:<bob@example.net>", b"DATA", b".")
    assert len(other.mails) == 1, "the next transaction may go elsewhere"


@pytest.mark.parametrize("says", ["451 4.3.0 Later", "554 5.6.0 Never", RuntimeError("broken"), "what?", "250 a\r\nb"])
async def test_what_a_destination_says(says: Any, start: Start, connect: Connect) -> None:
    kept = Kept()
    kept.says = says
    _, port = await start(kept)
    speaker = await connect(port)
    expected = says if str(says)[:3] in {"451", "554"} else "451 4.3.0 A fault of ours, try again later"
    assert await speaker.mail(b"hi") == f"{expected}\r\n".encode()
    kept.says = "250 2.0.0 Kept"
    assert (await speaker.mail(b"hi"))[:3] == b"250"


async def test_nothing_of_it_is_logged(start: Start, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    _, port = await start(Kept())
    speaker = await connect(port)
    with caplog.at_level("DEBUG"):
        await speaker.all(b"NONSENSE one", b"\xff", b"MAIL FROM:<token@example.org>", b"AUTH PLAIN secret")
    assert not [line for line in caplog.messages if any(word in line for word in ("NONSENSE", "token", "secret"))]


async def test_too_many_errors(start: Start, connect: Connect) -> None:
    _, port = await start(Kept())
    speaker = await connect(port)
    speaker.writer.write(
        b"MAIL FROM:<a@example.org>\r\n" + b"RCPT TO:<x@example.net>\r\n" * 30 + b"\r\n".join(TO_BOB[1:])
    )
    heard = await speaker.rest()
    assert heard.count(b"550 5.1.1") == 11
    assert heard.endswith(b"421 4.7.0 Too many errors\r\n")


async def test_too_many_unknown_commands(start: Start, connect: Connect) -> None:
    _, port = await start(Kept())
    speaker = await connect(port)
    speaker.writer.write(b"NONSENSE\r\n" * 9)
    heard = (await speaker.rest()).splitlines()
    assert [line[:3] for line in heard] == [b"500"] * 4 + [b"502"]
    assert heard[-1] == b"502 5.5.1 Too many unrecognized commands, goodbye."


async def test_how_large_a_mail_will_be(start: Start, connect: Connect) -> None:
    """RFC 1870: what MAIL said, for this mail only."""
    kept = Kept()
    _, port = await start(kept)
    speaker = await connect(port)
    await speaker.all(b"MAIL FROM:<alice@example.org> BODY=8BITMIME size=7654", *TO_BOB[1:])
    await speaker.say(b"hi\r\n.")
    assert kept.seen[0].size == 7654
    assert (await speaker.mail(b"hi")).startswith(b"250")
    assert kept.seen[0].size == 0, "the same conversation"


async def test_an_endless_line_is_no_command(start: Start, connect: Connect) -> None:
    kept = Kept()
    _, port = await start(kept)
    speaker = await connect(port)
    speaker.writer.write(b"MAIL FROM:<" + b"x" * 1_000_000)
    assert (await speaker.say(b">"))[:3] == b"500"
    assert (await speaker.mail(b"hi"))[:3] == b"250"


@pytest.mark.parametrize(
    "sent", [b"", b"EHLO x\r\nMAIL", b"EHLO x\r\n" + b"\r\n".join(TO_BOB) + b"\r\nhalf a mail", b"N" * 5000]
)
@pytest.mark.parametrize("limits", [{"idle": 0.2}, {"longest": 0.2}], ids=["idle", "longest"])
async def test_nobody_stays_for_ever(sent: bytes, limits: dict[str, float], start: Start, connect: Connect) -> None:
    server, port = await start(Kept(), **limits)
    speaker = await connect(port, greeted=False)
    speaker.writer.write(sent)
    assert (await speaker.rest()).endswith(b"421 4.4.2 Time is over\r\n")
    assert server.connections == 0


async def test_connections_are_counted(start: Start, connect: Connect, eventually: Any) -> None:
    server, port = await start(Kept(), most_connections=3, most_of_one=2)
    first, second = await connect(port), await connect(port)
    third = await connect(port, greeted=False)
    assert await third.rest() == b"421 4.7.0 Too many connections, try again later\r\n"
    assert (await first.mail(b"hi"))[:3] == b"250"
    second.writer.transport.abort()

    async def left() -> bool:
        return server.connections == 1

    await eventually(left)
    assert (await (await connect(port)).mail(b"hi"))[:3] == b"250"


async def test_ending_drops_what_is_open(start: Start, connect: Connect) -> None:
    kept = Kept()
    kept.says = "wait"
    server, port = await start(kept)
    idle, busy = await connect(port), await connect(port)
    await busy.all(*TO_BOB)
    busy.writer.write(b"hi\r\n.\r\n")
    await kept.asked.wait()
    await asyncio.wait_for(server.stop(), 5)
    assert await idle.rest() == b""
    assert await busy.rest() == b""
    await server.stop()


# STARTTLS and AUTH ---------------------------------------------------------------------------------------------------


async def nobody(_mechanism: str, _login: str, _password: str, _conversation: Conversation) -> object | None:
    return None


async def alice(mechanism: str, login: str, password: str, conversation: Conversation) -> object | None:
    if login == "broken":
        raise RuntimeError(mechanism)
    return (mechanism, login) if password == "sécret" and conversation.tls else None


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def encrypted(speaker: Speaker) -> Speaker:
    assert (await speaker.say(b"STARTTLS"))[:3] == b"220"
    await speaker.writer.start_tls(trusting())
    return speaker


async def test_starttls(start: Start, connect: Connect, server_tls: ssl.SSLContext) -> None:
    kept = Kept()
    server, port = await start(kept, tls=server_tls, authenticate=alice)
    speaker = await connect(port)
    await speaker.say(TO_BOB[0])
    await encrypted(speaker)
    assert (await speaker.say(b"RCPT TO:<bob@example.com>"))[:3] == b"503", "all is forgotten (RFC 3207, 4.2)"
    offered = await speaker.say(b"EHLO again.example.org")
    assert b"STARTTLS" not in offered
    assert offered.endswith(b"250 AUTH PLAIN LOGIN\r\n")
    assert (await speaker.say(b"STARTTLS"))[:3] == b"503"
    assert (await speaker.mail(b"x" * 50_000))[:3] == b"250"
    assert kept.seen[0] == Conversation("127.0.0.1", "again.example.org", tls=True)
    assert (await speaker.say(b"QUIT"))[:3] == b"221"
    assert server.connections <= 1


@pytest.mark.parametrize("injected", [b"RSET\r\n", b"EHLO evil\r\nMAIL FROM:<charlie@example.net>\r\n", b"X" * 400])
async def test_what_came_before_the_handshake_is_dropped(
    injected: bytes, start: Start, connect: Connect, server_tls: ssl.SSLContext
) -> None:
    """CVE-2011-0411: commands behind STARTTLS in the same packet must not be read as if they had come encrypted."""
    _, port = await start(Kept(), tls=server_tls)
    speaker = await connect(port)
    speaker.writer.write(b"STARTTLS\r\n" + injected)
    assert (await speaker.hear())[:3] == b"220"
    try:
        await speaker.writer.start_tls(trusting())
    except (ssl.SSLError, ConnectionError):
        return  # read as a handshake, which it is not: as good
    assert (await speaker.say(b"NOOP")) == b"250 OK\r\n", "the first reply is to the first encrypted command"


@pytest.mark.parametrize("how", ["close", "garbage", "silence"])
async def test_a_handshake_that_fails_leaves_nothing(
    how: str, start: Start, connect: Connect, server_tls: ssl.SSLContext, eventually: Any
) -> None:
    server, port = await start(Kept(), tls=server_tls, idle=0.3)
    speaker = await connect(port)
    assert (await speaker.say(b"STARTTLS"))[:3] == b"220"
    if how == "close":
        speaker.writer.close()
    if how == "garbage":
        speaker.writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await speaker.rest()

    async def gone() -> bool:
        return server.connections == 0

    await eventually(gone)


def plain(login: str, password: str = "sécret", acting_as: str = "") -> bytes:
    return b64encode(f"{acting_as}\0{login}\0{password}".encode())


async def test_auth(start: Start, connect: Connect, server_tls: ssl.SSLContext) -> None:
    kept = Kept()
    _, port = await start(kept, tls=server_tls, authenticate=alice)
    bare = await connect(port)
    assert (await bare.say(b"AUTH PLAIN " + plain("alice")))[:3] == b"538", "never over a plain connection"
    for words, mechanism in (
        ([b"AUTH PLAIN " + plain("alice")], "PLAIN"),
        ([b"AUTH PLAIN", plain("alice", acting_as="alice")], "PLAIN"),
        ([b"AUTH LOGIN", b64encode(b"alice"), b64encode("sécret".encode())], "LOGIN"),
        ([b"AUTH LOGIN " + b64encode(b"alice"), b64encode("sécret".encode())], "LOGIN"),
    ):
        speaker = await encrypted(await connect(port))
        await speaker.all(*HELLO)
        assert (await speaker.all(*words))[-1][:3] == b"235"
        assert (await speaker.say(words[0]))[:3] == b"503", "once only"
        assert (await speaker.mail(b"hi"))[:3] == b"250"
        assert kept.seen[-1].identity == (mechanism, "alice")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ([b"AUTH PLAIN " + plain("alice", "wrong")], b"535"),
        ([b"AUTH PLAIN " + plain("alice", acting_as="charlie")], b"535"),
        ([b"AUTH PLAIN " + plain("broken")], b"454"),
        ([b"AUTH PLAIN " + b64encode(b"alice")], b"535"),
        ([b"AUTH PLAIN " + b64encode(b"\0\xff\0\xff")], b"535"),
        ([b"AUTH PLAIN " + b64encode(b"\0a\0b\0c")], b"535"),
        ([b"AUTH PLAIN ="], b"535"),
        ([b"AUTH PLAIN !!!!"], b"501"),
        ([b"AUTH PLAIN", b"*"], b"501"),
        ([b"AUTH PLAIN", b"\xff\xfe"], b"501"),
        ([b"AUTH LOGIN", b"!"], b"501"),
        ([b"AUTH LOGIN", b64encode(b"alice"), b"*"], b"501"),
        ([b"AUTH CRAM-MD5"], b"504"),
        ([b"AUTH"], b"501"),
        ([TO_BOB[0], b"AUTH PLAIN " + plain("alice")], b"503"),
    ],
)
async def test_refused_logins(
    words: list[bytes], answer: bytes, start: Start, connect: Connect, server_tls: ssl.SSLContext
) -> None:
    kept = Kept()
    _, port = await start(kept, tls=server_tls, authenticate=alice)
    speaker = await encrypted(await connect(port))
    await speaker.all(*HELLO)
    assert (await speaker.all(*words))[-1][:3] == answer
    await speaker.say(b"RSET")
    await speaker.mail(b"hi")
    assert kept.seen[0].identity is None


async def test_three_refused_logins_are_enough(start: Start, connect: Connect, server_tls: ssl.SSLContext) -> None:
    _, port = await start(Kept(), tls=server_tls, authenticate=alice)
    speaker = await encrypted(await connect(port))
    await speaker.all(*HELLO)
    speaker.writer.write(
        (b"AUTH PLAIN " + plain("alice", "wrong") + b"\r\n") * 3 + b"AUTH PLAIN " + plain("alice") + b"\r\n"
    )
    heard = await speaker.rest()
    assert [line[:3] for line in heard.splitlines()] == [b"535", b"535", b"421"]


async def test_an_endless_answer_to_a_challenge(start: Start, connect: Connect, server_tls: ssl.SSLContext) -> None:
    _, port = await start(Kept(), tls=server_tls, authenticate=alice)
    speaker = await encrypted(await connect(port))
    await speaker.all(*HELLO)
    await speaker.say(b"AUTH PLAIN")
    speaker.writer.write(b"A" * 10_000 + b"\r\n")
    assert (await speaker.rest())[:3] == b"421"


def test_under_the_loop_that_serves(server_tls: ssl.SSLContext) -> None:
    """The same over uvloop, which the command line uses: a mail over TLS, and an end."""

    async def life() -> list[Any]:
        kept = Kept()
        server = InboundServer(
            [kept], host="127.0.0.1", port=0, hostname="in.sealpost.example", size_limit=LIMIT, tls=server_tls
        )
        speaker = Speaker(*await asyncio.open_connection("127.0.0.1", await server.start()))
        await speaker.hear()
        await speaker.all(*HELLO)
        await encrypted(speaker)
        await speaker.all(*HELLO)
        assert (await speaker.mail(b"x" * 50_000))[:3] == b"250"
        speaker.writer.close()
        await server.stop()
        return kept.mails

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert len(runner.run(life())) == 1


def test_unstuffing() -> None:
    assert unstuffed(b"..a\r\n..\r\n...\r\n.b\r\nc.\r\n") == b".a\r\n.\r\n..\r\nb\r\nc.\r\n"
    assert sys.version_info >= (3, 11)
