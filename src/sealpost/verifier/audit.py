"""A whole log recomputed from a copy of its folder (C2SP tlog-tiles): root over all entries, tiles, earlier states.

For ``--log`` and for auditors. Streaming: a tile of 256 entries at a time, so memory does not grow with the log. Rolled
back and forked logs are found, because every state that was ever shown must be the beginning of this one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from sealpost.domain.merkle import HASH, Peaks
from sealpost.domain.note import LONGEST, NoNote
from sealpost.verifier.case import Case
from sealpost.verifier.notes import Signed, Unable, read_signed, wrong_algorithm
from sealpost.verifier.report import Said, Unusable
from sealpost.verifier.tables import RULES

WIDTH, ENTRY = 256, 34  # hashes of a tile; octets of an entry: its length (32) in two, then itself
_LENGTHS = (b"\0" * WIDTH, b" " * WIDTH)  # of WIDTH entries: first and second octets of the number 32


class BadLog(ValueError):
    """A copy that is not a log, or does not fit itself; `tile` names the file that does not fit, or is empty."""

    def __init__(self, why: str, tile: str = "") -> None:
        super().__init__(why)
        self.tile = tile


@dataclass(frozen=True, slots=True)
class Audited:
    """What a log's entries give.

    Args:
        size: entries.
        root: over all of them.
        roots: by size, for the sizes that were asked for.
        leaves: leaf hashes by index, for the places that were asked for.
    """

    size: int
    root: bytes
    roots: dict[int, bytes]
    leaves: dict[int, bytes]


def audit_log(folder: Path, size: int, *, sizes: Collection[int] = (), indices: Collection[int] = ()) -> Audited:
    """Recomputes a log.

    Args:
        folder: of the log: ``tile/entries/…``, ``tile/0/…``.
        size: entries that its checkpoint states.
        sizes: of earlier states whose roots are wanted, at most `size`.
        indices: of entries whose leaf hashes are wanted.

    Raises:
        BadLog: entries are missing or malformed, or a tile does not fit them.
        OSError: a file cannot be read.
    """
    tree = _Tree(folder)
    wanted, places = sorted({one for one in sizes if one <= size}), sorted({one for one in indices if one < size})
    roots, leaves = dict[int, bytes](), dict[int, bytes]()
    for begin in range(0, size, WIDTH):
        hashes = _leaves(_entries(folder, begin // WIDTH, min(WIDTH, size - begin)))
        while places and places[0] < begin + WIDTH:
            leaves[places[0]] = hashes[places[0] - begin]
            places.pop(0)
        while wanted and wanted[0] < begin + WIDTH and wanted[0] < size:
            roots[wanted[0]] = tree.root(hashes[: wanted[0] - begin])
            wanted.pop(0)
        tree.append(hashes)
    root = tree.finish()
    roots |= dict.fromkeys((one for one in wanted if one == size), root)
    return Audited(size, root, roots, leaves)


@dataclass(slots=True)
class _Tree:
    """The tree so far: its whole tiles of entries by their peaks, and the hashes of unfinished tiles of each level."""

    folder: Path
    peaks: Peaks = field(default_factory=Peaks)  # over roots of whole level-0 tiles
    rest: list[bytes] = field(default_factory=list[bytes])  # leaf hashes of the last, partial tile
    levels: list[list[bytes]] = field(default_factory=list[list[bytes]])
    counts: list[int] = field(default_factory=list[int])

    def append(self, hashes: list[bytes]) -> None:
        """Takes a tile of leaf hashes, whole but for the last one."""
        if len(hashes) < WIDTH:
            self.rest = hashes
            return
        above = _top(hashes)
        self._add(0, hashes)
        self.peaks.append(above)
        self._promote(1, above)

    def _promote(self, level: int, hashed: bytes) -> None:
        while True:
            if len(self.levels) < level:
                self.levels.append([])
            row = self.levels[level - 1]
            row.append(hashed)
            if len(row) < WIDTH:
                return
            hashed = _top(row)
            self._add(level, row)
            self.levels[level - 1] = []
            level += 1

    def _add(self, level: int, hashes: list[bytes]) -> None:
        """Holds a whole or partial tile of the copy against what was computed."""
        while len(self.counts) <= level:
            self.counts.append(0)
        number, self.counts[level] = self.counts[level], self.counts[level] + 1
        name = _tile_name(str(level), number, len(hashes))
        octets = _found(self.folder, name)
        if octets is None and len(hashes) < WIDTH:
            octets = _found(self.folder, _tile_name(str(level), number, WIDTH))  # partial tiles may be pruned
        if octets is None or octets[: len(hashes) * HASH] != b"".join(hashes):
            raise BadLog("a tile does not fit the entries", name)

    def root(self, more: list[bytes]) -> bytes:
        """The root with further leaf hashes, fewer than a tile."""
        tail = Peaks()
        tail.extend(more)
        whole = Peaks(self.peaks.size * WIDTH, self.peaks.peaks) if self.peaks.size else Peaks()
        return Peaks(whole.size + tail.size, [*whole.peaks, *tail.peaks]).root()

    def finish(self) -> bytes:
        """The root of all, after the last partial tiles were compared."""
        for level, row in enumerate([self.rest, *self.levels]):
            if row:
                self._add(level, row)
        return self.root(self.rest)


def _tile_name(level: str, number: int, width: int) -> str:
    """``tile/<L>/<N>[.p/<W>]``, the number in groups of three digits, all but the last with an ``x`` before."""
    digits = f"{number:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    place = "/".join([*(f"x{one}" for one in groups[:-1]), groups[-1]])
    return f"tile/{level}/{place}" + (f".p/{width}" if width < WIDTH else "")


def _entries(folder: Path, number: int, width: int) -> bytes:
    """The octets of a bundle of entries, each 32 octets long by its own word."""
    octets = _found(folder, _tile_name("entries", number, width))
    if octets is None and width < WIDTH:
        octets = _found(folder, _tile_name("entries", number, WIDTH))
    if octets is None:
        raise BadLog("entries are missing", _tile_name("entries", number, width))
    octets = octets[: width * ENTRY]
    first, second = _LENGTHS
    if len(octets) != width * ENTRY or octets[::ENTRY] != first[:width] or octets[1::ENTRY] != second[:width]:
        raise BadLog("entries are malformed", _tile_name("entries", number, width))
    return octets


def _found(folder: Path, name: str) -> bytes | None:
    """A tile's octets, or None where there is none; by plain strings, because a path object costs as much as the file."""
    try:
        with open(f"{folder}/{name}", "rb", buffering=0) as file:  # noqa: PTH123 - see above
            return file.read(WIDTH * ENTRY + 1)
    except FileNotFoundError:
        return None


def _read(path: Path, most: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return file.read(most + 1)


def _leaves(octets: bytes) -> list[bytes]:
    return [sha256(b"\0" + octets[at : at + HASH]).digest() for at in range(2, len(octets), ENTRY)]


def _top(hashes: list[bytes]) -> bytes:
    """The root of a whole tile, level by level."""
    while len(hashes) > 1:
        joined = b"".join(hashes)
        hashes = [sha256(b"\1" + joined[at : at + 2 * HASH]).digest() for at in range(0, len(joined), 2 * HASH)]
    return hashes[0]


def check(case: Case, folder: Path, receipts: list[Signed]) -> None:
    """Says audit: the copy against itself, its signature, every state shown, every record of the bundle."""
    with case.findings.about("audit", folder.name):
        signed = _checkpoint(folder)
        log, size = signed.checkpoint.origin, signed.checkpoint.size
        states = [one.checkpoint for one in [*case.signed.values(), *receipts] if one.checkpoint.origin == log]
        places = {one.place[1]: one for one in case.records.values() if one.place and one.place[0] == log}
        larger = max((one.size for one in states), default=0)
        if larger > size:
            raise Said("audit.rollback", log=log, size=size, other=larger)
        try:
            found = audit_log(folder, size, sizes={one.size for one in states}, indices=places)
        except BadLog as error:
            code = "audit.tile" if error.tile else "audit.malformed"
            raise Said(code, member=error.tile, reason=str(error), log=log) from error
        if found.root != signed.checkpoint.root:
            raise Said("audit.root", log=log)
        for one in states:
            if found.roots[one.size] != one.root:
                raise Said("audit.fork", log=log, size=one.size)
        for index, record in places.items():
            if found.leaves[index] != case.leaves.get(record.seq):
                raise Said("audit.entry", record=record.seq, index=index, log=log)
        _say(case, folder, signed, bool(states))


def _say(case: Case, folder: Path, signed: Signed, has_states: bool) -> None:
    log, size = signed.checkpoint.origin, signed.checkpoint.size
    trust = case.judged_by
    keys = [one for one in (trust.policy.logs if trust else ()) if one.name == log]
    try:
        wrong = wrong_algorithm(signed, keys, RULES["suites"][0]["log"], alone=False) if keys else None
    except Unable as error:
        raise Said("audit.trust", log=log, size=size) from error
    if wrong is not None or (case.trust and not keys):
        raise Said(
            "audit.signature",
            log=log,
            reason="a line of the log that is wrong or missing" if wrong else "an unknown log",
        )
    if not has_states:
        raise Said("audit.other", log=log)
    case.findings.say("audit.ok" if case.trust else "audit.trust", folder.name, log=log, size=size)


def _checkpoint(folder: Path) -> Signed:
    try:
        return read_signed(_read(folder / "checkpoint", LONGEST))
    except OSError as error:
        raise Unusable("{path} holds no checkpoint of a log", path=folder) from error
    except NoNote as error:
        raise Said("audit.malformed", reason=str(error)) from error
