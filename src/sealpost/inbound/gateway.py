"""The submission gateway as a destination of the SMTP server: use cases' refusals as replies (RFC 5321, RFC 3463).

For ``inbound/server``. ``bob@example.com.100001.GATEWAY`` is taken for its customer; whoever has no credential is asked
for a DKIM signature when the mail has come.
"""

from __future__ import annotations

from collections.abc import Sequence

from sealpost.domain.errors import Unavailable
from sealpost.inbound.destination import Conversation
from sealpost.usecases.gateway import Credential, Gateway, Refused, refusal

SHOWN = 12


class GatewayDestination:
    """Implements ``inbound.destination.Destination``, and ``authenticate`` for the server.

    Args:
        gateway: does the work.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def authenticate(
        self, mechanism: str, login: str, password: str, conversation: Conversation
    ) -> Credential | None:
        """A web service user by name and secret, over TLS only; None: refused with 535.

        Raises:
            Unavailable: the database is away.
        """
        del mechanism
        return await self._gateway.authenticate(login, password) if conversation.tls else None

    async def admits(self, conversation: Conversation, recipient: str, mail_from: str) -> str | None:
        """At RCPT: None for other domains, else the reply."""
        try:
            ours = await self._gateway.admit(_credential(conversation), recipient, mail_from)
        except Refused as refused:
            return refused.reply
        except Unavailable as error:
            return refusal(error).reply
        return "250 2.1.5 Ok" if ours else None

    async def take(self, conversation: Conversation, mail_from: str, recipients: Sequence[str], octets: bytes) -> str:
        """At the end of the data: the tickets, or why there are none."""
        del mail_from
        try:
            tokens = await self._gateway.take(_credential(conversation), recipients, octets)
        except Refused as refused:
            return refused.reply
        more = f" and {len(tokens) - SHOWN} more" if len(tokens) > SHOWN else ""
        return f"250 2.0.0 Taken: {' '.join(tokens[:SHOWN])}{more}"


def _credential(conversation: Conversation) -> Credential | None:
    """Who has logged in here; another destination's identities are none."""
    return conversation.identity if isinstance(conversation.identity, Credential) else None
