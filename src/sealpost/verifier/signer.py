"""Who sealed: one signer over records, container and certificate, whom the records name as their issuer.

That a certificate leads to a trusted root says little: under one root there are certificates of others, and of the same
organisation for other things. So the names must agree, the certificate that a record names must be the one of its seal,
it must be for evidence, and lists of revoked certificates must reach to the time of the container. ETSI EN 319 412-3,
section 4.2.1; EN 319 522-3, CertID; RFC 5280, sections 4.2.1.12 and 5.1.2.5.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, cast

from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sealpost.domain.canonical import SHA256_URI
from sealpost.domain.note import NoNote, strict_base64
from sealpost.verifier.case import Case, Record, Sealer
from sealpost.verifier.certificates import is_for_evidence, shown
from sealpost.verifier.der import SEAL, NotDer, octets_of, require_der
from sealpost.verifier.report import Said
from sealpost.verifier.seals import certificates_of
from sealpost.verifier.tables import FAIL, MEMBERS, RULES

_tsp: Any = tsp  # asn1crypto has no types: read through Any
CONTAINER, CERTIFICATE = MEMBERS["signature"], MEMBERS["certificate"]
LEGAL_NAME = "http://eidas.europa.eu/attributes/legalperson/LegalName"
LEGAL_ID = "http://eidas.europa.eu/attributes/legalperson/LegalPersonIdentifier"
_OWN_NAME = re.compile(f"(.*){RULES['sealName']}", re.DOTALL | re.ASCII)
_LONGEST: int = RULES["longestName"]
_SINCE = date.fromisoformat(RULES["evidencePurposeSince"])


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose certificate it is, by its subject.

    Args:
        organisation: O; where there is none, the common name.
        common: CN without what certificates of our own say there of the key.
        identifier: organizationIdentifier (EN 319 412-1, section 5.1.4), or empty.
        is_plain: whether the common name is the organisation's, cut where it was too long.
    """

    organisation: str
    common: str
    identifier: str
    is_plain: bool


def check(case: Case) -> None:
    """Says signer."""
    findings = case.findings
    for record in case.records.values():
        name = seal_name(record)
        if name in case.sealers:
            with findings.about("signer", name, record=record.seq):
                _check_record(record, name, case.sealers[name].chain[0])
    with findings.about("signer"):
        signer = _check_one(case)
        _check_purposes(case)
        if case.trust:
            _check_lists(case)
        is_wrong = any(one.check == "signer" and one.verdict == FAIL for one in findings.claims)
        if signer and not is_wrong and {CONTAINER, CERTIFICATE} <= case.sealers.keys():
            findings.say("signer.ok" if case.trust else "signer.unknown", signer=signer)


def seal_name(record: Record) -> str:
    """The member that is a record's seal."""
    return f"records/{record.seq:03}.jades.json"


def identity_of(certificate: x509.Certificate, about: str) -> Identity:
    """Whose certificate it is.

    Args:
        certificate: of a seal.
        about: the seal's member.

    Raises:
        Said: its subject has a name of one kind twice.
    """
    try:
        common = _named(certificate, NameOID.COMMON_NAME)
        organisation = _named(certificate, NameOID.ORGANIZATION_NAME) or common
        identifier = _named(certificate, NameOID.ORGANIZATION_IDENTIFIER)
    except ValueError as error:
        raise Said("signer.malformed", about=about, reason=str(error)) from error
    found = _OWN_NAME.fullmatch(common)
    bare = found[1] if found else common
    is_cut = len(common.encode("utf-8", "replace")) > _LONGEST - 4 and organisation.startswith(bare)
    return Identity(organisation, bare, identifier, bare == organisation or is_cut)


def _named(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    if len(found) > 1:
        raise ValueError("two names of one kind")
    return unicodedata.normalize("NFC", str(found[0].value)) if found else ""


def _check_record(record: Record, about: str, leaf: x509.Certificate) -> None:
    """The issuer that a record names is whose certificate sealed it, and no other certificate is named."""
    details: Any = (record.value or {}).get("EvidenceIssuerDetails")
    given = cast("dict[str, Any]", details) if isinstance(details, dict) else {}
    identity, name = identity_of(leaf, about), _attribute(given, LEGAL_NAME)
    if name is None or identity.organisation not in {name, _cut(name)}:
        code = "signer.earlier" if name and _is_earlier(record) else "signer.issuer"
        raise Said(code, about=about, issuer=name or "?", signer=identity.organisation)
    number = _attribute(given, LEGAL_ID)
    if number and identity.identifier and number != identity.identifier:
        raise Said("signer.issuer", issuer=f"{name} ({number})", signer=f"{name} ({identity.identifier})")
    if not all(_is_of(one, leaf) for one in _named_certificates(given)):
        raise Said("signer.certificate")


def _is_earlier(record: Record) -> bool:
    """Whether a release made it that kept its certificates when the operator changed its name."""
    return record.extension.get("suite") == RULES["suites"][0]["name"]


def _attribute(details: dict[str, Any], name: str) -> str | None:
    """The one value of an attribute of the issuer; None where there is none, or several."""
    try:
        (values,) = [one["AttributeValue"] for one in details["Identity"]["Attribute"] if one["Name"] == name]
    except (KeyError, TypeError, ValueError):
        return None
    found = cast("list[Any]", values) if isinstance(values, list) else []
    return unicodedata.normalize("NFC", found[0]) if len(found) == 1 and isinstance(found[0], str) else None


def _cut(name: str) -> str:
    return name.encode("utf-8", "replace")[:_LONGEST].decode(errors="ignore")


def _named_certificates(details: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a record says of the certificate: ``CertificateDetails``, and a ``CertID`` that stands outside of them."""
    listed = details.get("CertificateDetails", [])
    yield from listed if isinstance(listed, list) else [listed]  # pyright: ignore[reportUnknownMemberType] - JSON
    if "CertID" in details:
        yield {"CertID": details["CertID"]}


def _is_of(given: dict[str, Any], leaf: x509.Certificate) -> bool:
    der = leaf.public_bytes(Encoding.DER)
    try:
        if "X509Certificate" in given:
            return strict_base64(given["X509Certificate"]) == der
        named = given["CertID"] if "CertID" in given else given["CertIDAndSignature"]["CertID"]
        digest = named["CertDigest"]
        is_same = strict_base64(digest["DigestValue"]) == hashlib.sha256(der).digest()
        is_same = is_same and digest["DigestMethod"]["Algorithm"] == SHA256_URI
        return is_same and ("IssuerSerialV2" not in named or _is_numbered(strict_base64(named["IssuerSerialV2"]), leaf))
    except (KeyError, TypeError, ValueError, AttributeError, NoNote):
        return False


def _is_numbered(der: bytes, leaf: x509.Certificate) -> bool:
    """Whether an IssuerSerial is a certificate's."""
    try:
        require_der(der, SEAL)
    except NotDer:
        return False
    found = _tsp.IssuerSerial.load(der, strict=True)
    names = [octets_of(one.chosen.chosen) for one in found["issuer"] if one.name == "directory_name"]
    return names == [leaf.issuer.public_bytes()] and found["serial_number"].native == leaf.serial_number


def _check_one(case: Case) -> str:
    """Says who sealed another part than the first record; the name of who sealed that."""
    first: tuple[x509.Certificate, Identity] | None = None
    for name, sealer in case.sealers.items():
        leaf = sealer.chain[0]
        identity = identity_of(leaf, name)
        if first is None:
            first = leaf, identity
        elif not _is_same(first[1], identity):
            if _is_renamed(first[1], identity) or _is_listed(case, first[0], leaf):
                case.findings.remark("remark.renamed", signer=first[1].organisation, other=identity.organisation)
            elif identity.organisation in _earlier_names(case) - {first[1].organisation}:
                issuer = identity.organisation
                case.findings.say("signer.earlier", name, issuer=issuer, signer=first[1].organisation)
            else:
                case.findings.say("signer.differs", name, signer=_shown(identity), other=_shown(first[1]))
    return first[1].organisation if first else ""


def _earlier_names(case: Case) -> set[str]:
    """The issuers that records of an earlier release name: the operator may since have a certificate in that name."""
    details = [(one.value or {}).get("EvidenceIssuerDetails") for one in case.records.values() if _is_earlier(one)]
    found = [_attribute(cast("dict[str, Any]", one), LEGAL_NAME) for one in details if isinstance(one, dict)]
    return {form for name in found if name for form in (name, _cut(name))}


def _shown(identity: Identity) -> str:
    if identity.common in {"", identity.organisation}:
        return identity.organisation
    return f"{identity.organisation} ({identity.common})"


def _is_same(one: Identity, other: Identity) -> bool:
    if one.organisation != other.organisation:
        return False
    if one.identifier and other.identifier and one.identifier != other.identifier:
        return False
    return one.common == other.common or (one.is_plain and other.is_plain)


def _is_renamed(one: Identity, other: Identity) -> bool:
    """Whether it is the same legal person under another name: a register's number outlives names."""
    return one.identifier != "" and one.identifier == other.identifier and one.is_plain and other.is_plain


def _is_listed(case: Case, *leaves: x509.Certificate) -> bool:
    """Whether the chosen trust folder has all of them among those that seal for one service."""
    return case.trust is not None and {_der(one) for one in leaves} <= case.trust.certificates


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _check_purposes(case: Case) -> None:
    """Each certificate is for evidence, or a token says that its seal is older than that purpose."""
    whole = case.sealers.get(CONTAINER)
    for name, sealer in case.sealers.items():
        at = _earliest(sealer, whole)
        is_older = at is not None and at.astimezone(UTC).date() < _SINCE
        if not is_older and not is_for_evidence(sealer.chain[0]):
            case.findings.say("signer.purpose", name, since=_SINCE.isoformat())


def _earliest(sealer: Sealer, whole: Sealer | None) -> datetime | None:
    """When a seal was there at the latest; what is in a container is not younger than that."""
    return min((one.at for one in (sealer, whole) if one is not None and one.at is not None), default=None)


def _check_lists(case: Case) -> None:
    """For each issuer of a certificate, a list that was not stale when the container was stamped."""
    whole = case.sealers.get(CONTAINER)
    times = [one.at for one in ([whole] if whole else case.sealers.values()) if one.at is not None]
    if not times:
        return  # said of the container: its time is not proven
    certificates, at = certificates_of(case), max(times)
    chains = {one.issuer: one for sealer in case.sealers.values() for one in sealer.chain}
    for issuer, certificate in chains.items():
        until, name = certificates.listed_until(certificate), issuer.rfc4514_string()
        if until is None:
            case.findings.say("signer.unlisted", issuer=name)
        elif until < at:
            case.findings.say("signer.stale", issuer=name, until=shown(until), time=shown(at))
