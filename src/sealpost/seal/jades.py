"""Seals a record: JAdES baseline B, and B-T once there is a time token (ETSI TS 119 182-1 V1.2.1, clauses 5.1, 5.3.4, 6).

For the use cases that write records, and the jobs that seal or timestamp them later. The form is in `domain.seals`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sealpost.domain import seals
from sealpost.domain.records import SUITE
from sealpost.domain.seals import NoSeal
from sealpost.domain.suites import suite
from sealpost.seal.purpose import require_purpose
from sealpost.seal.signer import Signer, SigningFailed


def seal(signer: Signer, canonical_octets: bytes, at: datetime) -> bytes:
    """Seal a record.

    Args:
        signer: of ES256, with a certificate.
        canonical_octets: the record; they are not looked into.
        at: aware; when the seal is made, not when the event happened.

    Returns:
        The seal's octets, JSON.

    Raises:
        SigningFailed: another algorithm, no certificate, one that is not valid at that
            time, or not for evidence, a suite that has ended, or what `Signer.sign` says.
    """
    if signer.algorithm != seals.ALGORITHM or signer.valid is None:
        raise SigningFailed(f"{signer.purpose}-{signer.number} cannot seal records")
    first, last = signer.valid
    if not first <= at <= last:
        # Such a seal would be refused by every verifier: better none, so that nothing is taken in that it should prove.
        raise SigningFailed(f"the certificate of {signer.purpose}-{signer.number} is not valid at {at.astimezone(UTC)}")
    require_purpose(signer, at)
    if not suite(SUITE).covers(at):
        raise SigningFailed(f"suite {SUITE} has ended; newer software seals with its successor")
    protected = seals.protected_header(at, signer.certificates)
    return seals.written(protected, signer.sign(seals.signing_input(protected, canonical_octets)))


def with_timestamp(seal_octets: bytes, tst_der: bytes) -> bytes:
    """The seal with a time token in its unprotected header; protected header and signature stay as they are.

    Args:
        seal_octets: without a token.
        tst_der: the RFC 3161 token (ContentInfo) over `imprint_octets`, already verified.

    Raises:
        NoSeal: no seal, one with a token, or no token.
    """
    found = seals.read(seal_octets)
    if found.time_token is not None:
        raise NoSeal("the seal has a time token already")
    stamped = seals.written(found.protected, found.signature, tst_der)
    seals.read(stamped)  # what could not be read again must not replace a good seal
    return stamped


def imprint_octets(seal_octets: bytes) -> bytes:
    """What a time token for the seal must be over (its hash is the imprint).

    Raises:
        NoSeal: no seal.
    """
    return seals.imprinted(seals.read(seal_octets).signature)


def signature_octets(seal_octets: bytes) -> bytes:
    """The raw octets of the first signature, 64.

    Raises:
        NoSeal: no seal.
    """
    return seals.read(seal_octets).signature


def commitment(salt: bytes, record_octets: bytes, seal_octets: bytes) -> bytes:
    """The log's leaf for a sealed record, 32 octets; a time token added later does not change it.

    Args:
        salt: 32 random octets, kept with the record.
        record_octets: canonical.
        seal_octets: its seal.

    Raises:
        NoSeal: no seal.
        ValueError: a salt of another length.
    """
    return seals.commitment(salt, record_octets, signature_octets(seal_octets))
