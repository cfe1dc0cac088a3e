"""Sign a dashboard user in and out. A session is 256 random bits in a cookie; the database has only its hash."""

from __future__ import annotations

from datetime import timedelta

import structlog

from sealpost.domain.canonical import sha256
from sealpost.domain.errors import InvalidInput
from sealpost.domain.ids import secret
from sealpost.domain.parties import kept_address
from sealpost.store import people
from sealpost.store.pool import Connection
from sealpost.usecases.database import transaction
from sealpost.usecases.passwords import matches
from sealpost.usecases.service import Service

SESSION = timedelta(hours=12)

log = structlog.get_logger()


async def sign_in(service: Service, email: str, password: str, client: str) -> str | None:
    """A new session's secret, or None.

    The same None for an unknown address, a wrong password, a user who is not active, a suspended account, and after
    too many wrong tries.

    Args:
        service: the parts.
        email: as typed.
        password: as typed.
        client: the client's network address.
    """
    try:
        key = kept_address(email.strip()).key
    except InvalidInput:
        key = ""
    if not service.throttle.lets(key, client):
        log.warning("sign-in throttled")
        return None
    async with transaction(service) as connection:
        user = await people.user_by_key(connection, key)
    if user is not None and (user["activated_at"] is None or user["suspended_at"] is not None):
        user = None
    if not await matches(user["password_hash"] if user else None, password) or user is None:
        service.throttle.failed(key, client)
        return None
    async with transaction(service) as connection:
        # While the password was worked out, the user may have been changed, deleted or suspended.
        if not await people.lock_password(connection, user["id"], user["password_hash"]):
            return None
        return await open_session(service, connection, user["id"])


async def open_session(service: Service, connection: Connection, user_id: int) -> str:
    """Makes a session; its secret is returned once."""
    session = secret(service.random)
    now = service.clock.real()
    await people.add_session(connection, sha256(session.encode()), user_id, now, now + SESSION)
    return session


async def sign_out(service: Service, session_secret: str) -> None:
    """Ends a session; an unknown one is no error."""
    async with transaction(service) as connection:
        await people.end_session(connection, sha256(session_secret.encode()))
