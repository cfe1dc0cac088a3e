"""Accounts, their users, the links that activate them, and their sessions. Only hashes of secrets are here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

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


async def lock_account(connection: Connection, account_id: int) -> Any:
    """As ``account``; nobody else changes it, or adds allowed addresses to it, until the transaction ends."""
    return await connection.fetchrow("select * from accounts where id = $1 for no key update", account_id)


async def set_days(connection: Connection, account_id: int, reminder_days: int, expiry_days: int) -> None:
    """Changes an account's defaults for reminder and expiry."""
    await connection.execute(
        "update accounts set reminder_days = $2, expiry_days = $3 where id = $1", account_id, reminder_days, expiry_days
    )


async def set_limits(
    connection: Connection, account_id: int, max_decoded: int | None, max_attachments: int | None
) -> None:
    """How much one message may be, in decoded octets and attachments; None: what the installation allows."""
    await connection.execute(
        "update accounts set max_decoded = $2, max_attachments = $3 where id = $1",
        account_id,
        max_decoded,
        max_attachments,
    )


async def set_notices(connection: Connection, account_id: int, notices: Sequence[str]) -> None:
    """The names of the statuses that a sender is told of."""
    await connection.execute("update accounts set notices = $2 where id = $1", account_id, list(notices))


async def suspend(connection: Connection, account_id: int, now: datetime) -> None:
    """The account may do nothing from now on; the sessions of its users end. The first suspension's time stays."""
    await connection.execute(
        "update accounts set suspended_at = coalesce(suspended_at, $2) where id = $1", account_id, now
    )
    await connection.execute(
        "delete from sessions where user_id in (select id from users where account_id = $1)", account_id
    )


async def resume(connection: Connection, account_id: int) -> None:
    await connection.execute("update accounts set suspended_at = null where id = $1", account_id)


USER = """select u.*, a.name as account_name, a.language, a.time_zone, a.suspended_at
          from users u join accounts a on a.id = u.account_id where u.deleted_at is null and """


async def lock_inactive(connection: Connection, user_id: int) -> Any:
    """A user who is not active yet, with its account's columns, locked until the transaction ends; or None."""
    return await connection.fetchrow(USER + "u.id = $1 and u.activated_at is null for update of u", user_id)


async def user_by_key(runner: Runner, key: str) -> Any:
    """The user with this normalised address, with its account's columns, or None."""
    return await runner.fetchrow(USER + "u.email_key = $1", key)


async def contact(runner: Runner, account_id: int) -> str | None:
    """The address of the account's first active administrator."""
    return await runner.fetchval(
        """select email from users where account_id = $1 and role = 'administrator' and activated_at is not null
           and deleted_at is null order by id limit 1""",
        account_id,
    )


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


async def add_user_link(connection: Connection, sha256: bytes, user_id: int, expires_at: datetime) -> None:
    await connection.execute(
        "insert into user_links (hash, user_id, expires_at) values ($1, $2, $3)", sha256, user_id, expires_at
    )


INVITED = """u.activated_at is null and a.suspended_at is null and u.id = (
             select user_id from user_links where hash = $1 and used_at is null and expires_at > $2)"""


async def user_of_link(runner: Runner, sha256: bytes, now: datetime) -> Any:
    """The user whom a live activation link is for, with its account's columns and ``expires_at``, or None."""
    return await runner.fetchrow(
        USER.replace("select ", "select (select expires_at from user_links where hash = $1), ", 1) + INVITED,
        sha256,
        now,
    )


async def link(runner: Runner, sha256: bytes) -> Any:
    """An activation link, good or not, with what became of its user and account; or None."""
    return await runner.fetchrow(
        """select l.expires_at, u.activated_at, u.deleted_at, a.suspended_at, a.language, a.time_zone
           from user_links l join users u on u.id = l.user_id join accounts a on a.id = u.account_id
           where l.hash = $1""",
        sha256,
    )


async def use_user_link(connection: Connection, sha256: bytes, now: datetime) -> int | None:
    """Uses a link up, and all others of its user; the user's id, or None when it is not (or no longer) good.

    The user's lock comes first, as in every change of a user, so that no two wait for each other; of two links followed
    at once, one then finds itself used.
    """
    user_id = await connection.fetchval(
        USER.replace("select ", "select u.id, ", 1) + INVITED + " for update of u", sha256, now
    )
    used = await connection.fetch(
        "update user_links set used_at = $2 where user_id = $1 and used_at is null returning hash", user_id, now
    )
    return user_id if any(row["hash"] == sha256 for row in used) else None


async def lock_password(connection: Connection, user_id: int, password_hash: str) -> bool:
    """Whether the user may still sign in with the password that was checked; it stays so until the transaction ends."""
    row = await connection.fetchrow(
        USER + "u.id = $1 and u.password_hash = $2 and u.activated_at is not null and a.suspended_at is null"
        " for share of u",
        user_id,
        password_hash,
    )
    return row is not None


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
