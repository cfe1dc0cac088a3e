"""Slows down what must not go on without end: guessing passwords, and having bundles of evidence made.

Ten wrong passwords for an address from one client in a quarter of an hour, thirty in all: counted by client, so that
nobody can lock somebody else out. Ten bundles of a ticket for its recipient, sixty for a person of the sender. In each
process's memory, by the ``limits`` library, so that a restart forgets. What is counted is hashed.
"""

from __future__ import annotations

import math
import time
from typing import Literal

import structlog
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter

from sealpost.domain.canonical import sha256

log = structlog.get_logger()

PER_PAIR = RateLimitItemPerMinute(10, 15)
PER_CLIENT = RateLimitItemPerMinute(30, 15)
BUNDLES = {"recipient": RateLimitItemPerMinute(10, 15), "person": RateLimitItemPerMinute(60, 15)}


class Throttle:
    """Counts failed sign-ins, and bundles."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        # A fixed window begins with the first one counted, so that its end, and Retry-After, is exact.
        self._bundles = FixedWindowRateLimiter(MemoryStorage())

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

    def bundle(self, kind: Literal["recipient", "person"], who: str) -> int:
        """Counts a bundle, or a certificate, that is about to be made.

        Args:
            kind: of the reader.
            who: the ticket's token for a recipient, who may have several links; a person's number.

        Returns:
            0 when it may be made, else the seconds until the next one may.
        """
        limit, key = BUNDLES[kind], _hidden(f"{kind} {who}")
        if self._bundles.hit(limit, key):
            return 0
        log.warning("evidence throttled", reader=kind)
        return max(1, math.ceil(self._bundles.get_window_stats(limit, key).reset_time - time.time()))


def _hidden(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hex()
