"""Identifiers. Randomness and time come from outside, so that tests decide both.

Ticket tokens keep the vendor's shape (a letter, a dot, URL-safe characters; contract, section 3) with 128 random bits.
Evidence and rows are named by UUIDv7 (RFC 9562, section 5.7), which sorts by time of making.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

Random = Callable[[int], bytes]
"""Gives that many random bytes (``os.urandom`` in the service)."""


class Buffered:
    """A source of randomness that asks another one for 4 kB at a time.

    A system call for each identifier would cost more than the identifier. Every octet is handed out once. Not for a
    process that forks afterwards.
    """

    SIZE = 4096

    def __init__(self, source: Random) -> None:
        self._source = source
        self._octets = b""
        self._used = 0

    def __call__(self, size: int) -> bytes:
        if size > self.SIZE:
            return self._source(size)
        if self._used + size > len(self._octets):
            self._octets, self._used = self._source(self.SIZE), 0
        begin = self._used
        self._used += size
        return self._octets[begin : self._used]


TOKEN_SHAPE = re.compile(r"K\.[A-Za-z0-9_-]{22}")


def url_safe(raw: bytes) -> str:
    """Base64url without padding (RFC 4648, section 5)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def ticket_token(random: Random) -> str:
    """A new ticket token: ``K.`` and 22 URL-safe characters. It names a ticket and opens nothing."""
    return "K." + url_safe(random(16))


def is_ticket_token(text: str) -> bool:
    return TOKEN_SHAPE.fullmatch(text) is not None


def secret(random: Random) -> str:
    """A new secret of 256 bits for links, sessions and credentials, in 43 URL-safe characters."""
    return url_safe(random(32))


def uuid7(at: datetime, random: Random) -> UUID:
    """A UUIDv7 for an instant.

    Args:
        at: aware time; its milliseconds are the first 48 bits.
        random: source of the other 74 bits.
    """
    milliseconds = int(at.timestamp() * 1000)
    noise = int.from_bytes(random(10), "big")
    high = (milliseconds << 16) | 0x7000 | (noise & 0x0FFF)
    low = (0b10 << 62) | (noise >> 12 & 0x3FFF_FFFF_FFFF_FFFF)
    return UUID(int=(high << 64) | low)


def first_uuid7(at: datetime) -> UUID:
    """The smallest UUIDv7 of the millisecond that ``at`` falls in; times before 1970 have the smallest of all."""
    milliseconds = max(int(at.timestamp() * 1000), 0)
    return UUID(int=(milliseconds << 80) | (0x7000 << 64) | (0b10 << 62))
