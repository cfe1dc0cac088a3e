"""Bounds on the head of a request: how large it is, how many headers it has, how long it takes to come (RFC 9112, section 3).

For ``sealpost.cli.running``. uvicorn has no such bounds with its fast parser, so that one caller could fill the memory
with a header that never ends, or hold a connection for ever by never ending its head. Nor does that parser read the body
of a request that offers another protocol: it stops behind the head, and takes the body for a request of its own.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST = 65_536  # octets of the whole head
MOST_HEADERS = 200
SECONDS = 30.0
LINE_END = b"\r\n"
OFFER = frozenset({b"upgrade", b"http2-settings"})


class Parser(httptools.HttpRequestParser):
    """Reads on behind a head that offers another protocol, as if it had not offered any (RFC 9110, section 7.8).

    The fast parser stops behind such a head and can only go on with the next request. So a fresh one gets the head once
    more, without the offer; what follows is read by what the head says of its length, as always.
    """

    def __init__(self, connection: BoundedHeads) -> None:
        super().__init__(connection)
        self._connection = connection
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it

    def feed_data(self, data: Any) -> None:
        """Parses what came.

        Args:
            data: octets, in any buffer.

        Raises:
            httptools.HttpParserError: it is no HTTP.
        """
        rest, connection = memoryview(data), self._connection
        while not connection.is_deaf:
            try:
                httptools.HttpRequestParser.feed_data(connection.parser, rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
                if not connection.is_deaf:
                    connection.read_plainly()
            else:
                return


class BoundedHeads(HttpToolsProtocol):
    """One connection. A head that is out of bounds is answered with 400, 408 or 431, and the connection ends."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.parser: Any = Parser(self)
        self.is_deaf = False
        """Nothing that follows is read: behind CONNECT it would be another protocol's."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - uvicorn's own signature
        super().connection_made(transport)
        self._inside, self._moved, self._came = False, False, 0
        self._timer: asyncio.TimerHandle | None = None
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unwatch()

    def data_received(self, data: bytes) -> None:
        """Lets the parser read on, and looks whether a head is still open afterwards."""
        self._moved = False
        super().data_received(data)
        if self.transport.is_closing() or (self._inside and not self.cycle.response_complete):
            return
        # A piece in which a head began or ended says little about the size of the next; only further ones are counted.
        self._came = 0 if self._inside or self._moved else self._came + len(data)
        if self._came > LARGEST:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._timer is None:  # uvicorn's own timer for idle connections ended with the first octet
            self._watch()

    def on_message_begin(self) -> None:
        """The first octet of a head."""
        self._inside, self._moved = False, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Checks what came in few pieces, before the application sees it."""
        self._inside, self._moved = True, True
        self._unwatch()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > LARGEST or len(self.headers) > MOST_HEADERS:
            raise httptools.HttpParserError("the head is too large")
        tunnel = self.parser.get_method() == b"CONNECT"
        if self.parser.should_upgrade() and not tunnel:
            return  # it comes once more, without the offer
        super().on_headers_complete()
        if tunnel:
            self.is_deaf, self.cycle.keep_alive = True, False

    def on_message_complete(self) -> None:
        """Of a head that offers another protocol this is said too early."""
        if self.is_deaf or not self.parser.should_upgrade():
            super().on_message_complete()

    def read_plainly(self) -> None:
        """Reads the head that was read last once more, without its offer of another protocol.

        Raises:
            httptools.HttpParserError: it cannot be written down again.
        """
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name not in OFFER:
                lines.append(b"%b: %b" % (name, _without_offer(value) if name == b"connection" else value))
        if any(b"\r" in line or b"\n" in line for line in lines):
            raise httptools.HttpParserError("a folded header")
        self.parser = Parser(self)
        self.parser.feed_data(LINE_END.join([*lines, b"", b""]))

    def _watch(self) -> None:
        self._timer = self.loop.call_later(SECONDS, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: HTTPStatus) -> None:
        self._unwatch()
        if self.transport.is_closing():
            return
        if not self.cycle or self.cycle.response_complete:  # else it would stand inside another answer
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(head.encode())
        self.transport.close()


def _without_offer(connection: bytes) -> bytes:
    named = (token.strip() for token in connection.split(b","))
    return b", ".join(token for token in named if token.lower() not in OFFER)
