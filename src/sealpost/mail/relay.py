"""Hands every mail to one given server: the demo's catcher, or a smarthost.

For bootstrap, which builds it, and the use cases that send. Connections are kept and used again, a limited number
of times (RFC 5321 leaves that to the client); the transcript of a later mail begins with its connection's opening.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from sealpost.mail.opening import connect, open_session
from sealpost.mail.sending import send
from sealpost.mail.session import Over, Peer, Session, Timeouts, TlsMode, Verdict
from sealpost.mail.transport import Envelope, Handover, Line, check_handover
from sealpost.mail.wire import Unheard

_OUR_NAME = re.compile(r"[A-Za-z0-9.-]{1,255}|\[[0-9A-Fa-f.:IPv]{1,60}\]")
_MAILS_PER_CONNECTION = 100
_IDLE_SECONDS = 30.0


@dataclass(slots=True)
class _Attempt:
    """What is known of an attempt so far, however it ends."""

    started_at: datetime
    session: Session | None = None
    reused: bool = False
    kept: bool = False
    in_step: bool = False
    ended_at: datetime | None = None
    log: list[Line] = field(default_factory=list[Line])


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
        if not _OUR_NAME.fullmatch(our_name):
            raise ValueError("our_name is no host name")
        times = timeouts or Timeouts()
        self._peer = Peer(host, port, our_name, clock, tls, username, password, context, times)
        self._slots = asyncio.Semaphore(max_connections)
        self._idle: list[tuple[float, Session]] = []

    async def hand_over(self, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]]) -> Handover:
        """See ``Transport.hand_over``."""
        check_handover(envelope, mail)
        async with self._slots:
            handover, again = await self._attempt(envelope, mail, before_dot, fresh=False)
            if again:  # the server had closed the idle connection; nothing of this mail was taken
                handover, _ = await self._attempt(envelope, mail, before_dot, fresh=True)
        return handover

    async def _attempt(
        self, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]], *, fresh: bool
    ) -> tuple[Handover, bool]:
        attempt = _Attempt(self._peer.clock())
        try:
            session = await self._session(attempt, fresh=fresh)
            verdict = await send(session, envelope, mail, before_dot)
            attempt.ended_at, attempt.kept = _told_at(attempt, verdict), True
        except Over as over:
            verdict = over.verdict
            attempt.ended_at, attempt.in_step = _told_at(attempt, verdict), verdict.stage not in {"body", "dot"}
        except Unheard:
            verdict = _unheard(attempt.session)
        finally:
            await self._release(attempt)
        again = attempt.reused and verdict.stage == "mail" and (verdict.reply is None or verdict.reply.code == 421)
        return self._handover(attempt, verdict), again and verdict.outcome == "delayed"

    async def _session(self, attempt: _Attempt, *, fresh: bool) -> Session:
        idle = None if fresh else self._take_idle()
        if idle is not None:
            attempt.session, attempt.reused = idle, True
            attempt.log = idle.wire.log = list(idle.opening)
            return idle
        try:
            return await self._open(attempt, plain=False)
        except Unheard:
            if self._peer.tls != "opportunistic" or attempt.session is None or attempt.session.stage != "starttls":
                raise
        attempt.session.wire.abort()
        return await self._open(attempt, plain=True)

    async def _open(self, attempt: _Attempt, *, plain: bool) -> Session:
        session = attempt.session = await connect(self._peer, attempt.log)
        await open_session(session, plain=plain)
        return session

    def _take_idle(self) -> Session | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            since, session = self._idle.pop()
            if session.wire.alive and not session.wire.unread and now - since < _IDLE_SECONDS:
                return session
            session.wire.abort()
        return None

    async def _release(self, attempt: _Attempt) -> None:
        """Keeps the connection after success, says goodbye after a plain refusal, else drops it where it stands."""
        session = attempt.session
        if session is None:
            return
        if attempt.kept and session.wire.alive and session.mails < _MAILS_PER_CONNECTION:
            attempt.log = list(session.wire.log)
            self._idle.append((asyncio.get_running_loop().time(), session))
        elif attempt.kept or attempt.in_step:
            await session.quit()
        else:
            session.wire.abort()

    def _handover(self, attempt: _Attempt, verdict: Verdict) -> Handover:
        session, reply = attempt.session, verdict.reply
        return Handover(
            outcome=verdict.outcome,
            stage=verdict.stage,
            code=reply.code if reply else None,
            enhanced=verdict.enhanced,
            final=reply.final if reply else b"",
            reason=verdict.reason,
            host=self._peer.host,
            address=session.address if session else None,
            port=self._peer.port,
            our_name=self._peer.our_name,
            tls=session.tls if session else None,
            transcript=tuple(attempt.log),
            started_at=attempt.started_at,
            ended_at=attempt.ended_at or self._peer.clock(),
        )

    async def close(self) -> None:
        """Ends idle connections; those in use end with their mail."""
        idle, self._idle = self._idle, []
        with suppress(Unheard):
            await asyncio.gather(*(session.quit() for _, session in idle))


def _unheard(session: Session | None) -> Verdict:
    stage = session.stage if session else "connect"
    return Verdict("uncertain", stage, "other") if stage == "dot" else Verdict("delayed", stage, "unreachable")


def _told_at(attempt: _Attempt, verdict: Verdict) -> datetime | None:
    """When the deciding line arrived: the moment that courts ask for, not the one when we got round to it."""
    final, log = verdict.reply.final if verdict.reply else None, attempt.session.wire.log if attempt.session else []
    return next((line.at for line in reversed(log) if line.line == final), None)
