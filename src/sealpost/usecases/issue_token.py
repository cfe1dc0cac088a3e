"""OAuth 2.0 client credentials (RFC 6749, section 4.4) and revocation (RFC 7009)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sealpost.domain.canonical import sha256
from sealpost.domain.ids import secret
from sealpost.store import credentials
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service

LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A bearer token and its life in seconds."""

    access_token: str
    expires_in: int


async def issue_token(service: Service, client: int) -> IssuedToken:
    """A new token for a client that has shown its secret; it is dead from the start where the client is revoked by now.

    Args:
        service: the parts.
        client: the client's number.

    Raises:
        Unavailable: the database is away.
    """
    token = secret(service.random)
    now = service.clock.real()
    async with transaction(service) as connection:
        # A crash after the commit leaves a token that nobody knows; it ends by itself.
        await credentials.add_token(connection, sha256(token.encode()), client, now, now + LIFE)
    return IssuedToken(token, int(LIFE.total_seconds()))


async def revoke_token(service: Service, caller_client: int, token: str) -> None:
    """Ends a token of the calling client. It is refused at latest when the callers' cache is over (5 s)."""
    async with transaction(service) as connection:
        hashed = sha256(token.encode("utf-8", "surrogatepass"))
        await credentials.revoke_token(connection, hashed, caller_client, service.clock.real())
