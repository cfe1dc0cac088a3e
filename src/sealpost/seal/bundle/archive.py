"""A zip file of stored members, as plain as it can be: no descriptors, no extra fields, no comment, one time for all.

For the bundle (PKWARE APPNOTE 6.3.3; ASiC-E, ETSI EN 319 162-1, annex A.1: `mimetype` first and stored). Nothing is
compressed: the same members give the same octets with every version of every library, and whoever checks needs no
limits against members that blow up. All members go first into one unnamed file on disk, so that their fingerprints are
known before the first octet goes out, and memory stays small whatever they hold. A crash leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import IO

PIECE = 256 * 1024  # octets that are read and given out at a time
MOST_MEMBERS, LARGEST = 65_534, 2**32 - 2  # beyond them a zip needs its 64-bit form
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s4B4H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _UNIX = 20, 3
_MODE = 0o100644 << 16


class TooLarge(ValueError):
    """More members or octets than a plain zip can have."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member whose octets stand in the spool.

    Args:
        name: ASCII.
        place: where its octets begin in the spool.
        size: how many there are.
        crc: as zip wants it.
        sha256: 32 octets.
    """

    name: str
    place: int
    size: int
    crc: int
    sha256: bytes


class Archive:
    """Takes members one after the other, then gives the zip out.

    Args:
        spool: an unnamed file, open for reading and writing; closing it is the caller's.
        at: the members' time; zip knows no zone, so it is UTC, cut to two seconds.
    """

    def __init__(self, spool: IO[bytes], at: datetime) -> None:
        self._spool, self._stamp = spool, _dos_time(at)
        self._members: list[Member] = []
        self._filled = 0

    @property
    def members(self) -> tuple[Member, ...]:
        """What was taken so far, in its order."""
        return tuple(self._members)

    @property
    def size(self) -> int:
        """Octets of the whole zip."""
        names = sum(len(one.name) for one in self._members)
        return self._filled + 2 * names + len(self._members) * (_LOCAL.size + _CENTRAL.size) + _END.size

    def add(self, name: str, octets: bytes) -> None:
        """Take a small member.

        Raises:
            ValueError: a name that is not ASCII or that was taken before.
            TooLarge: see there.
            OSError: the disk is full.
        """
        self._spool.write(octets)
        self._keep(Member(name, self._filled, len(octets), zlib.crc32(octets), sha256(octets).digest()))

    async def stream(self, name: str, chunks: AsyncIterable[bytes]) -> None:
        """Take a member of any size; raises as `add`."""
        place, size, crc, digest = self._filled, 0, 0, sha256()
        async for chunk in chunks:
            # In a thread: the hash of a large chunk takes long, and the disk may.
            crc = await asyncio.to_thread(self._take, chunk, crc, digest.update)
            size += len(chunk)
            if place + size > LARGEST:
                raise TooLarge("the contents are larger than a bundle can hold")
        self._keep(Member(name, place, size, crc, digest.digest()))

    def _take(self, chunk: bytes, crc: int, update: object) -> int:
        assert callable(update)
        self._spool.write(chunk)
        update(chunk)
        return zlib.crc32(chunk, crc)

    def _keep(self, member: Member) -> None:
        if not member.name.isascii() or any(one.name == member.name for one in self._members):
            raise ValueError(f"{member.name!r} cannot be a member's name, or is one already")
        self._members.append(member)
        self._filled += member.size
        if len(self._members) > MOST_MEMBERS or self.size > LARGEST:
            raise TooLarge("more than a bundle can hold")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The zip, in pieces of at most `PIECE` octets."""
        directory, offset = b"", 0
        for member in self._members:
            directory += self._entry(member, offset)
            yield self._header(member)
            async for piece in self._octets(member):
                yield piece
            offset += _LOCAL.size + len(member.name) + member.size
        yield directory + _end(len(self._members), len(directory), offset)

    async def _octets(self, member: Member) -> AsyncIterator[bytes]:
        for start in range(0, member.size, PIECE):
            length = min(PIECE, member.size - start)
            yield await asyncio.to_thread(self._read, member.place + start, length)

    def _read(self, place: int, length: int) -> bytes:
        self._spool.seek(place)
        return self._spool.read(length)

    def _header(self, member: Member) -> bytes:
        name = member.name.encode("ascii")
        fixed = (b"PK\3\4", _VERSION, 0, 0, *self._stamp, member.crc, member.size, member.size, len(name), 0)
        return _LOCAL.pack(*fixed) + name

    def _entry(self, member: Member, offset: int) -> bytes:
        name = member.name.encode("ascii")
        versions = (_VERSION, _UNIX, _VERSION, 0)
        facts = (0, 0, *self._stamp, member.crc, member.size, member.size, len(name), 0, 0, 0, 0)
        return _CENTRAL.pack(b"PK\1\2", *versions, *facts, _MODE, offset) + name


def _end(count: int, size: int, offset: int) -> bytes:
    return _END.pack(b"PK\5\6", 0, 0, count, count, size, offset, 0)


def _dos_time(at: datetime) -> tuple[int, int]:
    utc = at.astimezone(UTC)
    time = utc.hour << 11 | utc.minute << 5 | utc.second // 2
    return time, (utc.year - 1980) << 9 | utc.month << 5 | utc.day
