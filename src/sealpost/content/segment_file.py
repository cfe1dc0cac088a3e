"""One locked segment file that this process appends to: creation, recovery of its tail, durable appends, abandonment.

For `segments.LocalSegments`, which calls it from one thread at a time; everything here blocks. Source: design section 4,
row *Content*; the fault list of the reliability reference, row *Disk full / EIO*.
"""

import fcntl
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import structlog

from sealpost.content.frames import (
    FILE_HEADER,
    FRAME_HEADER,
    FRAME_TRAILER,
    Frame,
    batches,
    file_header,
    whole_frames_end,
)
from sealpost.content.placement import ContentDamaged, Placement

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def _flush(fd: int) -> None:
    """Onto the disk, not only into its cache: on macOS that is a request of its own (fcntl(2), F_FULLFSYNC)."""
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(fd)


class SegmentFile:
    """A segment whose lock we hold.

    Attributes:
        segment: the name.
        end: bytes known durable; the next frame starts here.
        usable: false after a failure that leaves the file's state unknown; never true again.
    """

    def __init__(self, fd: int, path: Path) -> None:
        self.segment = UUID(path.stem)
        self.end = FILE_HEADER
        self.usable = True
        self._fd = fd
        self._path = path

    @classmethod
    def create(cls, folder: Path) -> "SegmentFile":
        """Make an empty segment; its name and header are durable when this returns.

        A crash within leaves an empty or headed file without content, which the next process adopts.

        Raises:
            OSError: nothing usable was made.
        """
        path = folder / f"{uuid4()}.seg"
        made = cls(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600), path)
        try:
            # Another process may have found the new file first and adopted it: then this raises and it is theirs.
            fcntl.flock(made._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            made.close()
            raise
        try:
            made._write_header()
        except OSError:
            made.abandon()
            made.close()
            raise
        return made

    @classmethod
    def claim(cls, path: Path, max_segment: int) -> "SegmentFile | None":
        """Lock an existing segment; None if it is full, owned, given up or not a segment.

        Raises:
            OSError: the file cannot be opened.
        """
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if isinstance(error, BlockingIOError):
                return None
            raise
        state = os.fstat(fd)
        # Unlinked between our open and our lock: what we wrote there could never be found again.
        if state.st_nlink and state.st_mode & stat.S_IWUSR and state.st_size < max_segment:
            return cls(fd, path)
        os.close(fd)
        return None

    def recover(self, committed_end: int) -> None:
        """Cut the torn tail that a dead owner left, so that the next frame follows a whole one.

        Rows are committed only after fdatasync, so only an incomplete frame can be torn. A complete one is kept even if
        no row names it yet: its transaction may still be committing in PostgreSQL, whose client died with the owner.

        Args:
            committed_end: highest offset + length in bytes that a committed row names; 0 if there is none.

        Raises:
            ContentDamaged: bytes that a row names, or the header before them, are gone.
            OSError: the disk did not answer, or did not store the cut.
        """
        size = os.fstat(self._fd).st_size
        start = committed_end + FRAME_TRAILER if committed_end else FILE_HEADER
        if committed_end and size < start:
            raise ContentDamaged(f"segment {self.segment} has {size} bytes, committed rows need {start}")
        if os.pread(self._fd, FILE_HEADER, 0) != file_header(self.segment):
            if committed_end or size > FILE_HEADER:
                raise ContentDamaged(f"segment {self.segment} has a damaged header")
            # Its creator died before the header was durable, so before any placement was handed out.
            os.ftruncate(self._fd, 0)
            self._write_header()
            return
        # The creator may have died between making the name and making it durable; appends must not rest on that.
        sync_folder(self._path.parent)
        self.end = whole_frames_end(self._fd, start, size)
        if self.end < size:
            self._cut(size)

    def append(self, frames: Sequence[Frame]) -> list[Placement]:
        """Write frames and make them durable with one fdatasync.

        A crash before the fdatasync returns leaves any part of the frames: torn ones are cut by the next owner, whole
        ones are garbage that no row names.

        Raises:
            OSError: nothing was promised. Still `usable` if the file could be put back to its last durable length.
        """
        try:
            for batch in batches(frames):
                _write_all(self._fd, batch)
        except BaseException:  # also out of memory: what follows must start at `end`, whatever happened
            self._take_back()
            raise
        try:
            _flush(self._fd)
        except OSError:
            # The kernel may have dropped the pages and marked them clean: a second fdatasync would lie.
            self.abandon()
            raise
        return self._place(frames)

    def abandon(self) -> None:
        """Never write here again, nor let another process do so while this machine's page cache may be lying.

        The lock is kept until `close`; the missing write permission is the mark that outlives it. A segment that never
        gave out a placement is removed instead, so that a dying disk does not eat one descriptor per attempt.
        """
        self.usable = False
        _log.error("content segment abandoned", segment=str(self.segment), durable=self.end)
        try:
            if self.end == FILE_HEADER:
                self._path.unlink()
            else:
                os.fchmod(self._fd, stat.S_IRUSR)
        except OSError as error:
            _log.warning("abandoned segment not marked", segment=str(self.segment), errno=error.errno)
            return
        if self.end == FILE_HEADER:
            self.close()

    def close(self) -> None:
        """Release the lock and the descriptor; harmless when repeated."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write_header(self) -> None:
        _write_all(self._fd, [file_header(self.segment)])
        os.fsync(self._fd)
        sync_folder(self._path.parent)

    def _cut(self, size: int) -> None:
        # A crash here leaves the tail or no tail; the next owner finds either and does the same.
        os.ftruncate(self._fd, self.end)
        os.fsync(self._fd)
        _log.warning("torn segment tail cut", segment=str(self.segment), cut=size - self.end, kept=self.end)

    def _take_back(self) -> None:
        # A crash here leaves some of the frames, as a crash in the middle of the write does.
        try:
            os.ftruncate(self._fd, self.end)
        except OSError:
            self.abandon()

    def _place(self, frames: Iterable[Frame]) -> list[Placement]:
        placements: list[Placement] = []
        for frame in frames:
            placements.append(Placement(self.segment, self.end + FRAME_HEADER, frame.length))
            self.end += frame.size
        return placements


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: they are not.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, pieces: Sequence[bytes]) -> None:
    """Write all pieces; a short write is repeated, since only the repetition tells why it was short."""
    rest = sum(map(len, pieces)) - os.writev(fd, pieces)
    if rest:
        left = memoryview(b"".join(pieces))[-rest:]
        while left:
            left = left[os.writev(fd, [left]) :]
