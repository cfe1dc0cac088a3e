"""Mails and their attempts.

A mail is planned in the transaction of the fact that calls for it, built once, and handed over in attempts. A claim
raises the mail's epoch and every later write of that claim checks it, so that a worker which was frozen and replaced
cannot write (decision 0002). ``due_at`` says when to try or to look again; the timers enqueue what is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sealpost.domain.errors import Fenced
from sealpost.store.pool import Connection, Runner
from sealpost.store.tickets import Stored, insert, insert_sql

PLAN = (
    insert_sql(
        "mails",
        "id:uuid account_id:bigint ticket_id:uuid user_id:bigint address_id:bigint purpose:text state:text "
        "due_at:timestamptz planned_at:timestamptz",
    )
    + " on conflict do nothing"
)


@dataclass(frozen=True, slots=True)
class Built:
    """A built mail: whom it goes to, its identity and where its exact bytes lie."""

    message_header: str
    rcpt_to: str
    smtputf8: bool
    sha256: bytes
    size: int
    stored: Stored


@dataclass(frozen=True, slots=True)
class LeftOpen:
    """An attempt that a crash left open: ``prepared`` or ``dot_due``."""

    number: int
    state: str
    mail_from: str


@dataclass(frozen=True, slots=True)
class Delay:
    """A delayed attempt: its number, when it ended, and what was kept of it."""

    number: int
    at: datetime
    told: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """A mail as its claimer holds it.

    Args:
        epoch: the fence; every write names it.
        tries: the number of the attempt before; 0: there was none.
        counted: how many of those count: not the ones that ended with us, before the final dot could be due.
        open_attempt: the attempt that a crash left open, if any.
        uncertain: how many attempts have ended with an unknown outcome.
        greylisted: how many were told to come back soon.
        return_path: of the attempt before, if that one certainly left no copy; else empty.
        built: None while only planned.
    """

    id: UUID
    account_id: int
    ticket_id: UUID | None
    user_id: int | None
    address_id: int | None
    purpose: str
    epoch: int
    tries: int
    counted: int
    planned_at: datetime
    open_attempt: LeftOpen | None
    uncertain: int
    greylisted: int
    return_path: str
    built: Built | None


def plan_row(
    mail_id: UUID,
    account_id: int,
    purpose: str,
    now: datetime,
    look_again: datetime,
    ticket_id: UUID | None,
    user_id: int | None = None,
    address_id: int | None = None,
) -> tuple[Any, ...]:
    """The values of a planned mail, in the order of ``PLAN``."""
    return (mail_id, account_id, ticket_id, user_id, address_id, purpose, "planned", look_again, now)


async def plan(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Plans mails. A ticket's second mail of the same purpose is not planned: the first stands."""
    await insert(connection, PLAN, rows)


async def claim(connection: Connection, ids: Sequence[UUID], worker: UUID, look_again: datetime) -> dict[UUID, Claim]:
    """Takes mails for this worker; those that are missing are done, a live worker is at them, or their account is suspended.

    A suspended account's mail stays as it is, and is looked at again by its ``due_at``. The rows are locked in one order
    by everybody; what another transaction holds at this moment is left to it.
    """
    rows = await connection.fetch(
        """with free as (
               select id from mails where id = any($1) and state in ('planned', 'built') and claimed_by is null
                 and not exists (select 1 from accounts a where a.id = mails.account_id and a.suspended_at is not null)
               order by id for update skip locked
           )
           update mails m set epoch = epoch + 1, claimed_by = $2, due_at = $3 from free where m.id = free.id
           returning m.*, (select array[number::text, state, coalesce(mail_from, '')] from attempts
                           where mail_id = m.id and state in ('prepared', 'dot_due') order by number desc limit 1) as left_open,
                     (select array[count(*) filter (where state = 'uncertain'),
                                   count(*) filter (where handover ->> 'class' = 'greylisted'),
                                   count(*) filter (where state not in ('prepared', 'abandoned'))]
                      from attempts where mail_id = m.id) as before,
                     (select case when state in ('prepared', 'delayed', 'abandoned') then mail_from end from attempts
                      where mail_id = m.id order by number desc limit 1) as return_path""",
        list(ids),
        worker,
        look_again,
    )
    return {row["id"]: _claim(row) for row in rows}


def _claim(row: Any) -> Claim:
    left_open = row["left_open"]
    return Claim(
        id=row["id"],
        account_id=row["account_id"],
        ticket_id=row["ticket_id"],
        user_id=row["user_id"],
        address_id=row["address_id"],
        purpose=row["purpose"],
        epoch=row["epoch"],
        tries=row["tries"],
        counted=row["before"][2],
        planned_at=row["planned_at"],
        open_attempt=LeftOpen(int(left_open[0]), left_open[1], left_open[2]) if left_open else None,
        uncertain=row["before"][0],
        greylisted=row["before"][1],
        return_path=row["return_path"] or "",
        built=_built(row) if row["state"] == "built" else None,
    )


def _built(row: Any) -> Built:
    return Built(
        row["message_header"],
        row["rcpt_to"],
        row["smtputf8"],
        row["sha256"],
        row["size"],
        stored(row),
    )


async def fence(connection: Connection, held: Sequence[Claim]) -> set[UUID]:
    """Locks the mails' rows for this transaction; those that are returned are still this claimer's.

    The others have another worker by now, and nothing of theirs may be written.
    """
    rows = await connection.fetch(
        """select m.id from mails m join unnest($1::uuid[], $2::int[]) as given(id, epoch) using (id, epoch)
           where m.claimed_by is not null order by m.id for update of m""",
        [one.id for one in held],
        [one.epoch for one in held],
    )
    return {row["id"] for row in rows}


async def fence_one(connection: Connection, held: Claim) -> None:
    """Raises Fenced unless the claim still holds; as ``fence``."""
    if not await fence(connection, [held]):
        raise Fenced(str(held.id))


async def save_built(connection: Connection, built: Sequence[tuple[Claim, Built]]) -> None:
    """The mails' bytes are fixed from now on; they are never made again."""
    rows = [
        (held.id, one.message_header, one.rcpt_to, one.smtputf8, one.sha256, one.size, stored.segment, stored.offset,
         stored.length, stored.nonce, stored.wrapped_key)
        for held, one in built
        for stored in [one.stored]
    ]  # fmt: skip
    if rows:
        await insert(
            connection,
            """update mails m set state = 'built', message_header = g.header, rcpt_to = g.rcpt_to, smtputf8 = g.smtputf8,
                   sha256 = g.sha256, size = g.size, segment = g.segment, "offset" = g.begin, length = g.length,
                   nonce = g.nonce, wrapped_key = g.wrapped_key
               from unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::bytea[], $6::bigint[], $7::uuid[],
                           $8::bigint[], $9::bigint[], $10::bytea[], $11::bytea[])
                    as g(id, header, rcpt_to, smtputf8, sha256, size, segment, begin, length, nonce, wrapped_key)
               where m.id = g.id""",
            rows,
        )


async def prepare_attempts(connection: Connection, attempts: Sequence[tuple[Claim, int, str]], now: datetime) -> None:
    """The intent to send, before any connection is made: number and return path of each attempt."""
    rows = [(held.id, number, mail_from, now) for held, number, mail_from in attempts]
    if rows:
        await insert(
            connection,
            """with made as (
                   insert into attempts (mail_id, number, state, mail_from, prepared_at)
                   select id, number, 'prepared', mail_from, at
                   from unnest($1::uuid[], $2::int[], $3::text[], $4::timestamptz[]) as g(id, number, mail_from, at)
                   returning mail_id, number
               )
               update mails m set tries = made.number from made where m.id = made.mail_id""",
            rows,
        )


async def dots_due(runner: Runner, attempts: Sequence[tuple[Claim, int]], now: datetime) -> set[UUID]:
    """The mark before the final dot: from here on a lost outcome is uncertain. One statement.

    Returns:
        Mails whose attempt has the mark now; the others have another worker, and nothing more of them may be sent.
    """
    rows = await runner.fetch(
        """update attempts a set state = 'dot_due', dot_due_at = $4
           from unnest($1::uuid[], $2::int[], $3::int[]) as g(id, number, epoch) join mails m on m.id = g.id
           where a.mail_id = g.id and a.number = g.number and a.state = 'prepared'
             and m.epoch = g.epoch and m.claimed_by is not null returning a.mail_id""",
        [held.id for held, _ in attempts],
        [number for _, number in attempts],
        [held.epoch for held, _ in attempts],
        now,
    )
    return {row["mail_id"] for row in rows}


async def end_attempts(
    connection: Connection, ends: Sequence[tuple[Claim, int, str, dict[str, Any] | None]], now: datetime
) -> None:
    """What became of attempts: number, state and what is kept of the dialogue."""
    rows = [
        (held.id, number, state, msgspec.json.encode(told).decode() if told else None)
        for held, number, state, told in ends
    ]
    if rows:
        await connection.execute(
            """update attempts a set state = g.state, ended_at = $5, handover = coalesce(g.handover::jsonb, a.handover)
               from unnest($1::uuid[], $2::int[], $3::text[], $4::text[]) as g(id, number, state, handover)
               where a.mail_id = g.id and a.number = g.number and a.state in ('prepared', 'dot_due')""",
            *zip(*rows, strict=True),
            now,
        )


async def delays(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Delay]]:
    """The attempts of mails that were delayed, in order."""
    found: dict[UUID, list[Delay]] = {}
    for row in await connection.fetch(
        """select mail_id, number, ended_at, handover from attempts
           where mail_id = any($1) and state = 'delayed' and handover is not null order by mail_id, number""",
        list(ids),
    ):
        found.setdefault(row["mail_id"], []).append(Delay(row["number"], row["ended_at"], row["handover"]))
    return found


async def release(connection: Connection, ends: Sequence[tuple[Claim, str | None, datetime | None]]) -> None:
    """Ends claims: each with a final state, or (None) to be tried again at its time."""
    rows = [(held.id, state, due_at) for held, state, due_at in ends]
    if rows:
        await insert(
            connection,
            """update mails m set claimed_by = null, due_at = g.due_at, state = coalesce(g.state, m.state)
               from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as g(id, state, due_at) where m.id = g.id""",
            rows,
        )


async def let_go_of(runner: Runner, mail_id: UUID, worker: UUID, due_at: datetime) -> None:
    """Gives a claim back of which the claimer knows nothing but that it may have been committed: no attempt was begun."""
    await runner.execute(
        """update mails m set claimed_by = null, due_at = $3 where id = $1 and claimed_by = $2
           and not exists (select from attempts where mail_id = m.id and state in ('prepared', 'dot_due'))""",
        mail_id,
        worker,
        due_at,
    )


async def let_go(runner: Runner, held: Claim, due_at: datetime) -> None:
    """Gives an unfinished claim back, if it still holds, to be tried again at ``due_at``."""
    await runner.execute(
        "update mails set claimed_by = null, due_at = $3 where id = $1 and epoch = $2 and claimed_by is not null",
        held.id,
        held.epoch,
        due_at,
    )


async def cancel_planned(connection: Connection, ticket_id: UUID, purposes: Sequence[str], now: datetime) -> None:
    """Mails that no worker is at will not be sent; one that is being handed over runs on, and its fact is recorded.

    So is that of one whose worker died at the final dot: it is claimed again, and its outcome said to be uncertain.
    """
    await connection.execute(
        """with gone as (
               update mails set state = 'cancelled', due_at = null
               where ticket_id = $1 and purpose = any($2) and state in ('planned', 'built') and claimed_by is null
               and not exists (select from attempts a where a.mail_id = mails.id and a.state = 'dot_due') returning id
           )
           update attempts a set state = 'abandoned', ended_at = $3 from gone where a.mail_id = gone.id and a.state = 'prepared'""",
        ticket_id,
        list(purposes),
        now,
    )


async def take_due(connection: Connection, now: datetime, look_again: datetime, limit: int) -> list[tuple[UUID, str]]:
    """Mails (id, purpose) to be tried now, marked to be looked at again if their job is lost."""
    rows = await connection.fetch(
        """with due as (
               select id from mails where due_at <= $1 order by due_at limit $3 for update skip locked
           )
           update mails m set due_at = $2 from due where m.id = due.id returning m.id, m.purpose""",
        now,
        look_again,
        limit,
    )
    return [(row["id"], row["purpose"]) for row in rows]


async def states(runner: Runner, ticket_id: UUID) -> dict[str, str]:
    """Purpose → state of a ticket's mails."""
    rows = await runner.fetch("select purpose, state from mails where ticket_id = $1", ticket_id)
    return {row["purpose"]: row["state"] for row in rows}


async def announcements(runner: Runner, ticket_id: UUID) -> list[Any]:
    """What was sent to announce a ticket, with the place of its octets, as long as its key is kept."""
    return await runner.fetch(
        """select m.* from mails m where ticket_id = $1 and purpose in ('announcement', 'reminder')
           and wrapped_key is not null and exists (select from attempts a where a.mail_id = m.id and dot_due_at is not null)
           order by planned_at""",
        ticket_id,
    )


def stored(row: Any) -> Stored:
    """Where a mail's octets lie."""
    return Stored(row["id"], row["segment"], row["offset"], row["length"], row["nonce"], row["wrapped_key"])
