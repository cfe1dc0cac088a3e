"""Where mail that comes in by SMTP can go: what the server asks, and what it tells about who is speaking.

For ``inbound/server``, which asks, and for each thing that takes mail (return paths, the submission gateway). Nothing
else is taken: the server is no open relay (RFC 5321, 7.1 and 3.6.2).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Conversation:
    """One connection, as far as it has come; the same object from its beginning to its end.

    Args:
        peer: the other side's IP address.
        ehlo: the name that it gave itself, printable and at most 255 characters; empty before EHLO.
        tls: whether this connection is encrypted.
        identity: what ``authenticate`` returned, or None.
        smtputf8: the current mail was announced with SMTPUTF8 (RFC 6531).
        size: the octets that it was announced with (RFC 1870); 0: not told.
    """

    peer: str
    ehlo: str = ""
    tls: bool = False
    identity: object | None = None
    smtputf8: bool = False
    size: int = 0


Authenticate = Callable[[str, str, str, Conversation], Awaitable[object | None]]
"""Mechanism (``PLAIN`` or ``LOGIN``), login, password and conversation → who that is, or None: refused."""


class Destination(Protocol):
    """Something that takes mail for some addresses.

    A reply is one line without its line end: ``250 2.1.5 Ok``. What raises is answered with 451 4.3.0.
    """

    async def admits(self, conversation: Conversation, recipient: str, mail_from: str) -> str | None:
        """Asked at RCPT.

        Args:
            conversation: who is speaking.
            recipient: the address as it was given; its domain may be in any case.
            mail_from: the envelope's sender; empty for the null sender.

        Returns:
            None: no address of this destination; else the SMTP reply. One that begins with 250 takes the recipient.
        """
        ...

    async def take(self, conversation: Conversation, mail_from: str, recipients: Sequence[str], octets: bytes) -> str:
        """Asked when the whole mail has come, for recipients that this destination admitted in this transaction.

        Args:
            conversation: who is speaking.
            mail_from: the envelope's sender; empty for the null sender.
            recipients: one or more, as they were given.
            octets: the mail with its dots unstuffed: CRLF line ends only, no NUL, at most the server's size limit.

        Returns:
            The SMTP reply; 250 is a promise, so everything must be durable before.
        """
        ...
