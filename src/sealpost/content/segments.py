"""Content on the local disk: append-only segments with group commit.

For the use cases, through `placement.ContentStore`. While one group of appends is being made durable the next gathers,
so many callers share one fdatasync. A thread of its own writes, and takes the next group without asking the event loop,
which meanwhile seals and parses for other callers. Source: design D5 and section 4, row *Content*.
"""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import structlog

from sealpost.content.frames import Frame, frame_of
from sealpost.content.placement import Blob, ContentDamaged, ContentUnavailable, Placement
from sealpost.content.reading import SegmentReader
from sealpost.content.segment_file import SegmentFile, sync_folder

_GROUP_BYTES = 64 << 20  # from here a group takes no further caller
_INLINE_READ = 256 << 10

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Waiting:
    frames: list[Frame]
    size: int
    placed: asyncio.Future[list[Placement]]

    def release(self) -> None:
        for frame in self.frames:
            frame.release()


class LocalSegments:
    """A folder of segments, of which this process owns the open one; a `placement.ContentStore`."""

    def __init__(
        self, folder: Path, committed_end: Callable[[UUID], Awaitable[int]], max_segment: int = 1 << 30
    ) -> None:
        """Remember where; nothing is touched before `open`.

        Args:
            folder: made with mode 0700 if missing; one file system.
            committed_end: for a segment, the highest offset + length in bytes that a committed row names; 0 if none.
            max_segment: bytes from which a segment takes no further group.
        """
        self._folder = folder
        self._committed_end = committed_end
        self._max_segment = max_segment
        self._reader = SegmentReader(folder)
        self._segment: SegmentFile | None = None
        self._abandoned: list[SegmentFile] = []
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()  # None: nothing will follow
        self._writing: threading.Thread | None = None

    async def open(self) -> None:
        """Adopt a segment that a dead process left, else make one.

        On a full disk the store opens all the same: reads work, appends raise until there is room.

        Raises:
            OSError: the folder cannot be made or listed.
            Exception: whatever `committed_end` raises.
        """
        for path in await asyncio.to_thread(_prepare, self._folder):
            if await self._adopt(path):
                break
        else:
            try:
                self._segment = await asyncio.to_thread(SegmentFile.create, self._folder)
            except OSError as error:
                _log.warning("no content segment yet", errno=error.errno)
        # A daemon: dying with the process in the middle of a write is a crash, which recovery is made for.
        loop = asyncio.get_running_loop()
        self._writing = threading.Thread(target=self._commit_groups, args=(loop,), name="content", daemon=True)
        self._writing.start()

    async def append(self, blob: Blob) -> Placement:
        """Store one ciphertext; see `placement.ContentStore.append`."""
        return (await self.append_all((blob,)))[0]

    async def append_all(self, blobs: Sequence[Blob]) -> list[Placement]:
        """Store several ciphertexts in one group; see `placement.ContentStore.append_all`."""
        if self._writing is None:
            raise ContentUnavailable("the content store is not open")
        if not blobs:
            return []
        frames = _frames_of(blobs)
        placed: asyncio.Future[list[Placement]] = asyncio.get_running_loop().create_future()
        self._queue.put(_Waiting(frames, sum(frame.size for frame in frames), placed))
        return await placed

    async def read(self, placement: Placement) -> bytes:
        """Give back one ciphertext from any segment of the folder; see `placement.ContentStore.read`."""
        if placement.length <= _INLINE_READ:
            return self._reader.read(placement)
        return await asyncio.to_thread(self._reader.read, placement)

    async def close(self) -> None:
        """Finish what waits, then release every file and lock; harmless when repeated."""
        self._reader.close()
        writing, self._writing = self._writing, None
        if writing is None:
            return
        self._queue.put(None)
        await asyncio.to_thread(writing.join)
        for segment in (*self._abandoned, *filter(None, [self._segment])):
            segment.close()
        self._segment = None

    async def _adopt(self, path: Path) -> bool:
        claimed = await asyncio.to_thread(_claimed, path, self._max_segment)
        if claimed is None:
            return False
        try:
            committed_end = await self._committed_end(claimed.segment)
            if await asyncio.to_thread(_recovered, claimed, committed_end):
                self._segment = claimed
        finally:
            if self._segment is not claimed:
                claimed.close()
        return self._segment is claimed

    def _commit_groups(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve the queue until it ends; the writing thread, which alone uses `_segment` between open and close."""
        while self._commit_group(loop):
            pass

    def _commit_group(self, loop: asyncio.AbstractEventLoop) -> bool:
        first = self._queue.get()
        if first is None:
            return False
        taken = self._take_group(first)
        group = [waiting for waiting in taken if not waiting.placed.done()]  # the rest was cancelled meanwhile
        try:
            placements = self._commit([frame for waiting in group for frame in waiting.frames])
        except Exception as error:  # noqa: BLE001 - whatever it was, its callers must hear and the next be served
            loop.call_soon_threadsafe(_refuse, group, error)
        else:
            loop.call_soon_threadsafe(_answer, group, placements)
        for waiting in taken:
            waiting.release()
        return True

    def _take_group(self, first: _Waiting) -> list[_Waiting]:
        group, size, waiting = [first], first.size, first
        while size < _GROUP_BYTES and not self._queue.empty() and (waiting := self._queue.get()) is not None:
            group.append(waiting)
            size += waiting.size
        if waiting is None:
            self._queue.put(None)  # for the next round: it ends the thread
        return group

    def _commit(self, frames: list[Frame]) -> list[Placement]:
        if not frames:
            return []
        segment = self._segment = self._writable()
        try:
            return segment.append(frames)
        finally:
            if not segment.usable:
                self._abandoned.append(segment)
                self._segment = None

    def _writable(self) -> SegmentFile:
        if self._segment is not None:
            if self._segment.end < self._max_segment:
                return self._segment
            self._segment.close()
            self._segment = None
        return SegmentFile.create(self._folder)


def _prepare(folder: Path) -> list[Path]:
    """Make the folder, and list what may be segments."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    sync_folder(folder.parent)
    return sorted(path for path in folder.glob("*.seg") if _is_name(path.stem))


def _is_name(stem: str) -> bool:
    try:
        return str(UUID(stem)) == stem
    except ValueError:
        return False


def _claimed(path: Path, max_segment: int) -> SegmentFile | None:
    try:
        return SegmentFile.claim(path, max_segment)
    except OSError as error:
        _log.warning("content segment not adopted", segment=path.stem, errno=error.errno)
        return None


def _recovered(claimed: SegmentFile, committed_end: int) -> bool:
    try:
        claimed.recover(committed_end)
    except ContentDamaged:
        _log.exception("damaged content segment, not adopted", segment=str(claimed.segment))
        return False
    except OSError as error:
        _log.warning("content segment not adopted", segment=str(claimed.segment), errno=error.errno)
        return False
    return True


def _frames_of(blobs: Sequence[Blob]) -> list[Frame]:
    frames: list[Frame] = []
    try:
        frames.extend(map(frame_of, blobs))
    except Exception as error:
        for frame in frames:
            frame.release()
        if isinstance(error, OSError):
            raise ContentUnavailable(str(error.strerror)) from error
        raise
    return frames


def _answer(group: list[_Waiting], placements: list[Placement]) -> None:
    start = 0
    for waiting in group:
        end = start + len(waiting.frames)
        if not waiting.placed.done():
            waiting.placed.set_result(placements[start:end])
        start = end


def _refuse(group: list[_Waiting], error: BaseException) -> None:
    _log.error(
        "content not stored", waiting=len(group), error=type(error).__name__, errno=getattr(error, "errno", None)
    )
    for waiting in group:
        if not waiting.placed.done():
            refusal = ContentUnavailable("content cannot be stored now")
            refusal.__cause__ = error
            waiting.placed.set_exception(refusal)
