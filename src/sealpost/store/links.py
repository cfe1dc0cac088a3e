"""Link tokens: what opens a ticket's pages. Only hashes of the secrets are here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sealpost.store.pool import Connection, Runner
from sealpost.store.tickets import insert, insert_sql

INSERT = insert_sql(
    "link_tokens", "hash:bytea ticket_id:uuid purpose:text expires_at:timestamptz created_at:timestamptz"
)


async def add(connection: Connection, rows: Sequence[tuple[bytes, UUID, str, datetime, datetime]]) -> None:
    """New links to tickets' pages: hash, ticket, purpose, end and beginning of each."""
    if rows:
        await insert(connection, INSERT, rows)


async def token_of(runner: Runner, sha256: bytes, now: datetime) -> str | None:
    """The ticket token that a live link leads to. Links of suspended accounts are dead."""
    return await runner.fetchval(
        """select t.token from link_tokens l join tickets t on t.id = l.ticket_id join accounts a on a.id = t.account_id
           where l.hash = $1 and l.expires_at > $2 and a.suspended_at is null""",
        sha256,
        now,
    )


async def opened(runner: Runner, token: str, hashes: Sequence[bytes], now: datetime) -> tuple[UUID, bytes] | None:
    """The ticket's id, and which of the hashes opens it."""
    row = await runner.fetchrow(
        """select t.id, l.hash from tickets t join link_tokens l on l.ticket_id = t.id
           join accounts a on a.id = t.account_id
           where t.token = $1 and l.hash = any($2) and l.expires_at > $3 and a.suspended_at is null
           limit 1""",
        token,
        list(hashes),
        now,
    )
    return (row["id"], row["hash"]) if row else None


async def newest(runner: Runner, hashes: Sequence[bytes], token: str | None) -> Any:
    """The newest link of some, open or not: its ticket, purpose and end, and whether its account is suspended; or None.

    Args:
        runner: reads.
        hashes: of the links.
        token: only links to this ticket, or None.
    """
    return await runner.fetchrow(
        """select l.ticket_id, l.purpose, l.expires_at, a.suspended_at is not null as suspended
           from link_tokens l join tickets t on t.id = l.ticket_id join accounts a on a.id = t.account_id
           where l.hash = any($1) and ($2::text is null or t.token = $2) order by l.expires_at desc limit 1""",
        list(hashes),
        token,
    )


async def any_alive(runner: Runner, ticket_id: UUID, now: datetime) -> bool:
    """Whether some link to the ticket's pages has not ended yet."""
    return await runner.fetchval(
        "select exists (select from link_tokens where ticket_id = $1 and expires_at > $2)", ticket_id, now
    )
