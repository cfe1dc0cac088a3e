"""Return paths and our own address as destinations of mail that comes in.

For ``inbound/server``. Nothing is taken that is not about a mail of ours, and nothing is refused after it was taken: no
bounce is ever answered by a bounce (RFC 5321, 4.5.5 and 6.1; RFC 3834).
"""

from __future__ import annotations

from collections.abc import Sequence

from sealpost.content.placement import ContentUnavailable
from sealpost.domain.errors import Conflict, TooLarge, Unavailable
from sealpost.inbound.destination import Conversation
from sealpost.mail.return_path import is_return_path
from sealpost.usecases.service import Service
from sealpost.usecases.take_returned import expected, is_own_domain, not_taken, take_reply, take_returned

OUR_ADDRESS = "post"
_OK = "250 2.1.5 Ok"
_LATER = "451 4.3.0 Cannot be kept now, try again later"
_UNKNOWN = "550 5.1.1 No such return path, or its time is over"
_NOT_A_REPLY = "550 5.1.1 Nobody reads this address, and this mail answers none of ours"
_TOO_MUCH = "552 5.2.2 Too much has come back for that mail"
_TOO_LARGE = "552 5.3.4 The mail is too large for what could come back here"
_TAKEN = "250 2.0.0 Taken"


class ReturnedMails:
    """The destination for ``b-…@`` at our own domain and at return paths of sender domains, and for our own address."""

    def __init__(self, service: Service) -> None:
        """Asks nothing yet."""
        self._service = service

    async def admits(self, conversation: Conversation, recipient: str, mail_from: str) -> str | None:  # noqa: ARG002 - the protocol's
        """See ``Destination.admits``; who has no genuine return path is not told which domains send from here."""
        local, _, domain = recipient.rpartition("@")
        try:
            if self._is_ours(recipient) or await expected(self._service, recipient, conversation.size):
                return _OK
        except TooLarge as error:
            not_taken(str(error))
            return _TOO_LARGE
        except Unavailable as error:
            not_taken(str(error))
            return _LATER
        return _UNKNOWN if is_return_path(local) and is_own_domain(self._service, domain) else None

    async def take(self, conversation: Conversation, mail_from: str, recipients: Sequence[str], octets: bytes) -> str:  # noqa: ARG002 - the protocol's
        """See ``Destination.take``; if it fails for one of several recipients, the others take it twice for once."""
        replies = [await self._take(recipient, mail_from, octets) for recipient in dict.fromkeys(recipients)]
        later = [reply for reply in replies if reply.startswith("4")]
        return next(iter(later or sorted(replies)))

    async def _take(self, recipient: str, mail_from: str, octets: bytes) -> str:
        try:
            if self._is_ours(recipient):
                return _TAKEN if await take_reply(self._service, mail_from, octets) else _NOT_A_REPLY
            named = await expected(self._service, recipient)
            if named is None:
                return _UNKNOWN
            await take_returned(self._service, named.mail_id, named.attempt, mail_from, octets)
        except (Unavailable, ContentUnavailable) as error:
            not_taken(str(error))
            return _LATER
        except TooLarge as error:
            not_taken(str(error))
            return _TOO_LARGE
        except Conflict as error:
            not_taken(str(error))
            return _TOO_MUCH
        return _TAKEN

    def _is_ours(self, recipient: str) -> bool:
        return recipient.lower() == f"{OUR_ADDRESS}@{self._service.face.mail_domain}".lower()
