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
class Claim:
    """A mail as its claimer holds it.

    Args:
        epoch: the fence; every write names it.
        tries: how many attempts there were before.
        open_attempt: the attempt that a crash left open, if any.
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
    planned_at: datetime
    open_attempt: LeftOpen | None
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


async def claim(connection: Connection, mail_id: UUID, worker: UUID, look_again: datetime) -> Claim | None:
    """Takes a mail for this worker, or None: it is done, a live worker is at it, or its account is suspended.

    A suspended account's mail stays as it is, and is looked at again by its ``due_at``.
    """
    row = await connection.fetchrow(
        """update mails set epoch = epoch + 1, claimed_by = $2, due_at = $3
           where id = $1 and state in ('planned', 'built') and claimed_by is null
             and not exists (select 1 from accounts a where a.id = mails.account_id and a.suspended_at is not null)
           returning *, (select array[number::text, state, coalesce(mail_from, '')] from attempts
                         where mail_id = $1 and state in ('prepared', 'dot_due') order by number desc limit 1) as left_open,
                     (select case when state in ('prepared', 'delayed', 'abandoned') then mail_from end from attempts
                      where mail_id = $1 order by number desc limit 1) as return_path""",
        mail_id,
        worker,
        look_again,
    )
    return _claim(row) if row else None


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
        planned_at=row["planned_at"],
        open_attempt=LeftOpen(int(left_open[0]), left_open[1], left_open[2]) if left_open else None,
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


async def fence(connection: Connection, held: Claim) -> None:
    """Locks the mail's row for this transaction, if the claim still holds.

    Raises:
        Fenced: another worker has claimed the mail since.
    """
    row = await connection.fetchrow(
        "select 1 from mails where id = $1 and epoch = $2 and claimed_by is not null for update", held.id, held.epoch
    )
    if row is None:
        raise Fenced(str(held.id))


async def save_built(connection: Connection, held: Claim, built: Built) -> None:
    """The mail's bytes are fixed from now on; they are never made again."""
    stored = built.stored
    await connection.execute(
        """update mails set state = 'built', message_header = $2, rcpt_to = $3, smtputf8 = $4, sha256 = $5,
               size = $6, segment = $7, "offset" = $8, length = $9, nonce = $10, wrapped_key = $11 where id = $1""",
        held.id,
        built.message_header,
        built.rcpt_to,
        built.smtputf8,
        built.sha256,
        built.size,
        stored.segment,
        stored.offset,
        stored.length,
        stored.nonce,
        stored.wrapped_key,
    )


async def prepare_attempt(connection: Connection, held: Claim, number: int, mail_from: str, now: datetime) -> None:
    """The intent to send, before any connection is made."""
    await connection.execute(
        "insert into attempts (mail_id, number, state, prepared_at, mail_from) values ($1, $2, 'prepared', $3, $4)",
        held.id,
        number,
        now,
        mail_from,
    )
    await connection.execute("update mails set tries = $2 where id = $1", held.id, number)


async def dot_due(runner: Runner, held: Claim, number: int, now: datetime) -> None:
    """The mark before the final dot: from here on a lost outcome is uncertain. One statement, its own transaction.

    Raises:
        Fenced: another worker has claimed the mail; nothing of this attempt may be sent any more.
    """
    done = await runner.fetchval(
        """update attempts a set state = 'dot_due', dot_due_at = $4 from mails m
           where a.mail_id = $1 and a.number = $2 and a.state = 'prepared'
             and m.id = a.mail_id and m.epoch = $3 and m.claimed_by is not null returning 1""",
        held.id,
        number,
        held.epoch,
        now,
    )
    if done is None:
        raise Fenced(str(held.id))


async def end_attempt(
    connection: Connection, held: Claim, number: int, state: str, now: datetime, handover: dict[str, Any] | None
) -> None:
    """What became of an attempt."""
    await connection.execute(
        """update attempts set state = $3, ended_at = $4, handover = coalesce($5::jsonb, handover)
           where mail_id = $1 and number = $2 and state in ('prepared', 'dot_due')""",
        held.id,
        number,
        state,
        now,
        handover,
    )


async def release(connection: Connection, held: Claim, state: str | None, due_at: datetime | None) -> None:
    """Ends the claim: with a final state, or (None) to be tried again at ``due_at``."""
    await connection.execute(
        "update mails set claimed_by = null, due_at = $2, state = coalesce($3, state) where id = $1",
        held.id,
        due_at,
        state,
    )


async def let_go(runner: Runner, held: Claim, due_at: datetime) -> None:
    """Gives an unfinished claim back, if it still holds, to be tried again at ``due_at``."""
    await runner.execute(
        "update mails set claimed_by = null, due_at = $3 where id = $1 and epoch = $2 and claimed_by is not null",
        held.id,
        held.epoch,
        due_at,
    )


async def cancel_planned(connection: Connection, ticket_id: UUID, purposes: Sequence[str]) -> None:
    """Mails that no worker is at will not be sent; one that is being handed over runs on, and its fact is recorded.

    So is that of one whose worker died at the final dot: it is claimed again, and its outcome said to be uncertain.
    """
    await connection.execute(
        """update mails set state = 'cancelled', due_at = null
           where ticket_id = $1 and purpose = any($2) and state in ('planned', 'built') and claimed_by is null
           and not exists (select from attempts a where a.mail_id = mails.id and a.state = 'dot_due')""",
        ticket_id,
        list(purposes),
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
