"""The users of an account, as its administrators' clients see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sealpost.domain.errors import NotFound
from sealpost.store import users as store
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service


@dataclass(frozen=True, slots=True)
class User:
    """A user; the first six in the vendor's names (contract, section 2).

    Args:
        role: ``user`` or ``administrator``.
        active: has set a password, so that the person can sign in and the address can send.
    """

    real_name: str
    username: str
    phone_number: str
    email_address: str
    date_of_birth: date | None
    sender_allowed: bool
    id: int
    role: str
    active: bool


@dataclass(frozen=True, slots=True)
class UserPage:
    """A part of the list, in the order of ids; ``next`` is the last id where more follow."""

    users: tuple[User, ...]
    next: int | None


async def users(service: Service, account_id: int, after: int, limit: int, key: str | None = None) -> UserPage:
    """Users of the account.

    Args:
        service: the parts.
        account_id: the caller's account.
        after: the id behind which the page begins.
        limit: how many at most.
        key: only the user of this normalised address.
    """
    async with transaction(service) as connection:
        rows = await store.page(connection, account_id, after, limit + 1, key)
    shown = tuple(user_of(row) for row in rows[:limit])
    return UserPage(shown, shown[-1].id if len(rows) > limit else None)


async def user(service: Service, account_id: int, user_id: int) -> User:
    """One user.

    Raises:
        NotFound: there is none, or it is another account's.
    """
    async with transaction(service) as connection:
        row = await store.one(connection, account_id, user_id)
    if row is None:
        raise NotFound("no such user")
    return user_of(row)


def user_of(row: Any) -> User:
    """A user's row as callers see it."""
    return User(
        real_name=row["real_name"],
        username=row["username"],
        phone_number=row["phone_number"],
        email_address=row["email"],
        date_of_birth=row["date_of_birth"],
        sender_allowed=row["sender_allowed"],
        id=row["id"],
        role=row["role"],
        active=row["activated_at"] is not None,
    )
