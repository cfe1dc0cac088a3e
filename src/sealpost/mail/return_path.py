"""Return paths: a token per attempt, so that a bounce names the mail that it is about and cannot be made up.

For the sending use case (``local_part``) and for what comes back (``read``). Clauses: RFC 5321 (4.5.3.1.1: a local part
has at most 64 octets; 4.4: the return path is where failures are told); the idea is that of BATV and VERP. A token is
``b-`` and base32 of: mail id (16 octets), attempt (1), its last day (2, days since 2020), HMAC-SHA256 of these cut to 12
octets. Lower case, read in any case, since mail servers change it. Whoever has the mail has the token: it proves that
somebody on the mail's way answers, not who.
"""

from __future__ import annotations

import hmac
import re
import struct
from base64 import b32decode, b32encode
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from uuid import UUID

LIFE = timedelta(days=30)
"""How long after an attempt its bounce is believed: several times what mail servers keep trying (RFC 5321, 4.5.4.1)."""
MOST_ATTEMPTS = 255
"""Attempts from this number on share its token."""

_PREFIX = "b-"
_DAY_0 = date(2020, 1, 1)
_FACTS = struct.Struct(">16sBH")
_MAC = 12
_SHAPE = re.compile("[a-z2-7]{50}")
_PURPOSE = b"sealpost return path 1\0"
_KEY = 16


class NotOurs(ValueError):
    """No return path of this installation."""


class Expired(ValueError):
    """It was one, too long ago."""


@dataclass(frozen=True, slots=True)
class Returned:
    """What a return path says; ``attempt`` is at most ``MOST_ATTEMPTS``."""

    mail_id: UUID
    attempt: int


class ReturnPaths:
    """Makes and reads them with one key."""

    def __init__(self, key: bytes) -> None:
        """Takes the key.

        Args:
            key: at least 16 octets; another one makes all return paths that are under way unknown.

        Raises:
            ValueError: it is shorter.
        """
        if len(key) < _KEY:
            raise ValueError("a key of at least 16 octets")
        self._key = key

    def local_part(self, mail_id: UUID, attempt: int, ends: datetime) -> str:
        """What stands before the ``@``: 52 characters, the same for the same arguments.

        Args:
            mail_id: the mail.
            attempt: its number, from 1.
            ends: believed until the end of this day (UTC).

        Raises:
            ValueError: no attempt has that number, or the day is before 2020 or after 2199.
        """
        if attempt < 1:
            raise ValueError("attempts are counted from 1")
        days = (ends.astimezone(UTC).date() - _DAY_0).days
        if not 0 <= days <= 0xFFFF:
            raise ValueError("a day out of range")
        facts = _FACTS.pack(mail_id.bytes, min(attempt, MOST_ATTEMPTS), days)
        return _PREFIX + b32encode(facts + self._mac(facts)).decode().rstrip("=").lower()

    def read(self, local_part: str, now: datetime) -> Returned:
        """Reads one, in any case of its letters.

        Raises:
            NotOurs: not made here with this key, or changed since.
            Expired: its last day is over.
        """
        octets = _octets(local_part)
        facts, mac = octets[: _FACTS.size], octets[_FACTS.size :]
        if not hmac.compare_digest(mac, self._mac(facts)):
            raise NotOurs
        mail_id, attempt, days = _FACTS.unpack(facts)
        if now.astimezone(UTC).date() > _DAY_0 + timedelta(days=days):
            raise Expired
        return Returned(UUID(bytes=mail_id), attempt)

    def _mac(self, facts: bytes) -> bytes:
        return hmac.digest(self._key, _PURPOSE + facts, sha256().name)[:_MAC]


def is_return_path(local_part: str) -> bool:
    """Whether it looks like one, authentic or not."""
    return local_part[: len(_PREFIX)].lower() == _PREFIX


def _octets(local_part: str) -> bytes:
    """The octets; each has one spelling only, apart from the letters' case."""
    # Not lower(): it makes ASCII letters of others, such as the Kelvin sign.
    text = local_part if local_part.isascii() else ""
    if not is_return_path(text) or not _SHAPE.fullmatch(text[len(_PREFIX) :].lower()):
        raise NotOurs
    spelt = text[len(_PREFIX) :].upper()
    octets = b32decode(spelt + "=" * (-len(spelt) % 8))
    if b32encode(octets).decode().rstrip("=") != spelt:
        raise NotOurs
    return octets
