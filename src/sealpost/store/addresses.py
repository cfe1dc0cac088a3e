"""Allowed sender addresses of an account, beyond those of its own users, and the links that confirm them.

Only hashes of the links' secrets are here; removing an address removes its links. Times are real.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sealpost.store.pool import Connection, Runner


async def page(runner: Runner, account_id: int, after: int, limit: int) -> list[Any]:
    """Addresses of an account in the order of their ids, from behind ``after``."""
    return await runner.fetch(
        "select * from allowed_addresses where account_id = $1 and id > $2 order by id limit $3",
        account_id,
        after,
        limit,
    )


async def one(runner: Runner, account_id: int, address_id: int) -> Any:
    """The address's row, or None: there is none, or it is another account's."""
    return await runner.fetchrow(
        "select * from allowed_addresses where account_id = $1 and id = $2", account_id, address_id
    )


async def by_key(runner: Runner, account_id: int, key: str) -> Any:
    """The account's row for a normalised address, or None."""
    return await runner.fetchrow(
        "select * from allowed_addresses where account_id = $1 and email_key = $2", account_id, key
    )


async def count(runner: Runner, account_id: int) -> int:
    return await runner.fetchval("select count(*) from allowed_addresses where account_id = $1", account_id)


async def add(
    connection: Connection, account_id: int, email: str, key: str, created_at: datetime, asked_at: datetime
) -> int:
    """The new address's id; it is not usable yet. ``created_at`` is of the service's clock."""
    return await connection.fetchval(
        """insert into allowed_addresses (account_id, email, email_key, created_at, asked_at)
           values ($1, $2, $3, $4, $5) returning id""",
        account_id,
        email,
        key,
        created_at,
        asked_at,
    )


async def asked_again(connection: Connection, address_id: int, asked_at: datetime) -> None:
    """Another confirmation mail was asked for."""
    await connection.execute("update allowed_addresses set asked_at = $2 where id = $1", address_id, asked_at)


async def remove(connection: Connection, account_id: int, address_id: int) -> bool:
    """Whether there was one to remove. Its links go with it."""
    return bool(
        await connection.fetchval(
            "delete from allowed_addresses where account_id = $1 and id = $2 returning true", account_id, address_id
        )
    )


async def lock_unconfirmed(connection: Connection, address_id: int) -> Any:
    """An address that waits for its confirmation, with its account's columns, locked; or None."""
    return await connection.fetchrow(
        """select d.*, a.name as account_name, a.language, a.time_zone
           from allowed_addresses d join accounts a on a.id = d.account_id
           where d.id = $1 and d.confirmed_at is null for update of d""",
        address_id,
    )


async def add_link(connection: Connection, sha256: bytes, address_id: int, expires_at: datetime) -> None:
    await connection.execute(
        "insert into address_links (hash, address_id, expires_at) values ($1, $2, $3)", sha256, address_id, expires_at
    )


async def of_link(runner: Runner, sha256: bytes, now: datetime) -> Any:
    """The unconfirmed address of a live link, with ``expires_at`` and its account's columns, or None."""
    return await runner.fetchrow(
        """select d.*, l.expires_at, a.name as account_name, a.language, a.time_zone
           from address_links l join allowed_addresses d on d.id = l.address_id join accounts a on a.id = d.account_id
           where l.hash = $1 and l.expires_at > $2 and d.confirmed_at is null and a.suspended_at is null""",
        sha256,
        now,
    )


async def confirm(connection: Connection, sha256: bytes, now: datetime) -> Any:
    """Confirms the address of a live link, once: its id, account and address; None when the link is not good."""
    return await connection.fetchrow(
        """update allowed_addresses d set confirmed_at = $2 from address_links l, accounts a
           where l.hash = $1 and l.expires_at > $2 and d.id = l.address_id and d.confirmed_at is null
             and a.id = d.account_id and a.suspended_at is null returning d.id, d.account_id, d.email""",
        sha256,
        now,
    )


async def link(runner: Runner, sha256: bytes) -> Any:
    """A confirmation link, good or not, with what became of its address and account; or None."""
    return await runner.fetchrow(
        """select l.expires_at, d.confirmed_at, a.suspended_at, a.language, a.time_zone
           from address_links l join allowed_addresses d on d.id = l.address_id join accounts a on a.id = d.account_id
           where l.hash = $1""",
        sha256,
    )


async def may_send(runner: Runner, account_id: int, key: str) -> bool:
    """Whether an address is usable by the account (contract, section 2).

    An active user's own address, or a confirmed one; never that of a user who may not send.
    """
    return bool(
        await runner.fetchval(
            """select case when u.id is null then d.id is not null
                           else u.sender_allowed and (u.activated_at is not null or d.id is not null) end
               from (select $1::bigint as account_id, $2::text as email_key) asked
               left join users u
                 on (u.account_id, u.email_key) = (asked.account_id, asked.email_key) and u.deleted_at is null
               left join allowed_addresses d
                 on (d.account_id, d.email_key) = (asked.account_id, asked.email_key) and d.confirmed_at is not null""",
            account_id,
            key,
        )
    )
