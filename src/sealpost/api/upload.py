"""A request body taken in: in memory up to 1 MiB, in an unnamed file above, so that an upload costs no memory.

For ``sealpost.api.send``; design, section 4, row *Content* (large bodies spool), performance anchors 4 (memory).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic
from typing import Any

from sealpost.access.refusals import Disconnected, TooSlow
from sealpost.content.spool import Spool
from sealpost.domain.errors import InvalidInput, TooLarge

Receive = Callable[[], Awaitable[Any]]

IN_MEMORY = 1 << 20
BATCH = 1 << 16  # octets gathered before a thread writes them; the loop must not wait for a disk
SMALL_SECONDS = 60.0  # longest time for what is kept in memory
IDLE_SECONDS = 30.0  # longest silence between two pieces of a spooled body
WHOLE_SECONDS = 900.0  # longest time for a whole body: 25 MB over 300 kbit/s
SLOW = "the body did not arrive in time"


class Upload:
    """One body on its way in.

    Args:
        receive: ASGI's.
        declared: its length as the caller says, or None.
        limit: octets that it may have.
    """

    def __init__(self, receive: Receive, declared: int | None, limit: int) -> None:
        self._receive = receive
        self._declared = declared
        self._limit = limit
        self._until = monotonic() + WHOLE_SECONDS
        self._size = 0
        self._more = True

    async def collect(self, folder: Path) -> bytes | Spool:
        """The whole body; a spool belongs to the caller, who closes it.

        Args:
            folder: where spool files are made.

        Raises:
            TooLarge: more than the limit.
            TooSlow: nothing came for a while.
            Disconnected: the caller left before the end.
            ContentUnavailable: no room for a spool file.
        """
        pieces = await self._first()
        if self._more or self._size > IN_MEMORY:
            return await self._spooled(folder, pieces)
        self._check_end()
        return b"".join(pieces)

    async def _first(self) -> list[bytes]:
        """What is kept in memory: all of a small body. One deadline for the whole; setting one per piece is dear."""
        pieces: list[bytes] = []
        try:
            async with asyncio.timeout(SMALL_SECONDS):
                while self._more and max(self._size, self._declared or 0) <= IN_MEMORY:
                    pieces.append(await self._next())
        except TimeoutError:
            raise TooSlow(SLOW) from None
        return pieces

    async def _spooled(self, folder: Path, pieces: list[bytes]) -> Spool:
        """A crash here leaves nothing: the file has no name."""
        spool = Spool(folder)
        try:
            waiting = sum(map(len, pieces))
            while self._more:
                pieces.append(await self._piece())
                waiting += len(pieces[-1])
                if waiting >= BATCH or not self._more:
                    await asyncio.to_thread(spool.write, b"".join(pieces))
                    pieces, waiting = [], 0
            if pieces:
                await asyncio.to_thread(spool.write, b"".join(pieces))
            self._check_end()
        except Exception:  # not on cancellation: a thread may still be writing to this descriptor
            spool.close()
            raise
        return spool

    async def _piece(self) -> bytes:
        try:
            async with asyncio.timeout(min(IDLE_SECONDS, self._until - monotonic())):
                return await self._next()
        except TimeoutError:
            raise TooSlow(SLOW) from None

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        piece: bytes = message.get("body", b"")
        self._more = message.get("more_body", False)
        self._size += len(piece)
        if self._size > self._limit:
            raise TooLarge("body", f"is larger than {self._limit} octets")
        return piece

    def _check_end(self) -> None:
        if self._declared is not None and self._size != self._declared:
            raise InvalidInput("body", "has not the length that was declared")
