"""Slows guessing down: ten wrong passwords for an address from one client in a quarter of an hour, thirty in all.

Counted by client, so that nobody can lock somebody else out; in each process's memory, by the ``limits`` library, so
that a restart forgets. What is counted is hashed.
"""

from __future__ import annotations

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from sealpost.domain.canonical import sha256

PER_PAIR = RateLimitItemPerMinute(10, 15)
PER_CLIENT = RateLimitItemPerMinute(30, 15)


class Throttle:
    """Counts failed sign-ins."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def lets(self, key: str, client: str) -> bool:
        """Whether another try is let through.

        Args:
            key: the address that is signed in with.
            client: the client's network address.
        """
        pair = self._limiter.test(PER_PAIR, _hidden(f"{client} {key}"))
        return pair and self._limiter.test(PER_CLIENT, _hidden(client))

    def failed(self, key: str, client: str) -> None:
        """Counts a wrong pair."""
        self._limiter.hit(PER_PAIR, _hidden(f"{client} {key}"))
        self._limiter.hit(PER_CLIENT, _hidden(client))


def _hidden(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hex()
