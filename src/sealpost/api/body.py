"""The body of ``POST /webservice/mailsender/send`` as a ``SubmitMessage`` (contract, section 3).

For ``sealpost.api.send``. Only types and presence are checked here; every value is checked in the use case. The base64
text of attachments is not copied: it is read from the body, in memory or mapped, while the use case decodes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sealpost.access.callers import sender
from sealpost.api.json_scan import Octets, Text, scan, unescaped
from sealpost.api.members import Members
from sealpost.domain.errors import InvalidInput
from sealpost.mail.html.detect import FORMATS
from sealpost.usecases.reads.callers import CallerRow
from sealpost.usecases.service import Limits
from sealpost.usecases.submit_message import Attachment, SubmitMessage

FACE = "POST /webservice/mailsender/send"
PIECE = 65_536
ESCAPED = 12  # octets that one character of a string can take: two \uXXXX for one outside the basic plane


def submit_message(octets: Octets, caller: CallerRow, limits: Limits, *, large: bool) -> SubmitMessage:
    """Reads a whole body.

    Args:
        octets: the body; it must stay until the message has been submitted.
        caller: who sends.
        limits: of this service.
        large: the body is mapped; hashing takes a while, so this runs in a thread.

    Raises:
        InvalidInput, TooLarge: naming the field.
    """
    members = Members(octets, scan(octets))
    _refuse_missing_features(members)
    return SubmitMessage(
        sender=sender(caller),
        authenticated_at=caller.authenticated_at,
        sender_email=members.string("sender_email"),
        sender_name=members.string("sender_real_name"),
        subject=members.string("subject"),
        recipient_email=members.string("recipient_email"),
        recipient_name=members.optional_string("recipient_name") or "",
        language=members.optional_string("recipient_language"),
        body=members.long_string("message_body", ESCAPED * limits.body_text),
        attachments=[_attachment(octets, item) for item in members.objects("attachments")],
        own_id=members.optional_reference("x-own-id"),
        own_guid=members.optional_reference("x-own-guid"),
        campaign=members.optional_reference("x-own-campaign"),
        reminder_days=members.optional_integer("reminder_days"),
        expiry_days=members.optional_integer("expiry_days"),
        address_basis=members.optional_string("address_basis") or "",
        request_sha256=hashlib.sha256(octets).digest(),
        face=FACE,
        large=large,
        tls_verified=members.flag("verified_tls"),
        body_format=_body_format(members),
    )


def _refuse_missing_features(members: Members) -> None:
    members.not_yet("identification", "none")
    members.not_yet("recipient_phone")
    members.not_yet("recipient_date_of_birth")
    members.not_yet("signature_required", False)


def _body_format(members: Members) -> str | None:
    said = members.optional_string("message_format")
    if said is not None and said not in FORMATS:
        raise InvalidInput("message_format", "must be text or html")
    return said


def _attachment(octets: Octets, members: Members) -> Attachment:
    place = members.place("attachment")
    name, content_type = members.string("attachment_name"), members.string("attachment_type")
    return Attachment(name, content_type, Base64Text(octets, place, members.field("attachment")))


class Base64Text:
    """The base64 text at a place of a body, escapes undone: whole when small, else in pieces of 64 KiB.

    Args:
        octets: the body.
        place: where the string stands.
        field: its name for the error.
    """

    def __init__(self, octets: Octets, place: Text, field: str) -> None:
        self._octets = octets
        self._place = place
        self._field = field

    def __iter__(self) -> Iterator[bytes]:
        """The text in pieces.

        Raises:
            InvalidInput: a character that is not ASCII.
        """
        start, end = self._place
        step = max(end - start, 1) if isinstance(self._octets, bytes) else PIECE
        while start < end:
            stop = self._before_escape(min(start + step, end))
            yield self._plain(self._octets[start:stop])
            start = stop

    def _before_escape(self, stop: int) -> int:
        r"""Moves a cut back so that it splits no escape, the longest of which is ``\u002b``.

        It may split a pair of backslashes; but that stands for a backslash, which base64 does not have, and both
        halves are refused.
        """
        if stop == self._place.end:
            return stop
        at = self._octets.rfind(b"\\", stop - 5, stop)
        return stop if at < 0 else at

    def _plain(self, piece: bytes) -> bytes:
        if b"\\" not in piece:
            return piece
        try:
            return unescaped(piece).encode("ascii")
        except ValueError:
            raise InvalidInput(self._field, "is not base64: it has a character beyond ASCII") from None
