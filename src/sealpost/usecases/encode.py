"""A submission's content: strict base64 undone, every part fingerprinted, all of it encrypted under one fresh key.

Small content in one go; large content in pieces of some 48 kB into an unnamed file, so that a 10 MB upload costs no
10 MB of memory. The parts lie one behind the other: the body first, then the attachments in their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sealpost.content.placement import Blob
from sealpost.content.spool import Spool
from sealpost.content.vault import Sealed, Sealing
from sealpost.domain.content import BODY, Part, file_name, media_type
from sealpost.domain.errors import InvalidInput, TooLarge
from sealpost.domain.lines import paragraph
from sealpost.mail.html.check import check_html
from sealpost.mail.html.detect import is_html
from sealpost.usecases.base64_text import decode_pieces
from sealpost.usecases.fields import header
from sealpost.usecases.service import Limits, Service
from sealpost.usecases.submit_message import Attachment

HEAD, FILE_NAME = 16, 255


@dataclass(frozen=True, slots=True)
class Encoded:
    """The content as it came, and the limits of its account; ``body_format``: see ``SubmitMessage``."""

    body: str
    body_format: str | None
    attachments: Sequence[Attachment]
    limits: Limits
    large: bool


@dataclass(slots=True)
class Enclosed:
    """The content as it will be stored: ciphertext, what opens it, and what it is."""

    blob: Blob
    sealed: Sealed
    parts: tuple[Part, ...]

    def close(self) -> None:
        """Lets a spool file go."""
        if isinstance(self.blob, Spool):
            self.blob.close()


def enclose(service: Service, message_id: UUID, content: Encoded) -> Enclosed:
    """Decodes, fingerprints and encrypts.

    Args:
        service: for vault and spool folder.
        message_id: the owner that the ciphertext is bound to.
        content: as it came.

    Raises:
        InvalidInput, TooLarge: naming the field.
        ContentUnavailable: no spool space.
    """
    if len(content.attachments) > content.limits.attachments:
        raise TooLarge("attachments", f"at most {content.limits.attachments} are taken")
    body, octets = _body(content)
    _within(content.limits, len(octets), BODY)
    if content.large:
        return _enclose_large(service, message_id, body, octets, content)
    parts, pieces, total = [body], [octets], len(octets)
    for index, attachment in enumerate(content.attachments):
        decoded = b"".join(decode_pieces(f"attachments[{index}].attachment", attachment.encoded))
        total = _within(content.limits, total + len(decoded))
        parts.append(_part(index, attachment, decoded[:HEAD], len(decoded), hashlib.sha256(decoded).digest()))
        pieces.append(decoded)
    ciphertext, sealed = service.content_vault.seal(message_id, b"".join(pieces))
    return Enclosed(ciphertext, sealed, tuple(parts))


def _body(content: Encoded) -> tuple[Part, bytes]:
    text = content.body
    paragraph(BODY, text, content.limits.body_text)
    if not text.strip():
        raise InvalidInput(BODY, "is empty")
    html = is_html(BODY, text, content.body_format)
    if html:
        check_html(BODY, text, {attachment.name for attachment in content.attachments})
    octets = text.encode()
    content_type = "text/html; charset=utf-8" if html else "text/plain; charset=utf-8"
    return Part(BODY, content_type, len(octets), hashlib.sha256(octets).digest()), octets


def _part(index: int, attachment: Attachment, head: bytes, size: int, sha256: bytes) -> Part:
    field = f"attachments[{index}]"
    name = file_name(f"{field}.attachment_name", header(f"{field}.attachment_name", attachment.name, FILE_NAME))
    return Part(name, media_type(f"{field}.attachment_type", attachment.content_type, head), size, sha256)


def _within(limits: Limits, total: int, field: str = "attachments") -> int:
    if total > limits.decoded:
        raise TooLarge(field, f"more than {limits.decoded} octets decoded in all")
    return total


def _enclose_large(service: Service, message_id: UUID, body: Part, octets: bytes, content: Encoded) -> Enclosed:
    spool = Spool(service.spool_folder)
    try:
        sealing = service.content_vault.sealing(message_id)
        spool.write(sealing.update(octets))
        parts, total = [body], len(octets)
        for index, attachment in enumerate(content.attachments):
            part = _seal_part(index, attachment, sealing, spool, content.limits.decoded - total)
            total = _within(content.limits, total + part.size)
            parts.append(part)
        spool.write(sealing.finish())
    except BaseException:
        spool.close()
        raise
    return Enclosed(spool, sealing.sealed, tuple(parts))


def _seal_part(index: int, attachment: Attachment, sealing: Sealing, spool: Spool, room: int) -> Part:
    fingerprint, size, head = hashlib.sha256(), 0, b""
    for piece in decode_pieces(f"attachments[{index}].attachment", attachment.encoded):
        size += len(piece)
        if size > room:
            raise TooLarge("attachments", "more octets decoded in all than are taken")
        head = head or piece[:HEAD]
        fingerprint.update(piece)
        spool.write(sealing.update(piece))
    return _part(index, attachment, head, size, fingerprint.digest())
