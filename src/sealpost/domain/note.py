"""Signed notes (C2SP signed-note): a text, an empty line, and lines that say who signed it. Only their form is here.

For the log's writer, its witnesses and the verifier. Reading is strict, so that a note has one way to be written.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

ED25519, ED25519_COSIGNATURE, MLDSA44_COSIGNATURE = 0x01, 0x04, 0x06
"""Types of signatures: of a log over the text; of a log or a witness with a time (C2SP tlog-cosignature)."""
MOST_SIGNATURES = 32
LONGEST = 200_000  # octets of a note: 32 signatures of ML-DSA-44 have 105,000
CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
NAME = re.compile(r"[^\s+]+")
LINE = re.compile("\u2014 (\\S+) ([A-Za-z0-9+/]+={0,2})")


class NoNote(ValueError):
    """Octets that are no signed note, or not in the one way that it is written; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A line of a note: who, with which key, and what the type of that key makes of it."""

    name: str
    key_id: bytes
    octets: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text, its last newline included, and its signatures in their order."""

    text: str
    signatures: tuple[Signature, ...]


def key_id(name: str, kind: int, public_key: bytes) -> bytes:
    """Four octets that, with the name, tell a key: they find it and prove nothing.

    Args:
        name: the key's.
        kind: the type of its signatures.
        public_key: its octets, raw.
    """
    return sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:4]


def verifier_key(name: str, kind: int, public_key: bytes) -> str:
    """A key as policies and people write it: ``name+hex+base64``."""
    return f"{name}+{key_id(name, kind, public_key).hex()}+{b64encode(bytes([kind]) + public_key).decode()}"


def read_verifier_key(text: str) -> tuple[str, int, bytes]:
    """Name, type and octets of a key.

    Raises:
        NoNote: malformed, or its four octets are not its own.
    """
    name, _, rest = text.partition("+")
    identifier, _, encoded = rest.partition("+")
    octets = strict_base64(encoded)
    if not NAME.fullmatch(name) or not octets or key_id(name, octets[0], octets[1:]).hex() != identifier:
        raise NoNote("not a verifier key")
    return name, octets[0], octets[1:]


def written(text: str, signatures: Sequence[Signature]) -> bytes:
    """The note as octets.

    Raises:
        NoNote: a text or a name that a note cannot have.
    """
    _check_text(text)
    return (text + "\n" + "".join(signature_line(one) for one in signatures)).encode()


def signature_line(signature: Signature) -> str:
    """One line of a note, its newline included.

    Raises:
        NoNote: a name that a key cannot have.
    """
    if not NAME.fullmatch(signature.name) or CONTROL.search(signature.name):
        raise NoNote("not the name of a key")
    return f"\u2014 {signature.name} {b64encode(signature.key_id + signature.octets).decode()}\n"


def read(octets: bytes) -> Note:
    """The note that octets are.

    Raises:
        NoNote: they are none.
    """
    if len(octets) > LONGEST:
        raise NoNote("longer than a note may be")
    try:
        whole = octets.decode()
    except UnicodeDecodeError:
        raise NoNote("not UTF-8") from None
    text, gap, lines = whole.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise NoNote("no empty line before signatures")
    _check_text(text + "\n")
    found = lines[:-1].split("\n")
    if len(found) > MOST_SIGNATURES:
        raise NoNote("more signatures than a note may have")
    return Note(text + "\n", tuple(_signature(line) for line in found))


def _check_text(text: str) -> None:
    if not text.endswith("\n") or CONTROL.search(text):
        raise NoNote("a text without a newline at its end, or with a control character")


def _signature(line: str) -> Signature:
    parts = LINE.fullmatch(line)
    if parts is None or not NAME.fullmatch(parts[1]) or CONTROL.search(line):
        raise NoNote("a line that is no signature")
    octets = strict_base64(parts[2])
    if len(octets) < 5:
        raise NoNote("a signature without octets")
    return Signature(parts[1], octets[:4], octets[4:])


def strict_base64(text: str) -> bytes:
    """The octets that base64 (RFC 4648, section 4) stands for, in its one way of writing them.

    Raises:
        NoNote: another alphabet, wrong padding, stray bits.
    """
    try:
        octets = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoNote("not base64") from None
    if b64encode(octets).decode() != text:
        raise NoNote("base64 that is not canonical")
    return octets
