"""Hands every mail to one given server: the demo's catcher, or a smarthost.

For bootstrap, which builds it, and the use cases that send.
"""

import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from sealpost.mail.connections import Connections
from sealpost.mail.session import Peer, Timeouts, TlsMode
from sealpost.mail.transport import Envelope, Handover, check_handover

_OUR_NAME = re.compile(r"[A-Za-z0-9.-]{1,255}|\[[0-9A-Fa-f.:IPv]{1,60}\]")


class Relay:
    """A ``Transport`` to one host."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        our_name: str,
        clock: Callable[[], datetime],
        tls: TlsMode = "opportunistic",
        username: str | None = None,
        password: str | None = None,
        context: ssl.SSLContext | None = None,
        timeouts: Timeouts | None = None,
        max_connections: int = 8,
    ) -> None:
        """Opens nothing yet.

        Args:
            host: name or address of the server.
            port: its port.
            our_name: for EHLO, a host name or an address literal.
            clock: gives the time of every line.
            tls: ``required`` also demands a valid chain and name; ``opportunistic`` falls back to plain SMTP.
            username: for AUTH; only ever sent over TLS, unless ``tls`` is ``none``.
            password: with it.
            context: certificate authorities other than the system's.
            timeouts: seconds per stage.
            max_connections: at most this many at a time; further calls wait.

        Raises:
            ValueError: ``our_name`` is neither.
        """
        check_our_name(our_name)
        times = timeouts or Timeouts()
        peer = Peer(host, port, our_name, clock, tls, username, password, context, times, relay=True)
        self._usual = Connections(peer, max_connections)
        self._verified = (
            Connections(replace(peer, tls="required"), max_connections) if tls != "required" else self._usual
        )

    async def hand_over(self, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]]) -> Handover:
        """See ``Transport.hand_over``."""
        check_handover(envelope, mail)
        connections = self._verified if envelope.tls_verified else self._usual
        return await connections.hand_over(envelope, mail, before_dot)

    async def book(self, recipient: str, *, pressing: bool = False) -> float:  # noqa: ARG002 - one relay for every recipient
        """See ``Transport.book``: all mail goes this one way, and each try says how it stands."""
        return 0.0

    def unbook(self, recipient: str) -> None:
        """See ``Transport.unbook``."""

    async def close(self) -> None:
        """See ``Transport.close``."""
        await self._usual.close()
        await self._verified.close()


def check_our_name(name: str) -> None:
    """Raises ValueError unless it can stand in EHLO (RFC 5321 4.1.1.1)."""
    if not _OUR_NAME.fullmatch(name):
        raise ValueError("our_name is no host name")
