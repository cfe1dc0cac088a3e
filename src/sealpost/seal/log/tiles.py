"""A log's tree in tiles (C2SP tlog-tiles): their paths, what a tree that grows adds, and the hashes that proofs need.

For the log's writer and for proofs. A full tile has 256 hashes of one level; tile level L has the tree's level 8·L. The
entries stand in tiles of their own, each entry with its length before it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sealpost.domain.merkle import HASH, Node, leaf_hash, node_hash

WIDTH, LEVELS = 256, 8
"""Hashes of a full tile, and the tree's levels from one tile level to the next."""
ENTRIES = -1
"""The tile level of the entries."""
ENTRY = struct.pack(">H", HASH)
MOST_LEVEL = 7  # 8 tile levels have more leaves than there are numbers for
_PATH = re.compile(r"tile/(entries|[0-7])((?:/x[0-9]{3}){0,6}/[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tile:
    """Which tile: level, place in the level, and how many of its 256 hashes there are."""

    level: int
    number: int
    width: int = WIDTH

    @property
    def item(self) -> int:
        """Octets of one of its hashes, or of an entry with its length."""
        return HASH + len(ENTRY) if self.level == ENTRIES else HASH

    @property
    def path(self) -> str:
        """Below the log's prefix, as C2SP writes it: ``tile/0/x001/067``, ``tile/entries/000.p/17``."""
        digits = f"{self.number:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return "/".join(["tile", level, *(f"x{one}" for one in groups[:-1]), groups[-1]]) + partial


ReadTile = Callable[[Tile], bytes]
"""Gives the octets of a tile, in its exact width."""


def read_path(path: str) -> Tile | None:
    """The tile that a path names, or None: other paths, and other ways of writing one, name none."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    level = ENTRIES if match[1] == "entries" else int(match[1])
    tile = Tile(level, int(match[2].replace("/", "").replace("x", "")), int(match[3] or WIDTH))
    return tile if tile.path == path and tile.width <= WIDTH else None


def grown(old: int, entries: Sequence[bytes], read: ReadTile) -> Iterator[tuple[Tile, bytes]]:
    """The tiles that a tree gets when entries are added: full ones, and one partial at each level that changed.

    Args:
        old: leaves before.
        entries: 32 octets each, in their order.
        read: gives the partial tiles of the old tree.
    """
    new = old + len(entries)
    yield from _level(ENTRIES, old, [ENTRY + entry for entry in entries], read, [])
    items, level = [leaf_hash(entry) for entry in entries], 0
    while old != new:
        above = list[bytes]()
        yield from _level(level, old, items, read, above)
        items, level, old, new = above, level + 1, old // WIDTH, new // WIDTH


def _level(
    level: int, old: int, items: Sequence[bytes], read: ReadTile, above: list[bytes]
) -> Iterator[tuple[Tile, bytes]]:
    """The tiles of one level; the roots of its full ones go to ``above``."""
    number, width = divmod(old, WIDTH)
    octets = bytearray(read(Tile(level, number, width)) if width else b"")
    for item in items:
        octets += item
        width += 1
        if width == WIDTH:
            yield Tile(level, number), bytes(octets)
            if level != ENTRIES:
                above.append(subtree(octets, 0, LEVELS))
            number, width = number + 1, 0
            octets.clear()
    if width:
        yield Tile(level, number, width), bytes(octets)


def subtree(octets: bytes | bytearray, begin: int, levels: int) -> bytes:
    """The root of 2^levels hashes of a tile.

    Args:
        octets: of the tile.
        begin: the first of them.
        levels: 0 to 8.
    """
    row = [bytes(octets[at * HASH : (at + 1) * HASH]) for at in range(begin, begin + (1 << levels))]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def nodes(size: int, read: ReadTile) -> Node:
    """The hashes of a tree's whole subtrees, from its tiles.

    Args:
        size: leaves of the tree.
        read: gives its tiles.
    """

    def node(level: int, place: int) -> bytes:
        tile_level, levels = divmod(level, LEVELS)
        begin = place << levels
        number, at = divmod(begin, WIDTH)
        width = min(WIDTH, (size >> tile_level * LEVELS) - number * WIDTH)
        return subtree(read(Tile(tile_level, number, width)), at, levels)

    return node
