"""Users as their account keeps them: the record, its changes, and what ends with them. Signing in: ``store.people``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import asyncpg

from sealpost.store.pool import Connection, Runner


@dataclass(frozen=True, slots=True)
class Details:
    """What an administrator says of a user, checked.

    Args:
        email: as given.
        email_key: normalised, for finding; unique in the whole service.
        username: a name for lists.
        real_name: may be empty.
        phone_number: may be empty.
        date_of_birth: None where it is not known.
        sender_allowed: whether the own address may be a sender.
    """

    email: str
    email_key: str
    username: str
    real_name: str = ""
    phone_number: str = ""
    date_of_birth: date | None = None
    sender_allowed: bool = True

    @property
    def values(self) -> tuple[Any, ...]:
        """In the order of ``COLUMNS``."""
        return (
            self.email,
            self.email_key,
            self.username,
            self.real_name,
            self.phone_number,
            self.date_of_birth,
            self.sender_allowed,
        )


COLUMNS = "email, email_key, username, real_name, phone_number, date_of_birth, sender_allowed"
OF_ACCOUNT = "select * from users where account_id = $1 and deleted_at is null "


async def add(connection: Connection, account_id: int, details: Details, role: str, now: datetime) -> int | None:
    """The new user's id, or None: the address belongs to a user already, and the transaction must end."""
    try:
        return await connection.fetchval(
            f"""insert into users (account_id, role, created_at, {COLUMNS})
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id""",
            account_id,
            role,
            now,
            *details.values,
        )
    except asyncpg.UniqueViolationError:
        return None


async def one(runner: Runner, account_id: int, user_id: int) -> Any:
    """The user's row, or None: there is none, or it is another account's."""
    return await runner.fetchrow(OF_ACCOUNT + "and id = $2", account_id, user_id)


async def page(runner: Runner, account_id: int, after: int, limit: int, key: str | None) -> list[Any]:
    """Users of an account in the order of their ids, from behind ``after``; with a key only the one of that address."""
    return await runner.fetch(
        OF_ACCOUNT + "and id > $2 and ($4::text is null or email_key = $4) order by id limit $3",
        account_id,
        after,
        limit,
        key,
    )


async def lock(connection: Connection, account_id: int, user_id: int) -> Any:
    """As ``one``; nobody else changes the user until the transaction ends."""
    return await connection.fetchrow(OF_ACCOUNT + "and id = $2 for update", account_id, user_id)


async def lock_with_administrators(connection: Connection, account_id: int, user_id: int) -> list[Any]:
    """The user and all active administrators of the account, each locked, in one order for everybody."""
    return await connection.fetch(
        OF_ACCOUNT + "and (id = $2 or (role = 'administrator' and activated_at is not null)) order by id for update",
        account_id,
        user_id,
    )


async def change(connection: Connection, user_id: int, details: Details) -> bool:
    """Writes the record; False: the address belongs to another user, and the transaction must end."""
    try:
        await connection.execute(
            f"update users set ({COLUMNS}) = ($2, $3, $4, $5, $6, $7, $8) where id = $1", user_id, *details.values
        )
    except asyncpg.UniqueViolationError:
        return False
    return True


async def deactivate(connection: Connection, user_id: int, now: datetime) -> None:
    """No password any more: a new activation mail must be followed. Sessions and links end."""
    await connection.execute("update users set activated_at = null, password_hash = null where id = $1", user_id)
    await end_access(connection, user_id, now)


async def delete(connection: Connection, user_id: int, now: datetime, real_now: datetime) -> None:
    """The row stays, since tickets name it, but is found no more; sessions and links end."""
    await connection.execute("update users set deleted_at = $2, password_hash = null where id = $1", user_id, now)
    await end_access(connection, user_id, real_now)


async def end_access(connection: Connection, user_id: int, now: datetime) -> None:
    """Ends the sessions and the unused activation links of a user; ``now`` is real."""
    await connection.execute("delete from sessions where user_id = $1", user_id)
    await connection.execute("update user_links set used_at = $2 where user_id = $1 and used_at is null", user_id, now)


async def invited(connection: Connection, user_id: int, now: datetime) -> None:
    """An activation mail was asked for; ``now`` is real."""
    await connection.execute("update users set invited_at = $2 where id = $1", user_id, now)
