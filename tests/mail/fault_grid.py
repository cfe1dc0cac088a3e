"""The SMTP fault grid: at each stage of a dialogue a server does each thing that servers (and networks) do.

For ``test_fault_grid``, which runs any ``Transport`` through it. ``CELLS`` says what must come of each cell; the server
keeps what was said on its side of every connection, so that a transcript can be held against it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from dataclasses import dataclass, field

GOOD = {
    "banner": b"220 mx.test ESMTP\r\n",
    "ehlo": b"250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 STARTTLS\r\n",
    "ehlo_again": b"250-mx.test\r\n250-PIPELINING\r\n250 SIZE 1000000\r\n",
    "helo": b"250 mx.test\r\n",
    "starttls": b"220 go\r\n",
    "mail": b"250 sender ok\r\n",
    "rcpt": b"250 recipient ok\r\n",
    "data": b"354 go on\r\n",
    "dot": b"250 ok, queued as 4bX7Yz\r\n",
    "quit": b"221 bye\r\n",
}
# Without enhanced codes, so that code and stage alone decide; those with one are in test_replies.
REFUSALS = {
    "421": b"421 mx.test closing\r\n",  # and it does close, as RFC 5321 4.2.2 has it
    "450": b"450 not now\r\n",
    "451": b"451-an error\r\n451 in processing\r\n",
    "452": b"452 no room\r\n",
    "500": b"500 what\r\n",
    "550": b"550 no\r\n",
    "552": b"552 too much\r\n",
    "554": b"554 never\r\n",
}
GARBAGE = b"HTTP/1.1 400 Bad Request\r\n"
MEGABYTE = b"250 " + b"x" * 1_000_000 + b"\r\n"

# Columns: `connect` answers and hangs up before anything was asked (silence: no SYN-ACK; reset: refused); `ehlo_again`
# is the one over TLS; `demanded` is STARTTLS where no mail may go without. Cells: A accepted, D delayed, F failed,
# U uncertain; then the class; then, behind @, the stage at which it ended, where that is not the column's own.
# "drip" is a line that grows by a byte now and then and never ends; "dribble" a good reply, a byte at a time.
TABLE = """
         connect              banner               ehlo                 starttls             demanded
421      D:server@greet       D:server@greet       D:server             D:server             D:server
450      D:other@greet        D:other@greet        D:other              A@dot                D:other
451      D:server@greet       D:server@greet       D:server             A@dot                D:server
452      D:server@greet       D:server@greet       D:server             A@dot                D:server
500      D:other@greet        D:other@greet        A@dot                A@dot                D:other
550      D:policy@greet       D:policy@greet       A@dot                A@dot                D:policy
552      D:too_large@greet    D:too_large@greet    A@dot                A@dot                D:too_large
554      D:policy@greet       D:policy@greet       A@dot                A@dot                D:policy
silence  D:unreachable        D:unreachable@greet  D:unreachable        A@dot                D:policy
close    D:unreachable@greet  D:unreachable@greet  D:unreachable        A@dot                D:policy
reset    D:unreachable        D:unreachable@greet  D:unreachable        A@dot                D:policy
garbage  D:unreachable@greet  D:unreachable@greet  D:unreachable        A@dot                D:policy
megabyte D:unreachable@greet  D:unreachable@greet  D:unreachable        A@dot                D:policy
drip     D:unreachable@greet  D:unreachable@greet  D:unreachable        A@dot                D:policy
dribble  D:unreachable@ehlo   A@dot                A@dot                A@dot                A@dot

         ehlo_again           mail                 rcpt                 data                 dot
421      D:server             D:server             D:server             D:server             D:server
450      D:other              D:other              D:other              D:other              D:other
451      D:server             D:server             D:server             D:server             D:server
452      D:server             D:server             D:server             D:server             D:server
500      A@dot                D:other              F:other              F:other              F:other
550      A@dot                D:policy             F:unknown            F:policy             F:policy
552      A@dot                F:too_large          F:full               F:too_large          F:too_large
554      A@dot                D:policy             F:policy             F:policy             F:policy
silence  D:unreachable        D:unreachable        D:unreachable        D:unreachable        U:other
close    D:unreachable        D:unreachable        D:unreachable        D:unreachable        U:other
reset    D:unreachable        D:unreachable        D:unreachable        D:unreachable        U:other
garbage  D:unreachable        D:unreachable        D:unreachable        D:unreachable        U:other
megabyte D:unreachable        D:unreachable        D:unreachable        D:unreachable        U:other
drip     D:unreachable        D:unreachable        D:unreachable        D:unreachable        U:other
dribble  A@dot                A@dot                A@dot                A@dot                A@dot
"""
OUTCOMES = {"A": "accepted", "D": "delayed", "F": "failed", "U": "uncertain"}
OWN_STAGE = {"ehlo_again": "ehlo", "demanded": "starttls"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what the server does where, and what must come of it."""

    column: str
    fault: str
    outcome: str
    reason: str
    stage: str

    @property
    def at(self) -> str:
        """The server's stage: for it, demanded or not is all the same."""
        return "starttls" if self.column == "demanded" else self.column

    @property
    def lasting(self) -> bool:
        """Whether only our own time-out ends it."""
        return self.fault in {"silence", "drip"}


def _cell(column: str, fault: str, text: str) -> Cell:
    text, _, elsewhere = text.partition("@")
    letter, _, reason = text.partition(":")
    stage = elsewhere.replace("greet", "greeting") or OWN_STAGE.get(column, column)
    return Cell(column, fault, OUTCOMES[letter], reason or "accepted", stage)


def _cells() -> list[Cell]:
    cells: list[Cell] = []
    for block in TABLE.strip("\n").split("\n\n"):
        head, *rows = (line.split() for line in block.splitlines())
        cells += [_cell(head[i], fault, text) for fault, *texts in rows for i, text in enumerate(texts)]
    return cells


CELLS = _cells()


@dataclass(slots=True)
class Talk:
    """One connection as the server sees it; ``over`` once the client is gone too."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    encrypted: bool = False
    said: bytearray = field(default_factory=bytearray)
    heard: list[bytes] = field(default_factory=list[bytes])
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def say(self, octets: bytes) -> None:
        self.said += octets
        self.writer.write(octets)
        await self.writer.drain()

    async def hear(self) -> bytes:
        line = await self.reader.readline()
        if line.endswith(b"\n"):
            self.heard.append(line.removesuffix(b"\r\n"))
        return line

    async def dribble(self, octets: bytes) -> None:
        for one in octets:
            await self.say(bytes([one]))
            await asyncio.sleep(0)  # the client's turn: it reads this byte alone

    async def drip(self) -> None:
        while not self.reader.at_eof():
            await self.say(b"2")
            await asyncio.sleep(0.01)  # how fast this server is, not a wait for something

    def hang_up(self) -> None:
        """A bare FIN, beneath TLS too; what the client still says can be read."""
        self.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        tcp = self.writer.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def outlast(self) -> None:
        """Until the client closes its side."""
        while await self.reader.read(1 << 16):
            pass


class FaultyServer:
    """Answers well at every stage but one, where it commits its fault; ``at`` no stage: a good server."""

    def __init__(self, at: str, fault: str, context: ssl.SSLContext, address: str = "127.0.0.1", port: int = 0) -> None:
        self.talks: list[Talk] = []
        self.mails: list[bytes] = []
        self.plain_mails = 0
        self.address, self.port = address, port
        self._at, self._fault, self._context = at, fault, context
        self._server: asyncio.Server | None = None
        self._full: list[socket.socket] = []

    async def start(self) -> None:
        if self._at == "connect" and self._fault in {"silence", "reset"}:
            self._do_not_accept()
            return
        self._server = await asyncio.start_server(self._serve, self.address, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _do_not_accept(self) -> None:
        """Refuses (bound, not listening), or lets SYNs go unanswered: the queue of the unaccepted is full."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        bound = socket.socket(family)
        self._full.append(bound)
        bound.bind((self.address, self.port))
        self.port = bound.getsockname()[1]
        if self._fault == "silence":
            bound.listen(0)
            for _ in range(3):
                one = socket.socket(family)
                one.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    one.connect((self.address, self.port))
                self._full.append(one)

    async def all_over(self, talks: int) -> None:
        """Until the client has closed all its connections but ``talks`` idle ones."""
        async with asyncio.timeout(5):
            for talk in self.talks[: len(self.talks) - talks]:
                await talk.over.wait()

    async def stop(self) -> None:
        for one in self._full:
            one.close()
        for talk in self.talks:
            talk.writer.transport.abort()
        if self._server:
            self._server.close()
            await self._server.wait_closed()
        await self.all_over(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = Talk(reader, writer)
        self.talks.append(talk)
        try:
            await self._talk(talk)
            await talk.outlast()
        except (ConnectionError, ssl.SSLError):
            pass  # the client went away in the middle of something
        finally:
            writer.transport.abort()
            talk.over.set()

    async def _talk(self, talk: Talk) -> None:
        if self._at == "connect":
            await self._answer(talk, "connect", GOOD["banner"])
            talk.hang_up()
            return
        if await self._answer(talk, "banner", GOOD["banner"]):
            while (line := await talk.hear()) and await self._command(talk, line):
                pass

    async def _command(self, talk: Talk, line: bytes) -> bool:
        verb = line.split()[0].lower().decode("latin-1")
        stage = "ehlo_again" if verb == "ehlo" and talk.encrypted else verb
        if verb == "mail" and not talk.encrypted:
            self.plain_mails += 1
        if not await self._answer(talk, stage, GOOD.get(stage, b"500 what\r\n")):
            return False
        if verb == "starttls" and (self._at, self._fault) not in {("starttls", name) for name in REFUSALS}:
            await talk.writer.start_tls(self._context)
            talk.encrypted = True
        if verb == "data" and (self._at, self._fault) not in {("data", name) for name in REFUSALS}:
            return await self._data(talk)
        return verb != "quit"

    async def _data(self, talk: Talk) -> bool:
        lines: list[bytes] = []
        while (line := await talk.reader.readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.mails.append(b"".join(lines))
        talk.heard.append(b"(%d octets, final dot)" % len(self.mails[-1]))
        return await self._answer(talk, "dot", GOOD["dot"])

    async def _answer(self, talk: Talk, stage: str, good: bytes) -> bool:
        """Whether the dialogue goes on."""
        if stage != self._at:
            await talk.say(good)
            return True
        match self._fault:
            case "dribble":
                await talk.dribble(good)
            case "drip":
                await talk.drip()
            case "close":
                talk.hang_up()
            case "reset":
                talk.reset()
            case "silence":
                pass
            case "garbage":
                await talk.say(GARBAGE)
            case "megabyte":
                await talk.say(MEGABYTE)
            case code:
                await talk.say(REFUSALS[code])
                if code == "421":
                    talk.hang_up()
        return self._fault == "dribble" or (self._fault in REFUSALS and self._fault != "421")
