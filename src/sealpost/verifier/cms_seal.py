"""The seals of bundle and PDF: CMS with one signer, CAdES/PAdES baseline B-T (RFC 5652, RFC 5816; EN 319 122-1, 319 142-1).

Strict: DER, one signer, only certificates and attributes that are used. What a signature does not cover and nobody needs
is a place to hide something in, so it is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from asn1crypto import cms, core
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from sealpost.verifier.case import Case, Sealer
from sealpost.verifier.certificates import Signatory, shown
from sealpost.verifier.der import SEAL, NotDer, octets_of, require_der
from sealpost.verifier.paths import is_searchable
from sealpost.verifier.report import Said
from sealpost.verifier.seals import certificates_of
from sealpost.verifier.tables import RULES, covers
from sealpost.verifier.times import is_own, stamped

# asn1crypto has no types: read through Any.
_cms: Any = cms
_NEEDED = {"content_type", "message_digest", "signing_certificate_v2"}
_ALLOWED = _NEEDED | {"signing_time", "cms_algorithm_protection"}
_SHA256 = tuple(bytes.fromhex(f"{head}0609608648016503040201{tail}") for head, tail in (("300b", ""), ("300d", "0500")))
_TOKEN = "signature_time_stamp_token"  # noqa: S105 - the name of an attribute


def check(case: Case, check_id: str, about: str, der: bytes, digest: bytes) -> None:
    """Checks a seal and says who sealed.

    Args:
        case: for trust and findings.
        check_id: ``container`` or ``pdf``: of the codes.
        about: the sealed member.
        der: the ContentInfo.
        digest: SHA-256 of what it must be over.

    Raises:
        Said: why it is no such seal, or what of it is not proven.
    """
    signed = _signed_data(check_id, der)
    signer = signed["signer_infos"][0]
    # What is signed is the SET itself, not the implicit [0] in its place (RFC 5652 5.4), in the octets as received.
    message: bytes = b"\x31" + octets_of(signer["signed_attrs"])[1:]
    attributes = _attributes(check_id, signer["signed_attrs"], _ALLOWED)
    _require(attributes.keys() >= _NEEDED, check_id, "a signed attribute is missing")
    _require_plain(check_id, signed, signer, attributes)
    if attributes["message_digest"].native != digest:
        raise Said(f"{check_id}.signature")
    who = _signatory(case, check_id, signed, signer)
    _require_bound(check_id, attributes["signing_certificate_v2"], who.leaf)
    try:
        who.key.verify(signer["signature"].native, message, ECDSA(SHA256()))
    except InvalidSignature as error:
        raise Said(f"{check_id}.signature") from error
    _judge(case, check_id, about, who, signer)


def _require(truth: object, check_id: str, reason: str) -> None:
    if not truth:
        raise Said(f"{check_id}.malformed", reason=reason)


def _require_used(truth: object, check_id: str, reason: str) -> None:
    if not truth:
        raise Said(f"{check_id}.unused", reason=reason)


def _signed_data(check_id: str, der: bytes) -> Any:
    try:
        require_der(der, SEAL)
    except NotDer as error:
        raise Said(f"{check_id}.malformed", reason=str(error)) from error
    info = _cms.ContentInfo.load(der, strict=True)
    _require(info["content_type"].native == "signed_data", check_id, "not signed data")
    signed = info["content"]
    _require(signed["version"].native == "v1", check_id, "signed data of another version")
    inner = signed["encap_content_info"]
    # An embedded content of no octets is one too: a second thing that the seal could be said to be over.
    detached = isinstance(inner["content"], core.Void)
    _require(inner["content_type"].native == "data" and detached, check_id, "not detached")
    _require_used(not signed["crls"], check_id, "revocation lists")
    _require_used(len(signed["signer_infos"]) == 1, check_id, "other signers than one")
    _require(signed["certificates"], check_id, "no certificates")
    return signed


def _require_plain(check_id: str, signed: Any, signer: Any, attributes: dict[str, Any]) -> None:
    _require(signer["version"].native == "v1", check_id, "a signer not named by issuer and serial number")
    named = [octets_of(one) for one in (*signed["digest_algorithms"], signer["digest_algorithm"])]
    # In the octets: nobody signed the list, and asn1crypto passes over parameters of an odd kind.
    _require(len(named) == 2 and all(one in _SHA256 for one in named), check_id, "another hash")
    algorithm = signer["signature_algorithm"]
    if algorithm["algorithm"].native != "sha256_ecdsa" or algorithm["parameters"].native is not None:
        raise Said(f"{check_id}.key")
    _require(attributes["content_type"].native == "data", check_id, "a signature over another kind of content")
    guard = attributes.get("cms_algorithm_protection")
    if guard is not None:
        same = octets_of(guard["digest_algorithm"]) == octets_of(signer["digest_algorithm"])
        same = same and guard["signature_algorithm"].native == algorithm.native
        _require(same, check_id, "other algorithms are protected than used")


def _attributes(check_id: str, attributes: Any, allowed: set[str]) -> dict[str, Any]:
    encoded = [octets_of(one) for one in attributes]
    _require(encoded == sorted(encoded), check_id, "attributes out of order")
    found: dict[str, Any] = {}
    for one in attributes:
        name = one["type"].native
        _require(name not in found and len(one["values"]) == 1, check_id, "an attribute that does not stand there once")
        _require_used(name in allowed, check_id, "an attribute that is not used")
        found[name] = one["values"][0]
    return found


def _signatory(case: Case, check_id: str, signed: Any, signer: Any) -> Signatory:
    """The signer's chain; every certificate that the seal carries must be part of it."""
    _require(all(one.name == "certificate" for one in signed["certificates"]), check_id, "another kind of certificate")
    carried = [octets_of(one.chosen) for one in signed["certificates"]]
    sid = signer["sid"].chosen
    loaded = [x509.load_der_x509_certificate(one) for one in carried]
    _require(is_searchable(loaded), check_id, "more certificates than a seal may have")
    issuer: bytes = octets_of(sid["issuer"])
    number: int = sid["serial_number"].native
    at = [i for i, one in enumerate(loaded) if one.serial_number == number and one.issuer.public_bytes() == issuer]
    _require(len(at) == 1, check_id, "the signer's certificate is not there exactly once")
    chain, rest = [at[0]], set(range(len(loaded))) - set(at)
    while following := [i for i in rest if loaded[i].subject == loaded[chain[-1]].issuer]:
        chain.append(following[0])
        rest.discard(following[0])
    _require_used(not rest, check_id, "a certificate that is not of the signer's chain")
    _require_used(len(chain) < 2 or loaded[chain[-1]].issuer != loaded[chain[-1]].subject, check_id, "a root")
    return certificates_of(case).signatory(check_id, tuple(carried[i] for i in chain))


def _require_bound(check_id: str, binding: Any, leaf: x509.Certificate) -> None:
    """ESSCertIDv2 (RFC 5816): one, of the signer's certificate."""
    _require(len(binding["certs"]) == 1 and binding["policies"].native is None, check_id, "a binding that is not plain")
    identifier = binding["certs"][0]
    name = identifier["hash_algorithm"]["algorithm"].native
    _require(name == "sha256", check_id, "bound by another hash")
    digest = hashlib.sha256(leaf.public_bytes(Encoding.DER)).digest()
    _require(identifier["cert_hash"].native == digest, check_id, "bound to another certificate")
    issuer_serial = identifier["issuer_serial"]
    if issuer_serial.native is not None:
        names = [octets_of(one.chosen.chosen) for one in issuer_serial["issuer"] if one.name == "directory_name"]
        same = issuer_serial["serial_number"].native == leaf.serial_number
        _require(same and names == [leaf.issuer.public_bytes()], check_id, "bound to another issuer")


def _judge(case: Case, check_id: str, about: str, who: Signatory, signer: Any) -> None:
    certificates = certificates_of(case)
    at = _time(case, check_id, about, signer)
    judged = at or datetime.now(UTC)
    if not any(covers(one, judged.date()) for one in RULES["suites"]):
        raise Said(f"{check_id}.suite", time=shown(judged))
    if at is not None or case.trust:
        certificates.judge(check_id, who, judged)
    case.sealers[about] = Sealer(who.chain, at)
    if at is None:
        raise Said(f"{check_id}.time")
    if case.trust is None:
        raise Said(f"{check_id}.signer", signer=who.name)
    case.findings.say(f"{check_id}.ok", about, signer=who.name)


def _time(case: Case, check_id: str, about: str, signer: Any) -> datetime | None:
    given = signer["unsigned_attrs"]
    attributes: Sequence[Any] = () if isinstance(given, core.Void) else given  # reading it as a value would rewrite it
    found = _attributes(check_id, attributes, {_TOKEN})
    if _TOKEN not in found:
        return None
    try:
        token = stamped(case.trust, octets_of(found[_TOKEN]), signer["signature"].native)
    except Said as end:
        reason = end.values.get("reason", "revoked")
        raise Said(f"{check_id}.token", reason=reason) from end
    case.closed[about] = token
    if is_own(case, token):
        case.findings.say("time.own", about, about=about, time=shown(token.at), authority=token.authority)
    return token.at
