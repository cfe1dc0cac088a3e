"""The purpose of certificates that seal evidence: without it, their seals do not count from a day on (evidence format, 6).

For whoever seals: such a seal would be refused by every verifier, so none is made.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509

from sealpost.domain.suites import EVIDENCE_PURPOSE, EVIDENCE_PURPOSE_SINCE
from sealpost.seal.signer import Signer, SigningFailed


def require_purpose(signer: Signer, at: datetime) -> None:
    """Refuses a key whose certificate would not count at a time.

    Raises:
        SigningFailed: it is not for evidence, and the day has come.
    """
    if at.astimezone(UTC).date() >= EVIDENCE_PURPOSE_SINCE and not is_for_evidence(signer.certificates[0]):
        name = f"{signer.purpose}-{signer.number}"
        raise SigningFailed(f"the certificate of {name} is not for evidence (2.25): rotate it")


@lru_cache(maxsize=32)  # once for each key
def is_for_evidence(certificate: bytes) -> bool:
    """Whether a certificate (DER) is issued for seals of evidence."""
    for extension in x509.load_der_x509_certificate(certificate).extensions:
        if isinstance(extension.value, x509.ExtendedKeyUsage):
            return EVIDENCE_PURPOSE in {one.dotted_string for one in extension.value}
    return False
