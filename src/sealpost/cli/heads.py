"""Bounds on the head of a request: how large it is, how many headers it has, how long it takes to come (RFC 9112, section 3).

For ``sealpost.cli.running``. uvicorn has no such bounds with its fast parser, so that one caller could fill the memory
with a header that never ends, or hold a connection for ever by never ending its head.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST = 65_536  # octets of the whole head
MOST_HEADERS = 200
SECONDS = 30.0


class BoundedHeads(HttpToolsProtocol):
    """One connection. A head that is out of bounds is answered with 400, 408 or 431, and the connection ends."""

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
        super().on_headers_complete()

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
