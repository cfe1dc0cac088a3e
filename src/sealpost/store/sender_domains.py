"""Domains that accounts send from, and the signature keys of those and of the service's own domain.

Private keys are here sealed only. Times are real. The service's own keys have no domain (``domain_id`` is null).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sealpost.store.pool import Connection, Runner


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be stored.

    Args:
        selector: where its record is.
        public_key: SubjectPublicKeyInfo, DER.
        owner: whom the sealed key opens for.
        sealed: nonce (12 octets), wrapped key (62), ciphertext.
    """

    selector: str
    public_key: bytes
    owner: UUID
    sealed: bytes


async def count(runner: Runner, account_id: int) -> int:
    return await runner.fetchval("select count(*) from sender_domains where account_id = $1", account_id)


async def add(connection: Connection, account_id: int, name: str, now: datetime, due_at: datetime) -> int | None:
    """The new domain's id; None: the account has it already."""
    return await connection.fetchval(
        """insert into sender_domains (account_id, name, created_at, due_at) values ($1, $2, $3, $4)
           on conflict do nothing returning id""",
        account_id,
        name,
        now,
        due_at,
    )


async def of_account(runner: Runner, account_id: int) -> list[Any]:
    """The account's domains by name."""
    return await runner.fetch("select * from sender_domains where account_id = $1 order by name", account_id)


async def one(runner: Runner, account_id: int, name: str) -> Any:
    """The domain's row, or None: there is none, or it is another account's."""
    return await runner.fetchrow("select * from sender_domains where account_id = $1 and name = $2", account_id, name)


async def lock(connection: Connection, domain_id: int) -> Any:
    """The domain's row; nobody else changes it or its keys until the transaction ends. None: it was removed."""
    return await connection.fetchrow("select * from sender_domains where id = $1 for update", domain_id)


async def remove(connection: Connection, account_id: int, name: str) -> bool:
    """Whether there was one to remove. Its keys go with it."""
    return bool(
        await connection.fetchval(
            "delete from sender_domains where account_id = $1 and name = $2 returning true", account_id, name
        )
    )


async def take_due(connection: Connection, now: datetime, look_again: datetime, limit: int) -> list[Any]:
    """Domains to be checked now, which nobody else takes before ``look_again``, also if the taker dies."""
    return await connection.fetch(
        """update sender_domains set due_at = $2 where id in
             (select id from sender_domains where due_at <= $1 order by due_at limit $3 for update skip locked)
           returning *""",
        now,
        look_again,
        limit,
    )


async def set_checked(
    connection: Connection,
    domain_id: int,
    findings: Sequence[Any],
    verified_at: datetime | None,
    now: datetime,
    due_at: datetime,
    *,
    return_path: bool,
) -> None:
    """What a check found, for a locked domain."""
    await connection.execute(
        """update sender_domains set findings = $2, verified_at = $3, return_path = $4, checked_at = $5, due_at = $6
           where id = $1""",
        domain_id,
        list(findings),
        verified_at,
        return_path,
        now,
        due_at,
    )


async def set_due(connection: Connection, domain_id: int, due_at: datetime) -> None:
    """To be checked then, or before."""
    await connection.execute("update sender_domains set due_at = least(due_at, $2) where id = $1", domain_id, due_at)


async def add_key(connection: Connection, domain_id: int | None, key: NewKey, state: str, now: datetime) -> bool:
    """Whether it was stored; not where it would be a second active one."""
    return bool(
        await connection.fetchval(
            """insert into dkim_keys (domain_id, selector, public_key, owner, sealed, state, created_at, changed_at)
               values ($1, $2, $3, $4, $5, $6, $7, $7) on conflict do nothing returning true""",
            domain_id,
            key.selector,
            key.public_key,
            key.owner,
            key.sealed,
            state,
            now,
        )
    )


async def keys_of(runner: Runner, domain_id: int | None) -> list[Any]:
    """A domain's keys, oldest first; None: the service's own."""
    return await runner.fetch("select * from dkim_keys where domain_id is not distinct from $1 order by id", domain_id)


async def lock_own(connection: Connection) -> None:
    """Until the transaction ends, nobody else changes the service's own keys: they have no row that could be locked."""
    await connection.execute("select pg_advisory_xact_lock(hashtextextended('dkim_keys', 0))")


async def promote(connection: Connection, domain_id: int | None, key_id: int, now: datetime) -> None:
    """The next key of a locked domain comes into use, and the one before is retired."""
    # One transaction with the index on active keys: after a crash both are as they were, or both are new.
    await connection.execute(
        """update dkim_keys set state = 'retired', changed_at = $2
           where domain_id is not distinct from $1 and state = 'active'""",
        domain_id,
        now,
    )
    await connection.execute(
        "update dkim_keys set state = 'active', changed_at = $2 where id = $1 and state = 'next'", key_id, now
    )


async def drop_retired(runner: Runner, before: datetime) -> int:
    """Removes keys that were retired earlier; how many."""
    done = await runner.execute("delete from dkim_keys where state = 'retired' and changed_at < $1", before)
    return int(done.rpartition(" ")[2])


async def signing(runner: Runner, account_id: int, name: str) -> Any:
    """The key in use of a domain that is verified for the account, with ``return_path``; or None."""
    return await runner.fetchrow(
        """select k.*, d.return_path from sender_domains d join dkim_keys k on k.domain_id = d.id
           where d.account_id = $1 and d.name = $2 and d.verified_at is not null and k.state = 'active'""",
        account_id,
        name,
    )


async def own(runner: Runner) -> Any:
    """The service's own key in use, or None."""
    return await runner.fetchrow("select * from dkim_keys where domain_id is null and state = 'active'")


async def published(runner: Runner) -> list[Any]:
    """All keys of accounts' domains, with their ``name``: what the service's zone has for those who point there."""
    return await runner.fetch(
        """select k.selector, k.public_key, k.state, d.name from dkim_keys k join sender_domains d on d.id = k.domain_id
           order by d.name, k.id"""
    )
