"""The owner of an address lets an account send from it, by the form behind a mailed link."""

from __future__ import annotations

import structlog

from sealpost.domain.canonical import sha256
from sealpost.domain.errors import NotFound
from sealpost.store import addresses
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service

log = structlog.get_logger()


async def confirm_address(service: Service, secret: str) -> None:
    """Confirms it, once; with that no link of the address asks any more.

    Raises:
        NotFound: the link is wrong, used or over, or the account is suspended.
    """
    async with transaction(service) as connection:
        confirmed = await addresses.confirm(connection, sha256(secret.encode()), service.clock.real())
    if confirmed is None:
        raise NotFound("this link is not good (any more)")
    log.info("sender address confirmed", account=confirmed["account_id"], address=confirmed["id"])
