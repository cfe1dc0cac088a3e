"""Remove what has ended, when nothing needs it any more.

A day after their end sessions, tokens, links and MTA-STS policies; after thirty days idempotency keys and the
Message-IDs of mails that came in through the gateway.
"""

from __future__ import annotations

from datetime import timedelta

from sealpost.store import ended
from sealpost.usecases import gateway
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service
from sealpost.usecases.submit_once import KEPT

GRACE = timedelta(days=1)
KINDS = (
    (ended.SESSIONS, GRACE),
    (ended.TOKENS, GRACE),
    (ended.USER_LINKS, GRACE),
    (ended.ADDRESS_LINKS, GRACE),
    (ended.POLICIES, GRACE),
    (ended.KEYS, KEPT),
    (ended.GATEWAY_MAILS, gateway.KEPT),
)


async def forget(service: Service) -> int:
    """Removes everything that is due, piece by piece; how many rows.

    Raises:
        Unavailable: the database is away; the rest waits for the next time.
    """
    removed = 0
    for kind, kept in KINDS:
        before = service.clock.real() - kept
        while True:
            async with transaction(service) as connection:
                piece = await ended.remove(connection, kind, before)
            removed += piece
            if piece < ended.PIECE:
                break
    return removed
