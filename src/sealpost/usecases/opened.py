"""Which ticket a browser may see: the one that a live link in its cookie opens, and no other."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sealpost.domain.canonical import sha256
from sealpost.domain.errors import NotFound
from sealpost.store import links
from sealpost.store.pool import Connection
from sealpost.usecases.service import Service

MOST_SECRETS = 16


async def opened_ticket(
    service: Service, connection: Connection, ticket_token: str, secrets: Sequence[str]
) -> tuple[UUID, bytes]:
    """The ticket's id and the hash of the link that opens it.

    Raises:
        NotFound: no such ticket, or no live link to it among the secrets; the two look the same.
    """
    hashes = [sha256(secret.encode("utf-8", "surrogatepass")) for secret in secrets[:MOST_SECRETS]]
    found = await links.opened(connection, ticket_token, hashes, service.clock.now())
    if found is None:
        raise NotFound("no such ticket for this browser")
    return found
