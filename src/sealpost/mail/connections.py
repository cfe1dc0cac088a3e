"""The connections to one server, kept and used again, a limited number of times (RFC 5321 leaves that to the client).

For the transports. The transcript of a later mail begins with its connection's opening.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from sealpost.mail.opening import connect, open_session
from sealpost.mail.sending import send
from sealpost.mail.session import MUST, Over, Peer, Session, Verdict
from sealpost.mail.transport import Envelope, Handover, Line, Why
from sealpost.mail.wire import Unheard

_MAILS_PER_CONNECTION = 100
_SILENT = {
    "connect": Why("no-connection", "no connection"),
    "greeting": Why("no-answer", "no greeting"),
    "starttls": Why("no-tls", "no TLS"),
    "body": Why("broken-off", "the connection broke within the mail"),
}
IDLE_SECONDS = 30.0


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


@dataclass(slots=True)
class IdleRoom:
    """How many more idle connections may be kept, to one host and to all of the ``whole``: each is an open file."""

    left: int
    whole: IdleRoom | None = None

    @property
    def free(self) -> bool:
        return self.left > 0 and (self.whole is None or self.whole.free)

    def add(self, number: int) -> None:
        """So many were ended, or (below zero) kept."""
        self.left += number
        if self.whole:
            self.whole.add(number)


class Connections:
    """To one ``Peer``."""

    def __init__(self, peer: Peer, slots: int | None, idle_room: IdleRoom | None = None) -> None:
        """Opens nothing yet.

        Args:
            peer: the server and how to talk to it.
            slots: at most so many mails under way at a time, further calls wait; None: the caller sees to that.
            idle_room: shared with all other ``Connections`` to the same server; None: as many as ``slots`` says.
        """
        self.peer = peer
        self._room = idle_room or IdleRoom(slots or 0)
        self._slots = nullcontext() if slots is None else asyncio.Semaphore(slots)
        self._idle: list[tuple[float, Session]] = []
        self.users = 0
        self._ended = False

    @contextmanager
    def used(self) -> Generator[None]:
        """Within the block it is not forgotten."""
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1

    async def hand_over(self, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]]) -> Handover:
        """As ``Transport.hand_over``, to this server; envelope and mail are checked already."""
        with self.used():
            async with self._slots:
                first, again = await self._attempt(envelope, mail, before_dot, fresh=False)
                if not again:
                    return first
                # The server had closed the idle connection and nothing of this mail was taken; what it said stays told.
                second, _ = await self._attempt(envelope, mail, before_dot, fresh=True)
            told = first.transcript + second.transcript
            return replace(second, transcript=told, started_at=first.started_at)

    async def _attempt(
        self, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]], *, fresh: bool
    ) -> tuple[Handover, bool]:
        attempt = _Attempt(self.peer.clock())
        try:
            session = await self._session(attempt, fresh=fresh)
            verdict = await send(session, envelope, mail, before_dot)
            attempt.ended_at, attempt.kept = _told_at(attempt, verdict), True
        except Over as over:
            verdict = over.verdict
            attempt.ended_at, attempt.in_step = _told_at(attempt, verdict), verdict.stage not in {"body", "dot"}
        except Unheard:
            verdict = _unheard(self.peer, attempt.session)
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
            if self.peer.tls != "opportunistic" or attempt.session is None or attempt.session.stage != "starttls":
                raise
        attempt.session.wire.abort()
        return await self._open(attempt, plain=True)

    async def _open(self, attempt: _Attempt, *, plain: bool) -> Session:
        session = attempt.session = await connect(self.peer, attempt.log)
        await open_session(session, plain=plain)
        return session

    def _take_idle(self) -> Session | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            since, session = self._idle.pop()
            self._room.add(1)
            if session.wire.alive and not session.wire.unread and now - since < IDLE_SECONDS:
                return session
            session.wire.abort()
        return None

    async def _release(self, attempt: _Attempt) -> None:
        """Keeps the connection after success, says goodbye after a plain refusal, else drops it where it stands."""
        session = attempt.session
        if session is None:
            return
        if attempt.kept and session.wire.alive and session.mails < _MAILS_PER_CONNECTION and self._may_keep():
            attempt.log = list(session.wire.log)
            self._idle.append((asyncio.get_running_loop().time(), session))
            self._room.add(-1)
        elif attempt.kept or attempt.in_step:
            await session.quit()
        else:
            session.wire.abort()

    def _may_keep(self) -> bool:
        return self._room.free and not self._ended

    def _handover(self, attempt: _Attempt, verdict: Verdict) -> Handover:
        session, reply = attempt.session, verdict.reply
        return Handover(
            outcome=verdict.outcome,
            stage=verdict.stage,
            code=reply.code if reply else None,
            enhanced=verdict.enhanced,
            final=reply.final if reply else b"",
            reason=verdict.reason,
            host=self.peer.host,
            address=session.address if session else None,
            port=self.peer.port,
            our_name=self.peer.our_name,
            tls=session.tls if session else None,
            transcript=tuple(attempt.log),
            started_at=attempt.started_at,
            ended_at=attempt.ended_at or self.peer.clock(),
            relayed=self.peer.relay,
            why=verdict.why,
        )

    async def close_idle(self, *, older: float = 0) -> None:
        """Ends connections that nobody has used for so many seconds; those in use end with their mail."""
        before = asyncio.get_running_loop().time() - older
        idle = [session for since, session in self._idle if since <= before]
        self._idle = [kept for kept in self._idle if kept[0] > before]
        self._room.add(len(idle))
        with suppress(Unheard):
            await asyncio.gather(*(session.quit() for session in idle))

    async def close(self) -> None:
        """Ends idle connections now, and those in use with their mail."""
        self._ended = True
        await self.close_idle()

    @property
    def unused(self) -> bool:
        """Whether nothing would be lost by forgetting it."""
        return not self.users and not self._idle


def _unheard(peer: Peer, session: Session | None) -> Verdict:
    stage = session.stage if session else "connect"
    if stage == "dot":
        return Verdict("uncertain", stage, "other", why=Why("no-answer-after-dot", "no answer after the final dot"))
    reason = "policy" if stage == "starttls" and peer.tls in MUST else "unreachable"
    return Verdict(
        "delayed", stage, reason, why=_SILENT.get(stage) or Why("no-answer", f"no answer at {stage.upper()}")
    )


def _told_at(attempt: _Attempt, verdict: Verdict) -> datetime | None:
    """When the deciding reply had arrived whole: the moment that courts ask for, not the one when we got round to it."""
    last, log = verdict.reply.lines[-1] if verdict.reply else None, attempt.session.wire.log if attempt.session else []
    return next((line.at for line in reversed(log) if line.line == last), None)
