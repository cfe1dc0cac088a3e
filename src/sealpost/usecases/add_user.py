"""Add a user to an account; the activation mail is planned in the same transaction."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sealpost.domain.errors import NotFound, PreconditionFailed
from sealpost.store import people, users
from sealpost.usecases.database import transaction
from sealpost.usecases.invite import plan_invitation
from sealpost.usecases.service import Service
from sealpost.usecases.user_fields import UserFields, new_details

TAKEN = "email_address: this user exists already"


async def add_user(service: Service, account_id: int, fields: UserFields, role: str = "user") -> int:
    """The new user's id. A crash before the commit leaves no user and no mail; after it both.

    Args:
        service: the parts.
        account_id: of the account.
        fields: the record.
        role: ``user`` or ``administrator``.

    Raises:
        InvalidInput: naming the field.
        NotFound: no such account.
        PreconditionFailed: the address belongs to a user already.
    """
    now = service.clock.now()
    async with transaction(service) as connection:
        account = await people.account(connection, account_id)
        if account is None:
            raise NotFound(f"no account {account_id}")
        details = new_details(fields, now.astimezone(ZoneInfo(account["time_zone"])).date())
        user_id = await users.add(connection, account_id, details, role, now)
        if user_id is None:
            raise PreconditionFailed(TAKEN)
        await plan_invitation(service, connection, account_id, user_id)
        return user_id
