"""A log's checkpoint, what its signatures are over, and proofs (C2SP tlog-checkpoint, tlog-cosignature, tlog-proof).

For the log's writer, its witnesses and the verifier; pure, without keys.
"""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from sealpost.domain.merkle import HASH
from sealpost.domain.note import NAME, NoNote, strict_base64

PROOF = "c2sp.org/tlog-proof@v1"
NUMBER = re.compile("0|[1-9][0-9]{0,18}")
LABEL = b"subtree/v1\n\0"
LATEST = 2**63 - 1
MOST_HASHES = 63  # the path of the largest tree there can be


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree at one size.

    Args:
        origin: names the log.
        size: leaves.
        root: its root hash, 32 octets.
    """

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text of the note, without extension lines."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def read_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that a note's text is; ours have no extension lines, so none are taken.

    Raises:
        NoNote: it is none.
    """
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise NoNote("a checkpoint has three lines")
    origin, size, root = lines[0], lines[1], strict_base64(lines[2])
    if not NAME.fullmatch(origin) or not NUMBER.fullmatch(size) or len(root) != HASH:
        raise NoNote("a checkpoint names its log, a size and a hash")
    return Checkpoint(origin, int(size), root)


def ed25519_message(text: str, timestamp: int) -> bytes:
    """What an Ed25519 cosignature is over.

    Args:
        text: of the checkpoint's note.
        timestamp: POSIX seconds.
    """
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def mldsa44_message(name: str, checkpoint: Checkpoint, timestamp: int) -> bytes:
    """What an ML-DSA-44 cosignature is over: the structure ``cosigned_message`` for a whole tree.

    Args:
        name: the cosigner's.
        checkpoint: the tree.
        timestamp: POSIX seconds, not zero: it says that no larger tree had been seen.
    """
    who, log = name.encode(), checkpoint.origin.encode()
    head = LABEL + struct.pack(">B", len(who)) + who + struct.pack(">Q", timestamp)
    return head + struct.pack(">B", len(log)) + log + struct.pack(">QQ", 0, checkpoint.size) + checkpoint.root


def timestamped(timestamp: int, signature: bytes) -> bytes:
    """A cosignature as its note line carries it."""
    return struct.pack(">Q", timestamp) + signature


def read_timestamped(octets: bytes, length: int) -> tuple[int, bytes]:
    """POSIX seconds and the signature of a cosignature.

    Args:
        octets: as the note line carries them.
        length: of the signature, in octets.

    Raises:
        NoNote: another length, no time, or one beyond 2^63 - 1.
    """
    if len(octets) != 8 + length:
        raise NoNote("a cosignature of another length")
    (timestamp,) = struct.unpack(">Q", octets[:8])
    if not 0 < timestamp <= LATEST:
        raise NoNote("a cosignature without a time")
    return timestamp, octets[8:]


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry stands in a log: its place, its audit path, and the octets of a signed checkpoint."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes


def written_proof(index: int, path: Sequence[bytes], checkpoint: bytes) -> bytes:
    """The proof as octets.

    Args:
        index: of the entry, from 0.
        path: its audit path, nearest hash first.
        checkpoint: the signed note, verbatim.
    """
    lines = [PROOF, f"index {index}", *(b64encode(one).decode() for one in path), "", ""]
    return "\n".join(lines).encode() + checkpoint


def read_proof(octets: bytes) -> Proof:
    """The proof that octets are; ours have no extra data, so none are taken.

    Raises:
        NoNote: they are none.
    """
    head, gap, checkpoint = octets.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise NoNote("not a proof") from None
    word, _, index = lines[1].partition(" ") if len(lines) > 1 else ("", "", "")
    if not gap or lines[0] != PROOF or word != "index" or not NUMBER.fullmatch(index) or len(lines) > MOST_HASHES + 2:
        raise NoNote("not a proof")
    path = tuple(strict_base64(line) for line in lines[2:])
    if any(len(one) != HASH for one in path):
        raise NoNote("a hash has 32 octets")
    return Proof(int(index), path, checkpoint)
