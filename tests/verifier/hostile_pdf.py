"""PDF files of at most 32 kB that ask a reader for as much work as they can, each by another way; and random ones."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator

LARGEST = 32 << 10
_NUMBERS = (b"0", b"1", b"2", b"255", b"65536", b"4294967295", b"99999999999999", b"-1", b"1.5", b"9" * 400)
_TRICKS = (
    b"%" * 300,
    b"%\r" * 300,
    b"[" * 70,
    b"<<" * 70,
    b"(" * 70,
    b"(((\\",
    b"<",
    b" " * 400,
    b"/A" * 200,
    b"1 0 R ",
)


def file_of(objects: dict[int, bytes], trailer: bytes = b"", *, size: int = 0) -> bytes:
    """A file of these objects with a plain table; object 1 is its root."""
    made, rows = bytearray(b"%PDF-1.7\n"), [b"0000000000 65535 f\r\n"]
    places = dict[int, int]()
    for number, inner in objects.items():
        places[number] = len(made)
        made += b"%d 0 obj\n%b\nendobj\n" % (number, inner)
    for number in range(1, max(objects) + 1):
        rows.append(b"%010d 00000 n\r\n" % places[number] if number in places else rows[0])
    at = len(made)
    made += b"xref\n0 %d\n%b" % (size or len(rows), b"".join(rows))
    made += b"trailer\n<</Root 1 0 R%b>>\nstartxref\n%d\n%%%%EOF\n" % (trailer, at)
    return bytes(made)


def stream(octets: bytes, entries: bytes = b"", *, packed: bool = True) -> bytes:
    """A stream object."""
    inner = zlib.compress(octets, 9) if packed else octets
    kind = b"/Filter/FlateDecode" if packed else b""
    return b"<</Length %d%b%b>>stream\n%b\nendstream" % (len(inner), kind, entries, inner)


def with_xref(xref: bytes) -> bytes:
    """A file whose cross-reference is this stream object."""
    made = b"%PDF-1.7\n" + b"1 0 obj\n<</Names<<>>>>\nendobj\n"
    return made + b"2 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (xref, len(made))


def embedding(files: bytes, more: dict[int, bytes]) -> bytes:
    """A file whose tree of embedded files is given."""
    return file_of({1: b"<</Names<</EmbeddedFiles 2 0 R>>>>", 2: files, **more})


def hostile() -> Iterator[tuple[str, bytes]]:
    """By name; the ways that were found, and their kin."""
    yield from _of_cross_references()
    yield from _of_streams()
    yield from _of_trees()
    yield from _of_syntax()


def _of_cross_references() -> Iterator[tuple[str, bytes]]:
    entry = b"/Type/XRef/Size 9/Root 1 0 R"
    pairs = b" ".join(b"0 99999999" for _ in range(2900))
    yield "many pairs in an index", with_xref(stream(b"", entry + b"/W[1 2 1]/Index[%b]" % pairs))
    yield "one huge pair", with_xref(stream(b"", entry + b"/W[1 2 1]/Index[0 99999999999999]"))
    yield "a huge size", with_xref(stream(b"", b"/Type/XRef/Size 99999999999999/Root 1 0 R/W[1 2 1]"))
    yield "a packed million of rows", with_xref(stream(bytes(4_000_000), entry + b"/W[1 2 1]/Index[0 1000000]"))
    yield "rows of one octet", with_xref(stream(bytes(8_000_000), entry + b"/W[0 1 0]/Index[0 8000000]"))
    yield "pairs of nothing", with_xref(stream(b"", entry + b"/W[1 2 1]/Index[%b]" % b"0 0 " * 1))
    yield "huge fields", with_xref(stream(bytes(64), entry + b"/W[99999999999 2 1]"))
    columns = b"/DecodeParms<</Predictor 12/Columns 9999999999>>"
    yield "huge columns of nothing", with_xref(stream(b"", entry + b"/W[1 2 1]/Index[0 0]" + columns))
    columns = b"/DecodeParms<</Predictor 12/Columns 4>>"
    yield "many predicted rows", with_xref(stream(bytes(20_000_000), entry + b"/W[1 2 1]/Index[0 4000000]" + columns))
    columns = b"/DecodeParms<</Predictor 12/Columns 0>>"
    yield "predicted rows of nothing", with_xref(stream(bytes(20_000_000), entry + b"/W[1 2 1]" + columns))
    good = file_of({1: b"<<>>"})
    yield "a table that says more", good.replace(b"xref\n0 2", b"xref\n0 9999999999")
    yield "many tables of nothing", good.replace(b"\nxref\n", b"\nxref\n" + b"0 0\n" * 7_500)
    at = int(re.findall(rb"startxref\n(\d+)", good)[0])
    yield "a table before itself", good.replace(b">>\nstartxref", b"/Prev %d>>\nstartxref" % at)
    yield "a length that leads to itself", with_xref(b"<</Length 2 0 R/Type/XRef>>stream\n\nendstream")


def _of_streams() -> Iterator[tuple[str, bytes]]:
    bomb = stream(bytes(30_000_000))
    leaf = b"(%d)<</EF<</F 3 0 R>>>>"
    names = b"".join(leaf % number for number in range(60))
    yield "one bomb under many names", embedding(b"<</Names[%b]>>" % names, {3: bomb})
    plain = stream(b"x" * 20_000, packed=False)
    names = b"".join(leaf % number for number in range(400))
    yield "plain octets under many names", embedding(b"<</Names[%b]>>" % names, {3: plain})
    chain = {number: b"<</Length %d 0 R>>stream\n\nendstream" % (number + 1) for number in range(3, 430)}
    yield "a chain of lengths", embedding(b"<</Names[(a)<</EF<</F 3 0 R>>>>]>>", chain)
    yield from _of_object_streams()


def _of_object_streams() -> Iterator[tuple[str, bytes]]:
    for millions in (1, 2):
        for name, octets, count in _inner(millions * 1_000_000):
            yield f"{name}, {millions} MB", _packing(octets, count)


def _inner(size: int) -> Iterator[tuple[str, bytes, int]]:
    """What an object stream holds, and how many objects it says that it holds."""
    yield "heads of a huge number", b"5 0 " * 10, 99999999999999
    yield "many heads", b"5 0 " * (size // 4), size // 4
    yield "a list", b"5 0 [" + b"1 " * (size // 2) + b"]", 1
    yield "a string", b"5 0 (" + b"a" * size + b")", 1
    yield "a string of brackets", b"5 0 " + b"(" * (size // 2) + b")" * (size // 2), 1
    yield "a string of escapes", b"5 0 (" + b"\\101" * (size // 4) + b")", 1
    yield "hexadecimal", b"5 0 <" + b"0" * size + b">", 1
    yield "a name", b"5 0 /" + b"#41" * (size // 3), 1
    yield "a number", b"5 0 " + b"9" * size, 1
    yield "comments", b"5 0 " + b"%\r" * (size // 2), 1
    yield "spaces", b"5 0 " + b" " * size + b"1", 1


def _packing(octets: bytes, count: int) -> bytes:
    """A file four of whose embedded files are said to be in an object stream, and a hundred others too."""
    holder = stream(octets, b"/Type/ObjStm/N %d/First 4" % count)
    first = (
        b"%PDF-1.7\n1 0 obj\n<</Names<</EmbeddedFiles<</Names[(a) 5 0 R (b) 6 0 R (c) 7 0 R (d) 8 0 R]>>>>>>\nendobj\n"
    )
    second = b"2 0 obj\n%b\nendobj\n" % holder
    rows = [(0, 0, 0), (1, 9, 0), (1, len(first), 0), (0, 0, 0), (0, 0, 0), *[(2, 2, 0)] * 200]
    packed = b"".join(bytes([kind]) + at.to_bytes(2) + bytes([rest]) for kind, at, rest in rows)
    xref = stream(packed, b"/Type/XRef/Size %d/Root 1 0 R/W[1 2 1]" % len(rows))
    return first + second + b"3 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (xref, len(first + second))


def _of_trees() -> Iterator[tuple[str, bytes]]:
    kids = b"<</Kids[%b]>>" % (b"2 0 R " * 2000)
    yield "a tree that leads to itself", embedding(kids, {})
    rows = {number: b"<</Kids[%b]>>" % (b"%d 0 R " % (number + 1) * 300) for number in range(2, 9)}
    yield "a tree of many ways", embedding(rows[2], rows | {9: b"<</Names[]>>"})
    yield "kids in kids", embedding(b"<</Kids 3 0 R>>", {3: b"[%b]" % (b"<</Kids 3 0 R>>" * 900)})
    yield (
        "names of others",
        embedding(
            b"<</Kids[%b]>>" % b" ".join(b"%d 0 R" % one for one in range(4, 350)),
            {3: b"[%b]" % (b"(a)null" * 1500), **dict.fromkeys(range(4, 350), b"<</Names 3 0 R>>")},
        ),
    )


def _of_syntax() -> Iterator[tuple[str, bytes]]:
    for name, octets in (
        ("comments that end by a return", b"%\r" * 15_000),
        ("comments without an end", b"%" * 30_000),
        ("brackets", b"[" * 30_000),
        ("dictionaries", b"<</A" * 7_000),
        ("open strings", b"(" * 30_000),
        ("escapes", b"(" + b"\\" * 30_000),
        ("numbers and no reference", b"[" + b"1 0 " * 7_000 + b"]"),
        ("spaces between two numbers", b"[" + (b"1" + b" " * 3_000) * 9 + b"]"),
        ("a long number", b"9" * 30_000),
        ("a long real", b"[" + b"1." * 15_000 + b"]"),
        ("a long name", b"<</" + b"#" * 30_000),
        ("half hexadecimal", b"[" + b"<" * 30_000),
        ("many entries", b"<<" + b"".join(b"/%d 0" % one for one in range(3_500)) + b">>"),
        ("objects in objects", b"[" + b"<<>>" * 7_000 + b"]"),
    ):
        yield name, file_of({1: octets})
        yield f"{name}, embedded", embedding(octets, {})


def random_files(base: bytes, seed: int, count: int) -> Iterator[bytes]:
    """A real file, cut to size, with numbers, structure and octets changed."""
    chance = random.Random(seed)
    for _ in range(count):
        made = bytearray(base)
        for _ in range(chance.randint(1, 6)):
            _change(made, chance)
        yield bytes(made)


def _change(made: bytearray, chance: random.Random) -> None:
    kind, at = chance.randrange(5), chance.randrange(len(made))
    if kind == 0:
        found = [one.span() for one in re.finditer(rb"\d+", made)]
        begin, end = found[chance.randrange(len(found))]
        made[begin:end] = chance.choice(_NUMBERS)
    elif kind == 1:
        made[at : at + chance.randint(0, 20)] = chance.choice(_TRICKS)
    elif kind == 2:
        made[at] = chance.randrange(256)
    elif kind == 3:
        other = chance.randrange(len(made))
        made[at:at] = made[other : other + chance.randint(1, 400)]
    else:
        del made[at : at + chance.randint(1, 60)]
