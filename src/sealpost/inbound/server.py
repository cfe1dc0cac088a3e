"""The SMTP server for mail that comes in: it asks its destinations and takes nothing that none of them wants.

For the role ``inbound`` and tests, in the current event loop. Clauses: RFC 5321 (6.3: loops; 7.1: no open relay), RFC
5248 (the enhanced codes of its replies). Nothing that was taken is bounced later: what is wrong is refused while the
other side is still there (no backscatter).
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiosmtpd.smtp import Session, TLSSetupException

from sealpost.inbound.conversing import Conversing, Transaction
from sealpost.inbound.destination import Authenticate, Conversation, Destination
from sealpost.inbound.places import Places
from sealpost.usecases.inbound_fault import inbound_fault

RECIPIENTS = 100
RECEIVED = 50
IDLE, LONGEST = 300.0, 1800.0
"""Seconds: without a command or a piece of mail, and for a whole conversation."""
FAULT = "451 4.3.0 A fault of ours, try again later"
_REPLY = re.compile(r"[245][0-9]{2} [ -~]{1,400}")
_RECEIVED = re.compile(rb"^received:", re.IGNORECASE | re.MULTILINE)


class InboundServer:
    """Listens between ``start`` and ``stop``."""

    def __init__(
        self,
        destinations: Sequence[Destination],
        *,
        host: str,
        port: int,
        hostname: str,
        size_limit: int,
        tls: ssl.SSLContext | None = None,
        authenticate: Authenticate | None = None,
        most_connections: int = 200,
        most_of_one: int = 20,
        idle: float = IDLE,
        longest: float = LONGEST,
    ) -> None:
        """Opens nothing yet.

        Args:
            destinations: asked in this order who takes a recipient.
            host: where to listen.
            port: 0 for any free one.
            hostname: our name, in the greeting.
            size_limit: octets of a mail.
            tls: offers STARTTLS with it; None: plain only, and no AUTH.
            authenticate: who a login is; None: AUTH is not offered.
            most_connections: at a time; further ones are told to come later.
            most_of_one: of these, from one address (IPv6: one /64).
            idle: seconds without a command or a piece of mail.
            longest: seconds of a whole conversation.
        """
        self._destinations = tuple(destinations)
        self._host, self._port, self._hostname = host, port, hostname
        self._authenticate = authenticate
        self._size_limit = size_limit
        self._places = Places(most=most_connections, most_of_one=most_of_one, most_octets=max(16 * size_limit, 1 << 28))
        self._times = {"idle": idle, "longest": longest}
        without_login: list[str] = [] if authenticate else ["PLAIN", "LOGIN"]
        self._options: dict[str, Any] = {
            "hostname": hostname, "ident": "ESMTP", "data_size_limit": size_limit, "tls_context": tls,
            "auth_require_tls": True, "auth_exclude_mechanism": without_login,
        }  # fmt: skip
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listens, and returns the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._conversing, self._host, self._port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stops listening and drops open connections; what had its 250 is kept, the rest will be sent again."""
        if self._server is None:
            return
        self._server.close()
        tasks: list[asyncio.Task[None]] = []
        for one in self._places:
            assert isinstance(one, Conversing)
            tasks += one.abandon()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def show(self, tls: ssl.SSLContext) -> None:
        """Offers STARTTLS with another certificate, to connections that begin from now on."""
        self._options["tls_context"] = tls

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(list(self._places))

    def _conversing(self) -> Conversing:
        return Conversing(self, self._places, **self._times, **self._options)

    # aiosmtpd's hooks, by its names ------------------------------------------------------------------------------------

    async def handle_HELO(self, server: Conversing, session: Session, _: Transaction, name: str) -> str:  # noqa: N802 - aiosmtpd's name
        """An old-fashioned greeting: no extensions."""
        server.conversation.ehlo = session.host_name = _shown(name)
        return f"250 {self._hostname}"

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: Conversing, session: Session, _: Transaction, name: str, _responses: list[str]
    ) -> list[str]:
        """What is offered here."""
        conversation = server.conversation
        conversation.ehlo = session.host_name = _shown(name)
        lines = [self._hostname, "PIPELINING", f"SIZE {self._size_limit}", "8BITMIME", "SMTPUTF8"]
        if self._options["tls_context"] is not None and not conversation.tls:
            lines.append("STARTTLS")
        if self._authenticate is not None and conversation.tls:
            lines.append("AUTH PLAIN LOGIN")
        return [f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: Conversing, _: Session, envelope: Transaction, address: str, options: list[str]
    ) -> str:
        """Any sender; destinations judge it. The null path stays ``<>`` here, since aiosmtpd takes empty for none."""
        if not address.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 That address needs SMTPUTF8"
        server.conversation.smtputf8 = bool(envelope.smtp_utf8)
        # Its form was checked before this is called.
        server.conversation.size = next((int(one[5:]) for one in options if one.startswith("SIZE=")), 0)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Conversing, _: Session, envelope: Transaction, address: str, _options: list[str]
    ) -> str:
        """Only what a destination admits, and one destination in a transaction."""
        if len(envelope.rcpt_tos) >= RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        if not address.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 That address needs SMTPUTF8"
        destination, reply = await self._asked(server.conversation, address, _sender(envelope))
        if not reply.startswith("250"):
            return reply
        if envelope.destination not in {None, destination}:
            return "452 4.5.3 That recipient needs a mail of its own"
        envelope.destination = destination
        envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: Conversing, _: Session, envelope: Transaction) -> str:  # noqa: N802 - aiosmtpd's name
        """The whole mail has come."""
        octets, destination = envelope.original_content or b"", envelope.destination
        if destination is None:
            return "503 5.5.1 Recipients first"
        head = octets[: octets.find(b"\r\n\r\n") + 2 or None]
        if len(_RECEIVED.findall(head)) > RECEIVED:
            return "554 5.4.6 Too many hops: a mail loop"
        conversation, sender, recipients = server.conversation, _sender(envelope), tuple(envelope.rcpt_tos)
        return await _spoken(lambda: destination.take(conversation, sender, recipients, octets)) or FAULT

    async def handle_exception(self, error: Exception) -> str:
        """What aiosmtpd met and does not know; a failed handshake is the other side's own."""
        if not isinstance(error, TLSSetupException):
            inbound_fault(error)
        return FAULT

    async def who(
        self, conversation: Conversation, mechanism: str, login: str, password: str
    ) -> tuple[object | None, str]:
        """Who a login is, and, if that cannot be told now, the reply."""
        if self._authenticate is None:
            return None, ""
        try:
            return await self._authenticate(mechanism, login, password, conversation), ""
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody is let in and the client tries again
            inbound_fault(error)
            return None, "454 4.7.0 Cannot tell now, try again later"

    async def _asked(self, conversation: Conversation, address: str, sender: str) -> tuple[Destination | None, str]:
        for destination in self._destinations if "@" in address else ():
            reply = await _spoken(lambda to=destination: to.admits(conversation, address, sender))
            if reply is not None:
                return destination, reply
        return None, "550 5.1.1 No such address here; this is no relay"


async def _spoken(ask: Callable[[], Awaitable[str | None]]) -> str | None:
    """A destination's answer, or what stands for a fault of it or for an answer that is no reply."""
    try:
        reply = await ask()
    except Exception as error:  # noqa: BLE001 - whatever it is, the mail is not taken and must come again
        inbound_fault(error)
        return FAULT
    return reply if reply is None or _REPLY.fullmatch(reply) else FAULT


def _sender(envelope: Transaction) -> str:
    return "" if envelope.mail_from in {None, "<>"} else str(envelope.mail_from)


def _shown(name: str) -> str:
    """A name as the other side gave it, harmless and never empty."""
    return "".join(letter for letter in name[:255] if letter.isprintable()) or "?"
