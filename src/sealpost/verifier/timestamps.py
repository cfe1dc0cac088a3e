"""Checks time tokens without network or server: RFC 3161 2.4.2, RFC 5816, RFC 5652 5. For the stand-alone verifier.

Written apart from ``sealpost.seal.timestamps``, on purpose: only asn1crypto to read and cryptography to verify, where
the service leaves signature and path to OpenSSL. What one of the two overlooks, the other should refuse; the tests feed
both the same tables. Lists of revoked certificates are not looked at: a token says nothing about what came after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from sealpost.verifier.der import STAMP, NotDer, extent_of, octets_of, require_der
from sealpost.verifier.paths import is_searchable

# asn1crypto has no types: read through Any.
_cms: Any = cms
_tsp: Any = tsp
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_IMPRINTS = {"sha256": 32, "sha512": 64}
_MALFORMED = (  # what asn1crypto and cryptography raise on hostile octets
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
)


class BadToken(ValueError):
    """The octets are no valid time token over what they are shown with; the text says why."""


@dataclass(frozen=True, slots=True)
class StampedTime:
    """What a valid token proves, and on whose word.

    Args:
        at: the authority's time (genTime), aware, UTC.
        accuracy: plus or minus, as far as the token says; zero where it does not.
        policy: the policy's OID in dotted form.
        serial: the token's number at this authority.
        authority: subject of the signing certificate (RFC 4514).
        anchor: the trusted root that the path ends in; None when no roots were given, and then *who* gave the time is
            not proven.
        signer: the signing certificate.
    """

    at: datetime
    accuracy: timedelta
    policy: str
    serial: int
    authority: str
    anchor: x509.Certificate | None
    signer: x509.Certificate


def check_token(
    token: bytes,
    octets: bytes,
    roots: Sequence[x509.Certificate] = (),
    *,
    nonce: int | None = None,
    policy: str | None = None,
) -> StampedTime:
    """Checks a time token over ``octets``.

    Args:
        token: a bare token (ContentInfo) or an authority's answer (TimeStampResp), DER.
        octets: what was stamped.
        roots: trusted roots; a path must lead to one at the token's time. Without any, the path is left open.
        nonce: the request's, where it is known.
        policy: the only acceptable policy OID, or None for any.

    Raises:
        BadToken: with the reason.
    """
    try:
        require_der(token, STAMP)
        signed = _signed_data(token)
        content: bytes = signed["encap_content_info"]["content"].contents
        require_der(content, STAMP)
        info: Any = _tsp.TSTInfo.load(content, strict=True)
        at = _said(info, octets, nonce, policy)
        certificates = [_loaded(one.chosen) for one in signed["certificates"]]
        _require(is_searchable(certificates), "more certificates than a seal may have")
        certificate = _verified_signer(signed, content, certificates)
        _require_time_stamping(certificate, at)
        anchor = _anchor(certificate, certificates, roots, at) if roots else None
    except BadToken:
        raise
    except NotDer as error:
        raise BadToken(str(error)) from error
    except _MALFORMED as error:
        raise BadToken("not a well-formed time token") from error
    subject = certificate.subject.rfc4514_string()
    return StampedTime(
        at, _accuracy(info), info["policy"].dotted, info["serial_number"].native, subject, anchor, certificate
    )


def _require(truth: object, why: str) -> None:
    if not truth:
        raise BadToken(why)


def _signed_data(token: bytes) -> Any:
    """The SignedData, after the checks that need neither key nor octets."""
    info = _content_info(token)
    _require(info["content_type"].native == "signed_data", "not signed data")
    signed = info["content"]
    _require(signed["version"].native == "v3", "signed data of another version than 3")
    _require(signed["encap_content_info"]["content_type"].native == "tst_info", "no time stamp inside")
    _require(signed["encap_content_info"]["content"].tag == 4, "the time stamp is not inside octets")
    _require(len(signed["signer_infos"]) == 1, "not exactly one signer")
    _require(signed["certificates"], "no certificates")
    _require(all(one.name == "certificate" for one in signed["certificates"]), "an obsolete kind of certificate")
    _require(not signed["crls"] and not signed["signer_infos"][0]["unsigned_attrs"], "something that nobody signed")
    return signed


def _content_info(token: bytes) -> Any:
    """Tells a bare token from an answer by the first element: an identifier, or the status."""
    start, _ = extent_of(token, 1, len(token))
    if token[start : start + 1] == b"\x06":
        return _cms.ContentInfo.load(token, strict=True)
    answer: Any = _tsp.TimeStampResp.load(token, strict=True)
    status = answer["status"]
    _require(status["status"].native == "granted" and status["fail_info"].native is None, "the time was not granted")
    return answer["time_stamp_token"]


def _said(info: Any, octets: bytes, nonce: int | None, policy: str | None) -> datetime:
    _require(info["version"].native == "v1", "a time stamp of another version than 1")
    hash_name = _digest_name(info["message_imprint"]["hash_algorithm"])
    _require(hash_name in _IMPRINTS, "an imprint that is neither SHA-256 nor SHA-512")
    imprint = info["message_imprint"]["hashed_message"].native
    _require(imprint == hashlib.new(hash_name, octets).digest(), "the token is over other octets")
    _require(nonce is None or info["nonce"].native == nonce, "the token answers another question (nonce)")
    _require(policy is None or info["policy"].dotted == policy, "the token is given under another policy")
    _require(not any(one["critical"].native for one in info["extensions"]), "an unknown critical extension")
    return info["gen_time"].native


def _accuracy(info: Any) -> timedelta:
    given: dict[str, int | None] = info["accuracy"].native or {}
    return timedelta(
        seconds=given.get("seconds") or 0,
        milliseconds=given.get("millis") or 0,
        microseconds=given.get("micros") or 0,
    )


def _digest_name(algorithm: Any) -> str:
    _require(algorithm["parameters"].native is None, "a hash with parameters")
    return algorithm["algorithm"].native


def _loaded(certificate: Any) -> x509.Certificate:
    # For now the library only warns of such numbers.
    _require(certificate.serial_number > 0, "a certificate whose number is not positive")
    return x509.load_der_x509_certificate(octets_of(certificate))


def _verified_signer(signed: Any, content: bytes, certificates: Sequence[x509.Certificate]) -> x509.Certificate:
    """The certificate whose key made the signature, after every check that binds the two (RFC 5652 5.4)."""
    signer = signed["signer_infos"][0]
    # What is signed is the SET itself, not the implicit [0] in its place (RFC 5652 5.4). Taken before anything inside is
    # looked at: asn1crypto writes anew what it filled with default values, and the octets as received are what counts.
    message: bytes = b"\x31" + octets_of(signer["signed_attrs"])[1:]
    _require(signer["version"].native == "v1", "a signer not named by issuer and serial number")
    hash_name = _digest_name(signer["digest_algorithm"])
    _require(hash_name in _HASHES, "a signature over an unknown or weak hash")
    _require([_digest_name(one) for one in signed["digest_algorithms"]] == [hash_name], "other hashes are announced")
    sid = signer["sid"].chosen
    issuer: bytes = octets_of(sid["issuer"])
    serial: int = sid["serial_number"].native
    found = [one for one in certificates if one.serial_number == serial and one.issuer.public_bytes() == issuer]
    _require(len(found) == 1, "the signer's certificate is not there exactly once")
    attributes = _attributes(signer["signed_attrs"])
    _require(attributes["content_type"].native == "tst_info", "the signature is over another kind of content")
    digest = hashlib.new(hash_name, content).digest()
    _require(attributes["message_digest"].native == digest, "the content is not what was signed")
    _require_binding(attributes, found[0])
    _require_signature(found[0], signer, hash_name, message)
    return found[0]


def _attributes(attributes: Any) -> dict[str, Any]:
    encoded = [octets_of(one) for one in attributes]
    _require(encoded and encoded == sorted(encoded), "no signed attributes in DER order")
    found: dict[str, Any] = {}
    for one in attributes:
        name = one["type"].native
        _require(name not in found and len(one["values"]) == 1, "a signed attribute that does not stand there once")
        found[name] = one["values"][0]
    return found


def _require_binding(attributes: dict[str, Any], certificate: x509.Certificate) -> None:
    """ESSCertIDv2 (RFC 5816); the older ESSCertID by SHA-1 (RFC 2634 5.4) may stand beside it, and must fit then."""
    _require("signing_certificate_v2" in attributes, "the signature is not bound to a certificate by SHA-2")
    second = attributes["signing_certificate_v2"]["certs"][0]
    identifiers: list[tuple[Any, hashes.HashAlgorithm]] = [(second, _HASHES[_digest_name(second["hash_algorithm"])]())]
    if "signing_certificate" in attributes:
        first = attributes["signing_certificate"]["certs"][0]
        identifiers.append((first, hashes.SHA1()))  # noqa: S303 - it binds nothing: it must not say something else
    for identifier, algorithm in identifiers:
        _require(identifier["cert_hash"].native == certificate.fingerprint(algorithm), "bound to another certificate")
        _require(_names(identifier["issuer_serial"], certificate), "bound to another issuer or serial number")


def _names(issuer_serial: Any, certificate: x509.Certificate) -> bool:
    if issuer_serial.native is None:
        return True
    names = [octets_of(one.chosen.chosen) for one in issuer_serial["issuer"] if one.name == "directory_name"]
    return names == [certificate.issuer.public_bytes()] and (
        issuer_serial["serial_number"].native == certificate.serial_number
    )


def _require_signature(certificate: x509.Certificate, signer: Any, hash_name: str, message: bytes) -> None:
    algorithm = signer["signature_algorithm"]["algorithm"].native
    _require(signer["signature_algorithm"]["parameters"].native is None, "a signature algorithm with parameters")
    signature: bytes = signer["signature"].native
    key, hashing = certificate.public_key(), _HASHES[hash_name]()
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm in {"rsassa_pkcs1v15", f"{hash_name}_rsa"}:
            key.verify(signature, message, padding.PKCS1v15(), hashing)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm == f"{hash_name}_ecdsa":
            key.verify(signature, message, ec.ECDSA(hashing))
        else:
            raise BadToken("a signature algorithm that is unknown here or does not fit its key")
    except InvalidSignature as error:
        raise BadToken("the signature is wrong") from error


def _require_time_stamping(certificate: x509.Certificate, at: datetime) -> None:
    """RFC 3161 2.3: a key for time stamps alone, said critically; and valid at the token's time."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound as error:
        raise BadToken("the certificate is not for time stamps") from error
    _require(usage.critical, "the certificate's purpose is not critical")
    _require(list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING], "the certificate is not for time stamps alone")
    valid = certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
    _require(valid, "the certificate was not valid at the token's time")
    for extension in _of_kind(certificate, x509.KeyUsage):
        signs = extension.digital_signature or extension.content_commitment
        _require(signs and not extension.key_cert_sign, "the certificate's key is not for signatures")


def _of_kind(certificate: x509.Certificate, kind: type[x509.KeyUsage]) -> Iterator[x509.KeyUsage]:
    return (one.value for one in certificate.extensions if isinstance(one.value, kind))


def _anchor(
    certificate: x509.Certificate,
    certificates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    at: datetime,
) -> x509.Certificate:
    """The root at the end of a path that is valid at ``at`` (RFC 5280 6, by cryptography's own path building)."""
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(list(roots)))
        .time(at)
        .extension_policies(ca_policy=_issuer_policy(), ee_policy=verification.ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        return verifier.verify(certificate, [one for one in certificates if one != certificate]).chain[-1]
    except verification.VerificationError as error:
        raise BadToken("no path to a trusted root") from error


def _issuer_policy() -> verification.ExtensionPolicy:
    open_to_all = verification.ExtensionPolicy.permit_all()
    as_it_stands = verification.Criticality.AGNOSTIC
    return (
        open_to_all.require_present(x509.BasicConstraints, as_it_stands, _require_issuer)
        .may_be_present(x509.KeyUsage, as_it_stands, _require_issuing)
        .may_be_present(x509.ExtendedKeyUsage, as_it_stands, _require_purpose)
    )


def _require_issuer(_policy: object, _certificate: x509.Certificate, found: x509.BasicConstraints | None) -> None:
    if found is None or not found.ca:
        raise ValueError("a certificate in the path is not an issuer's")


def _require_issuing(_policy: object, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("a certificate in the path may not issue others")


def _require_purpose(_policy: object, _certificate: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    allowed = {ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if usage is not None and allowed.isdisjoint(usage):
        raise ValueError("a certificate in the path may not issue for time stamps")
