"""A root and certificates of our own, for the demo, for tests, and for an installation that has none from elsewhere.

For bootstrap at first start, for the rotation of keys, and for the trust folder. X.509 as RFC 5280 and ETSI EN 319 412-3
have it for seals, RFC 3161 section 2.3 for the TSA. A root of our own proves no identity, and its subject says so:
"(own root)", in a test environment "(test)". Whoever trusts it has it from the operator.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from sealpost.domain.records import Issuer
from sealpost.domain.suites import EVIDENCE_PURPOSE
from sealpost.seal.key_files import PURPOSES, ROOT, KeyFolder, KeysRefused
from sealpost.seal.purpose import is_for_evidence

CERTIFIED = {"record-seal": "record seal", "pdf-seal": "document seal", "tsa": "time stamps"}
TEST_ONLY = frozenset({"tsa"})
SEALING = ("record-seal", "pdf-seal")
ROOT_LIFE, LIFE, LIST_LIFE = timedelta(days=3650), timedelta(days=1095), timedelta(days=366)
BEFORE_THE_END = timedelta(days=90)
"""A certificate that seals is renewed at the first start from then on: services start more often than that."""
EARLIER = timedelta(minutes=5)  # a verifier's clock, or that of a second machine, may be behind
TEST, OWN = "(test)", "(own root)"
LONGEST_NAME = 64  # of CN and O in X.520: characters, which the library counts as octets of UTF-8
_LEGAL_ID = re.compile(r"[A-Z]{3}([A-Z]{2})-.+")


def establish(keys: KeyFolder, issuer: Issuer, at: datetime) -> None:
    """Make every key that is missing, and certificates for keys without one; what is there stays as it is.

    Several processes may do so at once: they end with the same keys. After a crash, another call completes it.

    Args:
        keys: the folder.
        issuer: legal name and identifier for the subjects; the TSA's key is made in environment ``test`` only.
        at: aware; certificates are valid from then on.

    Raises:
        KeysRefused: files that cannot be used, or keys of a test installation in a live one or the other way round.
        OSError: a file cannot be read or made.
    """
    _check_environment(keys, issuer)
    for purpose in PURPOSES:
        if purpose == ROOT or (purpose in TEST_ONLY and issuer.environment != "test"):
            continue  # the root comes when a certificate needs it: an operator may bring all of them
        numbers = keys.numbers(purpose)
        if not numbers:
            keys.make(purpose, 1)
        if purpose in CERTIFIED:
            for number in numbers or [1]:
                if not keys.certificates(purpose, number):
                    _certify(keys, purpose, number, issuer, at)


def rotate(keys: KeyFolder, purpose: str, issuer: Issuer, at: datetime) -> int:
    """Make the next key of a purpose, with its certificate; earlier keys and certificates stay.

    A crash in between leaves a key without certificate, which `establish` completes. That the key is new is an event,
    which the caller puts into the log; running processes sign with the old one until they start again.

    Args:
        keys: the folder.
        purpose: one of `key_files.PURPOSES`; of ``root``, later certificates come from the new one.
        issuer: as for `establish`.
        at: aware.

    Returns:
        The number of the new key.

    Raises:
        KeysRefused, OSError: as for `establish`.
    """
    _check_environment(keys, issuer)
    number = max(keys.numbers(purpose), default=0) + 1
    if purpose == ROOT:
        _make_root(keys, number, issuer, at)
        return number
    keys.make(purpose, number)
    if purpose in CERTIFIED:
        _certify(keys, purpose, number, issuer, at)
    return number


def is_outdated(keys: KeyFolder, purpose: str, issuer: Issuer, at: datetime) -> bool:
    """Whether the newest certificate of a purpose is one of ours that would be issued otherwise today.

    That is so when it is of a time before evidence had a purpose of its own, when the operator has another name now, and
    when it is near its end and the root lasts longer; an operator's own certificate is the operator's affair.

    Args:
        keys: the folder.
        purpose: one of `SEALING`.
        issuer: as for `establish`.
        at: aware; now.

    Raises:
        KeysRefused, OSError: it cannot be read.
    """
    number = max(keys.numbers(purpose), default=0)
    chain = keys.certificates(purpose, number) if number else ()
    if not chain or chain[0].issuer not in {one.subject for one in roots(keys)}:
        return False
    if _ends_soon(keys, chain[0], at):
        return True
    subject = _subject(issuer, f"{CERTIFIED[purpose]} {number}")
    return chain[0].subject != subject or not is_for_evidence(chain[0].public_bytes(Encoding.DER))


def _ends_soon(keys: KeyFolder, certificate: x509.Certificate, at: datetime) -> bool:
    """Whether it is near its end, and a new one would last longer: none lasts longer than the root that issues it."""
    newest = keys.certificates(ROOT, max(keys.numbers(ROOT)))[0]
    end = certificate.not_valid_after_utc
    return end - at < BEFORE_THE_END and min(at + LIFE, newest.not_valid_after_utc) > end


def organisation_of(certificate: x509.Certificate) -> str:
    """Whose certificate it is: the subject's organisation, or its common name where it has none."""
    for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        for one in certificate.subject.get_attributes_for_oid(oid):
            return str(one.value)
    return ""


def cut_name(name: str) -> str:
    """A legal name as certificates can have it."""
    return _cut(name, LONGEST_NAME)


def roots(keys: KeyFolder) -> tuple[x509.Certificate, ...]:
    """Our own roots, oldest first, for the trust folder; empty where every certificate is the operator's."""
    return tuple(one for number in keys.numbers(ROOT) for one in keys.certificates(ROOT, number))


def first_certified(keys: KeyFolder, purpose: str) -> datetime | None:
    """When the first key of a purpose got its certificate from a root of ours; None: none did."""
    ours = {one.subject for one in roots(keys)}
    chains = [keys.certificates(purpose, number) for number in keys.numbers(purpose)]
    made = [chain[0].not_valid_before_utc + EARLIER for chain in chains if chain and chain[0].issuer in ours]
    return min(made, default=None)


def revocation_lists(keys: KeyFolder, at: datetime) -> tuple[bytes, ...]:
    """A list of revoked certificates for each of our roots, with nothing in it, DER, in the order of `roots`.

    Args:
        keys: the folder.
        at: aware; the lists speak of then, and the next ones are due within a year.
    """
    return tuple(_revocation_list(keys, number, at) for number in keys.numbers(ROOT) if keys.certificates(ROOT, number))


def _revocation_list(keys: KeyFolder, number: int, at: datetime) -> bytes:
    root, key = keys.certificates(ROOT, number)[0], _ec(keys, ROOT, number)
    builder = x509.CertificateRevocationListBuilder(root.subject, at, at + LIST_LIFE)
    builder = builder.add_extension(x509.CRLNumber(int(at.timestamp())), critical=False)
    builder = builder.add_extension(_authority(key.public_key()), critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def _check_environment(keys: KeyFolder, issuer: Issuer) -> None:
    mark = _mark(issuer)
    if not all(_common_name(one).endswith(mark) for one in roots(keys)):
        raise KeysRefused(f"{keys.folder} has the keys of another environment than {issuer.environment}")


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _mark(issuer: Issuer) -> str:
    return TEST if issuer.environment == "test" else OWN


def _certify(keys: KeyFolder, purpose: str, number: int, issuer: Issuer, at: datetime) -> None:
    """Issue a certificate by the newest root, which is made if there is none.

    A root without certificate is what a crash in `_make_root` left; it is completed.
    """
    root_number = max(keys.numbers(ROOT), default=1)
    if not keys.certificates(ROOT, root_number):
        _make_root(keys, root_number, issuer, at)
    root = keys.certificates(ROOT, root_number)[0]
    end = min(at + LIFE, root.not_valid_after_utc)
    if end <= at:
        raise KeysRefused(f"{ROOT}-{root_number} has ended; rotate it")
    public = _ec(keys, purpose, number).public_key()
    subject = _subject(issuer, f"{CERTIFIED[purpose]} {number}")
    builder = _builder(subject, root.subject, public, at - EARLIER, end)
    for extension, critical in _leaf_extensions(purpose):
        builder = builder.add_extension(extension, critical=critical)
    issuing = _ec(keys, ROOT, root_number)
    builder = builder.add_extension(_authority(issuing.public_key()), critical=False)
    keys.keep_certificates(purpose, number, [builder.sign(issuing, SHA256())])


def _make_root(keys: KeyFolder, number: int, issuer: Issuer, at: datetime) -> None:
    keys.make(ROOT, number)
    key = _ec(keys, ROOT, number)
    subject = _subject(issuer, f"root {number}")
    builder = _builder(subject, subject, key.public_key(), at - EARLIER, at + ROOT_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
    keys.keep_certificates(ROOT, number, [builder.sign(key, SHA256())])


def _leaf_extensions(purpose: str) -> Iterator[tuple[x509.ExtensionType, bool]]:
    yield x509.BasicConstraints(ca=False, path_length=None), True
    if purpose == "tsa":
        yield _usage("digital_signature"), True
        yield x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True
    else:
        yield _usage("digital_signature", "content_commitment"), True  # the latter: nonRepudiation's newer name
        yield x509.ExtendedKeyUsage([ObjectIdentifier(EVIDENCE_PURPOSE)]), False


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*set_bits: str) -> x509.KeyUsage:
    bits = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(**bits | dict.fromkeys(set_bits, True))


def _authority(key: EllipticCurvePublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)


def _subject(issuer: Issuer, what: str) -> x509.Name:
    """Names after EN 319 412-3, section 4.2.1; the country only where the legal identifier tells it."""
    tail = f" {what} {_mark(issuer)}"
    attributes = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, cut_name(issuer.legal_name)),
        x509.NameAttribute(NameOID.COMMON_NAME, _cut(issuer.legal_name, LONGEST_NAME - len(tail)) + tail),
    ]
    if country := _LEGAL_ID.fullmatch(issuer.legal_id):
        attributes.insert(0, x509.NameAttribute(NameOID.COUNTRY_NAME, country[1]))
        attributes.insert(2, x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, issuer.legal_id))
    return x509.Name(attributes)


def _cut(name: str, octets: int) -> str:
    return name.encode()[:octets].decode(errors="ignore")


def _ec(keys: KeyFolder, purpose: str, number: int) -> EllipticCurvePrivateKey:
    key = keys.key(purpose, number)
    assert isinstance(key, EllipticCurvePrivateKey)  # `KeyFolder.key` checked its algorithm
    return key
