"""Mail that comes in from people who mean harm: smuggled mails, slow connections, endless lines, random commands.

Through the whole server and both of its destinations (return paths and the submission gateway), over real connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import tracemalloc
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from sealpost.inbound.conversing import bad_octets
from sealpost.inbound.gateway import GatewayDestination
from sealpost.inbound.returned import ReturnedMails
from sealpost.inbound.server import InboundServer
from tests.handing import Handing
from tests.inbound.test_server import LIMIT, TO_BOB, Kept, Speaker, alice, trusting
from tests.mail.conftest import certificate as certificate
from tests.mail.conftest import server_tls as server_tls
from tests.mail.test_smuggling import ENDS
from tests.usecases.test_returned import bounce, path
from tests.world import World

# The true end, and what has it after nothing that would have to be refused, is pipelining and no smuggling.
TRUE_END = b"\r\n.\r\n"
OCTETS = [one for one in map(str.encode, ENDS) if TRUE_END not in one or bad_octets(one.partition(TRUE_END)[0])]
BETWEEN = (b"\r\n", b"\n", b"\r")
LORIS = 200
Running = Callable[..., Awaitable[tuple[InboundServer, int]]]


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """Starts servers; afterwards nobody is connected and no task is left."""
    tasks = asyncio.all_tasks()
    servers: list[InboundServer] = []

    async def start(*destinations: Any, **options: Any) -> tuple[InboundServer, int]:
        values: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": 0,
            "hostname": "in.sealpost.example",
            "size_limit": LIMIT,
        }
        servers.append(InboundServer(destinations, **(values | options)))
        return servers[-1], await servers[-1].start()

    yield start
    for server in servers:
        await server.stop()
        assert server.connections == 0
    assert {task for task in asyncio.all_tasks() - tasks if "Conversing" in repr(task)} == set()


@asynccontextmanager
async def speaking(port: int, host: str = "127.0.0.1") -> AsyncGenerator[Speaker]:
    """Connected, from one of this machine's many addresses; gone at the end of the block."""
    speaker = Speaker(*await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0)))
    try:
        yield speaker
    finally:
        speaker.writer.transport.abort()
        with contextlib.suppress(OSError):
            await speaker.writer.wait_closed()


@dataclass
class Place:
    """A destination to smuggle into: one server, an envelope, a mail that is taken, and how to count what was taken."""

    port: int
    sender: bytes
    recipient: bytes
    mail: Callable[[bytes], bytes]
    count: Callable[[], Awaitable[int]]

    def commands(self, between: bytes = b"\r\n") -> bytes:
        lines = (b"MAIL FROM:<" + self.sender + b">", b"RCPT TO:<" + self.recipient + b">", b"DATA", b"")
        return between.join(lines)

    async def say(self, *pieces: bytes) -> bytes:
        """A whole conversation, in as many writes as there are pieces; what was answered to the end."""
        async with speaking(self.port) as speaker:
            for piece in (b"EHLO out.example.org\r\n", self.commands(), *pieces):
                speaker.writer.write(piece)
                await speaker.writer.drain()
            return await speaker.rest()


@pytest.fixture(params=["returned", "gateway"])
async def place(request: pytest.FixtureRequest, world: World, running: Running) -> Place:
    """The server as it is run, once with a return path as the aim and once with the gateway."""
    handing = Handing(world)
    _, port = await running(ReturnedMails(world.service), GatewayDestination(handing.gateway))

    async def count() -> int:
        table = "inbound_mails" if request.param == "returned" else "tickets"
        return await world.service.pool.fetchval(f"select count(*) from {table}")

    if request.param == "returned":
        await world.send()
        return Place(port, b"", path(world).encode(), lambda end: bounce()[:-7] + end, count)

    def handed(end: bytes) -> bytes:
        # Signed as it stands, so that nothing but its line ends can be what it is refused for.
        head, blank, body = handing.mail(Message_ID=f"<{random.getrandbits(64)}@example.org>").partition(b"\r\n\r\n")
        return handing.signed(
            head
            + b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit"
            + blank
            + body
            + end
        )

    return Place(port, b"alice@example.org", handing.to().encode(), handed, count)


async def test_one_in_is_one_or_none_taken(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Each would-be end, with each kind of line in the second mail, in one write and in two."""
    said = taken = closed = 0
    for end in OCTETS:
        for between in BETWEEN:
            second = place.commands(between) + bounce() + b"\r\n.\r\n"
            for cut in (0, 1):
                octets = place.mail(b"Hello" + end + second.removesuffix(b"\r\n.\r\n"))
                first, rest = octets.split(b"Hello" + end, 1)
                before = await place.count()
                pieces = [first + b"Hello" + end, rest] if cut else [octets]
                pieces[-1] += b"\r\n.\r\nQUIT\r\n"
                heard = await place.say(*pieces)
                after = await place.count()
                said += 1
                assert after - before <= 1, (end, between, heard)
                if bad_octets(octets.partition(b"\r\n.\r\n")[0]):
                    assert after == before, (end, between, heard)
                    assert heard.splitlines()[-1].startswith(b"550 5.5.2"), (end, between, heard)
                    closed += 1
                taken += after - before
                assert heard.count(b"\r\n354 ") == 1, (end, between, heard)
    assert taken > 0
    assert closed > said / 2
    with capsys.disabled():
        print(
            f"\nsmuggling in: {said} conversations with two mails in one, {taken} taken once, {closed} refused and closed",
            end="",
        )


@pytest.mark.parametrize("between", [b"\n", b"\r", b"\n\r"])
async def test_a_mail_that_is_wholly_broken_otherwise_is_not_taken(between: bytes, place: Place) -> None:
    mail = place.mail(b"Hello").replace(b"\r\n", between)
    heard = await place.say(mail + between + b"." + between + place.commands(between) + mail + b"\r\n.\r\nQUIT\r\n")
    assert heard.splitlines()[-1].startswith(b"550 5.5.2")
    assert heard.count(b"\r\n354 ") == 1


async def test_commands_end_as_mails_do(place: Place) -> None:
    """RFC 5321, 2.3.8: a bare LF ends no line, in commands neither; whoever speaks so is answered once and left."""
    before = await place.count()
    lines = b"EHLO out.example.org\n" + place.commands(b"\n") + place.mail(b"Hello") + b"\r\n.\r\nQUIT\n"
    async with speaking(place.port) as speaker:
        speaker.writer.write(lines)
        await speaker.rest()
    assert await place.count() == before


@asynccontextmanager
async def slowly(port: int, hosts: list[str], words: bytes) -> AsyncGenerator[None]:
    """A connection from each of the addresses; all say the words a byte at a time, as long as the block lasts."""
    async with AsyncExitStack() as stack:
        speakers = [await stack.enter_async_context(speaking(port, host)) for host in hosts]

        async def drip() -> None:
            for place in range(len(words)):
                for speaker in speakers:
                    with contextlib.suppress(OSError):
                        speaker.writer.write(words[place : place + 1])
                await asyncio.sleep(0.005)

        task = asyncio.create_task(drip())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


DRIPS = {
    "greeting": b"EHLO " + b"x" * 900,
    "commands": b"EHLO x\r\nNOOP\r\n" * 60,
    "mail": b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\n" + b"x\r\n" * 300,
}


def from_one_address() -> list[str]:
    return ["127.0.0.9"] * LORIS


def from_ten_addresses() -> list[str]:
    return [f"127.0.1.{1 + number % 10}" for number in range(LORIS)]


@pytest.mark.parametrize("drip", DRIPS)
@pytest.mark.parametrize(
    "hosts",
    [
        from_one_address,
        from_ten_addresses,
    ],
)
async def test_slow_connections_do_not_keep_a_bounce_out(
    hosts: Callable[[], list[str]], drip: str, world: World, running: Running
) -> None:
    """Two hundred of them, a byte at a time; a mail server that comes while they are there is served at once."""
    await world.send()
    server, port = await running(ReturnedMails(world.service))
    to = path(world).encode()
    words = DRIPS[drip].replace(b"%s", to)
    async with slowly(port, hosts(), words), asyncio.timeout(10), speaking(port, "127.0.2.1") as speaker:
        assert (await speaker.hear()).startswith(b"220 "), server.connections
        await speaker.all(b"EHLO mx.example.com", b"MAIL FROM:<>", b"RCPT TO:<" + to + b">", b"DATA")
        assert (await speaker.say(bounce() + b"\r\n.")) == b"250 2.0.0 Taken\r\n"
    assert await world.service.pool.fetchval("select count(*) from inbound_mails where kind = 'failed'") == 1


FLOODS = {
    "endless command": ([], b"x" * 10_000_000),
    "endless recipient": ([b"EHLO x", b"MAIL FROM:<>"], b"RCPT TO:<" + b"x" * 10_000_000),
    "endless line in a mail": ([b"EHLO x", *TO_BOB], b"x" * 10_000_000),
    "endless mail": ([b"EHLO x", *TO_BOB], b"x\r\n" * 3_000_000),
    "dots": ([b"EHLO x", *TO_BOB], b"..\r\n" * 2_500_000),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_fifty_floods_at_once(flood: str, running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Fifty times ten megabytes: what is held meanwhile is what the limits say."""
    kept, limit = Kept(), 500_000
    server, port = await running(kept, size_limit=limit, most_of_one=60)
    lines, octets = FLOODS[flood]
    tracemalloc.start()
    try:
        sent = await asyncio.gather(*[pour(port, lines, octets) for _ in range(50)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not kept.mails
    assert server._places._octets_left == max(8 * limit, 1 << 28)
    # What may be held of each mail, and a read of the loop's for each connection.
    assert peak < 50 * (limit + 300_000), peak
    if "mail" in flood:
        assert max(sent) < 2 * limit + (1 << 20) + (8 << 20), "the connection is closed, not drained"
    with capsys.disabled():
        print(f"\n50 x {flood}: {sum(sent) / 1e6:.0f} MB sent, {peak / 1e6:.1f} MB held at most", end="")


async def pour(port: int, lines: list[bytes], octets: bytes) -> int:
    """Octets that got out before the other side closed."""
    loop, sent = asyncio.get_running_loop(), 0
    with socket.socket() as one:
        one.setblocking(False)
        await loop.sock_connect(one, ("127.0.0.1", port))
        await loop.sock_sendall(one, b"".join(line + b"\r\n" for line in lines))
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(octets), 1 << 18):
                await loop.sock_sendall(one, memoryview(octets)[start : start + (1 << 18)])
                sent = min(start + (1 << 18), len(octets))
    return sent


async def test_what_all_mails_hold_together_is_bounded(running: Running) -> None:
    """Eight megabytes for all: further mails are asked to come later, and nothing is lost of those that fit."""
    kept = Kept()
    server, port = await running(kept, size_limit=1_000_000, most_of_one=60)
    server._places._octets_left = room = 8_000_000
    mail, said = b"x" * 76 + b"\r\n", list[bytes]()

    async def one() -> None:
        async with speaking(port) as speaker:
            await speaker.hear()
            await speaker.all(b"EHLO x", *TO_BOB)
            speaker.writer.write(mail * 12_000)
            await speaker.writer.drain()
            said.append(await speaker.say(b"."))

    await asyncio.gather(*[one() for _ in range(50)])
    assert {reply[:9] for reply in said} <= {b"250 2.0.0", b"452 4.3.1"}
    assert len(kept.mails) == sum(reply.startswith(b"250") for reply in said)
    assert kept.mails
    assert all(octets == mail * 12_000 for *_, octets in kept.mails)
    assert server._places._octets_left == room


VERBS = [
    b"EHLO",
    b"HELO",
    b"MAIL FROM:",
    b"RCPT TO:",
    b"DATA",
    b"RSET",
    b"NOOP",
    b"VRFY",
    b"EXPN",
    b"HELP",
    b"QUIT",
    b"AUTH",
    b"STARTTLS",
    b"BDAT",
    b"ETRN",
    b"TURN",
    b"XCLIENT",
    b"PROXY",
    b"GET",
    b"LHLO",
]
ARGUMENTS = [
    b"", b"x", b"<>", b"<bob@example.com>", b"<bob@example.com> SIZE=5", b"<bob@example.com> BODY=8BITMIME SMTPUTF8", b"PLAIN", b"LOGIN", b"PLAIN =", b"PLAIN AGFsaWNlAHg=", b"PLAIN " + b64encode(b"\0alice\0s\xc3\xa9cret"),
    b"LOGIN !", b"CRAM-MD5 x", b"*", b".", b"100 LAST", b"<@a,@b:bob@example.com>", b'<"b ob"@example.com>', b"<bob@[IPv6:::1]>", b"<" + b"x" * 400 + b"@example.com>", b"<raise@example.com>", b"<odd@example.com>", b"<\xff\xfe@example.com>", b"<\xed\xa0\x80@x>", b"<b\0b@example.com>", "<bób@example.com> SMTPUTF8".encode(), b"\xc3", b" " * 300, b"\t<bob@example.com>", b"FROM:", b"TO:<", b"<bob@example.com", b"bob@example.com>", b"=" * 60,
]  # fmt: skip
ENDINGS = [b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n", b"\0\r\n", b"", b"\n\r"]


def words(chance: random.Random) -> bytes:
    """One line: a command that is nearly right, or anything."""
    kind = chance.random()
    if kind < 0.1:
        return chance.randbytes(chance.choice((1, 3, 20, 200, 1500))) + b"\r\n"
    verb = chance.choice(VERBS)
    if kind < 0.3:
        place = chance.randrange(len(verb) + 1)
        verb = verb[:place] + chance.randbytes(chance.randrange(3)) + verb[place + chance.randrange(2) :]
    if kind < 0.5:
        verb = bytes(chance.choice((letter, letter ^ 0x20)) for letter in verb)
    argument = chance.choice(ARGUMENTS)
    if kind > 0.8:
        argument += chance.randbytes(chance.randrange(30))
    return verb + chance.choice((b" ", b" ", b"", b"  ", b"\t")) + argument + chance.choice(ENDINGS)


def conversation(chance: random.Random) -> list[bytes]:
    """Now and then a good beginning or a whole mail, so that every state is come to."""
    lines = [words(chance) for _ in range(chance.randrange(1, 40))]
    if chance.random() < 0.6:
        lines.insert(0, b"EHLO x\r\n")
    if chance.random() < 0.4:
        place = chance.randrange(len(lines) + 1)
        lines[place:place] = [line + b"\r\n" for line in (*TO_BOB, chance.randbytes(chance.randrange(50)), b".")]
    return lines


async def test_what_fills_the_reader_before_a_handshake(running: Running, server_tls: ssl.SSLContext) -> None:
    """What comes too early is dropped, however much it is, and whoever then leaves is gone."""
    server, port = await running(Kept(), tls=server_tls)
    async with speaking(port) as speaker:
        await speaker.hear()
        await speaker.say(b"EHLO x")
        speaker.writer.write(b"STARTTLS\r\n" + b"NOOP\r\n" * 2000)
        assert (await speaker.hear())[:3] == b"220"
    async with asyncio.timeout(3):
        while server.connections:
            await asyncio.sleep(0.01)


async def test_twenty_thousand_random_lines(
    running: Running, server_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str],
    eventually: Any,
) -> None:  # fmt: skip
    """No fault is logged but those that a destination made itself, nothing escapes, nobody stays, and it still serves."""
    kept, seed = Kept(), random.SystemRandom().getrandbits(32)
    server, port = await running(kept, tls=server_tls, authenticate=alice, most_of_one=60)
    chance, escaped, before = random.Random(seed), list[dict[str, Any]](), asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: escaped.append(context))
    said = 0
    try:
        with structlog.testing.capture_logs() as logged, caplog.at_level("DEBUG"):
            while said < 20_000:
                talks = [conversation(chance) for _ in range(20)]
                said += sum(map(len, talks))
                await asyncio.gather(*[talk(port, lines, chance.random()) for lines in talks])

            async def nobody() -> bool:
                return server.connections == 0 and not asyncio.all_tasks() - before

            await eventually(nobody)
    finally:
        loop.set_exception_handler(None)
    # Kept raises RuntimeError for raise@ and "broken", and answers odd@ with what is no reply: their faults are its own.
    faults = [line for line in logged if "RuntimeError" not in str(line)]
    assert not faults, (seed, faults)
    assert not escaped, (seed, escaped)
    assert not [line.getMessage() for line in caplog.records if line.levelno >= 30], seed
    async with speaking(port) as speaker:
        await speaker.hear()
        await speaker.say(b"EHLO x")
        assert (await speaker.mail(b"still here"))[:3] == b"250"
    with capsys.disabled():
        print(f"\nrandom commands: {said:,} lines, {len(kept.mails)} mails taken, seed {seed}", end="")


async def talk(port: int, lines: list[bytes], manner: float) -> None:
    """Says everything at once, or line by line; under TLS at times; leaves politely, by half, or without a word."""
    async with speaking(port) as speaker:
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
            await speaker.hear()
            if manner < 0.3:
                await speaker.say(b"EHLO x")
                await speaker.say(b"STARTTLS")
                await speaker.writer.start_tls(trusting())
            for line in lines:
                speaker.writer.write(line)
                if manner > 0.7:
                    await speaker.writer.drain()
            if 0.5 <= manner < 0.6:
                return
            speaker.writer.write(b"\r\n.\r\nRSET\r\nQUIT\r\n")
            if 0.3 <= manner < 0.5:
                speaker.writer.write_eof()
            async with asyncio.timeout(0.3):
                await speaker.rest()
