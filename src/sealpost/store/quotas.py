"""Table ``quotas``: how many calls of a client all processes have leased in a window (design, section 4, *Quota*).

Calls have numbers, 1 and up in each window. A lease is a block of numbers that nobody else gets, and a call is let
through when its number is within the limit: so no race, no crash and no changed limit ever lets one call too many in.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sealpost.store.pool import Runner


async def lease(runner: Runner, client_id: int, window_start: datetime, block: int, limit: int) -> Any:
    """The next block of numbers: one statement that commits by itself.

    A newer window that another machine has begun is kept, and the block is one of that window.

    Args:
        runner: not within a transaction, whose end would hold up all other processes.
        client_id: whose calls.
        window_start: of the window by our clock.
        block: how many numbers.
        limit: of the window; none is leased where so many are.

    Returns:
        ``window_start`` of the lease and ``leased``, its last number; None: the limit is leased out. Since the last
        block may begin below the limit and end above it, ``leased`` passes the limit by less than one block.
    """
    return await runner.fetchrow(
        """insert into quotas as q (client_id, window_start, leased) values ($1, $2, $3)
           on conflict (client_id) do update
           set window_start = greatest(q.window_start, excluded.window_start),
               leased = case when q.window_start < excluded.window_start then 0 else q.leased end + excluded.leased
           where q.window_start < excluded.window_start or q.leased < $4
           returning window_start, leased""",
        client_id,
        window_start,
        block,
        limit,
    )


async def leased(runner: Runner, client_id: int) -> Any:
    """``window_start`` and ``leased`` as they are, or None: this client never called."""
    return await runner.fetchrow("select window_start, leased from quotas where client_id = $1", client_id)
