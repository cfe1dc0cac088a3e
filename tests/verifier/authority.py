"""A time stamp authority that is nobody's of the service: its own root, another organisation, another policy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sealpost.seal.key_files import FileSigner
from sealpost.seal.signer import ES256
from sealpost.seal.timestamps.local import LocalTsa

BEGIN, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2032, 1, 1, tzinfo=UTC)
CHARLIE = "Charlie Time Attestation GmbH"  # the service's own authority wants the word "test" in a name
POLICY = "2.999.7.1"


class _Hand:
    """A clock that stands where it is put."""

    at = BEGIN

    def now(self) -> datetime:
        return self.at

    def real(self) -> datetime:
        return self.at

    def statement(self) -> dict[str, Any]:
        return {"source": "none"}


class _Tsa(LocalTsa):
    """Tokens of another policy."""

    policy = POLICY

    def _stamp(self, asked: Any) -> dict[str, Any]:
        return {**super()._stamp(asked), "policy": self.policy}


class Authority:
    """Gives time tokens.

    Args:
        organisation: of its certificate.
        policy: of its tokens.
        root: certificate and key of another root than one of its own.
        root_organisation: of its own root; that of its certificate, if not told otherwise.
    """

    def __init__(
        self,
        organisation: str = CHARLIE,
        policy: str = POLICY,
        *,
        root: tuple[x509.Certificate, Any] | None = None,
        root_organisation: str = "",
    ) -> None:
        self._clock = _Hand()
        self.root, self.root_key = root or _root(root_organisation or organisation)
        key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = _leaf(organisation, key, self.root, self.root_key)
        signer = FileSigner(
            "tsa",
            1,
            ES256,
            key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            (self.certificate.public_bytes(Encoding.DER),),
            (BEGIN, END),
            key,
        )
        self._tsa = _Tsa(signer, self._clock)
        self._tsa.policy = policy

    def answer(self, query: bytes, at: datetime) -> bytes:
        """The answer to a query, with a time of the caller's choice."""
        self._clock.at = at
        return self._tsa.answer(query)


def _named(organisation: str, what: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{organisation[:30]} {what}"),
        ]
    )


def _builder(subject: x509.Name, by: x509.Name, key: Any) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(BEGIN).not_valid_after(END)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _root(organisation: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key, name = ec.generate_private_key(ec.SECP256R1()), _named(organisation, "root")
    builder = _builder(name, name, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.add_extension(_usage(signs=False), critical=True).sign(key, SHA256()), key


def _leaf(organisation: str, key: Any, root: x509.Certificate, root_key: Any) -> x509.Certificate:
    builder = _builder(_named(organisation, "time attestation"), root.subject, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    builder = builder.add_extension(purpose, critical=True)
    issuing = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    return builder.add_extension(issuing, critical=False).sign(root_key, SHA256())


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )
