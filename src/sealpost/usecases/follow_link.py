"""Where a link in a mail leads. Reading only: following a link decides nothing and uses nothing up."""

from __future__ import annotations

from sealpost.domain.canonical import sha256
from sealpost.store import links
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service


async def follow_link(service: Service, secret: str) -> str | None:
    """The ticket token, or None: a wrong link, a dead one, or one of a suspended account."""
    async with transaction(service) as connection:
        return await links.token_of(connection, sha256(secret.encode()), service.clock.now())
