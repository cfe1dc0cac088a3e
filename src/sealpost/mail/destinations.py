"""How much goes to each destination at a time, so that those which hang do not hold up the rest.

For ``mail/direct``. A destination is a recipient's domain, or for rests alone an address. Its window opens by one with each
mail that it takes, however long it takes for that, and halves with each that it defers, refuses or does not answer; one
that cannot be reached is left alone for a while, which doubles each time (a circuit breaker). A place that comes free is
given at once to a mail that waits for it. All of it is in this process's memory and no truth: at worst a mail is tried
too early.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

End = Literal["taken", "answered", "refused", "silent"]
"""Of an attempt: the mail was taken; refused, for its own or its recipient's sake; deferred, refused for ours, or not
answered; or nobody was reached."""

FIRST, MOST = 3, 20
"""Of a window; as many as one server gets connections."""
SOON, LATEST = 1.0, 20.0
"""Seconds until a mail is looked at again whose destination has enough under way: the next one, the last of many (of
those that take longer for a mail, so long)."""
WAIT, EXPECTED = 10.0, 5.0
"""Seconds for which a mail waits for a place at most; those of which that is expected within the second may wait."""
WAITING = 50
"""Mails that wait for places, of all destinations together."""
REST, LONGEST_REST = 30.0, 600.0
REMEMBERED = 10_000

_Place = asyncio.Future[bool]
"""True: it is booked; False: there will be none for a while."""


@dataclass(slots=True)
class _Destination:
    window: int = FIRST
    under_way: int = 0
    misses: int = 0
    closed_until: float = 0.0
    took: float = 0.0
    turn: float = 0.0
    waiting: deque[_Place] = field(default_factory=deque[_Place])

    @property
    def allowed(self) -> int:
        return self.window if self.misses == 0 else 1

    @property
    def free(self) -> bool:
        return self.under_way < self.allowed

    @property
    def may_wait(self) -> int:
        """How many; one at least, that a place which comes free is never idle."""
        return max(1, int(EXPECTED * self.allowed / self.took)) if self.took else self.allowed


class Destinations:
    """Windows by name; ``now`` gives seconds of a monotonic clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._known: dict[str, _Destination] = {}
        self._waiting = 0

    async def book(self, name: str, *, pressing: bool = False) -> float:
        """Books a place, until ``unbook``; may wait for one that comes free soon.

        Args:
            name: of the destination.
            pressing: a rest is no reason to wait, others under way are.

        Returns:
            0: booked; else the seconds for which trying is no use.
        """
        known, now = self._at(name), self._now()
        if known.closed_until > now and not pressing:
            return known.closed_until - now
        if known.free and not known.waiting:
            known.under_way += 1
            return 0.0
        if known.misses == 0 and len(known.waiting) < known.may_wait and self._waiting < WAITING:
            if await self._wait(known):
                return 0.0
            now = self._now()
            if known.closed_until > now:
                return known.closed_until - now
        # One after the other, as places become free: else a thousand would come back each time, for one place.
        # At twice their pace: the window may open meanwhile.
        latest = now + min(max(LATEST, known.took), LONGEST_REST)
        known.turn = min(max(known.turn, now + SOON) + known.took / known.allowed / 2, latest)
        return known.turn - now

    async def _wait(self, known: _Destination) -> bool:
        place: _Place = asyncio.get_running_loop().create_future()
        known.waiting.append(place)
        self._waiting += 1
        try:
            await asyncio.wait([place], timeout=WAIT)
        except asyncio.CancelledError:
            if place.done() and place.result():
                self._give_back(known)
            raise
        finally:
            self._waiting -= 1
            if not place.done():
                known.waiting.remove(place)
        return place.done() and place.result()

    def unbook(self, name: str) -> None:
        """Gives a booked place back."""
        self._give_back(self._known[name])

    def _give_back(self, known: _Destination) -> None:
        known.under_way -= 1
        self._admit(known)

    def _admit(self, known: _Destination) -> None:
        """Gives free places to those that wait; sends them away where there will be none for a while."""
        rests = known.closed_until > self._now()
        while known.waiting and (rests or known.free):
            place = known.waiting.popleft()
            place.set_result(not rests)
            known.under_way += not rests

    def rests(self, name: str) -> bool:
        """Whether it could not be reached a moment ago."""
        known = self._known.get(name)
        return known is not None and known.closed_until > self._now()

    def told(self, name: str, since: float, end: End) -> None:
        """An attempt has ended.

        Args:
            name: of the destination.
            since: when it began.
            end: how.
        """
        known, now = self._at(name), self._now()
        known.took = (known.took + now - since) / 2 if known.took else now - since
        if end == "silent":
            self._missed(known, since)
        else:
            known.misses, known.closed_until = 0, 0.0
            grown = {"taken": min(known.window + 1, MOST), "refused": max(known.window // 2, 1)}
            known.window = grown.get(end, known.window)
        self._admit(known)

    def _missed(self, known: _Destination, since: float) -> None:
        """Those that were under way together are one miss."""
        known.window = FIRST
        if since >= known.closed_until:
            known.misses += 1
            known.closed_until = self._now() + min(REST * 2 ** min(known.misses - 1, 10), LONGEST_REST)

    def _at(self, name: str) -> _Destination:
        if name not in self._known and len(self._known) >= REMEMBERED:
            self._forget()
        return self._known.setdefault(name, _Destination())

    def _forget(self) -> None:
        """Drops what is idle and open; a destination that rests is remembered."""
        now = self._now()
        used = {name: one for name, one in self._known.items() if one.under_way or one.waiting}
        self._known = {name: one for name, one in self._known.items() if name in used or one.closed_until > now}
        if len(self._known) >= REMEMBERED:
            self._known = used
