"""Who may hold claims. A worker is alive while its session holds its advisory lock and its beat is fresh."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sealpost.store.pool import Connection, Pool

STALE = "30 seconds"  # no beat for so long: frozen, or cut off
GRACE = "3 seconds"  # a lost connection comes back faster
RESTARTED = "8 seconds"  # after a restart of the database every worker needs a moment to take its lock again
# Since when it takes connections, as far as it says so: the server's own start is before its recovery, which may take long.
READY = """greatest(pg_postmaster_start_time(),
                    (select max(backend_start) from pg_stat_activity where backend_type = 'autovacuum launcher'))"""


def lock_key(worker: UUID) -> int:
    """The advisory lock of a worker: 63 bits of its id."""
    return worker.int & 0x7FFF_FFFF_FFFF_FFFF


async def enlist(session: Connection, worker: UUID) -> None:
    """Makes a worker known. ``session`` is its own connection: the lock lives as long as it does."""
    await session.execute("select pg_advisory_lock($1)", lock_key(worker))
    await session.execute(
        "insert into workers (id, lock_key, beat_at) values ($1, $2, now()) on conflict (id) do update set beat_at = now()",
        worker,
        lock_key(worker),
    )


async def beat(session: Connection, worker: UUID) -> bool:
    """Says that the worker lives; False when it has been given up meanwhile."""
    return bool(await session.fetchval("update workers set beat_at = now() where id = $1 returning true", worker))


def session_name(worker: UUID) -> str:
    """How the database shows the connections of a worker's process."""
    return f"sealpost {worker}"


async def end_sessions_of_frozen(connection: Connection) -> int:
    """Ends the sessions of workers that have not beaten for a while; how many.

    A frozen process would keep its locks, on rows and as the log's writer, until it thaws. What it had not committed is
    rolled back; it finds its connections gone. Our own process's are left alone.
    """
    rows = await connection.fetch(
        f"""select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and application_name <> current_setting('application_name')
              and {READY} < now() - interval '{RESTARTED}'
              and application_name in (select 'sealpost ' || id from workers where beat_at < now() - interval '{STALE}')"""
    )
    return len(rows)


async def give_up_dead(connection: Connection, now: datetime) -> int:
    """Frees what dead workers had claimed and makes it due now; says how many mails.

    A dead one no longer holds its lock (its process or connection is gone) or has not beaten for a while (frozen). After a
    restart of the database nobody is dead at once: the living could not beat, and an answer waits to be stored. A
    frozen one that thaws finds its claims' epochs raised, or their ``claimed_by`` empty, and cannot write.

    Claims of a worker that is not known any more are freed too: their rows were locked by another transaction when it
    was given up, or its claim was on the way to the database then.
    """
    rows = await connection.fetch(
        f"""with dead as (
               delete from workers w where {READY} < now() - interval '{RESTARTED}'
                   and (beat_at < now() - interval '{STALE}' or beat_at < now() - interval '{GRACE}' and not exists (
                   select 1 from pg_locks k where k.locktype = 'advisory' and k.objsubid = 1 and k.granted
                     and k.database = (select oid from pg_database where datname = current_database())
                     and (k.classid::bigint << 32 | k.objid::bigint) = w.lock_key))
               returning id
           ), left_behind as (
               select id from mails m
               where m.claimed_by is not null and {READY} < now() - interval '{RESTARTED}' and (
                   m.claimed_by in (select id from dead) or not exists (select from workers w where w.id = m.claimed_by))
               order by id for update skip locked
           )
           update mails m set claimed_by = null, due_at = $1 from left_behind where m.id = left_behind.id returning m.id""",
        now,
    )
    return len(rows)


async def retire(pool: Pool, worker: UUID, now: datetime) -> None:
    """A clean stop: what it still claimed is free at once."""
    await pool.execute("update mails set claimed_by = null, due_at = $2 where claimed_by = $1", worker, now)
    await pool.execute("delete from workers where id = $1", worker)
