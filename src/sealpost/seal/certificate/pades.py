"""Seals the certificate: PAdES baseline B-T (ETSI EN 319 142-1), one invisible signature over the whole file.

pyHanko writes it as an incremental update. Two habits of pyHanko are switched off, because the file must stay PDF/A-3,
that is PDF 1.7: it would declare PDF 2.0 for any ECDSA signature, and rewrite the metadata with the current time.
"""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from typing import Any

from pyhanko.pdf_utils.generic import ArrayObject, ByteStringObject
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers.pdf_cms import ExternalSigner
from pyhanko.sign.signers.pdf_cms import Signer as PyHankoSigner
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner, PdfSigningSession
from pyhanko.sign.timestamps.api import TimeStamper

from sealpost.seal.bundle.cms import DIGEST, LONGEST_SIGNATURE, CmsSigner, SignatureStamper, Stamp
from sealpost.seal.signer import Signer

FIELD = "Sealpost"
_TIME = re.compile(rb"/M \(D\\072(\d{14})Z\)")
_ID = re.compile(rb"/ID \[ <[0-9a-f]{2,200}> <([0-9a-f]{32})> \]")
RESERVED = 2 * 16_384  # hexadecimal digits for the signature: ours have 5,000, a chain and token of others 20,000


class _Writer(IncrementalPdfFileWriter):
    """Leaves the metadata as typst wrote it; the half of the id that chance gives may be given."""

    def __init__(self, pdf: io.BytesIO, chance: bytes | None = None) -> None:
        writer: Any = super()  # pyHanko's parameters are typed in part
        writer.__init__(pdf)
        if chance is not None:
            self._document_id = ArrayObject([self._document_id[0], ByteStringObject(chance)])

    def _update_meta(self) -> None:
        pass


class _PdfSigner(PdfSigner):
    """Signs at a given time, as what the file declares itself to be."""

    def __init__(self, ours: PyHankoSigner, stamper: TimeStamper | None, at: datetime) -> None:
        metadata = PdfSignatureMetadata(field_name=FIELD, md_algorithm=DIGEST, subfilter=SigSeedSubFilter.PADES)
        field = SigFieldSpec(FIELD, readable_field_name=FIELD)  # for whoever listens (ISO 14289-1, 7.18.1)
        super().__init__(metadata, ours, timestamper=stamper, new_field_spec=field)
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
    signing: Any = _PdfSigner(ours, SignatureStamper(ours, stamp), at)  # pyHanko's parameters are typed in part
    made: io.BytesIO = await signing.async_sign_pdf(_Writer(io.BytesIO(pdf)), bytes_reserved=RESERVED)
    return made.getvalue()


async def is_sealed_form_of(whole: bytes, pdf: bytes) -> bool:
    """Whether a file is what `sealed` makes of a certificate, octet for octet but for the seal itself.

    The time of sealing and the half of the file's id that chance gives are taken from the file; the seal is somebody
    else's to check.

    Args:
        whole: from anywhere.
        pdf: of `certificate.certificate`.
    """
    if not whole.startswith(pdf):
        return False
    time, chance = _TIME.findall(whole, len(pdf)), _ID.findall(whole, len(pdf))
    if len(time) != 1 or len(chance) != 1:
        return False
    try:
        at = datetime.strptime(time[0].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    writer = _Writer(io.BytesIO(pdf), chance=bytes.fromhex(chance[0].decode()))
    signing: Any = _PdfSigner(ExternalSigner(None, None, LONGEST_SIGNATURE), None, at)
    prepared, _, made = await signing.async_digest_doc_for_signing(writer, bytes_reserved=RESERVED)
    ours: bytes = made.getvalue()
    begin, end = prepared.reserved_region_start, prepared.reserved_region_end
    return len(ours) == len(whole) and ours[:begin] == whole[:begin] and ours[end:] == whole[end:]
