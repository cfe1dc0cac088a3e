"""Seals the certificate: PAdES baseline B-T (ETSI EN 319 142-1), one invisible signature over the whole file.

pyHanko writes it as an incremental update. Two habits of pyHanko are switched off, because the file must stay PDF/A-3,
that is PDF 1.7: it would declare PDF 2.0 for any ECDSA signature, and rewrite the metadata with the current time.
"""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner, PdfSigningSession

from sealpost.seal.bundle.cms import DIGEST, CmsSigner, SignatureStamper, Stamp
from sealpost.seal.signer import Signer

FIELD = "Sealpost"
RESERVED = 2 * 16_384  # hexadecimal digits for the signature: ours have 5,000, a chain and token of others 20,000


class _Writer(IncrementalPdfFileWriter):
    """Leaves the metadata as typst wrote it."""

    def _update_meta(self) -> None:
        pass


class _PdfSigner(PdfSigner):
    """Signs at a given time, as what the file declares itself to be."""

    def __init__(self, ours: CmsSigner, stamp: Stamp, at: datetime) -> None:
        metadata = PdfSignatureMetadata(field_name=FIELD, md_algorithm=DIGEST, subfilter=SigSeedSubFilter.PADES)
        field = SigFieldSpec(FIELD, readable_field_name=FIELD)  # for whoever listens (ISO 14289-1, 7.18.1)
        super().__init__(metadata, ours, timestamper=SignatureStamper(ours, stamp), new_field_spec=field)
        self._at = at

    def register_extensions(self, pdf_out: BasePdfFileWriter, *, md_algorithm: str) -> None:
        pass

    def init_signing_session(self, pdf_out: BasePdfFileWriter, existing_fields_only: bool = False) -> PdfSigningSession:
        session = super().init_signing_session(pdf_out, existing_fields_only)
        session.system_time = self._at
        return session


async def sealed(pdf: bytes, signer: Signer, stamp: Stamp, at: datetime) -> bytes:
    """The certificate with its seal.

    Args:
        pdf: of `certificate.certificate`.
        signer: of purpose ``pdf-seal``.
        stamp: gives a checked TimeStampResp over octets.
        at: aware; when it signs.

    Raises:
        SigningFailed: no key, or no valid certificate.
        Unavailable: no time token, without which there is no seal (B-T).
    """
    ours = CmsSigner(signer, at)
    signing: Any = _PdfSigner(ours, stamp, at)  # pyHanko's parameters are typed in part
    made: io.BytesIO = await signing.async_sign_pdf(_Writer(io.BytesIO(pdf)), bytes_reserved=RESERVED)
    return made.getvalue()
