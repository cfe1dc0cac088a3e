"""An unnamed temporary file for a body that is too large for memory.

For the faces that take uploads in, and for appends (`placement.Spooled`). The file has no name, so a crash or `kill -9`
leaves nothing behind. Source: design section 4, row *Content*.
"""

import errno
import mmap
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from sealpost.content.placement import ContentUnavailable

_NO_UNNAMED = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}


class Spool:
    """Bytes written once, in order, then mapped or appended; closed by its owner (also as a context)."""

    def __init__(self, folder: Path) -> None:
        """Open the file.

        Args:
            folder: must exist; decides the file system.

        Raises:
            ContentUnavailable: no file could be made.
        """
        self._size = 0
        try:
            self._fd = _unnamed(folder)
        except OSError as error:
            raise ContentUnavailable(f"no spool file: {error.strerror}") from error

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._size

    def fileno(self) -> int:
        """Give the descriptor; ValueError once closed."""
        if self._fd < 0:
            raise ValueError("the spool is closed")
        return self._fd

    def write(self, piece: bytes | memoryview) -> None:
        """Add bytes at the end.

        Raises:
            ContentUnavailable: the disk is full or broken; the spool is then of no further use.
        """
        left = memoryview(piece).cast("B")
        while left:
            try:
                written = os.write(self.fileno(), left)
            except OSError as error:
                raise ContentUnavailable(f"spool not written: {error.strerror}") from error
            self._size += written
            left = left[written:]

    def map(self) -> mmap.mmap:
        """Give the bytes as a read-only map, which outlives the spool and is closed by the caller.

        Raises:
            ValueError: nothing was written.
        """
        return mmap.mmap(self.fileno(), self._size, access=mmap.ACCESS_READ)

    def close(self) -> None:
        """Let the bytes go; harmless when repeated."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _unnamed(folder: Path) -> int:
    if hasattr(os, "O_TMPFILE"):  # Linux; elsewhere a name is made and taken away at once
        try:
            return os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
        except OSError as error:
            if error.errno not in _NO_UNNAMED:
                raise
    fd, name = tempfile.mkstemp(dir=folder)
    try:
        Path(name).unlink()  # a crash just before this leaves an empty file of mode 0600
    except OSError:
        os.close(fd)
        raise
    return fd
