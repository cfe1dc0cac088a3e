"""The body of ``add-checkpoint`` (C2SP tlog-witness): old size, consistency proof, checkpoint. Written and read here.

For the witness, which reads bodies of strangers, and for its client.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from sealpost.domain.checkpoint import LATEST, MOST_HASHES, NUMBER, Checkpoint, read_checkpoint
from sealpost.domain.merkle import HASH
from sealpost.domain.note import LONGEST, NoNote, Note, read, strict_base64

PATH = "add-checkpoint"
SIZE_KIND = "text/x.tlog.size"
MOST_OCTETS = LONGEST + (MOST_HASHES + 1) * 46


@dataclass(frozen=True, slots=True)
class Request:
    """What a log asks of a witness.

    Args:
        old: the size that the log thinks the witness knows.
        path: the consistency proof from there.
        note: the signed checkpoint.
        checkpoint: what the note's text says.
    """

    old: int
    path: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint


def written_request(old: int, path: Sequence[bytes], note: bytes) -> bytes:
    """The body.

    Args:
        old: size, from 0.
        path: the consistency proof, hashes of 32 octets; empty from size 0.
        note: the signed checkpoint, verbatim.
    """
    lines = [f"old {old}", *(b64encode(one).decode() for one in path), "", ""]
    return "\n".join(lines).encode() + note


def read_request(body: bytes) -> Request:
    """The request that a body is.

    Raises:
        NoNote: it is none: too long, not in the one way that it is written, or of sizes beyond 2^63 - 1.
    """
    if len(body) > MOST_OCTETS:
        raise NoNote("longer than a request may be")
    head, gap, rest = body.partition(b"\n\n")
    try:
        first, *hashes = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise NoNote("not a request") from None
    if not gap or not first.startswith("old ") or len(hashes) > MOST_HASHES:
        raise NoNote("not a request")
    path = tuple(strict_base64(line) for line in hashes)
    if any(len(one) != HASH for one in path):
        raise NoNote("a hash has 32 octets")
    note = read(rest)
    checkpoint = read_checkpoint(note.text)
    if checkpoint.size > LATEST:
        raise NoNote("a size beyond 2^63 - 1")
    return Request(read_size(first.removeprefix("old ")), path, note, checkpoint)


def read_size(text: str) -> int:
    """A size, in its one way of writing it.

    Raises:
        NoNote: it is none, or beyond 2^63 - 1.
    """
    if not NUMBER.fullmatch(text) or int(text) > LATEST:
        raise NoNote("not a size")
    return int(text)
