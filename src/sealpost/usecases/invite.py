"""The activation mail of a user: planned with a new user or a new address, and again when an administrator asks."""

from __future__ import annotations

from datetime import timedelta

from sealpost.domain.errors import NotFound, PreconditionFailed
from sealpost.store import users
from sealpost.store.pool import Connection
from sealpost.usecases.chain import plan_mail
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service

AGAIN = timedelta(minutes=5)
"""How long a person is left alone before the same mail may be asked for again."""


async def plan_invitation(service: Service, connection: Connection, account_id: int, user_id: int) -> None:
    """Plans the mail in the caller's transaction: with the commit it will be sent, without it nothing has happened."""
    await users.invited(connection, user_id, service.clock.real())
    await plan_mail(service, connection, account_id, "invitation", None, user_id)


async def invite(service: Service, account_id: int, user_id: int) -> None:
    """Sends the activation mail again; links of earlier ones keep working until one is followed.

    Raises:
        NotFound: the account has no such user.
        PreconditionFailed: the user is active, or the last mail was asked for less than five minutes ago.
    """
    async with transaction(service) as connection:
        user = await users.lock(connection, account_id, user_id)
        if user is None:
            raise NotFound("no such user")
        if user["activated_at"] is not None:
            raise PreconditionFailed("activation: this user is active already")
        if user["invited_at"] is not None and service.clock.real() < user["invited_at"] + AGAIN:
            raise PreconditionFailed("activation: the last mail was asked for less than five minutes ago")
        await plan_invitation(service, connection, account_id, user_id)
