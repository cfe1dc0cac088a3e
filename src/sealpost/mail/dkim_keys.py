"""Tags and public keys of DKIM and ARC, as strangers publish them, within bounds (RFC 6376 3.2 and 3.6.1, 8301, 8463).

For ``mail/signature`` and ``mail/signers``. A key that verifies slowly is a weapon in the hands of whoever names it.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from dkim.crypto import parse_public_key  # pyright: ignore[reportUnknownVariableType] - it has no types

LONGEST = 4096
KEY_BITS = range(1024, 4097)
"""RFC 8301 3.2: what must be taken; less is weak, and more costs a verifier what an attacker likes."""
TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
SELECTOR = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]*)(?:\.[A-Za-z0-9_-]+)*")
_KEY_OCTETS, _EXPONENT_BITS = 1100, 64

Tags = Mapping[str, str]


def read_tags(value: str) -> Tags | None:
    """A list of tags (RFC 6376, section 3.2), or None: it is none, or has a tag twice."""
    if len(value) > LONGEST or not value.isascii():
        return None
    tags: dict[str, str] = {}
    for piece in value.strip().removesuffix(";").split(";"):
        name, equals, text = piece.partition("=")
        name = name.strip()
        if not equals or not TAG.fullmatch(name) or name in tags:
            return None
        tags[name] = text.strip()
    return tags


def is_usable(key: Tags, tags: Tags) -> bool:
    """Whether a key is there, and for mails, for SHA-256, for this identity, and not for tests.

    Args:
        key: of its record.
        tags: of the signature.
    """
    flags, services = key.get("t", "").split(":"), key.get("s", "*").split(":")
    exact = "s" not in flags or tags.get("i", "@" + tags["d"]).rpartition("@")[2].lower() == tags["d"].lower()
    suits = "sha256" in key.get("h", "sha256").split(":")
    return bool(key.get("p")) and suits and exact and "y" not in flags and bool({"*", "email"} & set(services))


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key as dkimpy takes it.

    Args:
        kind: ``rsa`` or ``ed25519``.
        material: modulus and exponent by name, or what verifies.
        bits: its size.
    """

    kind: str
    material: Any
    bits: int


def read_key(tags: Tags) -> PublicKey | None:
    """The key of a record, or None: of a kind, or a size, that is not taken.

    Args:
        tags: of the record.

    Raises:
        ValueError: there is no key, or it cannot be read.
    """
    octets = b64decode(re.sub(r"\s", "", tags.get("p", "")), validate=True)
    if not octets or tags.get("v", "DKIM1") != "DKIM1":
        raise ValueError("no key")
    match tags.get("k", "rsa"):
        case "rsa":
            return _rsa(octets)
        case "ed25519":
            return PublicKey("ed25519", _Ed25519(octets), 256)
        case _:
            return None


def _rsa(octets: bytes) -> PublicKey | None:
    """As dkimpy reads it, which takes as many steps as the square of its length: what is longer than any key is not read."""
    if len(octets) > _KEY_OCTETS:
        return None
    try:
        found: dict[str, int] = parse_public_key(octets)  # pyright: ignore[reportUnknownVariableType] - as above
    except Exception as error:
        raise ValueError("no RSA key") from error  # it raises many kinds
    bits = found["modulus"].bit_length()
    is_taken = bits in KEY_BITS and found["publicExponent"].bit_length() <= _EXPONENT_BITS
    return PublicKey("rsa", found, bits) if is_taken else None


class _Ed25519:
    def __init__(self, octets: bytes) -> None:
        try:
            self._key = Ed25519PublicKey.from_public_bytes(octets)
        except UnsupportedAlgorithm as error:
            raise ValueError("no Ed25519 here") from error

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raises what it likes where the signature is not right."""
        self._key.verify(signature, message)
