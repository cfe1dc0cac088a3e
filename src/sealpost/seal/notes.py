"""Signs checkpoints as a log and as a witness, and checks such signatures (C2SP signed-note, tlog-cosignature).

For the log's writer, `witness` and its client. The verifier has checks of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from sealpost.domain import note as notes
from sealpost.domain.checkpoint import (
    LATEST,
    Checkpoint,
    ed25519_message,
    mldsa44_message,
    read_checkpoint,
    timestamped,
)
from sealpost.domain.note import ED25519_COSIGNATURE, MLDSA44_COSIGNATURE, NoNote, Note, Signature
from sealpost.seal.signer import ED25519, ML_DSA_44, Signer

Key = tuple[str, int, bytes]
"""Name, type of its signatures, and raw octets of a public key."""
KINDS = {ED25519: ED25519_COSIGNATURE, ML_DSA_44: MLDSA44_COSIGNATURE}
SIGNATURE_OCTETS = {ED25519_COSIGNATURE: 64, MLDSA44_COSIGNATURE: 2420}


class SignatureWrong(ValueError):
    """A line of a key that we know does not verify: the whole note is to be refused (signed-note, Signatures)."""


def log_lines(
    origin_name: str, checkpoint: Checkpoint, ed25519: Signer, mldsa44: Signer, at: datetime
) -> tuple[Signature, ...]:
    """A log's own two lines: Ed25519 over the text (type 0x01), and ML-DSA-44 with a time (type 0x06).

    Args:
        origin_name: the name in the lines, which is the log's origin.
        checkpoint: the tree.
        ed25519: the log's Ed25519 key.
        mldsa44: its ML-DSA-44 key.
        at: aware; whole seconds of it stand in the second line.

    Raises:
        ValueError: a key of another algorithm, another log's name, or a time that cannot be.
        SigningFailed: a key is out of reach.
    """
    if (ed25519.algorithm, mldsa44.algorithm) != (ED25519, ML_DSA_44) or origin_name != checkpoint.origin:
        raise ValueError("a log signs under its origin, with a key of Ed25519 and one of ML-DSA-44")
    identifier = notes.key_id(origin_name, notes.ED25519, ed25519.public_key)
    plain = Signature(origin_name, identifier, ed25519.sign(checkpoint.text.encode()))
    return plain, cosigned(checkpoint, mldsa44, origin_name, at)


def cosigned(checkpoint: Checkpoint, signer: Signer, name: str, at: datetime) -> Signature:
    """A cosignature: of type 0x04 by a key of Ed25519, of type 0x06 by one of ML-DSA-44.

    Args:
        checkpoint: the tree; its text is the whole text of the note.
        signer: the cosigner's key.
        name: the cosigner's.
        at: aware, after 1970; whole seconds of it are signed.

    Raises:
        ValueError: a key of another algorithm, or a time that cannot be.
        SigningFailed: the key is out of reach.
    """
    kind, seconds = KINDS.get(signer.algorithm), int(at.timestamp())
    if kind is None or seconds <= 0 or at.tzinfo is None:
        raise ValueError("a cosignature needs a key of Ed25519 or ML-DSA-44 and a time after 1970")
    octets = signer.sign(_message(kind, name, checkpoint, seconds))
    return Signature(name, notes.key_id(name, kind, signer.public_key), timestamped(seconds, octets))


def is_signed(note: Note, keys: Sequence[Key]) -> bool:
    """Whether a checkpoint is signed by its log.

    Args:
        note: the checkpoint.
        keys: name, type and octets of the log's keys.

    Returns:
        Every line by one of these keys verifies, and at least one of them is of type 0x01. Other lines do not count.
    """
    try:
        return any(kind == notes.ED25519 for _, kind, _ in signers(note, keys))
    except (NoNote, SignatureWrong):
        return False


def signers(note: Note, keys: Sequence[Key]) -> list[Key]:
    """Those of the keys by which a checkpoint is signed; lines by other keys are passed over.

    Args:
        note: the checkpoint.
        keys: name, type and octets of the keys that are asked about.

    Raises:
        NoNote: its text is no checkpoint.
        SignatureWrong: a line by one of the keys does not verify.
    """
    checkpoint, found = read_checkpoint(note.text), list[Key]()
    for signature in note.signatures:
        if key := key_of(signature, keys):
            verify(checkpoint, signature, key)
            found.append(key)
    return found


def key_of(signature: Signature, keys: Sequence[Key]) -> Key | None:
    """The key whose name and identifier a line has, or None."""
    for key in keys:
        if signature.name == key[0] and signature.key_id == notes.key_id(*key):
            return key
    return None


def verify(checkpoint: Checkpoint, signature: Signature, key: Key) -> int | None:
    """Checks a line over a checkpoint.

    Args:
        checkpoint: the tree.
        signature: the line.
        key: of type 0x01, 0x04 or 0x06; `key_of` found it.

    Returns:
        The POSIX seconds of a cosignature, 0 where it tells no time; None of type 0x01.

    Raises:
        SignatureWrong: it does not verify, or the key is of another type.
    """
    name, kind, public_key = key
    try:
        if kind == notes.ED25519:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature.octets, checkpoint.text.encode())
            return None
        if kind not in SIGNATURE_OCTETS:
            raise SignatureWrong("a key of a type that is not known here")
        seconds, octets = _split(signature.octets, SIGNATURE_OCTETS[kind])
        message = _message(kind, name, checkpoint, seconds)
        if kind == ED25519_COSIGNATURE:
            Ed25519PublicKey.from_public_bytes(public_key).verify(octets, message)
        else:
            MLDSA44PublicKey.from_public_bytes(public_key).verify(octets, message)
    except (InvalidSignature, NoNote, struct.error) as error:  # the last: a name that no message can hold
        raise SignatureWrong("a signature that does not verify") from error
    return seconds


def _split(octets: bytes, length: int) -> tuple[int, bytes]:
    """Like `checkpoint.read_timestamped`, but taking the time 0, with which other makers' logs sign."""
    if len(octets) != 8 + length or int.from_bytes(octets[:8]) > LATEST:
        raise NoNote("a cosignature of another length, or with a time that cannot be")
    return int.from_bytes(octets[:8]), octets[8:]


def _message(kind: int, name: str, checkpoint: Checkpoint, seconds: int) -> bytes:
    if kind == ED25519_COSIGNATURE:
        return ed25519_message(checkpoint.text, seconds)
    return mldsa44_message(name, checkpoint, seconds)
