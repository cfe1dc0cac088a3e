"""The zip itself, read by others: Python's zipfile and Info-ZIP."""

import io
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealpost.seal.bundle.archive import PIECE, Archive
from tests.seal.bundle.lives import chunks
from tests.seal.bundle.tools import need, run

AT = datetime(2026, 11, 23, 10, 15, 3, tzinfo=UTC)


async def made(members: dict[str, bytes]) -> bytes:
    with tempfile.TemporaryFile() as spool:
        archive = Archive(spool, AT)
        for name, octets in members.items():
            await archive.stream(name, chunks(octets))
        out = b"".join([piece async for piece in archive.chunks()])
        assert len(out) == archive.size
        return out


async def test_what_goes_in_comes_out_plain_and_the_same_each_time(tmp_path: Path) -> None:
    members = {"mimetype": b"x", "empty": b"", "large": bytes(range(256)) * (PIECE // 100), "dir/a.txt": b"hello"}
    octets = await made(members)
    assert octets == await made(members)
    with zipfile.ZipFile(io.BytesIO(octets)) as found:
        assert {one.filename: found.read(one) for one in found.infolist()} == members
        for one in found.infolist():
            plain = (one.compress_type, one.flag_bits, one.extra, one.comment, one.date_time)
            assert plain == (0, 0, b"", b"", (2026, 11, 23, 10, 15, 2))
    need("unzip")
    (tmp_path / "a.zip").write_bytes(octets)
    assert "No errors detected" in run("unzip", "-t", tmp_path / "a.zip")


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text("abc/.-_", min_size=1, max_size=9), st.binary(max_size=40_000), max_size=6))
async def test_any_members(members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(await made(members))) as found:
        assert {one.filename: found.read(one) for one in found.infolist()} == members


@pytest.mark.parametrize("name", ["twice", "é"])
def test_a_name_twice_or_not_ascii_is_refused(name: str) -> None:
    with tempfile.TemporaryFile() as spool:
        archive = Archive(spool, AT)
        archive.add("twice", b"1")
        with pytest.raises(ValueError, match="cannot be a member's name"):
            archive.add(name, b"2")
