"""How many calls a client may make in each minute, hour or day (contract, section 7; design, section 4, *Quota*).

For ``sealpost.access.quota``. Exact over all processes and machines on one database: each process leases blocks of call
numbers (``sealpost.store.quotas``) and counts them off in memory, so that most calls cost no round trip.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from sealpost.clock import Clock
from sealpost.domain.errors import InvalidInput, Unavailable
from sealpost.store import quotas
from sealpost.store.pool import AWAY, Pool

SPANS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST = 1_000_000_000
LARGEST_BLOCK = 500
MOST = 10_000
AHEAD = timedelta(minutes=1)  # clocks of machines differ by less, or somebody should look at them

log = structlog.get_logger("sealpost.quotas")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a client stands after a call.

    Args:
        limit: calls in each interval.
        unit: the interval: ``minute``, ``hour`` or ``day``.
        used: calls of this window: leased by all processes, less what this one still has.
        reset_at: end of the window, UTC.
        allowed: this call is within the limit.
    """

    limit: int
    unit: str
    used: int
    reset_at: datetime
    allowed: bool


def checked(quota: int | None) -> int | None:
    """A client's own limit, as it may be stored; None is the installation's.

    Raises:
        InvalidInput: below 1 or above ``LARGEST``.
    """
    if quota is not None and not 1 <= quota <= LARGEST:
        raise InvalidInput("quota", f"must be between 1 and {LARGEST}")
    return quota


class Held:
    """Numbers of one client's calls that this process may still give out; they belong to one window."""

    __slots__ = ("end", "failures", "leased", "lock", "next", "start", "top")

    def __init__(self, start: datetime, end: datetime) -> None:
        self.lock = asyncio.Lock()
        self.failures = 0
        self.begin(start, end)

    def begin(self, start: datetime, end: datetime) -> None:
        """Forgets everything for a new window; ``leased`` is what all processes had when we last looked."""
        self.start, self.end = start, end
        self.next, self.top, self.leased = 1, 0, 0

    def left(self, limit: int) -> int:
        """How many calls within the limit are at hand."""
        return max(0, min(self.top, limit) - self.next + 1)

    def undecided(self, limit: int) -> bool:
        """Nothing is at hand, and the database may have more."""
        return self.leased < limit and not self.left(limit)


class Quotas:
    """The quotas as one process sees them; one for each process.

    Args:
        pool: connections; every lease is a statement by itself.
        clock: its real time makes the windows, which are aligned to UTC.
        limit: calls of a client that has no limit of its own.
        unit: the interval: ``minute``, ``hour`` or ``day``.
    """

    def __init__(self, pool: Pool, clock: Clock, limit: int, unit: str) -> None:
        self._pool, self._clock = pool, clock
        self._limit, self._unit, self._span = limit, unit, SPANS[unit]
        self._held: dict[int, Held] = {}
        self._turn = EPOCH

    async def take(self, client_id: int, limit: int | None = None) -> Standing:
        """Counts one call.

        Args:
            client_id: who calls.
            limit: the client's own; None: the installation's.

        Raises:
            Unavailable: the database is away; the call must not go on uncounted.
        """
        most = self._limit if limit is None else limit
        held = self._of(client_id)
        while held.undecided(most):
            before = held.failures
            async with held.lock:
                if held.failures > before:  # whoever waited for a lease that failed need not fail once more, in a row
                    raise Unavailable("the database is away")
                if held.undecided(most):
                    await self._lease(client_id, held, most)
        allowed = held.left(most) > 0
        held.next += allowed
        return Standing(most, self._unit, min(held.leased, most) - held.left(most), held.end, allowed)

    async def take_all(self, client_id: int, calls: int, limit: int | None = None) -> Standing:
        """Counts several calls that belong together: all of them, or none.

        What other processes have leased counts as used, as does what this one has left of a lease that is too small:
        less than a hundredth of the limit each. More calls than the limit are never allowed.

        Args:
            client_id: who calls.
            calls: how many, at least 1.
            limit: the client's own; None: the installation's.

        Raises:
            Unavailable: the database is away; the calls must not go on uncounted.
        """
        most = self._limit if limit is None else limit
        held = self._of(client_id)
        if allowed := held.left(most) >= calls:
            held.next += calls
        else:
            async with held.lock:
                allowed = held.leased + calls <= most and await self._lease_all(client_id, held, calls, most)
        return Standing(most, self._unit, min(held.leased, most) - held.left(most), held.end, allowed)

    def unused(self) -> Standing:
        """The standing of nobody in particular: the installation's limit in the current window."""
        start = self._start(self._clock.real())
        return Standing(self._limit, self._unit, 0, start + self._span, allowed=True)

    async def _lease(self, client_id: int, held: Held, limit: int) -> None:
        block = min(max(limit // 100, 1), LARGEST_BLOCK)
        try:
            # A crash after this, or an answer that is lost, leaves a block that nobody counts off: the client has so
            # many calls less in this window, never more.
            new = await quotas.lease(self._pool, client_id, held.start, block, limit)
            found = new or await quotas.leased(self._pool, client_id)
        except AWAY as error:
            held.failures += 1
            raise Unavailable("the database is away") from error
        if found is None or found["window_start"] < held.start:
            return  # our window ended meanwhile; the caller asks again
        if found["window_start"] > held.start:
            self._go_along(client_id, held, found["window_start"])
        held.leased = found["leased"]
        if new:
            held.next, held.top = held.leased - block + 1, held.leased

    async def _lease_all(self, client_id: int, held: Held, calls: int, limit: int) -> bool:
        """Numbers for these calls alone; what is at hand stays there."""
        try:
            # A crash after this, or an answer that is lost, leaves them counted: so many calls less in this window.
            new = await quotas.lease(self._pool, client_id, held.start, calls, limit - calls + 1)
            found = new or await quotas.leased(self._pool, client_id)
        except AWAY as error:
            raise Unavailable("the database is away") from error
        if found and found["window_start"] > held.start:
            self._go_along(client_id, held, found["window_start"])
        if found and found["window_start"] == held.start:
            held.leased = max(held.leased, found["leased"])
        return new is not None

    def _go_along(self, client_id: int, held: Held, start: datetime) -> None:
        """Another machine is in a later window already: its clock is ahead. Going back would count twice."""
        held.begin(start, self._start(start) + self._span)
        ahead = start - self._clock.real()
        if ahead > AHEAD:
            log.warning("quota window is ahead of this clock", client=client_id, seconds=int(ahead.total_seconds()))

    def _of(self, client_id: int) -> Held:
        now: datetime = self._clock.real()
        held = self._held.get(client_id)
        if held is not None and now < held.end:
            return held
        start = self._start(now)
        if held is None:
            self._make_room(now)
            held = self._held[client_id] = Held(start, start + self._span)
        else:
            held.begin(start, start + self._span)
        return held

    def _make_room(self, now: datetime) -> None:
        """Drops what ended, once in each window, and beyond the most the oldest, whose numbers are lost."""
        if now >= self._turn:
            self._turn = self._start(now) + self._span
            self._held = {client: held for client, held in self._held.items() if now < held.end}
        if len(self._held) >= MOST:
            del self._held[next(iter(self._held))]

    def _start(self, at: datetime) -> datetime:
        return at - (at - EPOCH) % self._span
