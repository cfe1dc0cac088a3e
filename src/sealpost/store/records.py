"""The records table: append only. Its rows are the truth; everything else about a ticket follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from sealpost.domain.records import Record
from sealpost.store.pool import Connection, Runner
from sealpost.store.tickets import insert, insert_sql

ASIDE = -1
"""In place of a place in the log: the record was set aside."""
INSERT = insert_sql(
    "records",
    "ticket_id:uuid seq:int kind:text evidence_id:uuid at:timestamptz octets:bytea sha256:bytea salt:bytea seal:bytea",
)


def row(ticket_id: UUID, record: Record, salt: bytes, seal: bytes | None) -> tuple[Any, ...]:
    """The values of one row, in the order of ``INSERT``."""
    return (
        ticket_id,
        record.seq,
        record.kind,
        record.evidence_id,
        record.at,
        record.octets,
        record.sha256,
        salt,
        seal,
    )


async def append(connection: Connection, ticket_id: UUID, record: Record, salt: bytes, seal: bytes | None) -> None:
    """Adds one record; the caller holds the ticket's lock.

    Raises:
        asyncpg.UniqueViolationError: the place is taken or there is a decision already.
    """
    await insert(connection, INSERT, [row(ticket_id, record, salt, seal)])


async def append_all(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Adds records, as ``row`` gives them; the caller holds their tickets' locks.

    Raises:
        asyncpg.UniqueViolationError: as ``append``, for any of them.
    """
    await insert(connection, INSERT, rows)


async def newest_locked(connection: Connection, chain: UUID) -> Any | None:
    """The last record (seq, sha256) of a chain that has no ticket; others who add to it wait for this transaction."""
    await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", str(chain))
    return await connection.fetchrow(
        "select seq, sha256 from records where ticket_id = $1 order by seq desc limit 1", chain
    )


async def kinds(connection: Connection, ticket_id: UUID) -> set[str]:
    """The kinds of record that the ticket has."""
    rows = await connection.fetch("select distinct kind from records where ticket_id = $1", ticket_id)
    return {row["kind"] for row in rows}


async def kinds_of_all(connection: Connection, ticket_ids: Sequence[UUID]) -> dict[UUID, set[str]]:
    """The kinds of record that each of these tickets has."""
    found: dict[UUID, set[str]] = {one: set() for one in ticket_ids}
    if found:
        sql = "select distinct ticket_id, kind from records where ticket_id = any($1)"
        for row in await connection.fetch(sql, list(found)):
            found[row["ticket_id"]].add(row["kind"])
    return found


async def last_of(runner: Runner, ticket_id: UUID, kinds: Sequence[str]) -> bytes | None:
    """The octets of the ticket's last record of these kinds, or None."""
    return await runner.fetchval(
        "select octets from records where ticket_id = $1 and kind = any($2) order by seq desc limit 1",
        ticket_id,
        list(kinds),
    )


async def of_ticket(runner: Runner, ticket_id: UUID) -> list[Any]:
    """Rows (seq, kind, at, octets, sha256) that tell of the ticket, in the order of the chain.

    One of an adoption tells of other records only.
    """
    return await runner.fetch(
        "select seq, kind, at, octets, sha256 from records where ticket_id = $1 and kind <> 'adopted' order by seq",
        ticket_id,
    )


async def with_seals(runner: Runner, ticket_id: UUID) -> list[Any]:
    """Rows with everything that proves them, in the order of the chain."""
    return await runner.fetch(
        """select seq, kind, octets, sha256, salt, seal, log_id, log_index from records
           where ticket_id = $1 order by seq""",
        ticket_id,
    )


async def of_tickets(runner: Runner, ticket_ids: Sequence[UUID]) -> dict[UUID, list[Any]]:
    """The same rows for many tickets, by ticket."""
    rows = await runner.fetch(
        """select ticket_id, seq, kind, at, octets from records where ticket_id = any($1) and kind <> 'adopted'
           order by ticket_id, seq""",
        list(ticket_ids),
    )
    return {ticket_id: list(its) for ticket_id, its in groupby(rows, key=itemgetter("ticket_id"))}


async def unsealed(connection: Connection, limit: int) -> list[Any]:
    """Records (ticket_id, seq, octets, salt) without a seal, oldest first, locked.

    Those of other workers and those set aside are left out.
    """
    return await connection.fetch(
        """select ticket_id, seq, octets, salt from records where seal is null and log_index is distinct from -1
           order by at limit $1 for update skip locked""",
        limit,
    )


async def keep_seal(connection: Connection, ticket_id: UUID, seq: int, seal: bytes) -> None:
    """Writes a seal where there is none; a record never gets a second one."""
    await connection.execute(
        "update records set seal = $3 where ticket_id = $1 and seq = $2 and seal is null", ticket_id, seq, seal
    )


async def unstamped(runner: Runner, limit: int) -> list[Any]:
    """Sealed decisive records (ticket_id, seq, seal) whose seal has no time token, oldest first."""
    return await runner.fetch(
        """select ticket_id, seq, seal from records
           where kind in ('accepted', 'refused', 'expired') and stamped_at is null and seal is not null
           order by at limit $1""",
        limit,
    )


async def keep_stamped(runner: Runner, row: Any, seal: bytes, at: datetime) -> None:
    """Puts a seal with its token in the place of the same seal without, unless another worker was faster."""
    await runner.execute(
        """update records set seal = $4, stamped_at = $5
           where ticket_id = $1 and seq = $2 and seal = $3 and stamped_at is null""",
        row["ticket_id"], row["seq"], row["seal"], seal, at,
    )  # fmt: skip


async def without_seal(runner: Runner, after: UUID | None, limit: int) -> list[UUID]:
    """Chains that have records without a seal, in the order of their ids, set aside or not."""
    rows = await runner.fetch(
        """select distinct ticket_id from records where seal is null and ($1::uuid is null or ticket_id > $1)
           order by ticket_id limit $2""",
        after,
        limit,
    )
    return [row["ticket_id"] for row in rows]


async def of_chains(runner: Runner, chains: Sequence[UUID]) -> dict[UUID, list[Any]]:
    """Whole rows (ticket_id, seq, kind, at, octets, sha256, salt, seal, log_index) by chain, in the order of each."""
    rows = await runner.fetch(
        """select ticket_id, seq, kind, at, octets, sha256, salt, seal, log_index from records
           where ticket_id = any($1) order by ticket_id, seq""",
        list(chains),
    )
    return {chain: list(its) for chain, its in groupby(rows, key=itemgetter("ticket_id"))}


async def adopt(connection: Connection, ticket_id: UUID, seq: int, seal: bytes) -> None:
    """Seals a record that an upgrade adopts, whether or not it was set aside; it waits for its place in the log."""
    await connection.execute(
        """update records set seal = $3, log_index = null, log_id = null
           where ticket_id = $1 and seq = $2 and seal is null""",
        ticket_id,
        seq,
        seal,
    )


async def hashes_without_seal(runner: Runner) -> list[Any]:
    """Rows (hash, ticket_id, at, aside) of records without a seal; the hash is made of the octets here and now."""
    return await runner.fetch(
        """select sha256(octets) as hash, ticket_id, at, coalesce(log_index = -1, false) as aside
           from records where seal is null"""
    )


async def damaged(runner: Runner) -> int:
    """How many sealed records were set aside: their seal or salt is not as it was."""
    return await runner.fetchval("select count(*) from records where log_index = -1 and seal is not null")


async def with_kind(runner: Runner, kind: str, limit: int) -> list[Any]:
    """Some rows (octets, salt) of a kind."""
    return await runner.fetch("select octets, salt from records where kind = $1 limit $2", kind, limit)


async def set_aside(connection: Connection, ticket_id: UUID, seq: int) -> None:
    """Marks a record that is not as the service stored it, so that it does not stop others; it never gets a proof."""
    await connection.execute("update records set log_index = -1 where ticket_id = $1 and seq = $2", ticket_id, seq)
