"""A new user follows the link of the activation mail, sets a password, and is active."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sealpost.domain.canonical import sha256
from sealpost.domain.errors import NotFound
from sealpost.domain.parties import kept_address
from sealpost.store import people
from sealpost.usecases.database import transaction
from sealpost.usecases.fields import name as name_of
from sealpost.usecases.passwords import check_new, hashed
from sealpost.usecases.service import Service
from sealpost.usecases.sign_in import open_session


@dataclass(frozen=True, slots=True)
class Invitation:
    """A live activation link, as its page shows it."""

    email: str
    account_name: str
    language: str
    valid_until: datetime
    zone: ZoneInfo


async def invitation(service: Service, secret: str) -> Invitation | None:
    """Whom a link is for, or None: wrong, used or over. Changes nothing."""
    async with transaction(service) as connection:
        user = await people.user_of_link(connection, sha256(secret.encode()), service.clock.real())
    if user is None:
        return None
    return Invitation(
        user["email"], user["account_name"], user["language"], user["expires_at"], ZoneInfo(user["time_zone"])
    )


async def activate(service: Service, secret: str, password: str, real_name: str) -> str:
    """Sets the password, activates the user and signs in; all links of the user are used up in the same transaction.

    A crash before the commit leaves the link good, one after it an active user who signs in with the password.

    Raises:
        InvalidInput: the password is too weak, the name has controls or somebody else's address.
        NotFound: the link is wrong, used or over.
    """
    check_new(password)
    password_hash = await hashed(password)
    now = service.clock.real()
    async with transaction(service) as connection:
        invited = await people.user_of_link(connection, sha256(secret.encode()), now)
        own = kept_address(invited["email"]) if invited else None
        name = name_of("real_name", real_name, 200, own=own, empty=True)
        user_id = await people.use_user_link(connection, sha256(secret.encode()), now)
        if user_id is None:
            raise NotFound("this link is not good (any more)")
        await people.set_password(connection, user_id, password_hash, name, now)
        return await open_session(service, connection, user_id)
