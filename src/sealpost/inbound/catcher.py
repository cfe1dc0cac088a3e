"""The demo's SMTP server: takes every mail and gives it to the demo's inbox.

For ``sealpost demo`` and tests, on the loopback address only. Clauses: RFC 5321 (the 250 is a promise, so it comes
only after ``keep`` has returned), RFC 6531, RFC 6152, RFC 1870.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from secrets import token_hex

from aiosmtpd.smtp import SMTP, Envelope, Session

_SIZE_LIMIT = 35 * 1024 * 1024
_log = logging.getLogger(__name__)

Keep = Callable[[str, str, bytes], Awaitable[None]]


class Catcher:
    """Runs in the current event loop between ``start`` and ``stop``."""

    def __init__(self, keep: Keep, host: str = "127.0.0.1", port: int = 0) -> None:
        """Opens nothing yet.

        Args:
            keep: called with the sender's address (may be empty), one recipient's address and the bytes as they came;
                the mail is acknowledged when it has returned, and refused for the time being when it raises.
            host: where to listen.
            port: 0 for any free one.
        """
        self._keep = keep
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._open: set[SMTP] = set()

    async def start(self) -> int:
        """Listens, and returns the port."""
        self._server = await asyncio.get_running_loop().create_server(self._conversation, self._host, self._port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stops listening and drops open connections; what had its 250 is kept, the rest will be sent again."""
        if self._server is None:
            return
        self._server.close()
        for conversation in self._open:
            if conversation.transport is not None:
                conversation.transport.close()
        self._open.clear()
        await self._server.wait_closed()
        self._server = None

    def _conversation(self) -> SMTP:
        self._open = {known for known in self._open if known.transport is not None}
        conversation = SMTP(
            self,
            data_size_limit=_SIZE_LIMIT,
            enable_SMTPUTF8=True,
            hostname="catcher.localhost",
            ident="Sealpost demo",
            loop=asyncio.get_running_loop(),
        )
        self._open.add(conversation)
        return conversation

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Called by aiosmtpd when a whole mail has come."""
        raw = envelope.original_content or b""
        try:
            for recipient in envelope.rcpt_tos:
                await self._keep(envelope.mail_from or "", recipient, raw)
        except Exception:  # noqa: BLE001 - whatever keeping fails with, the mail is not kept and must come again
            _log.exception("the demo's inbox did not take a mail")
            return "451 4.3.0 Not kept, try again later"
        return f"250 2.0.0 Ok: queued as {token_hex(6)}"
