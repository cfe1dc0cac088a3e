"""The state of one SMTP session, and how an attempt in it ends.

For ``mail/opening`` and ``mail/sending``, which speak in it, and for transports. Clauses: RFC 5321 4.2 (replies) and
4.5.3.2 (time-outs).
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sealpost.mail.dane import Tlsa
from sealpost.mail.replies import Reply, outcome_of, reason_of
from sealpost.mail.transport import REPLIED, Line, Outcome, Reason, Stage, Tls, Why
from sealpost.mail.wire import Unheard, Wire

TlsMode = Literal["none", "opportunistic", "encrypted", "required", "dane"]
"""``encrypted``: TLS, whoever answers; ``required``: with a valid certificate; ``dane``: one that the DNS vouches for."""
MUST: frozenset[TlsMode] = frozenset({"encrypted", "required", "dane"})


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait at each stage: RFC 5321's (4.5.3.2); those for connection, handshake and goodbye are our own."""

    connect: float = 30
    greeting: float = 300
    command: float = 300
    tls: float = 30
    data: float = 120
    block: float = 180
    dot: float = 600
    quit: float = 2


@dataclass(frozen=True, slots=True)
class Peer:
    """A server to talk to and how.

    Args:
        context: certificate authorities other than the system's, for ``required``.
        addresses: of the host, to be tried in this order; empty: the system finds them.
        tlsa: what the DNS says of its certificate, for ``dane``; ``names``: those that count as its name.
        sni: the name to ask for in the handshake, where it is not ``host``.
        relay: a relay of ours, and not a server of the recipient's.
    """

    host: str
    port: int
    our_name: str
    clock: Callable[[], datetime]
    tls: TlsMode = "opportunistic"
    username: str | None = None
    password: str | None = None
    context: ssl.SSLContext | None = None
    timeouts: Timeouts = Timeouts()
    addresses: tuple[str, ...] = ()
    tlsa: tuple[Tlsa, ...] = ()
    names: frozenset[str] = frozenset()
    sni: str = ""
    relay: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an attempt ended; ``reply`` is the one that decided, None if none did; ``why`` says what we missed ourselves."""

    outcome: Outcome
    stage: Stage
    reason: Reason
    reply: Reply | None = None
    enhanced: str | None = None
    why: Why = REPLIED


class Over(Exception):
    """Ends an attempt from wherever it is."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.outcome, verdict.stage)
        self.verdict = verdict


@dataclass(slots=True)
class Session:
    """An open connection past EHLO (and TLS and AUTH, where asked); ``opening`` is its dialogue up to there."""

    wire: Wire
    peer: Peer
    stage: Stage = "connect"
    extensions: dict[str, str] = field(default_factory=dict[str, str])
    logins: list[str] = field(default_factory=list[str])
    tls: Tls | None = None
    address: str | None = None
    opening: tuple[Line, ...] = ()
    mails: int = 0

    def judged(self, reply: Reply) -> Over:
        outcome, reason = outcome_of(self.stage, reply), reason_of(self.stage, reply)
        return Over(Verdict(outcome, self.stage, reason, reply, reply.enhanced))

    async def hear(self, stage: Stage, digit: int, seconds: float) -> Reply:
        """Reads one reply, which must begin with ``digit``; anything else ends the attempt."""
        self.stage = stage
        reply = await self.wire.reply(seconds)
        if reply.code // 100 != digit:
            raise self.judged(reply)
        return reply

    async def ask(self, stage: Stage, command: bytes, digit: int = 2, *, shown: bytes | None = None) -> Reply:
        self.stage = stage
        self.wire.say(command, shown=shown)
        return await self.hear(stage, digit, self.peer.timeouts.command)

    async def quit(self) -> None:
        """Ends politely if the server answers at once, else just ends; nothing depends on it."""
        try:
            self.wire.say(b"QUIT")
            await self.wire.reply(self.peer.timeouts.quit)
        except Unheard:
            pass
        finally:
            self.wire.close()
