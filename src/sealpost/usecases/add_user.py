"""Add a user to an account; the activation mail is planned in the same transaction."""

from __future__ import annotations

from sealpost.domain.errors import PreconditionFailed
from sealpost.domain.parties import Address
from sealpost.store import people
from sealpost.usecases.chain import plan_mail
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service


async def add_user(service: Service, account_id: int, email: Address, role: str = "user") -> int:
    """The new user's id.

    Raises:
        PreconditionFailed: the address belongs to a user already.
    """
    async with transaction(service) as connection:
        user_id = await people.add_user(connection, account_id, email.given, email.key, role, service.clock.now())
        if user_id is None:
            raise PreconditionFailed("email_address: this user exists already")
        await plan_mail(service, connection, account_id, "invitation", None, user_id)
        return user_id
