"""OAuth 2.0 client credentials (RFC 6749, section 4.4) and revocation (RFC 7009)."""

from __future__ import annotations

import hmac
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


async def issue_token(service: Service, client_id: str, client_secret: str) -> IssuedToken | None:
    """A new token, or None for a wrong pair or a suspended account."""
    async with transaction(service) as connection:
        client = await credentials.client_by_name(connection, client_id, "oauth")
        given = sha256(client_secret.encode("utf-8", "surrogatepass"))
        right = hmac.compare_digest(client["secret_hash"] if client else bytes(32), given)
        if client is None or not right or client["suspended"]:
            return None
        token = secret(service.random)
        now = service.clock.real()
        await credentials.add_token(connection, sha256(token.encode()), client["id"], now, now + LIFE)
        return IssuedToken(token, int(LIFE.total_seconds()))


async def revoke_token(service: Service, caller_client: int, token: str) -> None:
    """Ends a token of the calling client. It is refused at latest when the callers' cache is over (5 s)."""
    async with transaction(service) as connection:
        hashed = sha256(token.encode("utf-8", "surrogatepass"))
        await credentials.revoke_token(connection, hashed, caller_client, service.clock.real())
