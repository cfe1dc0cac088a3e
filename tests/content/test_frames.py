"""Frames in real files: walks, torn tails, flipped bits."""

import os
import tempfile
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.content.frames import (
    FILE_HEADER,
    FRAME_HEADER,
    Frame,
    batches,
    file_header,
    frame_of,
    payload_at,
    whole_frames_end,
)
from sealpost.content.placement import Placement
from sealpost.content.spool import Spool

PAYLOADS = st.lists(st.binary(max_size=300), min_size=1, max_size=6)
SEGMENT = uuid4()


def written(payloads: list[bytes]) -> tuple[bytes, list[Placement]]:
    content = file_header(SEGMENT)
    placements: list[Placement] = []
    for payload in payloads:
        placements.append(Placement(SEGMENT, len(content) + FRAME_HEADER, len(payload)))
        content += b"".join(frame_of(payload).pieces())
    return content, placements


def in_file(content: bytes) -> int:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return os.dup(file.fileno())


@given(PAYLOADS)
def test_frames_are_walked_and_read(payloads: list[bytes]) -> None:
    content, placements = written(payloads)
    fd = in_file(content)
    try:
        assert whole_frames_end(fd, FILE_HEADER, len(content)) == len(content)
        assert [payload_at(fd, placement) for placement in placements] == payloads
    finally:
        os.close(fd)


@given(PAYLOADS, st.binary(max_size=60))
def test_a_torn_last_frame_is_found_at_every_byte(payloads: list[bytes], last: bytes) -> None:
    whole, _ = written(payloads)
    content, _ = written([*payloads, last])
    fd = in_file(content)
    try:
        for size in range(len(content) - 1, len(whole) - 1, -1):
            os.ftruncate(fd, size)
            assert whole_frames_end(fd, FILE_HEADER, size) == len(whole)
    finally:
        os.close(fd)


@given(PAYLOADS, st.data())
def test_a_flipped_bit_in_a_frame_ends_the_walk_and_the_read(payloads: list[bytes], draw: st.DataObject) -> None:
    content, placements = written(payloads)
    bit = draw.draw(st.integers(FILE_HEADER * 8, len(content) * 8 - 1))
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    hit = max(i for i, placement in enumerate(placements) if placement.offset - FRAME_HEADER <= bit // 8)
    fd = in_file(bytes(flipped))
    try:
        assert whole_frames_end(fd, FILE_HEADER, len(content)) == placements[hit].offset - FRAME_HEADER
        for i, placement in enumerate(placements):
            assert payload_at(fd, placement) == (None if i == hit else payloads[i])
    finally:
        os.close(fd)


@pytest.mark.parametrize("page", range(5))
def test_pages_stored_out_of_order_do_not_pass_for_a_frame(page: int) -> None:
    content, _ = written([os.urandom(4 * 4096)])
    lost = bytearray(content)
    lost[page * 4096 : (page + 1) * 4096] = bytes(len(lost[page * 4096 : (page + 1) * 4096]))
    fd = in_file(bytes(lost))
    try:
        assert whole_frames_end(fd, FILE_HEADER, len(lost)) == FILE_HEADER
    finally:
        os.close(fd)


def test_a_spooled_payload_has_the_same_frame(tmp_path: Path) -> None:
    payload = os.urandom((2 << 20) + 17)
    with Spool(tmp_path) as spool:
        spool.write(payload)
        frame = frame_of(spool)
    try:
        assert b"".join(frame.pieces()) == b"".join(frame_of(payload).pieces())
    finally:
        frame.release()


@pytest.mark.parametrize("payloads", [[], [b""], [b"x"] * 1000, [b"abc", bytes(9 << 20), b"d"]])
def test_batches_keep_every_byte_and_fit_one_writev(payloads: list[bytes]) -> None:
    frames = [frame_of(payload) for payload in payloads]
    made = list(batches(frames))
    assert b"".join(map(b"".join, made)) == b"".join(map(b"".join, map(Frame.pieces, frames)))
    assert all(len(batch) <= 1024 for batch in made)


HOSTILE = [
    (-1, 5),
    (0, 0),
    (FILE_HEADER, 5),
    (FILE_HEADER + FRAME_HEADER - 1, 5),
    (FILE_HEADER + FRAME_HEADER + 1, 4),
    (FILE_HEADER + FRAME_HEADER, 4),
    (FILE_HEADER + FRAME_HEADER, 6),
    (FILE_HEADER + FRAME_HEADER, -1),
    (FILE_HEADER + FRAME_HEADER, 1 << 62),
    (1 << 40, 5),
    ((1 << 63) - 1, 5),
]


@pytest.mark.parametrize(("offset", "length"), HOSTILE)
def test_a_wrong_place_reads_nothing(offset: int, length: int) -> None:
    content, _ = written([b"bytes"])
    fd = in_file(content)
    try:
        assert payload_at(fd, Placement(SEGMENT, FILE_HEADER + FRAME_HEADER, 5)) == b"bytes"
        assert payload_at(fd, Placement(SEGMENT, offset, length)) is None
    finally:
        os.close(fd)
