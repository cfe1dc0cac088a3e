"""The bytes of a segment file: its header, and the frames that delimit themselves.

For the segment writer, its recovery and the reader. Layout (integers big-endian):
file header = "sealseg" 0x01, segment UUID (16), CRC-32 of both; frame = "SPfr", payload length u64, CRC-32 of these
twelve bytes, payload, CRC-32 of the payload. The last CRC covers the payload because a disk may have stored the pages
of a torn frame in any order: a trailer alone would prove nothing about what stands before it.
"""

import errno
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from sealpost.content.placement import Blob, Placement

MAX_PAYLOAD = 1 << 30
FRAME_HEADER = 16
FRAME_TRAILER = 4
FILE_HEADER = 28

_FILE_MAGIC = b"sealseg\x01"
_FRAME_MAGIC = b"SPfr"
_HEAD = struct.Struct(">4sQ")
_CRC = struct.Struct(">I")
_PIECE = 1 << 20
_BATCH_BYTES = 8 << 20
_BATCH_PIECES = 1024  # IOV_MAX on Linux
# Above this the CRC is left to the writing thread, so that the event loop does not stand still for milliseconds. Below
# it the loop computes it: a thread that drops and retakes the interpreter lock per frame waits for it far longer.
_EAGER = 1 << 18


@dataclass(frozen=True, slots=True)
class Frame:
    """One payload on its way into a segment: in memory, or behind a descriptor of our own."""

    length: int
    header: bytes
    payload: bytes = b""
    trailer: bytes = b""
    spool: int = -1

    @property
    def size(self) -> int:
        """Bytes that the frame takes in the file."""
        return FRAME_HEADER + self.length + FRAME_TRAILER

    def pieces(self) -> Iterator[bytes]:
        """Give the frame's bytes in order; blocks on the spool file."""
        yield self.header
        if self.spool < 0:
            yield self.payload
            yield self.trailer or _CRC.pack(zlib.crc32(self.payload))
            return
        crc = 0
        for piece in _file_pieces(self.spool, 0, self.length):
            crc = zlib.crc32(piece, crc)
            yield piece
        yield _CRC.pack(crc)

    def release(self) -> None:
        """Close our duplicate of the spool's descriptor; to be called once, when the frame is no longer needed."""
        if self.spool >= 0:
            os.close(self.spool)


def frame_of(blob: Blob) -> Frame:
    """Frame one payload.

    A spool's descriptor is duplicated: its owner may close it when cancelled, while the writing thread still reads.

    Raises:
        ValueError: longer than MAX_PAYLOAD.
        OSError: no descriptor left.
    """
    length = len(blob) if isinstance(blob, bytes) else blob.size
    if length > MAX_PAYLOAD:
        raise ValueError(f"{length} bytes are more than one frame holds")
    header = frame_header(length)
    if isinstance(blob, bytes):
        return Frame(length, header, blob, _CRC.pack(zlib.crc32(blob)) if length <= _EAGER else b"")
    return Frame(length, header, spool=os.dup(blob.fileno()))


def batches(frames: Iterable[Frame]) -> Iterator[list[bytes]]:
    """Join the frames' pieces into lists that one `writev` can take."""
    batch: list[bytes] = []
    size = 0
    for frame in frames:
        for piece in frame.pieces():
            batch.append(piece)
            size += len(piece)
            if size >= _BATCH_BYTES or len(batch) == _BATCH_PIECES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def file_header(segment: UUID) -> bytes:
    head = _FILE_MAGIC + segment.bytes
    return head + _CRC.pack(zlib.crc32(head))


def frame_header(length: int) -> bytes:
    head = _HEAD.pack(_FRAME_MAGIC, length)
    return head + _CRC.pack(zlib.crc32(head))


def whole_frames_end(fd: int, start: int, size: int) -> int:
    """Find where the unbroken row of undamaged frames that begins at `start` ends.

    Args:
        fd: a segment file.
        start: byte offset of a frame's first byte, or of the end.
        size: length of the file in bytes.

    Returns:
        A byte offset between `start` and `size`.

    Raises:
        OSError: the disk did not answer.
    """
    while (length := _length_at(fd, start, size)) is not None:
        crc = 0
        for piece in _file_pieces(fd, start + FRAME_HEADER, length):
            crc = zlib.crc32(piece, crc)
        end = start + FRAME_HEADER + length + FRAME_TRAILER
        if os.pread(fd, FRAME_TRAILER, end - FRAME_TRAILER) != _CRC.pack(crc):
            break
        start = end
    return start


def payload_at(fd: int, placement: Placement) -> bytes | None:
    """Read one payload and check its whole frame; None if no undamaged frame of this length lies there."""
    offset, length = placement.offset, placement.length
    if offset < FILE_HEADER + FRAME_HEADER or not 0 <= length <= MAX_PAYLOAD:
        return None
    if os.pread(fd, FRAME_HEADER, offset - FRAME_HEADER) != frame_header(length):
        return None
    payload = os.pread(fd, length, offset)
    if len(payload) != length or os.pread(fd, FRAME_TRAILER, offset + length) != _CRC.pack(zlib.crc32(payload)):
        return None
    return payload


def _length_at(fd: int, start: int, size: int) -> int | None:
    head = os.pread(fd, FRAME_HEADER, start)
    if len(head) != FRAME_HEADER:
        return None
    length: int = _HEAD.unpack_from(head)[1]
    if length > MAX_PAYLOAD or head != frame_header(length):
        return None
    return length if start + FRAME_HEADER + length + FRAME_TRAILER <= size else None


def _file_pieces(fd: int, offset: int, length: int) -> Iterator[bytes]:
    end = offset + length
    while offset < end:
        piece = os.pread(fd, min(_PIECE, end - offset), offset)
        if not piece:
            raise OSError(errno.EIO, "the file is shorter than it said")
        yield piece
        offset += len(piece)
