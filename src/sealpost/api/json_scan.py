"""The bounded scan of a JSON body (RFC 8259, RFC 7493), before anything of it is decoded.

For every address that takes JSON. It refuses what is not exactly JSON (bad UTF-8, lone surrogates, NaN, something after
the end), what is out of bounds (depth, number of values, long names) and members that stand twice, since two readers would
then read two different messages. A byte order mark is skipped (RFC 8259, section 8.1), and a number that nobody could
mean is refused by whoever asks for it: a member that is ignored may hold any. What it gives is a tree in which each string is
only its place, so that 25 MB of base64 stay where they are, in memory or in a mapped file. The grammar itself is left
to msgspec's skipping of a raw value, at memory speed; the walk after it can rely on the grammar.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from mmap import mmap
from typing import NamedTuple, TypeAlias

import msgspec

from sealpost.domain.errors import InvalidInput

MAX_DEPTH = 16
MAX_VALUES = 5_000
MAX_NAME = 1_024
MAX_NUMBER = 32
INFINITE = float("inf")
PIECE = 65_536

Octets = bytes | mmap


class Text(NamedTuple):
    """Where a string stands: octets from ``start`` to ``end``, without its quotes, escapes not undone."""

    start: int
    end: int


class HugeNumber:
    """Stands for a number of more characters than ``MAX_NUMBER``, or beyond all that a float holds."""


HUGE = HugeNumber()
Json: TypeAlias = "bool | int | float | HugeNumber | Text | list[Json] | dict[str, Json] | None"
Object: TypeAlias = "dict[str, Json]"

BODY = "body"
BOM = b"\xef\xbb\xbf"
LITERALS: dict[bytes, bool | None] = {b"true": True, b"false": False, b"null": None}
TOKEN = re.compile(rb'[ \t\r\n:,]*+(?:(")|([\[{])|([\]}])|([^ \t\r\n:,"\[\]{}]++))')
# The common member, name and colon and perhaps the quote that begins a string, in one step.
MEMBER = re.compile(rb'[ \t\r\n,]*+"([^"\\]{0,64}+)"[ \t\r\n]*+:[ \t\r\n]*+(")?')
STRING, OPENING, CLOSING = 1, 2, 3
STRING_FOLLOWS = 2
TWICE = "has a member twice in one object"
STRING_REST = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
INTEGER = re.compile(rb"-?\d+")

_grammar = msgspec.json.Decoder(msgspec.Raw)
_string = msgspec.json.Decoder(str)


def scan(octets: Octets) -> Object:
    """The tree of a JSON object.

    Args:
        octets: the whole body, in memory or mapped; it must outlive every use of the tree's places.

    Returns:
        Its members; strings are places (``Text``), to be decoded by ``text``.

    Raises:
        InvalidInput: naming the body; see above.
    """
    if not len(octets):
        raise InvalidInput(BODY, "is empty")
    start = len(BOM) if octets[: len(BOM)] == BOM else 0
    _check_utf8(octets)
    try:
        with memoryview(octets) as view, view[start:] as value:
            _grammar.decode(value)
    except RecursionError:
        raise InvalidInput(BODY, f"is nested deeper than {MAX_DEPTH}") from None
    except msgspec.DecodeError as error:
        raise InvalidInput(BODY, f"is not valid JSON: {error}") from None
    return _Walk(octets).root(start)


def text(octets: Octets, place: Text) -> str:
    """The string at a place, escapes undone."""
    return _string.decode(octets[place.start - 1 : place.end + 1])


def unescaped(piece: bytes) -> str:
    """A part of a string, cut where no escape is split, escapes undone.

    Raises:
        ValueError: an escape is split after all.
    """
    try:
        return _string.decode(b'"%b"' % piece)
    except msgspec.DecodeError as error:
        raise ValueError("a split escape") from error


def _check_utf8(octets: Octets) -> None:
    if isinstance(octets, bytes) and octets.isascii():
        return
    decoder = getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(octets), PIECE):
            decoder.decode(octets[at : at + PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise InvalidInput(BODY, "is not UTF-8") from None


class _Walk:
    """One walk over octets that are known to be one JSON value; each step is one value, one name or one bracket."""

    def __init__(self, octets: Octets) -> None:
        self._octets = octets
        self._values = 0
        self._open: list[Object | list[Json]] = []
        self._names: list[str | None] = []

    def root(self, start: int) -> Object:
        at = TOKEN.match(self._octets, start)
        if at is None or at[2] != b"{":
            raise InvalidInput(BODY, "is not a JSON object")
        root: Object = {}
        self._open.append(root)
        self._names.append(None)
        position = at.end()
        while self._open:
            position = self._member(position) or self._step(position)
        return root

    def _member(self, position: int) -> int | None:
        """One member with a short plain name; its value too where that is a string. None where no such stands."""
        into = self._open[-1]
        if type(into) is not dict or self._names[-1] is not None:
            return None
        found = MEMBER.match(self._octets, position)
        if found is None:
            return None
        name = found[1].decode()
        if name in into:
            raise InvalidInput(BODY, TWICE)
        position = found.end()
        if found.lastindex != STRING_FOLLOWS:
            self._names[-1] = name
            return position
        end = self._string_end(position)
        self._count()
        into[name] = Text(position, end)
        return end + 1

    def _step(self, position: int) -> int:
        token = TOKEN.match(self._octets, position)
        assert token is not None
        position, kind = token.end(), token.lastindex
        if kind == STRING:
            end = self._string_end(position)
            self._string(Text(position, end))
            return end + 1
        if kind == OPENING:
            self._descend({} if token[2] == b"{" else [])
        elif kind == CLOSING:
            self._open.pop()
            self._names.pop()
        else:
            self._put(_scalar(token[4]))
        return position

    def _string_end(self, position: int) -> int:
        """The place of the closing quote: one search, unless a quote is escaped."""
        octets = self._octets
        end = octets.find(b'"', position)
        if octets[end - 1 : end] != b"\\" or end == position:
            return end
        # In pieces, so that a thread which scans a large hostile string lets others run in between.
        while octets[position : position + 1] != b'"':
            rest = STRING_REST.match(octets, position, position + PIECE)
            assert rest is not None
            position = rest.end()
        return position

    def _string(self, place: Text) -> None:
        if self._names[-1] is None and isinstance(self._open[-1], dict):
            self._names[-1] = self._name(self._open[-1], place)
        else:
            self._put(place)

    def _name(self, into: Object, place: Text) -> str:
        if place.end - place.start > MAX_NAME:
            raise InvalidInput(BODY, f"has a member name of more than {MAX_NAME} octets")
        name = text(self._octets, place)
        if name in into:
            raise InvalidInput(BODY, TWICE)
        return name

    def _count(self) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise InvalidInput(BODY, f"has more than {MAX_VALUES} values")

    def _put(self, value: Json) -> None:
        self._count()
        into = self._open[-1]
        if isinstance(into, list):
            into.append(value)
            return
        name = self._names[-1]
        assert name is not None
        into[name] = value
        self._names[-1] = None

    def _descend(self, value: Object | list[Json]) -> None:
        self._put(value)
        if len(self._open) == MAX_DEPTH:
            raise InvalidInput(BODY, f"is nested deeper than {MAX_DEPTH}")
        self._open.append(value)
        self._names.append(None)


def _scalar(token: bytes) -> bool | int | float | HugeNumber | None:
    if token in LITERALS:
        return LITERALS[token]
    if len(token) > MAX_NUMBER:
        return HUGE
    number = int(token) if INTEGER.fullmatch(token) else float(token)
    return HUGE if number in (INFINITE, -INFINITE) else number
