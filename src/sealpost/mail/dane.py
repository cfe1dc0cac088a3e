"""Whether a server's certificate is the one that its domain vouches for in the signed DNS (DANE).

For ``mail/direct``, which asks for the records of hosts that are ``secure``, and ``mail/opening``, which verifies after
the handshake. Clauses: RFC 6698 2.1 (the record), RFC 7671 5 (usages), RFC 7672 (SMTP: only usages 2 and 3). Records
and certificates come from strangers; whatever cannot be read does not match.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256, sha512
from typing import Any, Literal, cast

import asn1crypto.keys
import asn1crypto.x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from sealpost.mail.dns import Answer, Dns, covers

_MOST_CERTIFICATES = 10
_TRUST_ANCHOR, _END_ENTITY = 2, 3
_CERTIFICATE, _PUBLIC_KEY = 0, 1
_FULL, _SHA256, _SHA512 = 0, 1, 2
_RECORD = re.compile(r"([0-9]{1,3}) ([0-9]{1,3}) ([0-9]{1,3}) ((?:[0-9a-f]{2})*)")
_KEY, _WHOLE = cast("Any", asn1crypto.keys).PublicKeyInfo, cast("Any", asn1crypto.x509).Certificate  # without types
UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,  # a TLS feature of an unknown number (RFC 7633)
    UnsupportedAlgorithm,
    InvalidSignature,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What cryptography raises for a certificate that it cannot read, at once or when a part of it is looked at."""
_UNDERSTOOD = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.CERTIFICATE_POLICIES,
    }
)
_SERVERS = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})


@dataclass(frozen=True, slots=True)
class Tlsa:
    """One record: usage 2 (a certificate authority) or 3 (this very server), of its certificate or its key."""

    usage: int
    selector: int
    matching: int
    association: bytes


@dataclass(frozen=True, slots=True)
class DaneAnswer:
    """``none``: no DANE here; ``unusable``: TLS is required, with any certificate; ``failed``: do not use this host.

    ``name`` is the one that the records were found under; it counts among the names of the certificate.
    """

    status: Literal["none", "usable", "unusable", "failed"]
    records: tuple[Tlsa, ...]
    name: str = ""


async def tlsa_of(dns: Dns, host: str, port: int) -> DaneAnswer:
    """Asks for the TLSA records of a host whose addresses were validated (RFC 7672 2.2.2).

    An alias is looked at under its final name first, then under its own.

    Args:
        dns: where to ask.
        host: the name in the MX record, or the domain itself.
        port: of the server.
    """
    aliased = await dns.look_up(host, "A")
    names = [host]
    if aliased.secure and aliased.status != "failed" and aliased.name not in {"", host}:
        names.insert(0, aliased.name)
    found = DaneAnswer("none", (), host)
    for name in names:
        found = _dane(await dns.look_up(f"_{port}._tcp.{name}", "TLSA"), name)
        if found.status != "none":
            break
    return found


def _dane(answer: Answer, name: str) -> DaneAnswer:
    if answer.status == "failed":
        return DaneAnswer("failed", (), name)
    if answer.status != "found" or not answer.secure:
        return DaneAnswer("none", (), name)
    records = tuple(record for value in answer.values if (record := _record(value)))
    return DaneAnswer("usable" if records else "unusable", records, name)


def _record(value: str) -> Tlsa | None:
    """The record if it can be used at all."""
    match = _RECORD.fullmatch(value)
    if match is None:
        return None
    record = Tlsa(int(match[1]), int(match[2]), int(match[3]), bytes.fromhex(match[4]))
    if record.usage not in {_TRUST_ANCHOR, _END_ENTITY} or record.selector not in {_CERTIFICATE, _PUBLIC_KEY}:
        return None
    if record.matching == _FULL:
        return record if _is_whole(record) else None
    return record if len(record.association) == {_SHA256: 32, _SHA512: 64}.get(record.matching) else None


def _is_whole(record: Tlsa) -> bool:
    if record.selector == _CERTIFICATE:
        return _read(record.association) is not None
    try:
        return bool(_KEY.load(record.association, strict=True).native)
    except (ValueError, TypeError, KeyError):
        return False


def verify(records: Sequence[Tlsa], chain: Sequence[bytes], names: frozenset[str], at: datetime) -> str | None:
    """Checks what a server showed in its handshake.

    Usage 3 asks only whether the server's certificate is the one meant; neither its name nor its dates count (RFC 7672
    3.1.1). Usage 2 asks for a chain of valid signatures to the authority that is meant, and for a name.

    Args:
        records: usable ones, of ``tlsa_of``.
        chain: certificates (DER), the server's own first, in any order after it; only the first ten count.
        names: lower case; one of them must be in the certificate.
        at: the time of the handshake.

    Returns:
        None if the certificate is good, else why not.
    """
    if not chain:
        return "the server showed no certificate"
    if any(record.usage == _END_ENTITY and _matches(record, chain[0]) for record in records):
        return None
    anchors = [record for record in records if record.usage == _TRUST_ANCHOR]
    if not anchors:
        return "the certificate is not the one in the TLSA records"
    return _by_authority(anchors, chain, names, at)


def _by_authority(anchors: Sequence[Tlsa], chain: Sequence[bytes], names: frozenset[str], at: datetime) -> str | None:
    leaf = _read(chain[0])
    if leaf is None:
        return "the certificate cannot be read"
    if not _tried(lambda: _is_named(leaf, names)):
        return "the certificate is for another name"
    if not _tried(lambda: _is_fit(leaf, at)):
        return "the certificate is not valid now, or not for servers"
    if not _reaches(leaf, chain[1:_MOST_CERTIFICATES], anchors, at):
        return "no chain of valid certificates leads to an authority in the TLSA records"
    return None


def _read(der: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(der)
    except UNREADABLE:
        return None


def _tried(check: Callable[[], bool]) -> bool:
    """Extensions are read only when they are looked at, and may turn out to be rubbish then."""
    try:
        return check()
    except UNREADABLE:
        return False


def _matches(record: Tlsa, der: bytes) -> bool:
    chosen = der if record.selector == _CERTIFICATE else _public_key(der)
    match record.matching:
        case 0:
            return bool(chosen) and chosen == record.association
        case 1:
            return bool(chosen) and sha256(chosen).digest() == record.association
        case 2:
            return bool(chosen) and sha512(chosen).digest() == record.association
        case _:
            return False


def _public_key(der: bytes) -> bytes:
    """The SubjectPublicKeyInfo, octet by octet as in the certificate, whatever the kind of key."""
    try:
        return cast("bytes", _WHOLE.load(der, strict=True)["tbs_certificate"]["subject_public_key_info"].dump())
    except (ValueError, TypeError, KeyError):
        return b""


def _is_named(leaf: x509.Certificate, names: frozenset[str]) -> bool:
    """The DNS names in the certificate; the subject's common name only where there are none (RFC 7672 3.2.3)."""
    try:
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        shown = alternatives.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        shown = []
    if not shown:
        shown = [str(one.value) for one in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return any(covers(pattern, name) for pattern in shown for name in names)


def _is_fit(certificate: x509.Certificate, at: datetime) -> bool:
    """Valid now, for servers if it says for what, and without a restriction that we would have to understand."""
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        return False
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            return False
        if isinstance(extension.value, x509.ExtendedKeyUsage) and _SERVERS.isdisjoint(extension.value):
            return False
    return True


def _reaches(leaf: x509.Certificate, others: Sequence[bytes], anchors: Sequence[Tlsa], at: datetime) -> bool:
    """Goes from the server's certificate to its issuers, level by level; each one is visited once.

    An authority may be missing in the handshake if its whole certificate is in the DNS (RFC 7671 5.2.2).
    """
    shown = [one for one in others if one]
    whole = [one.association for one in anchors if one.selector == _CERTIFICATE and one.matching == _FULL]
    candidates = {der: one for der in (*shown, *whole[:_MOST_CERTIFICATES]) if (one := _read(der)) is not None}
    level, depth = [leaf], 0
    while level and candidates:
        issuers = {der: one for der, one in candidates.items() if _is_issuer(one, level, depth, at)}
        if any(_matches(record, der) for der in issuers for record in anchors):
            return True
        candidates = {der: one for der, one in candidates.items() if der not in issuers}
        level, depth = list(issuers.values()), depth + 1
    return False


def _is_issuer(issuer: x509.Certificate, level: Sequence[x509.Certificate], depth: int, at: datetime) -> bool:
    """Whether it issued one of these, which have ``depth`` authorities below them, and was allowed to."""
    return _tried(lambda: _is_authority(issuer, depth) and _is_fit(issuer, at)) and any(
        _tried(lambda issued=issued: _issued(issuer, issued)) for issued in level
    )


def _is_authority(certificate: x509.Certificate, below: int) -> bool:
    try:
        limits = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    if not limits.ca or (limits.path_length is not None and limits.path_length < below):
        return False
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def _issued(issuer: x509.Certificate, issued: x509.Certificate) -> bool:
    issued.verify_directly_issued_by(issuer)  # which takes no MD5 and no SHA-1
    return True
