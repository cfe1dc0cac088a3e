"""Whether an announcement's reference exists. That, and nothing else, is said to anybody who asks."""

from __future__ import annotations

from sealpost.domain.ids import is_ticket_token
from sealpost.store import tickets
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service


async def reference_exists(service: Service, reference: str) -> bool:
    """Whether this is the token of a ticket."""
    if not is_ticket_token(reference):
        return False
    async with transaction(service) as connection:
        return await tickets.token_exists(connection, reference)
