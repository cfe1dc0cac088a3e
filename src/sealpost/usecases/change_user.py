"""Change a user's record. A new address must be activated anew, else anybody could be made a sender."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sealpost.domain.errors import NotFound, PreconditionFailed
from sealpost.store import people, users
from sealpost.usecases.add_user import TAKEN
from sealpost.usecases.database import transaction
from sealpost.usecases.invite import plan_invitation
from sealpost.usecases.reads.users import User, user_of
from sealpost.usecases.service import Service
from sealpost.usecases.user_fields import UserFields, changed_details, known_details


async def change_user(service: Service, account_id: int, user_id: int, fields: UserFields) -> User:
    """The user after the change.

    With another address the user is inactive, without sessions and links, until the activation mail, which is planned
    at once, is followed. All of it is one transaction: a crash leaves the user as before or wholly changed.

    Args:
        service: the parts.
        account_id: the caller's account.
        user_id: whose record.
        fields: what is to change.

    Raises:
        InvalidInput: naming the field.
        NotFound: the account has no such user.
        PreconditionFailed: the address belongs to another user.
    """
    async with transaction(service) as connection:
        account = await people.account(connection, account_id)
        row = await users.lock(connection, account_id, user_id)
        if account is None or row is None:
            raise NotFound("no such user")
        today = service.clock.now().astimezone(ZoneInfo(account["time_zone"])).date()
        details = changed_details(fields, known_details(row), today)
        if not await users.change(connection, user_id, details):
            raise PreconditionFailed(TAKEN)
        if details.email_key != row["email_key"]:
            await users.deactivate(connection, user_id, service.clock.real())
            await plan_invitation(service, connection, account_id, user_id)
        return user_of(await users.one(connection, account_id, user_id))
