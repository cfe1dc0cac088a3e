"""The bounded scan: what it refuses, where it says strings stand, and that it agrees with the standard library."""

from __future__ import annotations

import json
import mmap
import tempfile
import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.api.json_scan import HUGE, MAX_DEPTH, MAX_VALUES, Text, scan, text
from sealpost.domain.errors import InvalidInput

HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "spaces": b" \n ",
    "utf-16": '{"a":"b"}'.encode("utf-16"),
    "utf-16-le": '{"a":"b"}'.encode("utf-16-le"),
    "latin-1": '{"a":"é"}'.encode("latin-1"),
    "overlong": b'{"a":"\xc0\xaf"}',
    "encoded surrogate": b'{"a":"\xed\xa0\x80"}',
    "cut utf-8": b'{"a":"\xe2\x82"}',
    "bad utf-8 in a name": b'{"\xff":1}',
    "escaped lone surrogate": b'{"a":"\\ud800"}',
    "escaped low surrogate": b'{"a":"\\udc00"}',
    "surrogate and letter": b'{"a":"\\ud800\\u0041"}',
    "surrogate in a name": b'{"\\ud800":1}',
    "two members": b'{"a":1,"a":2}',
    "two members, one escaped": b'{"a":1,"\\u0061":2}',
    "two members, escaped slash": b'{"/":1,"\\/":2}',
    "two members inside": b'{"a":[{"b":1},{"b":1,"c":2,"b":3}]}',
    "two members, both null": b'{"a":null,"a":null}',
    "two empty names": b'{"":1,"":1}',
    "two members, spaced": b'{"a" : "x" , "a" : "x"}',
    "nan": b'{"a":NaN}',
    "infinity": b'{"a":Infinity}',
    "minus infinity": b'{"a":-Infinity}',
    "leading zero": b'{"a":01}',
    "plus": b'{"a":+1}',
    "hexadecimal": b'{"a":0x10}',
    "open fraction": b'{"a":1.}',
    "array": b"[]",
    "string": b'"a"',
    "number": b"1",
    "null": b"null",
    "garbage behind": b"{}x",
    "second value": b"{}{}",
    "nul behind": b"{}\x00",
    "comma at the end": b'{"a":1,}',
    "comma in array": b'{"a":[1,]}',
    "single quotes": b"{'a':1}",
    "comment": b'{"a":1}//x',
    "no colon": b'{"a" 1}',
    "bare name": b"{a:1}",
    "open": b'{"a":1',
    "open string": b'{"a":"b',
    "escaped end": b'{"a":"b\\"}',
    "wrong bracket": b'{"a":[1}}',
    "line end in a string": b'{"a":"b\nc"}',
    "nul in a string": b'{"a":"\x00"}',
    "unknown escape": b'{"a":"\\x41"}',
    "short escape": b'{"a":"\\u12"}',
    "form feed": b'{"a":\x0c1}',
    "non-breaking space": '{"a":\u00a01}'.encode(),
    "depth 17": b'{"a":' + b"[" * 16 + b"]" * 16 + b"}",
    "depth 100,000": b'{"a":' + b"[" * 100_000,
    "depth 100,000, whole": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "values": b'{"a":[' + b"1," * MAX_VALUES + b"1]}",
    "members": ("{" + ",".join(f'"{n}":1' for n in range(MAX_VALUES + 1)) + "}").encode(),
    "a long name": b'{"' + b"a" * 1025 + b'":1}',
}


@contextmanager
def mapped(octets: bytes) -> Generator[mmap.mmap]:
    with tempfile.TemporaryFile() as file:
        file.write(octets)
        file.flush()
        with closing(mmap.mmap(file.fileno(), len(octets), access=mmap.ACCESS_READ)) as view:
            yield view


def plain(octets: Any, value: Any) -> Any:
    """The scanned tree as the standard library gives it."""
    if isinstance(value, Text):
        return text(octets, value)
    if isinstance(value, dict):
        return {name: plain(octets, member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain(octets, member) for member in value]
    return value


@pytest.mark.parametrize("octets", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bodies_are_refused_and_name_the_body(octets: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        scan(octets)
    assert refused.value.field == "body"
    if octets:
        with mapped(octets) as view, pytest.raises(InvalidInput):
            scan(view)


GOOD: dict[str, bytes] = {
    "nothing": b"{}",
    "spaces everywhere": b' \t\r\n{ "a" \n: [ 1 , "b" , { } , [ ] ] , "c" : null }\n ',
    "slashes as PHP writes them": b'{"a":"http:\\/\\/x\\/"}',
    "escapes": b'{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00"}',
    "backslashes before the end": b'{"a":"\\\\","b":"\\\\\\\\","c":"\\\\\\""}',
    "only an escaped quote": b'{"a":"\\"","b":1}',
    "quotes and brackets in strings": b'{"a":"{\\"b\\":[","]":"}"}',
    "escaped name": b'{"\\u0061\\"":"x","plain":"y"}',
    "name like a value": b'{"a":"b","b":"a"}',
    "accents": '{"é":"ü","\U0001f600":"\U0001f600"}'.encode(),
    "numbers": b'{"a":[0,-0,1.5,-1e3,12345678901234567890,1E-400,99999999999999999999999999999999]}',
    "literals": b'{"a":[true,false,null]}',
    "delete is not a control here": b'{"a":"\x7f"}',
    "as deep as may be": b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}",
    "as many as may be": b'{"a":[' + b"1," * (MAX_VALUES - 2) + b"1]}",
}


@pytest.mark.parametrize("octets", GOOD.values(), ids=GOOD)
def test_good_bodies_read_as_the_standard_library_reads_them(octets: bytes) -> None:
    assert plain(octets, scan(octets)) == json.loads(octets)
    with mapped(octets) as view:
        assert plain(view, scan(view)) == json.loads(octets)


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=20), inner, max_size=5),
    max_leaves=30,
)


def nesting(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(nesting, value.values()), default=0)
    return 1 + max(map(nesting, value), default=0) if isinstance(value, list) else 0


@given(st.dictionaries(st.text(max_size=20), ANY_JSON, max_size=6), st.booleans(), st.sampled_from([None, 1]))
def test_every_object_that_json_writes_is_read_back(
    value: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    octets = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    try:
        expected = json.loads(octets.decode())
    except UnicodeDecodeError:
        with pytest.raises(InvalidInput):
            scan(octets)
        return
    if nesting(value) > MAX_DEPTH:
        return
    assert plain(octets, scan(octets)) == expected


def strict(octets: bytes) -> Any:
    """The standard library, held to what RFC 8259 and 7493 say and it does not."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    def never(constant: str) -> None:
        raise ValueError(constant)

    value = json.loads(octets.decode(), object_pairs_hook=once, parse_constant=never)
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


FRAGMENT = st.sampled_from(
    [
        '"a"',
        '"b\\n"',
        '"\\',
        '\\"',
        '"',
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        " ",
        "1",
        "-1.5e3",
        "01",
        "true",
        "nul",
        "\\u0061",
        '"\\ud83d\\ude00"',
        '"\\ud83d"',
        "\x00",
        "é",
        '{"a":',
        '"]',
        "NaN",
    ]
)


@given(
    st.lists(FRAGMENT, max_size=12).map("".join)
    | st.tuples(st.just('{"a":'), st.lists(FRAGMENT, max_size=8).map("".join), st.just("}")).map("".join)
)
def test_it_accepts_exactly_what_a_strict_reader_accepts(written: str) -> None:
    octets = written.encode()
    try:
        expected = strict(octets)
    except ValueError:
        with pytest.raises(InvalidInput):
            scan(octets)
    else:
        assert plain(octets, scan(octets)) == expected


def test_strings_are_places_of_the_very_octets() -> None:
    octets = b'{"x": {"y":["a\\/b", "QUJD"]}}'
    inner: Any = scan(octets)["x"]
    assert [octets[start:end] for start, end in inner["y"]] == [b"a\\/b", b"QUJD"]


def test_large_and_hostile_bodies_are_scanned_in_a_second() -> None:
    bodies = {
        "base64": b'{"a":"' + b"QUJD" * 2_250_000 + b'"}',
        "escaped quotes": b'{"a":"' + b'\\"' * 4_500_000 + b'"}',
        "backslashes": b'{"a":"' + b"\\\\" * 4_500_000 + b'"}',
        "escapes and one quote": b'{"a":"' + b"\\u0041" * 1_500_000 + b'\\""}',
        "spaces": b'{"a":' + b" " * 9_000_000 + b"1}",
        "digits": b'{"a":' + b"9" * 9_000_000 + b"}",
        "brackets": b"[" * 9_000_000,
        "a name": b'{"' + b"a" * 9_000_000 + b'":1}',
        "commas": b'{"a":[' + b"1," * 4_000_000 + b"1]}",
        "empty members": b'{"a":[' + b'"",' * 3_000_000 + b'""]}',
    }
    slow: dict[str, float] = {}
    for name, octets in bodies.items():
        began = time.process_time()
        with suppress(InvalidInput):
            scan(octets)
        took = time.process_time() - began
        if took > 1:  # a quarter of a second is usual for the slowest; anything quadratic takes hours
            slow[name] = took
    assert not slow


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 33, b"9" * 5_000, b"0." + b"1" * 40])
def test_a_number_that_nobody_could_mean_is_read_over(number: bytes) -> None:
    for octets in (b'{"a":' + number + b',"b":[1]}', b'{"a":[' + number + b'] , "b" : [ 1 ] }'):
        found = scan(octets)
        assert found["a"] in (HUGE, [HUGE])
        assert found["b"] == [1]


def test_a_byte_order_mark_is_skipped() -> None:
    octets = b'\xef\xbb\xbf {"a":"b"}'
    assert plain(octets, scan(octets)) == {"a": "b"}
    with mapped(octets) as view:
        assert plain(view, scan(view)) == {"a": "b"}
    with pytest.raises(InvalidInput):
        scan(b"\xef\xbb\xbf" + octets)
    with pytest.raises(InvalidInput):
        scan(b"\xef\xbb\xbf")
