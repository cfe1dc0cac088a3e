"""Record seals: the signature, whose certificate it is, and whether that counted at the proven time (JAdES baseline B)."""

from __future__ import annotations

from datetime import UTC

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from sealpost.domain.seals import Seal, signing_input
from sealpost.verifier.case import Case, Record, Sealer
from sealpost.verifier.certificates import Certificates, shown
from sealpost.verifier.report import Said
from sealpost.verifier.tables import covers, suite
from sealpost.verifier.times import proven

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (SEC 2, section 2.4.2)
_ES256 = ECDSA(SHA256())


def check(case: Case) -> None:
    """Says seal."""
    certificates = certificates_of(case)
    for record in case.records.values():
        with case.findings.about("seal", f"records/{record.seq:03}.jades.json", record=record.seq):
            _check(case, record, certificates)


def certificates_of(case: Case) -> Certificates:
    """Chains against the chosen trust; without any, in themselves."""
    return Certificates(case.trust.roots, case.trust.revocations) if case.trust else Certificates(None)


def _check(case: Case, record: Record, certificates: Certificates) -> None:
    if record.seal_octets is None:
        raise Said("seal.missing")
    if record.seal is None:
        raise Said("seal.malformed", reason=record.seal_fault)
    who = certificates.signatory("seal", record.seal.certificates)
    if not is_sealed(record.seal, record.octets, who.key):
        raise Said("seal.signature")
    time = proven(case, record)
    at = time.at if time else record.seal.sealed_at
    used = suite(record.extension.get("suite"))
    if used is None or not covers(used, at.astimezone(UTC).date()):
        raise Said("seal.suite", time=shown(at))
    certificates.judge("seal", who, at)
    case.sealers[f"records/{record.seq:03}.jades.json"] = Sealer(who.chain, time.at if time else None)
    if time is None:
        raise Said("seal.time")
    if case.trust is None:
        raise Said("seal.signer", signer=who.name)
    case.findings.say("seal.ok", f"records/{record.seq:03}.jades.json", record=record.seq, signer=who.name)


def is_sealed(seal: Seal, record: bytes, key: EllipticCurvePublicKey) -> bool:
    """Whether the signature is the key's over a record.

    Args:
        seal: its form checked.
        record: canonical octets.
        key: on P-256.
    """
    r, s = int.from_bytes(seal.signature[:32]), int.from_bytes(seal.signature[32:])
    if not (0 < r < _ORDER and 0 < s < _ORDER):
        return False
    try:
        key.verify(encode_dss_signature(r, s), signing_input(seal.protected, record), _ES256)
    except InvalidSignature:
        return False
    return True
