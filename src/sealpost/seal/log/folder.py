"""One log in a folder, laid out as C2SP tlog-tiles serves it: tiles that never change, and the newest checkpoint.

For the log's writer, and for the routes under ``/log/``. It stands outside the database, so that a database that was put
back cannot make the log forget what it signed. Everything here blocks.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from sealpost.domain.checkpoint import read_checkpoint
from sealpost.domain.merkle import HASH, consistency_proof, inclusion_proof, peaks_of
from sealpost.domain.note import NoNote, read
from sealpost.seal.log.tiles import ENTRIES, ENTRY, WIDTH, Tile, grown, nodes, subtree

CHECKPOINT = "checkpoint"
LARGEST = 200_000  # octets of a checkpoint with all its signatures


class LogDamaged(Exception):
    """The folder has not what it must have, or something else than what belongs there; the sentence says what."""


class LogFolder:
    """The tree and the newest checkpoint of one log.

    Args:
        folder: made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._full = lru_cache(maxsize=64)(self._read_full)

    def checkpoint(self) -> bytes | None:
        """The newest checkpoint, or None before the first.

        Raises:
            OSError: it cannot be read.
        """
        try:
            with (self.folder / CHECKPOINT).open("rb") as file:
                return file.read(LARGEST)
        except FileNotFoundError:
            return None

    def publish(self, checkpoint: bytes) -> None:
        """Put a checkpoint in the place of the one before. A crash leaves the old one or the new one, whole.

        One of a larger tree stays: it is another writer's, and the log must not seem shorter than what was signed.

        Raises:
            OSError: the old one may still be there.
        """
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with _locked(self.folder):
            before = self.checkpoint()
            if before is not None and _size(before) > _size(checkpoint):
                return
            draft = _draft(self.folder, checkpoint)
            draft.replace(self.folder / CHECKPOINT)
            _sync(self.folder)

    def tile(self, tile: Tile) -> bytes:
        """The octets of a tile; a part of a tile that is full, or fuller, by now is cut from that.

        Raises:
            LogDamaged: there is no such tile, or of another length.
            OSError: it cannot be read.
        """
        if tile.width == WIDTH:
            return self._full(tile)
        with suppress(FileNotFoundError):
            return _of_length((self.folder / tile.path).read_bytes(), tile)
        with suppress(LogDamaged):
            return self._full(Tile(tile.level, tile.number))[: tile.width * tile.item]
        return self._wider(tile)

    def _wider(self, tile: Tile) -> bytes:
        parts = (self.folder / tile.path).parent
        widths = sorted(int(one.name) for one in parts.iterdir() if one.name.isdigit()) if parts.is_dir() else []
        for width in widths:
            if width > tile.width:
                wider = Tile(tile.level, tile.number, width)
                return _of_length((self.folder / wider.path).read_bytes(), wider)[: tile.width * tile.item]
        raise LogDamaged(f"{tile.path} is missing")

    def _read_full(self, tile: Tile) -> bytes:
        try:
            return _of_length((self.folder / tile.path).read_bytes(), tile)
        except FileNotFoundError:
            raise LogDamaged(f"{tile.path} is missing") from None

    def grow(self, old: int, entries: Sequence[bytes]) -> None:
        """Add entries to the tree; all tiles are durable on return.

        A crash leaves some of the tiles, which the same call makes again with the same octets.

        Args:
            old: leaves before.
            entries: 32 octets each.

        Raises:
            LogDamaged: a tile stands there with other octets: two trees of one log.
            OSError: it could not be written.
        """
        full = list[Tile]()
        for tile, octets in grown(old, entries, self.tile):
            self._keep(tile, octets)
            if tile.width == WIDTH:
                full.append(tile)
        for tile in full:  # parts of what is full now are cut from it from here on
            self._remove_parts(tile)

    def _keep(self, tile: Tile, octets: bytes) -> None:
        path = self.folder / tile.path
        _make_folders(path.parent, self.folder)
        draft = _draft(path.parent, octets)
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            if path.read_bytes() != octets:
                raise LogDamaged(f"{tile.path} has other octets than the entries give") from None
        finally:
            draft.unlink()
        _sync(path.parent)

    def _remove_parts(self, tile: Tile) -> None:
        folder = (self.folder / Tile(tile.level, tile.number, 1).path).parent
        if folder.is_dir():
            for part in folder.iterdir():
                part.unlink()
            folder.rmdir()

    def root(self, size: int) -> bytes:
        """The root of the tree when it had that size.

        Raises:
            LogDamaged, OSError: tiles are missing or cannot be read.
        """
        return peaks_of(size, nodes(size, self.tile)).root()

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The audit path of an entry in the tree of a size."""
        return inclusion_proof(index, size, nodes(size, self.tile))

    def consistency(self, old: int, new: int) -> list[bytes]:
        """That the tree of a size is the beginning of a larger one."""
        return consistency_proof(old, new, nodes(new, self.tile))

    def entry(self, index: int, size: int) -> bytes:
        """The entry at a place of the tree of a size, 32 octets."""
        number, at = divmod(index, WIDTH)
        octets = self.tile(Tile(ENTRIES, number, min(WIDTH, size - number * WIDTH)))
        item = len(ENTRY) + HASH
        return octets[at * item + len(ENTRY) : (at + 1) * item]

    def check(self, size: int) -> None:
        """That each tile of the tree is there and gives the hashes above it: for restore and doctor, slow.

        Raises:
            LogDamaged: it is not.
        """
        self.root(size)
        level = 0
        while size >> level * 8:
            for number in range(size >> (level + 1) * 8):
                above = self.tile(_part(size, level + 1, number))
                at = number % WIDTH * HASH
                if subtree(self.tile(Tile(level, number)), 0, 8) != above[at : at + HASH]:
                    raise LogDamaged(f"{Tile(level, number).path} does not give the hash above it")
            level += 1


def _part(size: int, level: int, place: int) -> Tile:
    number = place // WIDTH
    return Tile(level, number, min(WIDTH, (size >> level * 8) - number * WIDTH))


def _of_length(octets: bytes, tile: Tile) -> bytes:
    if len(octets) != tile.width * tile.item:
        raise LogDamaged(f"{tile.path} has not its length")
    return octets


def _draft(folder: Path, octets: bytes) -> Path:
    """A file of another name, whole and durable; a crash leaves it behind, and nothing uses it."""
    fd, name = tempfile.mkstemp(prefix=".new-", dir=folder)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, 0o644)
        file.write(octets)
        file.flush()
        os.fsync(fd)
    return Path(name)


def _size(checkpoint: bytes) -> int:
    """Entries of its tree; 0 where it is none, which the writer finds out before it signs."""
    try:
        return read_checkpoint(read(checkpoint).text).size
    except NoNote:
        return 0


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Keeps other writers out, in this process and in others; a crash lets them in."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _make_folders(folder: Path, top: Path) -> None:
    """Folders below the log's, each durable in the one above."""
    if not folder.is_dir():
        if folder != top:
            _make_folders(folder.parent, top)
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
