"""What a time stamp answer must be before it is kept. For the client; RFC 3161 2.4.2, RFC 5816, RFC 5652 5.4.

rfc3161-client (OpenSSL beneath it) reads the DER strictly and verifies status, signature, path at genTime, nonce,
policy and imprint. This module adds what that library leaves open: one signer bound by ESSCertID, a certificate for
nothing but time stamps, exactly one of each signed attribute, strong hashes, nothing unsigned beside them. The
stand-alone verifier has an implementation of its own (``sealpost.verifier.timestamps``), which shares no code and no
library call for signature and path with this one; the tests hold the two against each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asn1crypto import tsp
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import TimeStampResponse, VerificationError, VerifierBuilder, decode_timestamp_response

from sealpost.domain.errors import Unavailable
from sealpost.seal.exact import octets_of

# asn1crypto has no types: read through Any.
_tsp: Any = tsp
GRANTED, GRANTED_WITH_MODS = 0, 1
IMPRINTS = ("sha256", "sha512")
_DIGESTS = {"sha256", "sha384", "sha512"}
_MALFORMED = (  # AttributeError: asn1crypto, where an optional member is asked for what only a present one has
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
)
# RFC 5035: version 1 identifies the certificate by SHA-1. It may stand beside version 2, and must fit then.
_CERTIFICATE_ATTRIBUTES = {"signing_certificate": "sha1", "signing_certificate_v2": None}


class TimestampUnavailable(Unavailable):
    """The authority is away or refuses; the same request may succeed later."""


class TimestampWrong(Unavailable):
    """The authority answered with something that is no valid token for the request."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a checked token says.

    Args:
        at: the authority's time (genTime), aware, UTC.
        policy: the policy's OID in dotted form.
        serial: the token's number at this authority.
        authority: the signing certificate.
        octets: the bare token (CMS ContentInfo, DER) as JAdES and PAdES embed it.
    """

    at: datetime
    policy: str
    serial: int
    authority: x509.Certificate
    octets: bytes


def check(
    response: bytes,
    octets: bytes,
    roots: Sequence[x509.Certificate],
    *,
    nonce: int | None = None,
    policy: str | None = None,
) -> Token:
    """Checks an authority's whole answer (TimeStampResp, DER) over ``octets``.

    Args:
        response: the answer as received.
        octets: what was stamped; its hash is taken here, by the algorithm that the token names.
        roots: trusted roots; a path must lead to one of them at the token's time.
        nonce: the request's, when the answer is fresh.
        policy: the only acceptable policy OID, or None for any.

    Raises:
        TimestampUnavailable: a refusal by the authority.
        TimestampWrong: anything else that is not a valid token, with a sentence.
    """
    with _refusing():
        ordered, answer = _read(response)
        _require_granted(answer)
        parsed: Any = _tsp.TimeStampResp.load(ordered, strict=True)
        _require(parsed["status"]["fail_info"].native is None, "the authority grants and fails in one answer")
        _require_certificates(parsed["time_stamp_token"]["content"]["certificates"])
        authority = _authority(parsed["time_stamp_token"])
        info: Any = parsed["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
        _require_tst_info(info)
        _verify(answer, octets, roots, nonce, policy)
        at: datetime = info["gen_time"].native  # the library cuts the fraction off
        stamp = answer.tst_info
        # The token as the authority wrote it, not as ordered for the library.
        bare: bytes = octets_of(_tsp.TimeStampResp.load(response)["time_stamp_token"])
        return Token(at, stamp.policy.dotted_string, stamp.serial_number, authority, bare)


@contextmanager
def _refusing() -> Generator[None]:
    """Turns what the libraries raise on hostile octets into our one error."""
    try:
        yield
    except VerificationError as error:
        raise TimestampWrong(f"the time token does not verify: {error}") from error
    except _MALFORMED as error:
        raise TimestampWrong(f"the answer is no well-formed time stamp: {error}") from error


def _read(response: bytes) -> tuple[bytes, TimeStampResponse]:
    """The answer as rfc3161-client reads it, and the octets that it read."""
    try:
        return response, decode_timestamp_response(response)
    except ValueError:
        ordered = _ordered(response)
        return ordered, decode_timestamp_response(ordered)


def _ordered(response: bytes) -> bytes:
    """The answer with its certificate set in DER order, which rfc3161-client insists on and `openssl ts` does not keep.

    The set is outside what is signed. Nothing else changes, lengths included: what is not DER stays so and is refused.
    """
    parsed: Any = _tsp.TimeStampResp.load(response, strict=True)
    certificates = parsed["time_stamp_token"]["content"]["certificates"]
    in_order = sorted(octets_of(one) for one in certificates)
    return response.replace(certificates.contents, b"".join(in_order), 1)


def _require_granted(answer: TimeStampResponse) -> None:
    if answer.status == GRANTED:
        return
    if answer.status == GRANTED_WITH_MODS:
        raise TimestampWrong("the authority granted something else than what was asked")
    said = "; ".join(answer.status_string)[:200]
    raise TimestampUnavailable(f"the time stamp authority refuses: status {answer.status} {said!r}")


def _verify(
    answer: TimeStampResponse,
    octets: bytes,
    roots: Sequence[x509.Certificate],
    nonce: int | None,
    policy: str | None,
) -> None:
    wanted = None if policy is None else x509.ObjectIdentifier(policy)
    verifier = VerifierBuilder(policy_id=wanted, roots=list(roots), nonce=nonce).build()
    verifier.verify_message(answer, octets)


def _require(truth: object, sentence: str) -> None:
    if not truth:
        raise TimestampWrong(sentence)


def _require_tst_info(info: Any) -> None:
    _require(info["version"].native == "v1", "the time token is of another version than 1")
    hash_name = info["message_imprint"]["hash_algorithm"]["algorithm"].native
    _require(hash_name in IMPRINTS, "the imprint is neither SHA-256 nor SHA-512")
    for extension in info["extensions"]:
        _require(not extension["critical"].native, "the time token has a critical extension that is unknown here")


def _require_certificates(certificates: Any) -> None:
    _require(certificates, "the time token carries no certificates")
    for one in certificates:
        # A serial number that is not positive would only bring a warning from the library, for now.
        _require(one.chosen.serial_number > 0, "a certificate whose number is not positive")
        purposes = one.chosen.extended_key_usage_value
        # OpenSSL's path, as the library calls it, does not look at the purposes of issuers; the verifier's does.
        known = purposes is None or not {"time_stamping", "any_extended_key_usage"}.isdisjoint(purposes.native)
        _require(known, "a certificate in the time token is for other purposes")


def _authority(token: Any) -> x509.Certificate:
    """The certificate that the signature is bound to, after the checks that need no key."""
    signed = token["content"]
    _require(token["content_type"].native == "signed_data", "the time token is not signed data")
    _require(signed["version"].native == "v3", "the signed data is of another version than 3")
    _require(signed["encap_content_info"]["content_type"].native == "tst_info", "the content is no time stamp")
    _require(len(signed["signer_infos"]) == 1, "the time token has not exactly one signer")
    _require(not signed["crls"], "revocation lists stand beside the signature")
    signer = signed["signer_infos"][0]
    _require(signer["version"].native == "v1", "the signer is not named by issuer and serial number")
    _require(not signer["unsigned_attrs"], "there are attributes that nobody signed")
    hash_name = signer["digest_algorithm"]["algorithm"].native
    _require(hash_name in _DIGESTS, "the signature's hash is too weak or unknown")
    named = [one["algorithm"].native for one in signed["digest_algorithms"]]
    _require(named == [hash_name], "the signed data names other hash algorithms than its signer")
    certificate = _certificate(signed["certificates"], signer["sid"].chosen)
    _require_attributes(
        signer["signed_attrs"], hash_name, signed["encap_content_info"]["content"].contents, certificate
    )
    loaded = x509.load_der_x509_certificate(octets_of(certificate))
    _require_time_stamps_only(loaded)
    _require_algorithm(signer["signature_algorithm"], hash_name, loaded)
    return loaded


def _certificate(certificates: Any, sid: Any) -> Any:
    found = [
        one.chosen
        for one in certificates
        if one.name == "certificate"
        and octets_of(one.chosen["tbs_certificate"]["issuer"]) == octets_of(sid["issuer"])
        and one.chosen.serial_number == sid["serial_number"].native
    ]
    _require(len(found) == 1, "the signer's certificate is not in the time token exactly once")
    return found[0]


def _require_attributes(attributes: Any, hash_name: str, content: bytes, certificate: Any) -> None:
    """Content type, digest and certificate identifier, each exactly once (RFC 5652 11, RFC 5816 2.2)."""
    found: dict[str, Any] = {}
    for attribute in attributes:
        name = attribute["type"].native
        _require(name not in found, "a signed attribute stands there twice")
        _require(len(attribute["values"]) == 1, "a signed attribute has not exactly one value")
        found[name] = attribute["values"][0]
    _require(found["content_type"].native == "tst_info", "the signed content type is no time stamp")
    digest = hashlib.new(hash_name, content).digest()
    _require(found["message_digest"].native == digest, "the signed digest is not the content's")
    _require("signing_certificate_v2" in found, "the signature does not say by SHA-2 which certificate it is bound to")
    for name in _CERTIFICATE_ATTRIBUTES.keys() & found.keys():
        _require_bound(found[name]["certs"][0], _CERTIFICATE_ATTRIBUTES[name], certificate)


def _require_bound(identifier: Any, hash_name: str | None, certificate: Any) -> None:
    name = hash_name or identifier["hash_algorithm"]["algorithm"].native
    _require(hash_name or name in _DIGESTS, "the certificate's identifier has an unknown hash")
    digest = hashlib.new(name, octets_of(certificate), usedforsecurity=False).digest()
    _require(identifier["cert_hash"].native == digest, "the signature is bound to another certificate")
    if identifier["issuer_serial"].native is None:
        return
    issuer = identifier["issuer_serial"]["issuer"]
    same_issuer = len(issuer) == 1 and octets_of(issuer[0].chosen.chosen) == octets_of(
        certificate["tbs_certificate"]["issuer"]
    )
    same_number = identifier["issuer_serial"]["serial_number"].native == certificate.serial_number
    _require(same_issuer and same_number, "the signature is bound to another issuer or serial number")


def _require_time_stamps_only(certificate: x509.Certificate) -> None:
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    only = [one.dotted_string for one in usage.value] == [ExtendedKeyUsageOID.TIME_STAMPING.dotted_string]
    _require(usage.critical and only, "the authority's certificate is not critically for time stamps alone")


def _require_algorithm(algorithm: Any, hash_name: str, certificate: x509.Certificate) -> None:
    """The named algorithm is the one that OpenSSL verified with: it goes by key and hash, and ignores the name."""
    name = algorithm["algorithm"].native
    key = certificate.public_key()
    is_rsa = isinstance(key, rsa.RSAPublicKey) and name in {"rsassa_pkcs1v15", f"{hash_name}_rsa"}
    is_ecdsa = isinstance(key, ec.EllipticCurvePublicKey) and name == f"{hash_name}_ecdsa"
    _require(is_rsa or is_ecdsa, "the signature's algorithm is unknown or does not fit its key")
    _require(algorithm["parameters"].native is None, "the signature's algorithm has parameters")
