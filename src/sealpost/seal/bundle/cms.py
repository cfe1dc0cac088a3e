"""Our signers and time tokens as pyHanko wants them: CAdES B-T over the manifest here, PAdES B-T in the certificate.

ETSI EN 319 122-1 (CAdES) and EN 319 142-1 (PAdES) baseline B-T: signed are content type, digest, ESSCertIDv2 and, in
CAdES alone, the signing time; one time token over the signature; the signer's chain without the root; nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from asn1crypto import cms, tsp
from asn1crypto.algos import SignedDigestAlgorithm
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko.sign.signers.pdf_cms import Signer as PyHankoSigner
from pyhanko.sign.timestamps.api import TimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from sealpost.seal.exact import ExactCertificate, ExactContentInfo, encoded, octets_of
from sealpost.seal.purpose import require_purpose
from sealpost.seal.signer import ES256, Signer, SigningFailed, as_der
from sealpost.seal.timestamps.token import TimestampWrong

# asn1crypto has no types: read through Any.
_tsp: Any = tsp
DIGEST = "sha256"
LONGEST_SIGNATURE = 72  # octets of an ECDSA-Sig-Value on P-256

Stamp = Callable[[bytes], Awaitable[bytes]]
"""Gives a checked TimeStampResp (DER) over octets, as `timestamps.client.TimestampClient.stamp` does."""


class CmsSigner(PyHankoSigner):
    """One of our signers, for one signature at a time.

    Args:
        signer: ES256, with certificates.
        at: aware; when it signs.

    Raises:
        SigningFailed: another kind of key, or its certificate is not valid at that time, or not for evidence.
    """

    def __init__(self, signer: Signer, at: datetime) -> None:
        if signer.algorithm != ES256 or signer.valid is None:
            raise SigningFailed(f"{signer.purpose}-{signer.number} cannot seal documents")
        if not signer.valid[0] <= at <= signer.valid[1]:
            name = f"{signer.purpose}-{signer.number}"
            raise SigningFailed(f"the certificate of {name} is not valid at {at.astimezone(UTC)}")
        require_purpose(signer, at)
        chain: list[Any] = [ExactCertificate.load(one) for one in signer.certificates]
        registry = SimpleCertificateStore()
        registry.register_multiple(chain[1:])  # the first is taken as it is; here too, it would stand there twice
        mechanism = SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"})
        super().__init__(signing_cert=chain[0], cert_registry=registry, signature_mechanism=mechanism)
        self._signer = signer
        self.signature = b""

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        assert digest_algorithm == DIGEST
        if dry_run:
            return bytes(LONGEST_SIGNATURE)
        # A slow signer is a network call, which must not hold the loop.
        raw = self._signer.sign(data) if self._signer.is_fast else await asyncio.to_thread(self._signer.sign, data)
        self.signature = as_der(raw)
        return self.signature

    async def async_sign_prescribed_attributes(self, *arguments: Any, **options: Any) -> cms.ContentInfo:
        untyped: Any = super()  # pyHanko's parameters are typed in part
        made = await untyped.async_sign_prescribed_attributes(*arguments, **options)
        exact: Any = ExactContentInfo
        return exact.load(encoded(made))  # whoever asks for its octets gets these


class SignatureStamper(TimeStamper):
    """Time tokens over what a `CmsSigner` signed: pyHanko knows only the hash, our authorities' client wants octets."""

    def __init__(self, signer: CmsSigner, stamp: Stamp) -> None:
        super().__init__()
        self._signer, self._stamp = signer, stamp

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        octets = self._signer.signature
        if hashlib.new(md_algorithm, octets).digest() != message_digest:
            raise TimestampWrong("a time token was asked for something that was not signed")
        answer = _tsp.TimeStampResp.load(await self._stamp(octets), strict=True)
        token: Any = ExactContentInfo
        return token.load(octets_of(answer["time_stamp_token"]))


async def detached(octets: bytes, signer: Signer, stamp: Stamp, at: datetime) -> bytes:
    """A detached CAdES B-T signature.

    Args:
        octets: what is signed.
        signer: of purpose ``pdf-seal``.
        stamp: over the signature.
        at: aware; when it signs.

    Returns:
        CMS ContentInfo, DER.

    Raises:
        SigningFailed: no key, or no valid certificate.
        Unavailable: no time token.
    """
    ours = CmsSigner(signer, at)
    untyped: Any = ours  # pyHanko's parameters are typed in part
    made: Any = await untyped.async_sign_general_data(
        octets,
        DIGEST,
        use_cades=True,
        timestamper=SignatureStamper(ours, stamp),
        signed_attr_settings=PdfCMSSignedAttributes(signing_time=at),
    )
    return made.dump()
