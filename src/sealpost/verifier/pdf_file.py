"""A small strict reader of PDF files: objects, cross-reference tables and streams, Flate, embedded files, one signature.

For the check of the certificate; it reads what typst and an incremental update write (ISO 32000-1, clauses 7.2 to 7.7,
7.11.4, 12.8), and nothing else. What it cannot read is `Unreadable`, which never becomes a PASS. All work is paid for out
of a budget that grows with the file's length alone: no number that the file states is looped over before it is checked.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

_SPACE = b"\x00\t\n\x0c\r "
_SKIPPED = re.compile(rb"[\x00\t\n\x0c\r ]+|%[^\r\n]*")
_NAME = re.compile(rb"[^\x00\t\n\x0c\r ()<>\[\]{}/%]{0,500}(?![^\x00\t\n\x0c\r ()<>\[\]{}/%])")
_PLAIN = re.compile(rb"[^()\\]{1,10000}")
_OCTAL = re.compile(rb"[0-7]{1,3}")
_REFERENCE = re.compile(rb"(\d{1,10})[\x00\t\n\x0c\r ]+(\d{1,5})[\x00\t\n\x0c\r ]+R(?![A-Za-z0-9])")
_NUMBER = re.compile(rb"[+-]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(?![\d.])")
_OBJECT = re.compile(rb"(\d{1,10})[\x00\t\n\x0c\r ]+(\d{1,5})[\x00\t\n\x0c\r ]+obj")
_SECTION = re.compile(rb"[\x00\t\n\x0c\r ]*(\d{1,10}) (\d{1,10})[ ]*[\r\n]+")
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"(": b"(", b")": b")", b"\\": b"\\"}
_DEPTH, _UPDATES, _NESTED, _TREE = 60, 8, 4, 8
_PREDICTED = 2 << 20  # octets of the largest cross-reference
_STRING = 64 << 10  # octets of the longest string that is not hexadecimal
_TAILS = frozenset(
    {b"", b"\n", b"\r", b"\r\n", b"\n\n", b"\n\r", b"\r\r"}
)  # what writers leave between data and `endstream`


class Unreadable(ValueError):
    """A file that this reader does not understand; the sentence says where."""


class Name(str):
    """A name, without its slash."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """Of an indirect object."""

    number: int


@dataclass(frozen=True, slots=True)
class Stream:
    """A dictionary and its packed octets."""

    entries: dict[str, Any]
    packed: memoryview


def _require(truth: object, why: str) -> None:
    if not truth:
        raise Unreadable(why)


class _Budget:
    """What reading a file may cost.

    Args:
        size: octets of the file.
    """

    def __init__(self, size: int) -> None:
        self.values = 20_000 + size // 8  # a file with a thousand records embedded needs a tenth
        self.places = 1_000 + size // 8
        self.octets = min((2 << 20) + 64 * size, 96 << 20)  # read or unpacked; records pack to a tenth

    def spend(self, *, values: int = 0, places: int = 0, octets: int = 0) -> None:
        """Takes from it.

        Raises:
            Unreadable: there is not so much left.
        """
        self.values -= values
        self.places -= places
        self.octets -= octets
        _require(min(self.values, self.places, self.octets) >= 0, "more in it than a file of this length may have")


class _Reader:
    """Reads objects from octets, from a place on."""

    def __init__(self, budget: _Budget, octets: bytes, at: int = 0) -> None:
        self.budget, self.octets, self.at = budget, octets, at

    def skip(self) -> None:
        """Past white space and comments."""
        while found := _SKIPPED.match(self.octets, self.at):
            self.at = found.end()

    def take(self, word: bytes) -> bool:
        """Whether this word stands here; if so, past it."""
        self.skip()
        found = self.octets.startswith(word, self.at)
        self.at += len(word) if found else 0
        return found

    def value(self, depth: int = 0) -> Any:
        """The next object that is not a stream."""
        _require(depth < _DEPTH, "nested too deep")
        self.budget.spend(values=1)
        self.skip()
        first = self.octets[self.at : self.at + 1]
        if self.take(b"<<"):
            return self._dictionary(depth)
        if first == b"<":
            return self._hexadecimal()
        if first == b"(":
            return self._string()
        if first == b"/":
            return self._name()
        if self.take(b"["):
            found: list[Any] = []
            while not self.take(b"]"):
                found.append(self.value(depth + 1))
            return found
        return self._word()

    def _dictionary(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not self.take(b">>"):
            self.skip()
            _require(self.octets[self.at : self.at + 1] == b"/", "a dictionary without names")
            name = self._name()
            _require(name not in found, "an entry twice")
            found[name] = self.value(depth + 1)
        return found

    def _name(self) -> Name:
        found = _NAME.match(self.octets, self.at + 1)
        _require(found, "a name that is too long")
        raw = cast("re.Match[bytes]", found)[0]
        self.at += 1 + len(raw)
        return Name(re.sub(rb"#([0-9A-Fa-f]{2})", lambda one: bytes([int(one[1], 16)]), raw).decode("latin-1"))

    def _hexadecimal(self) -> bytes:
        end = self.octets.find(b">", self.at)
        _require(end > 0, "a string without end")
        digits = self.octets[self.at + 1 : end].translate(None, _SPACE)
        self.at = end + 1
        try:
            return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))
        except ValueError as error:
            raise Unreadable("a string that is not hexadecimal") from error

    def _string(self) -> bytes:
        depth, found, begin = 1, bytearray(), self.at
        self.at += 1
        while depth:
            _require(self.at - begin <= _STRING, "a string that is too long")
            if plain := _PLAIN.match(self.octets, self.at):
                found += plain[0]
                self.at = plain.end()
            one = self.octets[self.at : self.at + 1]
            _require(one, "a string without end")
            self.at += 1
            if one == b"\\":
                found += self._escaped()
                continue
            depth += (one == b"(") - (one == b")")
            found += one if depth else b""
        return bytes(found)

    def _escaped(self) -> bytes:
        octal = _OCTAL.match(self.octets, self.at)
        if octal:
            self.at = octal.end()
            return bytes([int(octal[0], 8) & 0xFF])
        one = self.octets[self.at : self.at + 1]
        self.at += 1
        if one == b"\r" and self.octets[self.at : self.at + 1] == b"\n":
            self.at += 1
        return b"" if one in {b"\r", b"\n"} else _ESCAPES.get(one, one)

    def _word(self) -> Any:
        if found := _REFERENCE.match(self.octets, self.at):
            self.at = found.end()
            _require(found[2] == b"0", "an object of a later generation")
            return Reference(int(found[1]))
        if found := _NUMBER.match(self.octets, self.at):
            self.at = found.end()
            return float(found[0]) if b"." in found[0] else int(found[0])
        for word, value in ((b"true", True), (b"false", False), (b"null", None)):
            if self.take(word):
                return value
        raise Unreadable("neither value nor object")


class Pdf:
    """A file's objects, by its cross-reference sections, the newest first.

    Args:
        octets: the whole file.

    Raises:
        Unreadable: not in a form that this reader knows.
    """

    def __init__(self, octets: bytes) -> None:
        self._octets, self._view = octets, memoryview(octets)
        self._budget = _Budget(len(octets))
        self._places: dict[int, tuple[int, int] | int | None] = {}
        self._known: dict[int, Any] = {}
        self._heads: dict[int, tuple[bytes, list[int]]] = {}
        self._nested = 0
        self.trailer: dict[str, Any] = {}
        _require(octets.startswith(b"%PDF-1."), "not a PDF 1.x")
        ends = re.compile(rb"startxref[\r\n]+(\d{1,10})[\r\n]+%%EOF[\r\n]{0,2}\Z").search(
            octets, max(0, len(octets) - 64)
        )
        _require(ends, "no end")
        at: Any = int(cast("re.Match[bytes]", ends)[1])
        for _ in range(_UPDATES):
            trailer = self._section(at)
            self.trailer = self.trailer or trailer
            at = trailer.get("Prev")
            if at is None:
                break
        _require(at is None and "Encrypt" not in self.trailer, "too many updates, or encrypted")

    def _section(self, at: Any) -> dict[str, Any]:
        _require(isinstance(at, int) and 0 < at < len(self._octets), "a cross-reference outside of the file")
        reader = _Reader(self._budget, self._octets, at)
        if reader.take(b"xref"):
            return self._table(reader)
        stream = self._indirect(at, None)
        _require(isinstance(stream, Stream) and stream.entries.get("Type") == "XRef", "no cross-reference")
        entries, octets = stream.entries, self._unpacked(stream)
        widths = [_whole(one) for one in _list(entries.get("W"))]
        _require(len(widths) == 3 and 0 < sum(widths) < 32, "fields of another width")
        index = [_whole(one) for one in _list(entries.get("Index", [0, entries.get("Size")]))]
        fits = len(index) % 2 == 0 and sum(index[1::2]) * sum(widths) == len(octets)
        _require(fits, "a cross-reference of another length")
        at = 0
        for start, count in zip(index[::2], index[1::2], strict=True):
            self._budget.spend(places=count)
            for number in range(start, start + count):
                self._keep(number, *_fields(octets, at, widths))
                at += sum(widths)
        return entries

    def _table(self, reader: _Reader) -> dict[str, Any]:
        while found := _SECTION.match(self._octets, reader.at):
            self._budget.spend(values=1, octets=found.end() - reader.at)
            reader.at = found.end()
            _require(20 * int(found[2]) <= len(self._octets) - reader.at, "a cross-reference of another length")
            self._budget.spend(places=int(found[2]))
            for number in range(int(found[1]), int(found[1]) + int(found[2])):
                row = self._octets[reader.at : reader.at + 20]
                _require(re.fullmatch(rb"\d{10} \d{5} [nf][ \r][\r\n]", row), "a line of another form")
                self._keep(number, int(row[17:18] == b"n"), int(row[:10]), int(row[11:16]))
                reader.at += 20
        _require(reader.take(b"trailer"), "no trailer")
        trailer = self.entries(reader.value())
        _require(trailer and "XRefStm" not in trailer, "a trailer of another form")
        return trailer

    def _keep(self, number: int, kind: int, first: int, second: int) -> None:
        place = {0: None, 1: first, 2: (first, second)}.get(kind, -1)
        _require(place != -1 and (kind != 1 or second == 0), "an object of another kind or generation")
        self._places.setdefault(number, place)

    def _indirect(self, at: int, number: int | None) -> Any:
        found = _OBJECT.match(self._octets, at)
        _require(found and (number is None or int(found[1]) == number), "no object where one is due")
        reader = _Reader(self._budget, self._octets, cast("re.Match[bytes]", found).end())
        value: Any = reader.value()
        if isinstance(value, dict) and reader.take(b"stream"):
            entries = cast("dict[str, Any]", value)
            reader.at += 2 if self._octets.startswith(b"\r\n", reader.at) else 1
            length = _whole(self.get(entries.get("Length")))
            packed = self._view[reader.at : reader.at + length]
            reader.at += length
            _require(len(packed) == length and reader.take(b"endstream"), "a stream of another length")
            value = Stream(entries, packed)
            self._budget.spend(values=1)
        _require(reader.take(b"endobj"), "an object without end")
        self._budget.spend(octets=reader.at - at)
        return cast("Any", value)

    def get(self, value: Any) -> Any:
        """A value, or the object that a reference is of."""
        if not isinstance(value, Reference):
            return value
        if value.number not in self._known:
            place = self._places.get(value.number)
            self._known[value.number] = None  # an object that leads to itself is none
            self._nested += 1
            _require(self._nested <= _NESTED, "nested too deep")
            if isinstance(place, tuple):
                self._known[value.number] = self._packed(value.number, *place)
            elif place is not None:
                self._known[value.number] = self._indirect(place, value.number)
            self._nested -= 1
        return self._known[value.number]

    def _packed(self, number: int, holder: int, index: int) -> Any:
        octets, heads = self._opened(holder)
        _require(2 * index < len(heads) and heads[2 * index] == number, "an object stream without the object")
        reader = _Reader(self._budget, octets, heads[2 * index + 1])
        value = reader.value()
        self._budget.spend(octets=max(0, reader.at - heads[2 * index + 1]))
        return value

    def _opened(self, holder: int) -> tuple[bytes, list[int]]:
        """An object stream unpacked, and number and place of each of its objects; once."""
        if holder not in self._heads:
            stream = self.get(Reference(holder))
            _require(isinstance(stream, Stream) and stream.entries.get("Type") == "ObjStm", "no object stream")
            octets, first = self._unpacked(stream), _whole(stream.entries.get("First"))
            count = _whole(stream.entries.get("N"))
            _require(4 * count <= len(octets), "an object stream of another length")
            reader = _Reader(self._budget, octets)
            heads = [_whole(reader.value()) for _ in range(2 * count)]
            heads[1::2] = [first + one for one in heads[1::2]]
            self._heads[holder] = octets, heads
        return self._heads[holder]

    def entries(self, value: Any) -> dict[str, Any]:
        """The dictionary that a value or reference is; empty for null.

        Raises:
            Unreadable: something else.
        """
        found: Any = self.get(value)
        if found is None:
            return {}
        _require(isinstance(found, dict), "no dictionary where one is due")
        return cast("dict[str, Any]", found)

    def array(self, value: Any) -> list[Any]:
        """The array that a value or reference is; empty for null."""
        found: Any = self.get(value)
        _require(found is None or isinstance(found, list), "no array where one is due")
        return cast("list[Any]", found or [])

    def octets(self, value: Any) -> bytes:
        """What a stream unpacks to."""
        found = self.get(value)
        _require(isinstance(found, Stream), "no stream where one is due")
        return self._unpacked(found)

    def leaves(self, tree: dict[str, Any], depth: int = _TREE) -> Iterator[Any]:
        """The values of a name tree, one by one.

        Args:
            tree: its root.
            depth: how far down.
        """
        _require(depth > 0, "nested too deep")
        for value in self.array(tree.get("Names"))[1::2]:
            self._budget.spend(values=1)
            yield value
        for kid in self.array(tree.get("Kids")):
            self._budget.spend(values=1)
            yield from self.leaves(self.entries(kid), depth - 1)

    def _unpacked(self, stream: Stream) -> bytes:
        filters = stream.entries.get("Filter")
        if isinstance(filters, list) and len(cast("list[Any]", filters)) == 1:
            filters = cast("list[Any]", filters)[0]
        if filters is None:
            self._budget.spend(octets=len(stream.packed))
            return bytes(stream.packed)
        _require(filters == "FlateDecode", "an unknown filter")
        inflate = zlib.decompressobj()
        try:
            octets = inflate.decompress(stream.packed, self._budget.octets + 1)
        except zlib.error as error:
            raise Unreadable("a damaged stream") from error
        self._budget.spend(octets=len(octets))
        _require(inflate.eof and inflate.unused_data in _TAILS, "a damaged stream")
        parameters: Any = stream.entries.get("DecodeParms") or {}
        if isinstance(parameters, list):
            parameters = cast("list[Any]", parameters)[0] or {}
        _require(isinstance(parameters, dict), "no dictionary where one is due")
        predictor = parameters.get("Predictor", 1)
        return octets if predictor == 1 else _unpredicted(octets, predictor, parameters)


def _whole(value: Any) -> int:
    _require(type(value) is int and value >= 0, "no whole number where one is due")
    return value


def _list(value: Any) -> list[Any]:
    _require(isinstance(value, list), "no array where one is due")
    return cast("list[Any]", value)


def _fields(octets: bytes, at: int, widths: list[int]) -> tuple[int, int, int]:
    """One row of a cross-reference: kind, which is 1 where it has no width, and two numbers."""
    first, second = at + widths[0], at + widths[0] + widths[1]
    kind = int.from_bytes(octets[at:first]) if widths[0] else 1
    return kind, int.from_bytes(octets[first:second]), int.from_bytes(octets[second : second + widths[2]])


def _unpredicted(octets: bytes, predictor: Any, parameters: dict[str, Any]) -> bytes:
    """PNG's predictors *none* and *up*, which is what cross-references are packed with."""
    columns = _whole(parameters.get("Columns", 1))
    plain = parameters.get("Colors", 1) == 1 and parameters.get("BitsPerComponent", 8) == 8
    fits = 0 < columns < len(octets) <= _PREDICTED and len(octets) % (columns + 1) == 0
    _require(predictor in range(10, 16) and plain and fits, "an unknown predictor")
    above, found = bytes(columns), bytearray()
    for at in range(0, len(octets), columns + 1):
        kind, row = octets[at], octets[at + 1 : at + 1 + columns]
        _require(kind in {0, 2}, "an unknown predictor")
        above = row if kind == 0 else bytes((a + b) & 0xFF for a, b in zip(row, above, strict=True))
        found += above
    return bytes(found)
