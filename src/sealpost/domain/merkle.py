"""The Merkle tree of the log: hashes, roots and proofs (RFC 6962, section 2.1; verification as RFC 9162 writes it down).

For the log's writer and for the verifier. Strict where vectors and practice found loose readers: a hash is 32 octets,
nothing is consistent with an empty tree, and a proof has exactly the hashes that its place asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH = 32
EMPTY = sha256().digest()
"""The root of a tree without leaves."""

Node = Callable[[int, int], bytes]
"""The hash of a whole subtree by level (0: leaves) and place in that level: of leaves place·2^level and on."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry as a leaf."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\1" + left + right).digest()


class Peaks:
    """A tree that grows: the roots of its whole subtrees, largest first, which are all that its root needs."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Takes up a tree of ``size`` leaves whose peaks are given, one for each 1 in the size's binary form.

        Raises:
            ValueError: another number of peaks, or one that is no hash.
        """
        if size < 0 or size.bit_count() != len(peaks) or any(len(peak) != HASH for peak in peaks):
            raise ValueError("not the peaks of a tree of this size")
        self.size = size
        self.peaks = list(peaks)

    def append(self, leaf: bytes) -> None:
        """Adds a leaf's hash."""
        self.peaks.append(leaf)
        self.size += 1
        for _ in range((self.size & -self.size).bit_length() - 1):
            right = self.peaks.pop()
            self.peaks[-1] = node_hash(self.peaks[-1], right)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Adds the hashes of leaves, in their order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """The root hash of the tree as it is now."""
        if not self.peaks:
            return EMPTY
        found = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            found = node_hash(peak, found)
        return found


def peaks_of(size: int, node: Node) -> Peaks:
    """The peaks of a tree whose whole subtrees are known.

    Args:
        size: leaves.
        node: gives the hashes of whole subtrees.
    """
    begin, found = 0, list[bytes]()
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            found.append(node(level, begin >> level))
            begin += 1 << level
    return Peaks(size, found)


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """The audit path of a leaf (RFC 6962, section 2.1.1), nearest hash first.

    Args:
        index: of the leaf, from 0.
        size: leaves of the tree.
        node: gives the hashes of whole subtrees.

    Raises:
        ValueError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError("the tree has no such leaf")
    begin, end, path = 0, size, list[bytes]()
    while end - begin > 1:
        middle = begin + _left(end - begin)
        if index < middle:
            path.append(_hash_of(middle, end, node))
            end = middle
        else:
            path.append(_hash_of(begin, middle, node))
            begin = middle
    return path[::-1]


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """That a tree is the beginning of a larger one (RFC 6962, section 2.1.2).

    Args:
        old: leaves of the smaller tree, at least 1.
        new: leaves of the larger one; of the same size the proof is empty.
        node: gives the hashes of whole subtrees.

    Raises:
        ValueError: sizes that cannot be.
    """
    if not 1 <= old <= new:
        raise ValueError("no tree is consistent with these sizes")
    begin, end, whole, path = 0, new, True, list[bytes]()
    while old != end:
        middle = begin + _left(end - begin)
        if old <= middle:
            path.append(_hash_of(middle, end, node))
            end = middle
        else:
            path.append(_hash_of(begin, middle, node))
            begin, whole = middle, False
    if not whole:
        path.append(_hash_of(begin, end, node))
    return path[::-1]


def _left(size: int) -> int:
    """The largest power of two that is smaller than ``size``: the left subtree's leaves."""
    return 1 << (size - 1).bit_length() - 1


def _hash_of(begin: int, end: int, node: Node) -> bytes:
    size = end - begin
    if size & size - 1 == 0:
        level = size.bit_length() - 1
        return node(level, begin >> level)
    middle = begin + _left(size)
    return node_hash(_hash_of(begin, middle, node), _hash_of(middle, end, node))


def includes(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a leaf stands at a place of the tree with this root (RFC 9162, section 2.1.3.2).

    Args:
        index: of the leaf, from 0.
        size: leaves of the tree.
        leaf: the leaf's hash.
        proof: its audit path.
        root: the tree's root hash.
    """
    if not 0 <= index < size or not _are_hashes([leaf, root, *proof]):
        return False
    place, last, found = index, size - 1, leaf
    for hashed in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(hashed, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, hashed)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the smaller tree is the beginning of the larger one (RFC 9162, section 2.1.4.2).

    Args:
        old: leaves of the smaller tree; nothing is proven from an empty one.
        new: leaves of the larger one.
        old_root: root hash of the smaller one.
        new_root: root hash of the larger one.
        proof: the consistency proof.
    """
    if not 1 <= old <= new or not _are_hashes([old_root, new_root, *proof]):
        return False
    if old == new:
        return not proof and old_root == new_root
    # An old tree that is one whole subtree is not repeated in its proof.
    path = list(proof) if old & old - 1 else [old_root, *proof]
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    return bool(path) and _walk(path, place, last) == (old_root, new_root)


def _walk(path: Sequence[bytes], place: int, last: int) -> tuple[bytes, bytes] | None:
    """The two roots that a consistency proof leads to, or None where it is too short or too long."""
    old = new = path[0]
    for hashed in path[1:]:
        if last == 0:
            return None
        if place & 1 or place == last:
            old, new = node_hash(hashed, old), node_hash(hashed, new)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, hashed)
        place, last = place >> 1, last >> 1
    return (old, new) if last == 0 else None


def _are_hashes(found: Iterable[bytes]) -> bool:
    return all(len(one) == HASH for one in found)
