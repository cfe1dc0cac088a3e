"""How much goes to each destination at a time, so that those which hang do not hold up the rest.

For ``mail/direct``. A destination is a recipient's domain, or for rests alone a host. Its window opens by one with each mail that it takes quickly
and halves with each that it takes slowly; one that cannot be reached is left alone for a while, which doubles each time
(a circuit breaker). All of it is in this process's memory and no truth: at worst a mail is tried too early.
"""

from collections.abc import Callable
from dataclasses import dataclass

FIRST, MOST = 3, 60
QUICK = 2.0
"""Seconds: what takes longer narrows the window."""
SOON, LATEST = 2.0, 60.0
"""Seconds until a mail is looked at again whose destination has enough under way: the next one, the last of many."""
REST, LONGEST_REST = 30.0, 600.0
REMEMBERED = 10_000


@dataclass(slots=True)
class _Destination:
    window: int = FIRST
    under_way: int = 0
    misses: int = 0
    closed_until: float = 0.0
    took: float = 0.0
    turn: float = 0.0


class Destinations:
    """Windows by name; ``now`` gives seconds of a monotonic clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._known: dict[str, _Destination] = {}

    def book(self, name: str, *, pressing: bool = False) -> float:
        """Books a place, until ``unbook``.

        Args:
            name: of the destination.
            pressing: a rest is no reason to wait, others under way are.

        Returns:
            0: booked; else the seconds for which trying is no use.
        """
        known, now = self._at(name), self._now()
        if known.closed_until > now and not pressing:
            return known.closed_until - now
        allowed = known.window if known.misses == 0 else 1
        if known.under_way < allowed:
            known.under_way += 1
            return 0.0
        # One after the other, as places become free: else a thousand would come back each time, for one place.
        known.turn = min(max(known.turn, now + SOON) + known.took / allowed, now + LATEST)
        return known.turn - now

    def unbook(self, name: str) -> None:
        """Gives a booked place back."""
        self._known[name].under_way -= 1

    def rests(self, name: str) -> bool:
        """Whether it could not be reached a moment ago."""
        known = self._known.get(name)
        return known is not None and known.closed_until > self._now()

    def told(self, name: str, since: float, *, reached: bool) -> None:
        """An attempt has ended.

        Args:
            name: of the destination.
            since: when it began.
            reached: a server of the destination spoke.
        """
        known, now = self._at(name), self._now()
        known.took = (known.took + now - since) / 2
        if reached:
            known.misses, known.closed_until = 0, 0.0
            quick = now - since <= QUICK
            known.window = min(known.window + 1, MOST) if quick else max(known.window // 2, 1)
            return
        known.window = FIRST
        # Those that were under way together are one miss.
        if since >= known.closed_until:
            known.misses += 1
            known.closed_until = now + min(REST * 2 ** min(known.misses - 1, 10), LONGEST_REST)

    def _at(self, name: str) -> _Destination:
        if name not in self._known and len(self._known) >= REMEMBERED:
            self._forget()
        return self._known.setdefault(name, _Destination())

    def _forget(self) -> None:
        """Drops what is idle and open; a destination that rests is remembered."""
        now = self._now()
        self._known = {name: one for name, one in self._known.items() if one.under_way or one.closed_until > now}
        if len(self._known) >= REMEMBERED:
            self._known = {name: one for name, one in self._known.items() if one.under_way}
