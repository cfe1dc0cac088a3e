"""Remove an allowed sender address; what was sent from it stays."""

from __future__ import annotations

from sealpost.domain.errors import NotFound
from sealpost.store import addresses
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service


async def disallow_address(service: Service, account_id: int, address_id: int) -> None:
    """The address is unusable when the submissions' memory of it ends, five seconds later; its links are dead at once.

    Raises:
        NotFound: the account has no such address (any more).
    """
    async with transaction(service) as connection:
        if not await addresses.remove(connection, account_id, address_id):
            raise NotFound("no such address")
