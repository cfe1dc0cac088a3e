"""The log's rows: which trees there are, the place of each record in them, and the checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sealpost.store.pool import Connection, Runner

LOCK, STAMPS = 0x5EA1, 0x5EA2  # advisory locks: of the one that writes the log, and of the one that asks for tokens


@dataclass(frozen=True, slots=True)
class Log:
    """A row of ``logs``: see the migration."""

    id: int
    name: str
    origin: str
    ed25519: int
    mldsa44: int
    size: int
    stopped: str | None


@dataclass(frozen=True, slots=True)
class Settled:
    """A row of ``checkpoints``: a root for a size, and what stands under it so far."""

    log_id: int
    size: int
    root: bytes
    at: datetime
    note: bytes | None
    cosigned: bytes
    token: bytes | None
    renewals: tuple[bytes, ...]

    @property
    def stamped(self) -> bytes:
        """What the next token is over: the note, and every token that there is."""
        return b"".join([self.note or b"", self.token or b"", *self.renewals])


@dataclass(frozen=True, slots=True)
class Said:
    """How a part of evidence stands: since when, when a worker said so last (real time), why not; empty: all is well."""

    since: datetime
    heard: datetime
    why: str


_LOG = "id, name, origin, ed25519, mldsa44, size, stopped"
_SETTLED = "log_id, size, root, at, note, cosigned, token, renewals"


def _settled(row: Any) -> Settled:
    return Settled(*row[:7], renewals=tuple(row[7]))


async def take_lock(connection: Connection, lock: int = LOCK) -> bool:
    """The writer's lock for as long as the connection lives, or False: another one has it."""
    return await connection.fetchval("select pg_try_advisory_lock($1)", lock)


async def leave_lock(connection: Connection, lock: int = LOCK) -> None:
    await connection.execute("select pg_advisory_unlock($1)", lock)


async def newest(runner: Runner) -> Log | None:
    """The log that is written now, or None before the first."""
    row = await runner.fetchrow(f"select {_LOG} from logs order by id desc limit 1")
    return Log(*row) if row else None


async def all_of(runner: Runner) -> list[Log]:
    """Every log there ever was, oldest first."""
    return [Log(*row) for row in await runner.fetch(f"select {_LOG} from logs order by id")]


async def named(runner: Runner, name: str) -> Log | None:
    row = await runner.fetchrow(f"select {_LOG} from logs where name = $1", name)
    return Log(*row) if row else None


async def begin(connection: Connection, name: str, origin: str, keys: tuple[int, int], at: datetime) -> None:
    """Makes the next log; one that another writer made meanwhile stays as it is."""
    await connection.execute(
        """insert into logs (name, origin, ed25519, mldsa44, created_at) values ($1, $2, $3, $4, $5)
           on conflict do nothing""",
        name, origin, *keys, at,
    )  # fmt: skip


async def stop(runner: Runner, log_id: int, why: str) -> None:
    """Nothing more is signed for this log; the first reason stays."""
    await runner.execute("update logs set stopped = $2 where id = $1 and stopped is null", log_id, why)


async def release(connection: Connection, log_id: int) -> int:
    """Takes the places back that no signed checkpoint covers, so that the next log has them; how many."""
    done = await connection.execute(
        """update records set log_id = null, log_index = null where log_id = $1 and log_index >= (
           select coalesce(max(size), 0) from checkpoints where log_id = $1 and note is not null)""",
        log_id,
    )
    return int(done.split()[-1])


async def waiting(connection: Connection, limit: int) -> list[Any]:
    """Sealed records (ticket_id, seq, sha256, salt, seal) without a place, oldest first, locked.

    Within a ticket places rise with ``seq``: a record waits where one at or before it stands behind one that has no seal
    yet, or whose event is later (a fact that was told late).
    """
    # A subquery with a limit is looked up for each row; PostgreSQL makes a join of "not exists", over the whole table.
    return await connection.fetch(
        """select ticket_id, seq, sha256, salt, seal from records r where log_index is null and seal is not null
           and (select e.seq from records e join records f on f.ticket_id = e.ticket_id and f.seq > e.seq and f.seq <= r.seq
                where e.ticket_id = r.ticket_id and e.seq < r.seq and e.log_index is null and f.log_index is null
                  and (e.seal is null or e.at > f.at) limit 1) is null
           order by at, ticket_id, seq limit $1 for update""",
        limit,
    )


async def oldest_waiting(runner: Runner) -> tuple[int, datetime | None]:
    """How many sealed records wait, counted up to 10,000, and the time of the oldest."""
    row = await runner.fetchrow(
        """select count(*), min(at) from (select at from records where log_index is null and seal is not null
           order by at limit 10000) as waiting"""
    )
    return row[0], row[1]


async def place(connection: Connection, log: Log, keys: Sequence[tuple[UUID, int]]) -> bool:
    """Gives records their places behind those that have one; False where another writer was there in between."""
    moved = await connection.fetchval(
        "update logs set size = size + $3 where id = $1 and size = $2 and stopped is null returning size",
        log.id, log.size, len(keys),
    )  # fmt: skip
    if moved is None:
        return False
    await connection.execute(
        """update records r set log_id = $1, log_index = $2 + place.number - 1
           from unnest($3::uuid[], $4::int[]) with ordinality as place (ticket_id, seq, number)
           where r.ticket_id = place.ticket_id and r.seq = place.seq""",
        log.id, log.size, [one for one, _ in keys], [seq for _, seq in keys],
    )  # fmt: skip
    return True


async def placed(runner: Runner, log_id: int, begin: int, limit: int) -> list[Any]:
    """Records (log_index, sha256, salt, seal) from a place on, in the log's order."""
    return await runner.fetch(
        """select log_index, sha256, salt, seal from records where log_id = $1 and log_index >= $2
           order by log_index limit $3""",
        log_id, begin, limit,
    )  # fmt: skip


async def settle(runner: Runner, log_id: int, size: int, root: bytes, at: datetime) -> bytes:
    """Settles the root of a size, once and for all; the one that counts, which may be another writer's."""
    await runner.execute(
        "insert into checkpoints (log_id, size, root, at) values ($1, $2, $3, $4) on conflict do nothing",
        log_id, size, root, at,
    )  # fmt: skip
    return await runner.fetchval("select root from checkpoints where log_id = $1 and size = $2", log_id, size)


async def keep_note(runner: Runner, log_id: int, size: int, note: bytes) -> None:
    """Writes what was signed; a settled checkpoint never gets a second note."""
    await runner.execute(
        "update checkpoints set note = $3 where log_id = $1 and size = $2 and note is null", log_id, size, note
    )


async def keep_cosigned(runner: Runner, log_id: int, size: int, lines: bytes) -> None:
    await runner.execute("update checkpoints set cosigned = $3 where log_id = $1 and size = $2", log_id, size, lines)


async def keep_token(runner: Runner, settled: Settled, token: bytes, until: datetime) -> None:
    """Writes the first time token, or one that renews those before it, unless another writer was faster."""
    await runner.execute(
        """update checkpoints set token = coalesce(token, $4), token_until = $5,
           renewals = case when token is null then renewals else renewals || $4 end
           where log_id = $1 and size = $2 and cardinality(renewals) = $3 and (token is null) = $6""",
        settled.log_id, settled.size, len(settled.renewals), token, until, settled.token is None,
    )  # fmt: skip


async def is_unfinished(runner: Runner, log: Log) -> bool:
    """Whether entries have a place that no signed checkpoint covers yet."""
    return log.size > await runner.fetchval(
        "select coalesce(max(size), 0) from checkpoints where log_id = $1 and note is not null", log.id
    )


async def nth_newest_at(runner: Runner, log_id: int, number: int) -> datetime | None:
    """The time of the number-th newest checkpoint, or None where there are fewer."""
    return await runner.fetchval(
        "select at from checkpoints where log_id = $1 order by size desc offset $2 limit 1", log_id, number - 1
    )


async def unstamped(runner: Runner, limit: int) -> list[Settled]:
    """Signed checkpoints without a time token, newest first: its token covers the older ones as well."""
    rows = await runner.fetch(
        f"""select {_SETTLED} from checkpoints where note is not null and token is null
            order by log_id desc, size desc limit $1""",
        limit,
    )
    return [_settled(row) for row in rows]


async def ending(runner: Runner, since: datetime, before: datetime, limit: int) -> list[Settled]:
    """Checkpoints whose newest token's certificate will end before a time, and for which there are better ones by now.

    The authority shows its newer certificate with the next checkpoint, or where `last_to_end` is asked for.
    """
    rows = await runner.fetch(
        f"""select {_SETTLED} from checkpoints where token_until > $1 and token_until < $2
              and token_until < (select max(token_until) from checkpoints)
            order by token_until limit $3""",
        since, before, limit,
    )  # fmt: skip
    return [_settled(row) for row in rows]


async def last_to_end(runner: Runner, since: datetime, before: datetime) -> tuple[Settled, datetime] | None:
    """The newest checkpoint of those whose token's certificate ends last of all, if it ends in a span, and when."""
    row = await runner.fetchrow(
        f"""select {_SETTLED}, token_until from checkpoints
            where token_until = (select max(token_until) from checkpoints) and token_until > $1 and token_until < $2
            order by log_id desc, size desc limit 1""",
        since, before,
    )  # fmt: skip
    return (_settled(row), row["token_until"]) if row else None


async def newest_signed(runner: Runner, log_id: int) -> Settled | None:
    row = await runner.fetchrow(
        f"""select {_SETTLED} from checkpoints where log_id = $1 and note is not null
            order by size desc limit 1""",
        log_id,
    )
    return _settled(row) if row else None


async def covering(runner: Runner, log_id: int, index: int) -> Settled | None:
    """The first checkpoint that proves a place: of the next hundred the first that is stamped, else the first of all."""
    row = await runner.fetchrow(
        f"""select {_SETTLED} from (select * from checkpoints where log_id = $1 and size > $2 and note is not null
            order by size limit 100) as next order by token is null, size limit 1""",
        log_id, index,
    )  # fmt: skip
    return _settled(row) if row else None


async def cosigned_after(runner: Runner, first: Settled) -> list[tuple[int, bytes]]:
    """Size and witnesses' lines of the next hundred checkpoints that have some, and a token if the first has one."""
    rows = await runner.fetch(
        """select size, cosigned from (select * from checkpoints where log_id = $1 and size > $2 and note is not null
           order by size limit 100) as next where cosigned <> '' and (token is not null or not $3) order by size""",
        first.log_id, first.size, first.token is not None,
    )  # fmt: skip
    return [(row[0], row[1]) for row in rows]


async def settled_at(runner: Runner, log_id: int, size: int) -> Settled | None:
    """The checkpoint of a size."""
    row = await runner.fetchrow(f"select {_SETTLED} from checkpoints where log_id = $1 and size = $2", log_id, size)
    return _settled(row) if row else None


async def say(runner: Runner, name: str, at: datetime, why: str) -> None:
    """Notes how a part of evidence stands; the time stays as long as that is the same."""
    await runner.execute(
        """insert into readiness (name, since, heard, why) values ($1, $2, $2, $3) on conflict (name) do update
           set since = case when (readiness.why = '') = (excluded.why = '') then readiness.since else excluded.since end,
               heard = excluded.heard, why = excluded.why""",
        name, at, why,
    )  # fmt: skip


async def said(runner: Runner) -> dict[str, Said]:
    """How each part stands."""
    return {row["name"]: Said(*row[1:]) for row in await runner.fetch("select name, since, heard, why from readiness")}
