"""Base64 as callers write it: white space is skipped wherever it stands, everything else is said to be wrong."""

from __future__ import annotations

import base64
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.domain.errors import InvalidInput
from sealpost.usecases.base64_text import WHITE_SPACE, decode_pieces

SPACES = st.text(alphabet=" \t\r\n", max_size=3).map(str.encode)


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    at = sorted({0, len(octets), *(place % (len(octets) + 1) for place in places)})
    return [octets[start:end] for start, end in pairwise(at)]


def read(*pieces: bytes) -> bytes:
    return b"".join(decode_pieces("f", pieces))


@given(st.binary(max_size=60), st.lists(SPACES, min_size=90, max_size=90), st.lists(st.integers(0, 300), max_size=5))
def test_white_space_is_skipped_wherever_it_stands(meant: bytes, spaces: list[bytes], places: list[int]) -> None:
    encoded = base64.b64encode(meant)
    written = b"".join(space + encoded[at : at + 1] for at, space in enumerate(spaces[: len(encoded)])) + spaces[-1]
    assert read(*cut(written, places)) == meant


@given(st.text(alphabet="QUJDAg+/=-_ \n!", max_size=24).map(str.encode), st.lists(st.integers(0, 30), max_size=3))
def test_one_content_has_one_text(written: bytes, places: list[int]) -> None:
    try:
        meant = read(*cut(written, places))
    except InvalidInput:
        return
    assert base64.b64encode(meant) == written.translate(None, WHITE_SPACE)


def test_what_encoders_write_is_taken() -> None:
    content = b"%PDF-" * 400
    assert read(base64.encodebytes(content)) == read(base64.b64encode(content) + b"\r\n") == content


WRONG = {
    b"QUJ!": "is not base64: it has the character !",
    b"QU\x00D": "is not base64: it has an octet 0x00",
    b"QU\x0bD": "is not base64: it has an octet 0x0b",
    b"QUJD-_AA": "is base64 of the URL-safe alphabet; + and / are needed in place of - and _",
    b"QU_": "is base64 of the URL-safe alphabet; + and / are needed in place of - and _",
    b"data:text/plain;base64,QUJD": "begins with data:; only what stands behind its comma is base64",
    b"\n DATA:,QUJD": "begins with data:; only what stands behind its comma is base64",
    b"QUJDR": "is base64 that is cut off: characters or padding are missing at its end",
    b"QUJDRA": "is base64 that is cut off: characters or padding are missing at its end",
    b"QQ==QUJD": "is base64 whose padding is wrong",
    b"====": "is base64 whose padding is wrong",
    b"QUJDRB==": "is base64 with stray bits behind its last octet",
}


@pytest.mark.parametrize(("written", "why"), WRONG.items(), ids=range(len(WRONG)))
def test_the_error_says_what_is_wrong(written: bytes, why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(written)
    assert refused.value.why == why


def test_nothing_goes_on_behind_the_padding() -> None:
    with pytest.raises(InvalidInput) as refused:
        read(b"QQ==", b"\n", b"QUJD")
    assert refused.value.why == "is base64 that goes on behind its padding"
