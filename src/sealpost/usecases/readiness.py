"""Whether evidence can be made: what new submissions and new mails need (design, section 4, *Facts against readiness*).

The worker says in the database how the log and the time stamps stand; each process watches its own clock. A fact that
has happened never asks here.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

import structlog

from sealpost.clock import Clock
from sealpost.domain.errors import Unavailable
from sealpost.seal.evidence import Evidence
from sealpost.store import logs
from sealpost.store.pool import AWAY, Pool

LOG, TIME, WITNESSES = "the log", "time stamps", "witnesses"
NEEDED = (LOG, TIME)
FRESH = timedelta(seconds=5)
WATCH, UNSOUND = 60.0, 5.0
"""Seconds between two looks at the second source, and while the clock is unsound."""

log = structlog.get_logger()


class Readiness:
    """How the parts of evidence stand.

    Args:
        pool: the database, where the worker says it.
        clock: its real time is compared.
        evidence: the guard and the grace.
    """

    def __init__(self, pool: Pool, clock: Clock, evidence: Evidence) -> None:
        self._pool, self._clock, self._evidence = pool, clock, evidence
        self._asked: datetime | None = None
        self._said = dict[str, logs.Said]()

    async def require(self) -> None:
        """Returns if evidence can be made.

        Raises:
            Unavailable: not now, or the database is away.
        """
        why = await self.lacking()
        if why:
            log.warning("nothing new is taken in", why=why)
            raise Unavailable(why)

    async def lacking(self) -> str:
        """What is missing, in a few words, or nothing.

        Raises:
            Unavailable: the database is away.
        """
        if not self._evidence.guard.is_sound:
            return "the clock cannot be trusted"
        now = self._clock.real()
        if self._asked is None or not self._asked <= now < self._asked + FRESH:
            try:
                self._said = await logs.said(self._pool)
            except AWAY as error:
                raise Unavailable("the database is away") from error
            self._asked = now
        for name in NEEDED:
            if (said := self._said.get(name)) and (why := self._trouble(said, now)):
                return f"{name}: {why}"
        return ""

    def _trouble(self, said: logs.Said, now: datetime) -> str:
        grace = self._evidence.grace
        if said.why and now - said.since > grace:
            return said.why
        return f"no worker has looked since {said.heard:%Y-%m-%d %H:%M} UTC" if now - said.heard > grace else ""

    async def say(self, name: str, why: str) -> None:
        """Tells all processes how a part stands; empty: all is well. A loss and its end are logged.

        Raises:
            Unavailable: the database is away.
        """
        try:
            before = (await logs.said(self._pool)).get(name)
            await logs.say(self._pool, name, self._clock.real(), why)
        except AWAY as error:
            raise Unavailable("the database is away") from error
        if why and (before is None or before.why != why):
            log.error("evidence is incomplete", part=name, why=why)
        elif not why and before is not None and before.why:
            log.info("evidence is complete again", part=name)

    async def watch(self) -> None:
        """Looks at the second source for as long as the service is open."""
        guard, was_sound = self._evidence.guard, True
        while True:
            is_sound = await guard.poll()
            if is_sound != was_sound:
                level = logging.INFO if is_sound else logging.ERROR
                log.log(level, "clock against its second source", sound=is_sound, offset=str(guard.offset))
            was_sound = is_sound
            await asyncio.sleep(WATCH if is_sound else UNSOUND)
