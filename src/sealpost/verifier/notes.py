"""Signatures on checkpoints: of logs (0x01, 0x06) and of witnesses (0x04, 0x06), by keys that are given.

For the checks of the log, receipts and the audit. C2SP signed-note, tlog-checkpoint, tlog-cosignature. Lines by unknown
names are another's and ignored; a line by a log's own name must verify.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from sealpost.domain.checkpoint import (
    Checkpoint,
    ed25519_message,
    mldsa44_message,
    read_checkpoint,
    read_timestamped,
)
from sealpost.domain.note import ED25519, ED25519_COSIGNATURE, MLDSA44_COSIGNATURE, Note, Signature, key_id, read

ED25519_SIGNATURE, MLDSA44_SIGNATURE = 64, 2420
ALGORITHMS = {ED25519: "Ed25519", ED25519_COSIGNATURE: "Ed25519", MLDSA44_COSIGNATURE: "ML-DSA-44"}


class Key(Protocol):
    """A key of a log or a witness, as the policy has it."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> int: ...
    @property
    def key(self) -> bytes: ...


K = TypeVar("K", bound=Key)


class Unable(Exception):
    """An algorithm that this machine's library does not have; the argument is its name."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A note that is a checkpoint."""

    note: Note
    checkpoint: Checkpoint

    @property
    def name(self) -> str:
        """The last segment of the origin: 2026, or 2026-2 where that year's first log could not go on."""
        return self.checkpoint.origin.rpartition("/")[2]

    @property
    def operator(self) -> str:
        """The origin without the log's name."""
        return self.checkpoint.origin.rpartition("/")[0]


def read_signed(octets: bytes) -> Signed:
    """The checkpoint that octets are.

    Raises:
        NoNote: they are none.
    """
    note = read(octets)
    return Signed(note, read_checkpoint(note.text))


def key_of(line: Signature, keys: Iterable[K]) -> K | None:
    """The key that made a line, by name and the four octets; proves nothing."""
    return next(
        (one for one in keys if one.name == line.name and key_id(one.name, one.kind, one.key) == line.key_id), None
    )


def is_right(line: Signature, key: Key, signed: Signed) -> bool:
    """Whether a line is the key's signature over the checkpoint.

    Raises:
        Unable: the library cannot check it.
        NoNote: a cosignature without a time.
    """
    try:
        if key.kind == ED25519:
            Ed25519PublicKey.from_public_bytes(key.key).verify(line.octets, signed.note.text.encode())
        elif key.kind == ED25519_COSIGNATURE:
            at, signature = read_timestamped(line.octets, ED25519_SIGNATURE)
            Ed25519PublicKey.from_public_bytes(key.key).verify(signature, ed25519_message(signed.note.text, at))
        elif key.kind == MLDSA44_COSIGNATURE:
            at, signature = read_timestamped(line.octets, MLDSA44_SIGNATURE)
            message = mldsa44_message(key.name, signed.checkpoint, at)
            MLDSA44PublicKey.from_public_bytes(key.key).verify(signature, message)
        else:
            return False
    except UnsupportedAlgorithm as error:
        raise Unable(ALGORITHMS[key.kind]) from error
    except (InvalidSignature, ValueError):
        return False
    return True


def wrong_algorithm(signed: Signed, keys: Iterable[Key], needed: Iterable[str], *, alone: bool) -> str | None:
    """The algorithm of a log's own line that is wrong or missing, or None: all are there and right.

    Args:
        signed: the checkpoint.
        keys: of logs.
        needed: algorithms of which at least one line must be there.
        alone: whether lines by others are wrong too (the file that the time token is over has none).

    Raises:
        Unable: the library cannot check a line, and all it can check are right.
    """
    found, unable = set[str](), set[str]()
    keys = [one for one in keys if one.name == signed.checkpoint.origin]
    for line in signed.note.signatures:
        if line.name != signed.checkpoint.origin:
            if alone:
                return line.name
            continue
        key = key_of(line, keys)
        if key is None:
            return "?"
        try:
            if not is_right(line, key, signed):
                return ALGORITHMS.get(key.kind, "?")
        except Unable:
            unable.add(ALGORITHMS[key.kind])
        found.add(ALGORITHMS[key.kind])
    missing = next((one for one in needed if one not in found), None)
    if missing is None and unable:
        raise Unable(unable.pop())
    return missing
