"""Messages and tickets: the submit transaction's rows, the locked ticket, deadlines, lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sealpost.domain.content import Part
from sealpost.domain.records import Subject
from sealpost.domain.ticket import TicketState
from sealpost.store.pool import Connection, Runner


def insert_sql(table: str, columns: str) -> str:
    """An insert of any number of rows in one statement, a third cheaper for the caller than a row at a time.

    Args:
        table: its name.
        columns: ``name:type`` for each, in the order of the rows' values; a ``jsonb`` value is given as its text, since
            a list within a column's list would be read as one more dimension.
    """
    pairs = [column.split(":") for column in columns.split()]
    names = ", ".join(f'"{name}"' for name, _ in pairs)
    values = ", ".join(f'"{name}"::{kind}' for name, kind in pairs)
    arrays = ", ".join(f"${number}::{kind}[]" for number, (_, kind) in enumerate(pairs, 1)).replace("jsonb", "text")
    return f"insert into {table} ({names}) select {values} from unnest({arrays}) as given({names})"


async def insert(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Runs a statement of ``insert_sql``, or another one that takes a column at a time."""
    await connection.execute(statement, *zip(*rows, strict=True))


INSERT_MESSAGE = insert_sql(
    "messages",
    "id:uuid account_id:bigint sender_email:text sender_name:text subject:text parts:jsonb segment:uuid offset:bigint "
    "length:bigint nonce:bytea wrapped_key:bytea submitted_at:timestamptz",
)
INSERT_TICKET = insert_sql(
    "tickets",
    "id:uuid token:text account_id:bigint message_id:uuid recipient_email:text recipient_key:text recipient_name:text "
    "language:text own_id:text own_guid:text campaign:text address_basis:text sender_key:text delegate:text method:text "
    "authenticated_at:timestamptz submitted_at:timestamptz remind_at:timestamptz expire_at:timestamptz "
    "due_at:timestamptz status:smallint last_seq:int last_sha256:bytea tls_verified:boolean",
)


def parts_to_json(parts: Sequence[Part]) -> str:
    """The ``parts`` column's text: sizes in octets, fingerprints in hexadecimal."""
    column = [
        {"name": part.name, "content_type": part.content_type, "size": part.size, "sha256": part.sha256.hex()}
        for part in parts
    ]
    return msgspec.json.encode(column).decode()


def parts_from_json(column: list[dict[str, Any]]) -> tuple[Part, ...]:
    return tuple(
        Part(part["name"], part["content_type"], part["size"], bytes.fromhex(part["sha256"])) for part in column
    )


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a message's or a mail's ciphertext lies, and its key (None once erased)."""

    owner: UUID
    segment: UUID
    offset: int
    length: int
    nonce: bytes
    wrapped_key: bytes | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket with its message and its account, as the use cases read it."""

    id: UUID
    account_id: int
    account_name: str
    account_language: str
    zone: str
    subject_hidden: bool
    notices: tuple[str, ...]
    sender_name: str
    subject: str
    language: str
    recipient_key: str
    own_guid: str
    campaign: str
    address_basis: str
    remind_at: datetime | None
    reason: str
    tls_verified: bool
    evidence: Subject
    content: Stored
    state: TicketState
    last_seq: int
    last_sha256: bytes

    @property
    def token(self) -> str:
        return self.evidence.ticket_token


@dataclass(frozen=True, slots=True)
class Visible:
    """Which tickets somebody may see: an account's, perhaps only those of one client or of one sender address.

    Args:
        account_id: the account; in every query.
        delegate: ``client:NAME``, or None for any.
        sender_key: the sender's normalised address, or None for any.
    """

    account_id: int
    delegate: str | None = None
    sender_key: str | None = None

    def conditions(self, before: Sequence[Any] = ()) -> tuple[str, list[Any]]:
        """SQL over ``tickets t`` and the values of its parameters, after those that stand before."""
        values = [*before, self.account_id]
        terms = [f"t.account_id = ${len(values)}"]
        for column, value in (("delegate", self.delegate), ("sender_key", self.sender_key)):
            if value is not None:
                values.append(value)
                terms.append(f"t.{column} = ${len(values)}")
        return " and ".join(terms), values


READ = """
    select t.*, a.name as account_name, a.language as account_language, a.time_zone, a.subject_hidden, a.notices,
           m.sender_email, m.sender_name, m.subject, m.parts, m.segment, m."offset", m.length, m.nonce, m.wrapped_key
    from tickets t join messages m on m.id = t.message_id join accounts a on a.id = t.account_id
"""


def ticket_of(row: Any) -> Ticket:
    """The ticket of a row of ``READ``."""
    return Ticket(
        id=row["id"],
        account_id=row["account_id"],
        account_name=row["account_name"],
        account_language=row["account_language"],
        zone=row["time_zone"],
        subject_hidden=row["subject_hidden"],
        notices=tuple(row["notices"]),
        sender_name=row["sender_name"],
        subject=row["subject"],
        language=row["language"],
        recipient_key=row["recipient_key"],
        own_guid=row["own_guid"],
        campaign=row["campaign"],
        address_basis=row["address_basis"],
        remind_at=row["remind_at"],
        reason=row["reason"],
        tls_verified=row["tls_verified"],
        evidence=_subject(row),
        content=Stored(
            row["message_id"], row["segment"], row["offset"], row["length"], row["nonce"], row["wrapped_key"]
        ),
        state=TicketState(
            row["expire_at"],
            row["decision"],
            row["status"],
            row["reached_at"],
            row["could_know_at"],
            row["decided_at"],
            row["status_event"],
        ),
        last_seq=row["last_seq"],
        last_sha256=row["last_sha256"],
    )


def _subject(row: Any) -> Subject:
    return Subject(
        ticket_token=row["token"],
        submitted_at=row["submitted_at"],
        account_name=row["account_name"],
        sender_email=row["sender_email"],
        delegate=row["delegate"],
        method=row["method"],
        authenticated_at=row["authenticated_at"],
        recipient_email=row["recipient_email"],
        recipient_name=row["recipient_name"],
        own_id=row["own_id"],
        parts=parts_from_json(row["parts"]),
    )


async def lock(connection: Connection, ticket_id: UUID) -> Ticket:
    """The ticket, locked until the transaction ends: whoever appends a record holds this lock.

    Raises:
        LookupError: there is none.
    """
    row = await connection.fetchrow(READ + " where t.id = $1 for update of t", ticket_id)
    if row is None:
        raise LookupError(ticket_id)
    return ticket_of(row)


async def lock_all(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Ticket]:
    """Tickets, locked as ``lock`` does, all in one order."""
    if not ids:
        return {}
    rows = await connection.fetch(READ + " where t.id = any($1) order by t.id for update of t", list(ids))
    return {row["id"]: ticket_of(row) for row in rows}


async def by_ids(runner: Runner, ids: Sequence[UUID]) -> dict[UUID, Ticket]:
    """Tickets without a lock."""
    if not ids:
        return {}
    rows = await runner.fetch(READ + " where t.id = any($1)", list(ids))
    return {row["id"]: ticket_of(row) for row in rows}


async def by_id(runner: Runner, ticket_id: UUID) -> Ticket:
    """The ticket without a lock.

    Raises:
        LookupError: there is none.
    """
    row = await runner.fetchrow(READ + " where t.id = $1", ticket_id)
    if row is None:
        raise LookupError(ticket_id)
    return ticket_of(row)


async def by_token(runner: Runner, token: str, visible: Visible) -> Ticket | None:
    """A ticket that may be seen."""
    conditions, values = visible.conditions([token])
    row = await runner.fetchrow(f"{READ} where t.token = $1 and {conditions}", *values)
    return ticket_of(row) if row else None


async def id_of(runner: Runner, token: str, visible: Visible) -> UUID | None:
    conditions, values = visible.conditions([token])
    return await runner.fetchval(f"select id from tickets t where token = $1 and {conditions}", *values)


async def save_states(connection: Connection, ends: Sequence[tuple[Ticket, TicketState, int, bytes]]) -> None:
    """Writes what tickets' records now say, and the ends of their chains. A decision ends the reminder; expiry has passed."""
    rows = [
        (
            *(ticket.id, state.decision, state.status, state.event),
            *(state.reached_at, state.could_know_at, state.decided_at, seq, sha256),
        )
        for ticket, state, seq, sha256 in ends
    ]
    await insert(
        connection,
        """update tickets t set decision = g.decision, status = g.status, status_event = g.event,
               reached_at = g.reached_at,
               could_know_at = g.could_know_at, decided_at = g.decided_at, last_seq = g.seq, last_sha256 = g.sha256,
               remind_at = case when g.decision is null then t.remind_at end,
               due_at = case when g.decision is null then t.due_at end
           from unnest($1::uuid[], $2::text[], $3::smallint[], $4::text[], $5::timestamptz[], $6::timestamptz[],
                       $7::timestamptz[], $8::int[], $9::bytea[])
                as g(id, decision, status, event, reached_at, could_know_at, decided_at, seq, sha256)
           where t.id = g.id""",
        rows,
    )


async def set_reason(connection: Connection, ticket_id: UUID, reason: str) -> None:
    await connection.execute("update tickets set reason = $2 where id = $1", ticket_id, reason)


async def reminder_planned(connection: Connection, ticket_id: UUID) -> None:
    """The reminder's mail exists, or will never be: only expiry is left."""
    await connection.execute(
        "update tickets set remind_at = null, due_at = case when decision is null then expire_at end where id = $1",
        ticket_id,
    )


@dataclass(frozen=True, slots=True)
class Due:
    """A ticket whose next deadline has come."""

    id: UUID
    remind: bool
    expire: bool


async def take_due(connection: Connection, now: datetime, look_again: datetime, limit: int) -> list[Due]:
    """Undecided tickets with a deadline in the past, marked to be looked at again if their job is lost."""
    rows = await connection.fetch(
        """with due as (
               select id from tickets where due_at <= $1 order by due_at limit $3 for update skip locked
           )
           update tickets t set due_at = case when t.decision is null then $2::timestamptz end
           from due where t.id = due.id
           returning t.id, t.decision, t.remind_at, t.expire_at""",
        now,
        look_again,
        limit,
    )
    return [
        Due(
            row["id"],
            remind=row["remind_at"] is not None and row["remind_at"] <= now < row["expire_at"],
            expire=row["expire_at"] <= now,
        )
        for row in rows
        if row["decision"] is None
    ]


async def committed_end(runner: Runner, segment: UUID) -> int:
    """The highest end, in octets, that any row names in a segment; 0 if none does."""
    return await runner.fetchval(
        """select greatest(
               (select "offset" + length from messages where segment = $1 order by "offset" desc limit 1),
               (select "offset" + length from mails where segment = $1 order by "offset" desc limit 1),
               (select "offset" + length from inbound_mails where segment = $1 order by "offset" desc limit 1), 0)""",
        segment,
    )


async def exist(runner: Runner, ids: Sequence[UUID]) -> bool:
    """Whether all of these tickets exist."""
    return await runner.fetchval("select count(*) from tickets where id = any($1)", list(ids)) == len(ids)


async def token_exists(runner: Runner, token: str) -> bool:
    """Whether any account has a ticket of this token."""
    return bool(await runner.fetchval("select true from tickets where token = $1", token))
