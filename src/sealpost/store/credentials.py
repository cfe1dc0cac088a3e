"""API credentials: clients (OAuth and web service) and the access tokens issued to them. Only hashes are here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import asyncpg

from sealpost.store.pool import Runner

CLIENT = """select c.id, c.name, c.kind, c.role, c.quota, c.account_id, c.secret_hash, a.name as account_name, a.language,
                   a.time_zone, a.suspended_at is not null as suspended
            from clients c join accounts a on a.id = c.account_id where c.revoked_at is null and """


async def add_client(
    connection: Runner,
    account_id: int,
    kind: str,
    name: str,
    secret_hash: bytes,
    role: str,
    now: datetime,
    quota: int | None = None,
) -> int | None:
    """The new client's id, or None: the name is taken."""
    try:
        return await connection.fetchval(
            """insert into clients (account_id, kind, name, secret_hash, role, created_at, quota)
               values ($1, $2, $3, $4, $5, $6, $7) returning id""",
            account_id,
            kind,
            name,
            secret_hash,
            role,
            now,
            quota,
        )
    except asyncpg.UniqueViolationError:
        return None


async def set_quota(runner: Runner, name: str, quota: int | None) -> bool:
    """Whether there is such a client; None: the installation's limit."""
    found = "update clients set quota = $2 where name = $1 and revoked_at is null returning id"
    return await runner.fetchval(found, name, quota) is not None


async def set_role(runner: Runner, name: str, role: str) -> bool:
    """Whether there is such a client."""
    found = "update clients set role = $2 where name = $1 and revoked_at is null returning id"
    return await runner.fetchval(found, name, role) is not None


async def revoke_client(runner: Runner, name: str, now: datetime) -> bool:
    """Whether there is such a client; one that was revoked before keeps its time. Its tokens are dead by the joins."""
    found = "update clients set revoked_at = coalesce(revoked_at, $2) where name = $1 returning id"
    return await runner.fetchval(found, name, now) is not None


async def clients_of(runner: Runner, account_id: int) -> list[Any]:
    """The account's clients, oldest first, also revoked ones."""
    return await runner.fetch(
        "select name, kind, role, quota, revoked_at from clients where account_id = $1 order by id", account_id
    )


async def client_by_name(runner: Runner, name: str, kind: str) -> Any:
    return await runner.fetchrow(CLIENT + "c.name = $1 and c.kind = $2", name, kind)


async def add_token(runner: Runner, sha256: bytes, client_id: int, issued_at: datetime, expires_at: datetime) -> None:
    """A new access token; tokens of this client that have ended are removed on the way."""
    await runner.execute("delete from access_tokens where client_id = $1 and expires_at < $2", client_id, issued_at)
    await runner.execute(
        "insert into access_tokens (hash, client_id, issued_at, expires_at) values ($1, $2, $3, $4)",
        sha256,
        client_id,
        issued_at,
        expires_at,
    )


async def client_by_token(runner: Runner, sha256: bytes, now: datetime) -> Any:
    """The client of a live token, with ``issued_at`` and ``expires_at``, or None."""
    return await runner.fetchrow(
        CLIENT.replace("select ", "select k.issued_at, k.expires_at, ", 1).replace(
            "from clients c", "from access_tokens k join clients c on c.id = k.client_id", 1
        )
        + "k.hash = $1 and k.revoked_at is null and k.expires_at > $2",
        sha256,
        now,
    )


async def revoke_token(runner: Runner, sha256: bytes, client_id: int, now: datetime) -> None:
    """Ends a token of this client; another client's, or none, is left alone without a word (RFC 7009, section 2.2)."""
    await runner.execute(
        "update access_tokens set revoked_at = $3 where hash = $1 and client_id = $2 and revoked_at is null",
        sha256,
        client_id,
        now,
    )
