"""Paths of certificates at a time (RFC 5280, section 6, by cryptography's own path building), purposes, revocation.

For record seals, the bundle's seal and the PDF's. A path is built once for a chain and kept with the time in which all
of it is valid, so that a million seals of one key cost one path.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.x509 import verification
from cryptography.x509.oid import NameOID

from sealpost.verifier.paths import is_searchable
from sealpost.verifier.report import Said
from sealpost.verifier.tables import RULES

_PURPOSES = frozenset({RULES["evidencePurpose"], *RULES["documentPurposes"]})
_LONGEST_LIST = timedelta(days=RULES["revocationListDays"])
_HOSTS = (x509.DNSName, x509.IPAddress)


@dataclass(frozen=True, slots=True, eq=False)  # told apart by identity: one is made for a chain, and kept
class Signatory:
    """A chain whose form and purpose are checked.

    Args:
        leaf: the signing certificate.
        key: its key, on P-256.
        name: for people.
        chain: leaf first, without the root.
        begin: from when on all of the chain is valid.
        end: until when.
    """

    leaf: x509.Certificate
    key: EllipticCurvePublicKey
    name: str
    chain: tuple[x509.Certificate, ...]
    begin: datetime
    end: datetime


class Certificates:
    """Judges chains against roots; without roots, in themselves only.

    Args:
        roots: anchors, or None where nobody chose any.
        revocations: lists; those whose signature is not of a known issuer do not count.
    """

    def __init__(
        self,
        roots: Sequence[x509.Certificate] | None,
        revocations: Sequence[x509.CertificateRevocationList] = (),
    ) -> None:
        self.roots = roots
        self._revocations = revocations
        self._signatories: dict[tuple[bytes, ...], Signatory] = {}
        self._good: dict[Signatory, tuple[datetime, datetime]] = {}

    def signatory(self, check: str, chain: tuple[bytes, ...]) -> Signatory:
        """Whose chain it is: key on P-256, a certificate for seals, each issued by the next.

        Args:
            check: of the codes that refuse it: ``seal``, ``container`` or ``pdf``.
            chain: DER, signer first.

        Raises:
            Said: with a code of the check.
        """
        if chain not in self._signatories:
            self._signatories[chain] = _signatory(check, [x509.load_der_x509_certificate(one) for one in chain])
        return self._signatories[chain]

    def judge(self, check: str, who: Signatory, at: datetime) -> None:
        """Valid at a time, from an anchor where there are some, and not revoked by then.

        Raises:
            Said: with a code of the check.
        """
        begin, end = self._good.get(who, (at, None))
        if end is not None and begin <= at <= end:
            return
        if not who.begin <= at <= who.end:
            raise Said(f"{check}.validity", time=shown(at))
        span = self._anchored(check, who, at) if self.roots is not None else (who.begin, who.end)
        revoked = [self._revoked_at(one) for one in who.chain]
        if any(one is not None and one <= at for one in revoked):
            raise Said(f"{check}.revoked", time=shown(at))
        if not any(revoked):
            self._good[who] = span

    def _anchored(self, check: str, who: Signatory, at: datetime) -> tuple[datetime, datetime]:
        """From when until when all of the path to an anchor is valid."""
        if not self.roots:
            raise Said(f"{check}.chain", reason="no roots")
        try:
            path = _verifier(self.roots, at).verify(who.leaf, list(who.chain[1:])).chain
        except verification.VerificationError as error:
            raise Said(f"{check}.chain", reason=str(error)[:200]) from error
        return _span(path)

    def listed_until(self, certificate: x509.Certificate) -> datetime | None:
        """Until when lists say which certificates of this one's issuer were revoked; None without any such list."""
        lists = [one for one in self._revocations if one.issuer == certificate.issuer and self._is_signed(one)]
        return max((_until(one) for one in lists if not _is_partial(one)), default=None)

    def is_revoked(self, certificate: x509.Certificate, at: datetime) -> bool:
        """Whether a signed list says that it was revoked at a time or before."""
        revoked = self._revoked_at(certificate)
        return revoked is not None and revoked <= at

    def _revoked_at(self, certificate: x509.Certificate) -> datetime | None:
        found = list[datetime]()
        for revocations in self._revocations:
            entry = revocations.get_revoked_certificate_by_serial_number(certificate.serial_number)
            if entry is not None and revocations.issuer == certificate.issuer and self._is_signed(revocations):
                found.append(entry.revocation_date_utc)
        return min(found, default=None)

    def _is_signed(self, revocations: x509.CertificateRevocationList) -> bool:
        for root in self.roots or ():
            key = root.public_key()
            # Which issuers' keys there can be is for the library to say; a root of another kind signs no list here.
            if root.subject == revocations.issuer and isinstance(key, EllipticCurvePublicKey):
                return revocations.is_signature_valid(key)
        return True  # of an intermediate whose key is not at hand: the user put the list into the trust folder


def _signatory(check: str, chain: list[x509.Certificate]) -> Signatory:
    if not is_searchable(chain):
        raise Said(f"{check}.malformed", reason="more certificates than a seal may have")
    leaf = chain[0]
    key = leaf.public_key()
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise Said(f"{check}.key")
    _require_usage(check, leaf)
    for one, issuer in itertools.pairwise(chain):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise Said(f"{check}.malformed", reason="a certificate that the next one did not issue") from error
    begin, end = _span(chain)
    return Signatory(leaf, key, named(leaf), tuple(chain), begin, end)


def _require_usage(check: str, leaf: x509.Certificate) -> None:
    seen = False
    for extension in leaf.extensions:
        value = extension.value
        if isinstance(value, x509.KeyUsage):
            seen = (value.digital_signature or value.content_commitment) and not value.key_cert_sign
        if isinstance(value, x509.BasicConstraints) and value.ca:
            raise Said(f"{check}.usage")
        if isinstance(value, x509.ExtendedKeyUsage) and not {one.dotted_string for one in value} <= _PURPOSES:
            raise Said(f"{check}.usage")  # of a web server, a mail user, a time stamp authority …
        if isinstance(value, x509.SubjectAlternativeName) and any(isinstance(one, _HOSTS) for one in value):
            raise Said(f"{check}.usage")  # a server's, whatever it says of its purpose
    if not seen:
        raise Said(f"{check}.usage")


def is_for_evidence(leaf: x509.Certificate) -> bool:
    """Whether a certificate is issued for seals of evidence; older ones do not say what they are for."""
    for extension in leaf.extensions:
        if isinstance(extension.value, x509.ExtendedKeyUsage):
            return RULES["evidencePurpose"] in {one.dotted_string for one in extension.value}
    return False


def _until(revocations: x509.CertificateRevocationList) -> datetime:
    """When a list is stale: once the next one is due, and never later than a list may count."""
    begin, due = revocations.last_update_utc, revocations.next_update_utc
    return begin if due is None else min(due, begin + _LONGEST_LIST)


def _is_partial(revocations: x509.CertificateRevocationList) -> bool:
    """Whether it is a list of some only, or of changes: what is critical in it is not understood here."""
    return any(one.critical for one in revocations.extensions)


def _span(chain: Sequence[x509.Certificate]) -> tuple[datetime, datetime]:
    return max(one.not_valid_before_utc for one in chain), min(one.not_valid_after_utc for one in chain)


def _verifier(roots: Sequence[x509.Certificate], at: datetime) -> verification.ClientVerifier:
    as_it_stands = verification.Criticality.AGNOSTIC
    issuing = (
        verification.ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, as_it_stands, _require_issuer)
        .may_be_present(x509.KeyUsage, as_it_stands, _require_issuing)
    )
    return (
        verification.PolicyBuilder()
        .store(verification.Store(list(roots)))
        .time(at)
        .extension_policies(ca_policy=issuing, ee_policy=verification.ExtensionPolicy.permit_all())
        .build_client_verifier()
    )


def _require_issuer(_policy: object, _certificate: x509.Certificate, found: x509.BasicConstraints | None) -> None:
    if found is None or not found.ca:
        raise ValueError("a certificate in the path is not an issuer's")


def _require_issuing(_policy: object, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("a certificate in the path may not issue others")


def named(certificate: x509.Certificate) -> str:
    """The subject's common name, or all of it."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else certificate.subject.rfc4514_string()


def shown(at: datetime) -> str:
    """A time for people and machines: ISO 8601 in UTC, whole seconds or milliseconds."""
    return at.isoformat(timespec="milliseconds" if at.microsecond else "seconds").replace("+00:00", "Z")
