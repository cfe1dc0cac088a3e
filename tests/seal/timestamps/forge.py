"""Makes certificates and time tokens of any shape, right and wrong ones: apart from the code under test."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as ax
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
YEAR = timedelta(days=365)
NONCE = 0x1122334455667788
POLICY = "2.999.7"
OCTETS = b"checkpoint\n"
EKU = ExtendedKeyUsageOID
TSTINFO = "1.2.840.113549.1.9.16.1.4"


@dataclass(frozen=True)
class Owner:
    """A key with its certificate, and who issued it."""

    key: Any
    certificate: x509.Certificate
    issuer: Owner | None = None

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def parsed(self) -> Any:
        return ax.Certificate.load(self.der)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def usage(**on: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
    )
    given = dict.fromkeys([*names.split(), "encipher_only", "decipher_only"], False)
    return x509.KeyUsage(**(given | on))


def certify(
    subject: str,
    issuer: Owner | None = None,
    *,
    key: Any = None,
    is_ca: bool = False,
    path_length: int | None = None,
    purposes: Sequence[x509.ObjectIdentifier] | None = None,
    critical: bool = True,
    key_usage: x509.KeyUsage | None = None,
    since: datetime = NOW - YEAR,
    until: datetime = NOW + YEAR,
    serial: int | None = None,
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> Owner:
    """A certificate for a new key, signed by the issuer or by itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    signing = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(issuer.certificate.subject if issuer else name(subject))
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=path_length), critical=True)
    )
    if key_usage:
        builder = builder.add_extension(key_usage, critical=True)
    if purposes is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=critical)
    for extension, is_critical in more:
        builder = builder.add_extension(extension, critical=is_critical)
    return Owner(key, builder.sign(signing, hashes.SHA256()), issuer)


def root(subject: str = "Test root", **options: Any) -> Owner:
    return certify(subject, is_ca=True, key_usage=usage(key_cert_sign=True, crl_sign=True), **options)


def authority(issuer: Owner, **options: Any) -> Owner:
    given: dict[str, Any] = {"purposes": [EKU.TIME_STAMPING], "key_usage": usage(digital_signature=True)}
    return certify("Test authority", issuer, **(given | options))


Change = Callable[[Any], Any]


def same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Recipe:
    """A token's ingredients. Each ``Change`` gets what would be right and returns what is taken."""

    signer: Owner
    carried: Sequence[Owner] = ()
    octets: bytes = OCTETS
    imprint: str = "sha256"
    digest: str = "sha256"
    status: dict[str, Any] = field(default_factory=lambda: {"status": "granted"})
    info: Change = same
    content: Change = same
    attributes: Change = same
    encoded_attributes: Change = same
    message: Change = same
    signer_info: Change = same
    signers: Change = same
    signed: Change = same

    def but(self, **changes: Any) -> Recipe:
        return replace(self, **changes)


def bake(recipe: Recipe) -> bytes:
    """The TimeStampResp, DER."""
    content = recipe.content(tsp.TSTInfo(recipe.info(_info(recipe))).dump())
    info = _signer(recipe, content)
    signed = {
        "version": "v3",
        "digest_algorithms": [algos.DigestAlgorithm({"algorithm": recipe.digest})],
        "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
        "certificates": [cms.CertificateChoices("certificate", one.parsed) for one in (recipe.signer, *recipe.carried)],
        "signer_infos": recipe.signers([info]),
    }
    signed = cms.SignedData(recipe.signed(signed))
    token = cms.ContentInfo({"content_type": "signed_data", "content": signed})
    return tsp.TimeStampResp({"status": recipe.status, "time_stamp_token": token}).dump()


def _info(recipe: Recipe) -> dict[str, Any]:
    hashed = hashlib.new(recipe.imprint, recipe.octets).digest()
    return {
        "version": "v1",
        "policy": POLICY,
        "message_imprint": {
            "hash_algorithm": algos.DigestAlgorithm({"algorithm": recipe.imprint}),
            "hashed_message": hashed,
        },
        "serial_number": 4711,
        "gen_time": NOW,
        "nonce": NONCE,
    }


def ess(owner: Owner, *, hash_name: str = "sha256") -> dict[str, Any]:
    digest = hashlib.new(hash_name, owner.der).digest()
    return {"hash_algorithm": algos.DigestAlgorithm({"algorithm": hash_name}), "cert_hash": digest}


def attribute(kind: str, *values: Any) -> dict[str, Any]:
    return {"type": kind, "values": list(values)}


def binding(*identifiers: Any) -> dict[str, Any]:
    return attribute("signing_certificate_v2", {"certs": list(identifiers)})


def old_binding(owner: Owner) -> dict[str, Any]:
    return attribute("signing_certificate", {"certs": [{"cert_hash": hashlib.sha1(owner.der).digest()}]})


def _signer(recipe: Recipe, content: bytes) -> Any:
    right = {
        "content_type": attribute("content_type", "tst_info"),
        "message_digest": attribute("message_digest", hashlib.new(recipe.digest, content).digest()),
        "binding": binding(ess(recipe.signer)),
    }
    attributes = recipe.attributes(right)
    encoded = recipe.encoded_attributes(
        cms.CMSAttributes(
            [one for value in attributes.values() for one in (value if isinstance(value, list) else [value])]
        ).dump()
    )
    signature, algorithm = sign(recipe.signer.key, recipe.message(encoded), recipe.digest)
    certificate = recipe.signer.parsed
    given = {
        "version": "v1",
        "sid": cms.SignerIdentifier(
            "issuer_and_serial_number",
            {"issuer": certificate.issuer, "serial_number": certificate.serial_number},
        ),
        "digest_algorithm": algos.DigestAlgorithm({"algorithm": recipe.digest}),
        "signed_attrs": cms.CMSAttributes.load(encoded),
        "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": algorithm}),
        "signature": signature,
    }
    return recipe.signer_info(given)


def sign(key: Any, message: bytes, hash_name: str) -> tuple[bytes, str]:
    hashing = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}[
        hash_name
    ]()
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashing), f"{hash_name}_rsa"
    return key.sign(message, ec.ECDSA(hashing)), f"{hash_name}_ecdsa"
