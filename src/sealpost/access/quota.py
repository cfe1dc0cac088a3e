"""The quota as API callers meet it: one call counted, and the headers that tell where they stand (contract, section 7).

The standing lives in the ASGI scope from the moment that the caller is known, so that errors tell it too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sealpost.access.refusals import QuotaExceeded
from sealpost.usecases.quotas import Quotas, Standing
from sealpost.usecases.service import Service

KEY = "sealpost.quota"
MOST = 1_000

Pairs = tuple[tuple[bytes, bytes], ...]


async def count(service: Service, scope: Any, client_id: int, limit: int | None) -> None:
    """Takes one call from a client's quota.

    Args:
        service: the parts.
        scope: ASGI's; it keeps the standing, for the headers.
        client_id: who calls.
        limit: the client's own, or None.

    Raises:
        QuotaExceeded: none is left in this interval.
        Unavailable: the database is away.
    """
    standing = await service.quotas.take(client_id, limit)
    scope[KEY] = standing
    if not standing.allowed:
        left = (standing.reset_at - service.clock.real()).total_seconds()
        raise QuotaExceeded(standing.limit, standing.unit, max(1, math.ceil(left)))


class QuotaHeaders:
    """The headers of an answer's start; none on pages.

    Args:
        quotas: tell the installation's limit, for answers to callers that are not known.
        is_page: whether people see this path, with this query, in a browser.
    """

    def __init__(self, quotas: Quotas, is_page: Callable[[str, str], bool]) -> None:
        self._quotas, self._is_page = quotas, is_page
        self._made: dict[tuple[int, datetime], Pairs] = {}

    def __call__(self, scope: Any) -> Pairs:
        """The headers for the answer to this request.

        Args:
            scope: ASGI's, after the app has begun its answer.
        """
        standing: Standing | None = scope.get(KEY)
        if standing is None:  # only then it can be a page: no page asks for a client's credentials
            if self._is_page(scope["path"], scope["query_string"].decode("latin-1")):
                return ()
            standing = self._quotas.unused()
        key = standing.limit, standing.reset_at
        return (*(self._made.get(key) or self._make(key, standing)), (b"quota-used", b"%d" % standing.used))

    def _make(self, key: tuple[int, datetime], standing: Standing) -> Pairs:
        if len(self._made) >= MOST:
            self._made.clear()
        self._made[key] = made = (
            (b"quota-limit", b"%d" % standing.limit),
            (b"quota-interval", b"1"),
            (b"quota-time-unit", standing.unit.encode()),
            # HTTP names have no case; ASGI wants this one small.
            (b"quota-reset-utc", f"{standing.reset_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}".encode()),
        )
        return made
