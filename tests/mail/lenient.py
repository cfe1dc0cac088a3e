"""The most credulous SMTP server: whatever any server ever took for a line end, or for the end of a mail, it takes.

For the tests of smuggling. If even here one mail that was sent is one that came, no receiver finds a second one in it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

END = re.compile(rb"(?:\A|\r\n|[\r\n])\0*\.\0*(?:\r\n|[\r\n])")
LINE = re.compile(rb"\r\n|[\r\n]")
ANSWERS = {
    b"EHLO": b"250-lenient.test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 100000000\r\n",
    b"DATA": b"354 go on\r\n",
}


class Lenient(asyncio.Protocol):
    """One connection; ``commands`` and ``mails`` are the server's, of all its connections."""

    def __init__(self, commands: list[bytes], mails: list[bytes], open_ones: set[asyncio.Transport]) -> None:
        self.commands, self.mails, self.open_ones = commands, mails, open_ones
        self.buffer, self.in_mail = b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.open_ones.add(transport)
        transport.write(b"220 lenient.test ESMTP\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_ones.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while match := (END if self.in_mail else LINE).search(self.buffer):
            piece, self.buffer = self.buffer[: match.start()], self.buffer[match.end() :]
            self._take(piece)

    def _take(self, piece: bytes) -> None:
        if self.in_mail:
            self.mails.append(piece)
            self.in_mail = False
            self.transport.write(b"250 2.0.0 Ok: queued as L%d\r\n" % len(self.mails))
            return
        self.commands.append(piece)
        verb = piece[:4].upper()
        self.in_mail = verb == b"DATA"
        self.transport.write(ANSWERS.get(verb, b"250 2.0.0 Ok\r\n"))
        if verb == b"QUIT":
            self.transport.close()


class LenientServer:
    """A running one: its port, each command and each mail that it found."""

    def __init__(self) -> None:
        self.port = 0
        self.commands: list[bytes] = []
        self.mails: list[bytes] = []

    def paths(self) -> list[bytes]:
        """Each MAIL and RCPT up to its closing bracket."""
        return [command.partition(b">")[0] for command in self.commands if command[:4].upper() in {b"MAIL", b"RCPT"}]


@asynccontextmanager
async def lenient(host: str = "127.0.0.1") -> AsyncGenerator[LenientServer]:
    """Serves on a free port of this machine until the end of the block."""
    one, open_ones = LenientServer(), set[asyncio.Transport]()
    listening = await asyncio.get_running_loop().create_server(
        lambda: Lenient(one.commands, one.mails, open_ones), host, 0
    )
    one.port = listening.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        listening.close()
        for transport in list(open_ones):
            transport.abort()
        await listening.wait_closed()
