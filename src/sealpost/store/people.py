"""Accounts, their users, the links that activate them, and their sessions. Only hashes of secrets are here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import asyncpg

from sealpost.store.pool import Connection, Runner


async def add_account(connection: Connection, name: str, zone: str, language: str, now: datetime) -> int:
    return await connection.fetchval(
        "insert into accounts (name, time_zone, language, created_at) values ($1, $2, $3, $4) returning id",
        name,
        zone,
        language,
        now,
    )


async def account(runner: Runner, account_id: int) -> Any:
    """The account's row, or None."""
    return await runner.fetchrow("select * from accounts where id = $1", account_id)


async def set_days(connection: Connection, account_id: int, reminder_days: int, expiry_days: int) -> None:
    """Changes an account's defaults for reminder and expiry."""
    await connection.execute(
        "update accounts set reminder_days = $2, expiry_days = $3 where id = $1", account_id, reminder_days, expiry_days
    )


async def add_user(
    connection: Connection, account_id: int, email: str, key: str, role: str, now: datetime
) -> int | None:
    """The new user's id, or None: the address belongs to a user already."""
    try:
        return await connection.fetchval(
            """insert into users (account_id, email, email_key, role, created_at) values ($1, $2, $3, $4, $5)
               returning id""",
            account_id,
            email,
            key,
            role,
            now,
        )
    except asyncpg.UniqueViolationError:
        return None


USER = """select u.*, a.name as account_name, a.language, a.time_zone, a.suspended_at
          from users u join accounts a on a.id = u.account_id where u.deleted_at is null and """


async def user(runner: Runner, user_id: int) -> Any:
    return await runner.fetchrow(USER + "u.id = $1", user_id)


async def user_by_key(runner: Runner, key: str) -> Any:
    """The user with this normalised address, with its account's columns, or None."""
    return await runner.fetchrow(USER + "u.email_key = $1", key)


async def set_password(connection: Connection, user_id: int, password_hash: str, real_name: str, now: datetime) -> None:
    """Activates a user; old sessions end."""
    await connection.execute(
        """update users set password_hash = $2, activated_at = coalesce(activated_at, $4),
               real_name = case when $3 = '' then real_name else $3 end where id = $1""",
        user_id,
        password_hash,
        real_name,
        now,
    )
    await connection.execute("delete from sessions where user_id = $1", user_id)


async def may_send(runner: Runner, account_id: int, key: str) -> bool:
    """Whether the address is an active user's of this account who may send."""
    return bool(
        await runner.fetchval(
            """select true from users where account_id = $1 and email_key = $2 and deleted_at is null
               and activated_at is not null and sender_allowed""",
            account_id,
            key,
        )
    )


async def add_user_link(connection: Connection, sha256: bytes, user_id: int, expires_at: datetime) -> None:
    await connection.execute(
        "insert into user_links (hash, user_id, expires_at) values ($1, $2, $3)", sha256, user_id, expires_at
    )


async def user_of_link(runner: Runner, sha256: bytes, now: datetime) -> Any:
    """The user whom a live, unused activation link is for, with ``expires_at``, or None."""
    return await runner.fetchrow(
        """select u.*, a.name as account_name, a.language, a.time_zone, l.expires_at
           from user_links l join users u on u.id = l.user_id join accounts a on a.id = u.account_id
           where l.hash = $1 and l.expires_at > $2 and l.used_at is null and u.deleted_at is null
             and a.suspended_at is null""",
        sha256,
        now,
    )


async def use_user_link(connection: Connection, sha256: bytes, now: datetime) -> int | None:
    """Uses a link up, once; the user's id, or None when it is not (or no longer) good."""
    return await connection.fetchval(
        "update user_links set used_at = $2 where hash = $1 and used_at is null and expires_at > $2 returning user_id",
        sha256,
        now,
    )


async def add_session(connection: Runner, sha256: bytes, user_id: int, now: datetime, expires_at: datetime) -> None:
    await connection.execute(
        "insert into sessions (hash, user_id, created_at, expires_at) values ($1, $2, $3, $4)",
        sha256,
        user_id,
        now,
        expires_at,
    )


async def session(runner: Runner, sha256: bytes, now: datetime) -> Any:
    """The user of a live session, with its account's columns, or None."""
    return await runner.fetchrow(
        USER
        + """a.suspended_at is null and u.activated_at is not null
             and u.id = (select user_id from sessions where hash = $1 and expires_at > $2)""",
        sha256,
        now,
    )


async def end_session(runner: Runner, sha256: bytes) -> None:
    await runner.execute("delete from sessions where hash = $1", sha256)
