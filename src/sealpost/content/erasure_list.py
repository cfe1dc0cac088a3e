"""The erasure list: which messages' content was erased, in a file outside the database.

For ``usecases/erase``, which writes it before it destroys a key, and for restore, which destroys again what a backup
brings back (design, section 4, row *Erasure*). One message id a line, only ever appended; a message may stand there
more than once. Everything here blocks.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from sealpost.content.segment_file import sync_folder
from sealpost.domain.errors import SealpostError

NAME = "erasures"
_BLOCK = 64 << 10


class ErasuresDamaged(SealpostError):
    """A file is no erasure list; the sentence names the line."""


class ErasureList:
    """The list of one data folder.

    Args:
        path: the file; made when something is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, messages: Iterable[UUID]) -> None:
        """Appends ids; durable on return. A crash leaves some of them, and perhaps a torn line, which is cut here.

        Raises:
            OSError: nothing was promised; the same ids may be added again.
        """
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)  # held for one write at a time
            _cut_torn(fd)
            _write(fd, "".join(f"{one}\n" for one in messages).encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        sync_folder(self.path.parent)

    def read(self) -> list[UUID]:
        """The ids in their order; none where there is no file.

        Raises:
            ErasuresDamaged: a line that is no id.
            OSError: it cannot be read.
        """
        try:
            return read_erasures(self.path.read_bytes())
        except FileNotFoundError:
            return []


def read_erasures(octets: bytes) -> list[UUID]:
    """The ids of a list; what stands behind the last line's end is torn, and ignored.

    Raises:
        ErasuresDamaged: a line that is no id.
    """
    lines = octets.split(b"\n")[:-1]
    return [_id(line, number) for number, line in enumerate(lines, 1)]


def _id(line: bytes, number: int) -> UUID:
    try:
        found = UUID(line.decode("ascii"))
    except ValueError:
        raise ErasuresDamaged(f"line {number} of the erasure list is no message's id") from None
    if str(found).encode() != line:
        raise ErasuresDamaged(f"line {number} of the erasure list is no message's id")
    return found


def _cut_torn(fd: int) -> None:
    """Removes an unfinished last line: nothing was promised for it. A crash here leaves it for the next."""
    size = end = os.fstat(fd).st_size
    while end:
        begin = max(0, end - _BLOCK)
        if whole := os.pread(fd, end - begin, begin).rfind(b"\n") + 1:
            end = begin + whole
            break
        end = begin
    if end < size:
        os.ftruncate(fd, end)


def _write(fd: int, octets: bytes) -> None:
    left = memoryview(octets)
    while left:
        left = left[os.write(fd, left) :]
