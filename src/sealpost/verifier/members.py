"""Reads a bundle's zip strictly: one way to be packed, so that every reader sees the same members (APPNOTE 6.3.9, 4.3).

For the verifier. Members follow one another from the first octet, the central directory says the same as the headers
before each member, the end record is the end of the file; no zip64, encryption, comment, extra field or gap. What
differs is refused with a sentence, for ``container.zip``.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from sealpost.verifier.report import Unusable
from sealpost.verifier.tables import LIMITS, MEMBERS

_LOCAL, _CENTRAL, _END = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s4H2LH")
_DESCRIPTOR = struct.Struct("<4s3L")
_DEFERRED, _UTF8 = 0x0008, 0x0800
_STORED, _DEFLATED = 0, 8
_MADE_BY = frozenset({20, 0x0314, 0x032D})
_ATTRIBUTES = frozenset({0, 0o644 << 16, 0o600 << 16, 0o100644 << 16, 0o100600 << 16})
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\:]|(?:^|/)\.{0,2}(?:/|$)")
_PIECE = 1 << 16
_HASHED = ("content/", "mail/")


class BadZip(ValueError):
    """The file is not packed in the one allowed way; the sentence says how it differs, and in which member."""

    def __init__(self, why: str, member: str = "") -> None:
        super().__init__(why)
        self.values = {"member": member}


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    method: int
    crc: int
    packed: int
    size: int
    begin: int


def _require(truth: object, why: str, member: str = "") -> None:
    if not truth:
        raise BadZip(why, member)


class Members:
    """The members of a zip file, in their order.

    Args:
        file: seekable, opened for reading; must stay open.

    Raises:
        Unusable: not a bundle at all.
        BadZip: a bundle, but not packed as it must be.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._length = file.seek(0, 2)
        kind = MEMBERS["mimetype"].encode()
        if self._at(0, 4) != b"PK\x03\x04" or self._at(30, 8 + len(kind)) != b"mimetype" + kind:
            raise Unusable("no evidence bundle (.asice)")
        self._entries = {entry.name: entry for entry in self._read()}

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the file."""
        return tuple(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def size(self, name: str) -> int:
        """Octets of a member, unpacked."""
        return self._entries[name].size

    def read(self, name: str) -> bytes:
        """A small member whole.

        Raises:
            KeyError: no such member.
            BadZip: it is damaged, or not small.
        """
        _require(self._entries[name].size <= LIMITS["smallOctets"], "{member} is too large", name)
        return b"".join(self.pieces(name))

    def sha256(self, name: str) -> bytes:
        """The fingerprint of a member of any size.

        Raises:
            BadZip: it is damaged.
        """
        found = hashlib.sha256()
        for piece in self.pieces(name):
            found.update(piece)
        return found.digest()

    def pieces(self, name: str) -> Iterator[bytes]:
        """The octets of a member; what it unpacks to is counted while unpacking, never believed.

        Raises:
            BadZip: it is damaged.
        """
        entry = self._entries[name]
        size, crc = 0, 0
        for piece in self._unpacked(entry):
            size, crc = size + len(piece), zlib.crc32(piece, crc)
            _require(size <= entry.size, "{member} is larger than it says", name)
            yield piece
        _require(size == entry.size and crc == entry.crc, "{member} is damaged", name)

    def _unpacked(self, entry: _Entry) -> Iterator[bytes]:
        if entry.method == _STORED:
            yield from self._packed(entry)
            return
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for packed in self._packed(entry):
                yield inflate.decompress(packed, _PIECE)
                while inflate.unconsumed_tail:
                    yield inflate.decompress(inflate.unconsumed_tail, _PIECE)
                _require(not inflate.unused_data, "octets follow in {member}", entry.name)
        except zlib.error as error:
            raise BadZip("{member} is damaged", entry.name) from error
        yield inflate.flush()
        _require(inflate.eof and not inflate.unused_data, "{member} does not end where it says", entry.name)

    def _packed(self, entry: _Entry) -> Iterator[bytes]:
        for begin in range(entry.begin, entry.begin + entry.packed, _PIECE):
            yield self._at(begin, min(_PIECE, entry.begin + entry.packed - begin))

    def _at(self, begin: int, length: int) -> bytes:
        self._file.seek(begin)
        return self._file.read(length)

    def _read(self) -> Iterator[_Entry]:
        count, directory, begin = self._end()
        position, at, seen, total = 0, 0, set[str](), 0
        for number in range(count):
            entry, position, at = self._entry(directory, position, at)
            _require(number or entry.name == "mimetype", "mimetype is not the first member")
            folded = entry.name.casefold()
            _require(folded not in seen, "{member} stands there twice", entry.name)
            seen.add(folded)
            total += entry.size
            _require(total <= LIMITS["totalOctets"], "larger than a bundle may be")
            yield entry
        _require(position == len(directory), "octets in the directory that belong to no member")
        _require(at == begin, "octets between the last member and the directory")

    def _end(self) -> tuple[int, bytes, int]:
        """Number of members, the central directory and where it begins; all of the file is accounted for."""
        _require(self._length >= _END.size, "cut short")
        mark, disk, first, here, count, size, begin, comment = _END.unpack(self._at(self._length - 22, 22))
        _require(mark == b"PK\x05\x06" and comment == 0, "octets after the end, or a comment")
        _require(disk == first == 0 and here == count, "a part of several files")
        _require(0 < count <= LIMITS["members"], "too many members")
        _require(begin + size + _END.size == self._length, "octets around the directory")
        return count, self._at(begin, size), begin

    def _entry(self, directory: bytes, position: int, at: int) -> tuple[_Entry, int, int]:
        """The member at a place of the directory, held against its own header; both places behind it."""
        fields = _CENTRAL.unpack_from(directory.ljust(position + _CENTRAL.size, b"\0"), position)
        mark, made, needed, flags, method, clock, day, crc, packed, size, name_size, extra, note = fields[:13]
        disk, inner, outer, begin = fields[13:17]
        end = position + _CENTRAL.size + name_size
        _require(mark == b"PK\x01\x02" and end <= len(directory), "a damaged directory")
        _require(not extra and not note and not disk and not inner, "an extra field, a comment or a part elsewhere")
        _require(made in _MADE_BY and outer in _ATTRIBUTES and needed in {10, 20, 45}, "an unusual kind of member")
        _require(flags & ~(_DEFERRED | _UTF8) == 0, "an encrypted or unusual member")
        _require(begin == at, "octets between members, or members out of order")
        raw = directory[position + _CENTRAL.size : end]
        name = self._name(raw, flags)
        _require(
            method in {_STORED, _DEFLATED} and (method or packed == size), "{member}: an unknown way of packing", name
        )
        _require(name != "mimetype" or (method == _STORED and not flags), "mimetype is not stored plainly")
        _require(size <= LIMITS["memberOctets"], "{member} is too large", name)
        # What is read whole, and not only hashed, takes many times its size in memory.
        ratio = LIMITS["ratio"] if name.startswith(_HASHED) else LIMITS["smallRatio"]
        _require(size <= ratio * packed + 1024, "{member} unpacks to too much", name)
        said = (0, 0, 0) if flags & _DEFERRED else (crc, packed, size)
        header = _LOCAL.pack(b"PK\x03\x04", needed, flags, method, clock, day, *said, name_size, 0) + raw
        _require(self._at(at, len(header)) == header, "{member}: header and directory differ", name)
        after = at + len(header) + packed
        if flags & _DEFERRED:
            trailer = _DESCRIPTOR.pack(b"PK\x07\x08", crc, packed, size)
            _require(
                self._at(after, len(trailer)) == trailer, "{member}: what follows it differs from the directory", name
            )
            after += len(trailer)
        return _Entry(name, method, crc, packed, size, at + len(header)), end, after

    @staticmethod
    def _name(raw: bytes, flags: int) -> str:
        _require(0 < len(raw) <= LIMITS["nameOctets"], "a name of impossible length")
        try:
            name = raw.decode() if flags & _UTF8 else raw.decode("ascii")
        except UnicodeDecodeError:
            raise BadZip("a name that is not text") from None
        _require(not _UNSAFE.search(name), "a name that is no plain path")
        return name
