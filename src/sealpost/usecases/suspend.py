"""Suspend an account, and resume it.

A suspended account does nothing: its callers get 403, its people cannot sign in, its links are dead and none of its
mails is claimed. Nothing of it is lost; terms run on, and what is planned goes out after it is resumed.
"""

from __future__ import annotations

import structlog

from sealpost.domain.errors import NotFound
from sealpost.store import people
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service

log = structlog.get_logger()


async def suspend(service: Service, account_id: int) -> None:
    """Suspends; sessions end at once, callers' and senders' memories within five seconds. Doing it twice is no error.

    Raises:
        NotFound: no such account.
    """
    async with transaction(service) as connection:
        if await people.lock_account(connection, account_id) is None:
            raise NotFound(f"no account {account_id}")
        await people.suspend(connection, account_id, service.clock.now())
    log.warning("account suspended", account=account_id)


async def resume(service: Service, account_id: int) -> None:
    """Ends a suspension; waiting mails are looked at within five minutes. Without a suspension it changes nothing.

    Raises:
        NotFound: no such account.
    """
    async with transaction(service) as connection:
        if await people.lock_account(connection, account_id) is None:
            raise NotFound(f"no account {account_id}")
        await people.resume(connection, account_id)
    log.warning("account resumed", account=account_id)
