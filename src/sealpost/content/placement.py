"""What every content store promises, whether local segments or, later, an object store.

For the use cases, which keep a Placement in a row and never see a file. Source: design D5 and section 4, *Content*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one stored ciphertext lies: `length` bytes at byte `offset` of a segment, the frame around it excluded."""

    segment: UUID
    offset: int
    length: int


class ContentUnavailable(Exception):
    """Storage cannot take or give content now (disk full, I/O error); the same call may succeed later."""


class ContentDamaged(Exception):
    """Stored bytes are not what was stored; nothing of them is handed out."""


class Spooled(Protocol):
    """Ciphertext of known length in an unnamed temporary file, which its owner closes whenever it likes."""

    @property
    def size(self) -> int:
        """Bytes in the file, from its start."""
        ...

    def fileno(self) -> int:
        """Give the descriptor, open for reading."""
        ...


Blob = bytes | Spooled


class ContentStore(Protocol):
    """Append-only storage of ciphertext."""

    async def append(self, blob: Blob) -> Placement:
        """Store one ciphertext; return only when it is durable.

        Args:
            blob: ciphertext, 0 to 2**30 bytes.

        Returns:
            Where it lies.

        Raises:
            ContentUnavailable: nothing was promised; bytes that may have reached the disk are garbage.
            ValueError: the blob is too large.
        """
        ...

    async def append_all(self, blobs: Sequence[Blob]) -> list[Placement]:
        """Store several ciphertexts with one wait; placements in the order given, all of them or an exception."""
        ...

    async def read(self, placement: Placement) -> bytes:
        """Give back exactly what was stored.

        Args:
            placement: as returned by an append.

        Returns:
            The ciphertext, `placement.length` bytes.

        Raises:
            ContentDamaged: no such segment, or no undamaged frame of this length at this place.
            ContentUnavailable: the disk did not answer.
        """
        ...

    async def close(self) -> None:
        """Finish what waits, then release every file and lock."""
        ...
