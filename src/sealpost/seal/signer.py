"""What signs evidence, whatever holds the key: files now (`key_files`), PKCS#11 tokens and remote services later.

For seals, the log, the PDF seal and the demo's TSA. Source: design, section 4, row *Keys*: a fast signer seals before
the transaction, a slow one is called by a job after it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

ES256, ED25519, ML_DSA_44 = "ES256", "Ed25519", "ML-DSA-44"
"""Algorithms by their JOSE names: ECDSA on P-256 with SHA-256, and the two of the log."""
COORDINATE = 32


class SigningFailed(Exception):
    """No signature: the key is out of reach, or its certificate is not valid at the time."""


class Signer(Protocol):
    """One key of one purpose; its number tells it from the keys before and after a rotation."""

    @property
    def purpose(self) -> str:
        """One of `key_files.PURPOSES`."""
        ...

    @property
    def number(self) -> int:
        """From 1; the highest of a purpose signs."""
        ...

    @property
    def algorithm(self) -> str:
        """``ES256``, ``Ed25519`` or ``ML-DSA-44``."""
        ...

    @property
    def public_key(self) -> bytes:
        """Raw for Ed25519 (32 octets) and ML-DSA-44 (1,312); DER SubjectPublicKeyInfo for ES256."""
        ...

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """DER, signer first, without the root; empty for the log's keys, which have none."""
        ...

    @property
    def valid(self) -> tuple[datetime, datetime] | None:
        """First and last moment of the certificate, UTC; None without one."""
        ...

    @property
    def is_fast(self) -> bool:
        """Whether `sign` takes microseconds and no network, so that it may run before a transaction."""
        ...

    def sign(self, octets: bytes) -> bytes:
        """Sign octets, which are not hashed beforehand.

        Args:
            octets: of any length.

        Returns:
            Raw octets: r‖s of ES256 (64, RFC 7518 section 3.4), Ed25519 (64) or ML-DSA-44 (2,420, empty context).

        Raises:
            SigningFailed: the key is out of reach.
        """
        ...


def as_der(signature: bytes) -> bytes:
    """A signature of ES256 as X.509, CMS and PDF want it (ECDSA-Sig-Value).

    Args:
        signature: raw r‖s, 64 octets.

    Raises:
        ValueError: another length.
    """
    if len(signature) != 2 * COORDINATE:
        raise ValueError("a signature of ES256 has 64 octets")
    return encode_dss_signature(int.from_bytes(signature[:COORDINATE]), int.from_bytes(signature[COORDINATE:]))
