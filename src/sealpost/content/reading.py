"""Reading payloads out of segment files, by any process, with few open descriptors.

For `segments.LocalSegments`. A reader needs no lock: a placement is handed out only when its bytes are durable, and
nobody writes or cuts below them. Source: design section 4, row *Content*.
"""

import os
import weakref
from collections import OrderedDict
from pathlib import Path
from uuid import UUID

from sealpost.content.frames import payload_at
from sealpost.content.placement import ContentDamaged, ContentUnavailable, Placement


class _OpenFile:
    """A descriptor that is closed with its last user, so that eviction cannot pull it from under a reading thread."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDONLY)
        self.close = weakref.finalize(self, os.close, self.fd)


class SegmentReader:
    """The segments of one folder, open for reading; at most `keep` descriptors rest in the cache."""

    def __init__(self, folder: Path, keep: int = 64) -> None:
        self._folder = folder
        self._keep = keep
        self._open: OrderedDict[UUID, _OpenFile] = OrderedDict()

    def read(self, placement: Placement) -> bytes:
        """Read and check one payload; blocks, callable from any thread.

        Raises:
            ContentDamaged: no such segment, or no undamaged frame of this length there.
            ContentUnavailable: the disk did not answer, or descriptors ran out.
        """
        try:
            found = self._segment(placement.segment)
            payload = payload_at(found.fd, placement)
        except FileNotFoundError as error:
            raise ContentDamaged(f"segment {placement.segment} is missing") from error
        except OSError as error:
            raise ContentUnavailable(f"segment {placement.segment}: {error.strerror}") from error
        if payload is None:
            raise ContentDamaged(f"segment {placement.segment} has no such frame at {placement.offset}")
        return payload

    def close(self) -> None:
        """Let go of every descriptor that no read is using."""
        self._open.clear()

    def _segment(self, segment: UUID) -> _OpenFile:
        # Two threads may both miss and open: each step is atomic, the loser's file is closed with its last reference.
        found = self._open.pop(segment, None) or _OpenFile(self._folder / f"{segment}.seg")
        self._open[segment] = found
        while len(self._open) > self._keep:
            self._open.popitem(last=False)
        return found
