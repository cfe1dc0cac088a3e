"""A submission as its caller gave it: nothing is checked yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sealpost.domain.parties import Sender


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attachment as the caller gave it.

    Args:
        name: file name, unchecked.
        content_type: declared MIME type, unchecked.
        encoded: its base64 text in pieces of any size, iterated once.
    """

    name: str
    content_type: str
    encoded: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class SubmitMessage:
    """One registered e-mail to one recipient, as the caller gave it; nothing is checked yet.

    Args:
        sender: who calls, for which account.
        authenticated_at: when the caller showed who it is.
        body: ``message_body``.
        body_format: ``text`` or ``html``; None: its tags tell.
        request_sha256: over the raw request.
        face: by which way it came.
        tls_verified: verified TLS to the recipient's server, or no delivery.
        large: the content is spooled; it is worked through in pieces, in a thread.
    """

    sender: Sender
    authenticated_at: datetime
    sender_email: str
    sender_name: str
    subject: str
    recipient_email: str
    recipient_name: str
    language: str | None
    body: str
    attachments: Sequence[Attachment]
    own_id: str
    own_guid: str
    campaign: str
    reminder_days: int | None
    expiry_days: int | None
    address_basis: str
    request_sha256: bytes
    face: str
    large: bool
    tls_verified: bool = False
    body_format: str | None = None
