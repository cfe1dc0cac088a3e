"""Remove what has ended, when nothing needs it any more.

A day after their end sessions, tokens and MTA-STS policies; after thirty days idempotency keys and the Message-IDs of mails
that came in through the gateway. Links are kept after their end, as hashes, so that an ended one can be told apart from one
that we never made: those of invitations and addresses for ninety days, those to tickets for five years (bundles hold the mails
that have them).
"""

from __future__ import annotations

from datetime import timedelta

from sealpost.store import ended
from sealpost.usecases import gateway
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service
from sealpost.usecases.submit_once import KEPT

GRACE = timedelta(days=1)
LINKS_KEPT = timedelta(days=90)
PICKUP_LINKS_KEPT = timedelta(days=5 * 365 + 1)
KINDS = (
    (ended.SESSIONS, GRACE),
    (ended.TOKENS, GRACE),
    (ended.USER_LINKS, LINKS_KEPT),
    (ended.ADDRESS_LINKS, LINKS_KEPT),
    (ended.PICKUP_LINKS, PICKUP_LINKS_KEPT),
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
        # Tickets and their links live by the service's clock, which the demo can move.
        clock = service.clock.now if kind is ended.PICKUP_LINKS else service.clock.real
        before = clock() - kept
        while True:
            async with transaction(service) as connection:
                piece = await ended.remove(connection, kind, before)
            removed += piece
            if piece < ended.PIECE:
                break
    return removed
