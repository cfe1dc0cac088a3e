"""What came back for mails of ours: bounces, automatic answers and replies, their octets encrypted as mails are.

The table's unique indexes carry two rules: the same octets count once for a mail, and so does each effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sealpost.store.pool import Connection, Runner
from sealpost.store.tickets import Stored


@dataclass(frozen=True, slots=True)
class Sent:
    """The mail that something came back for.

    Args:
        attempt: the attempt that it names; 0 if it names none.
        attempt_state: what became of that one, or empty.
        size: octets of the mail that was sent; 0 if it was never built.
    """

    mail_id: UUID
    account_id: int
    ticket_id: UUID | None
    purpose: str
    message_header: str
    rcpt_to: str
    attempt: int
    attempt_state: str
    size: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What has come back for a mail.

    Args:
        count: mails.
        octets: of these, as they came.
        kinds: of these.
        again: one with the octets that were asked about is among them.
    """

    count: int
    octets: int
    kinds: frozenset[str]
    again: bool


@dataclass(frozen=True, slots=True)
class NewInbound:
    """What is kept of a mail that came in; ``stored.owner`` is its id."""

    sent: Sent
    kind: str
    received_at: datetime
    mail_from: str
    sha256: bytes
    size: int
    facts: dict[str, Any]
    stored: Stored


async def sent(runner: Runner, mail_id: UUID, attempt: int, most_attempts: int) -> Sent | None:
    """The mail and the attempt that is meant: the newest that has the return path of the one that is named.

    A path is kept while a mail is delayed (decision 0011), so it may name one that was turned away before the mail was
    taken. ``most_attempts`` stands for all from there.
    """
    row = await runner.fetchrow(
        """select m.id, m.account_id, m.ticket_id, m.purpose, m.message_header, m.rcpt_to, a.number, a.state,
               coalesce(m.size, 0) as size
           from mails m join attempts n on n.mail_id = m.id and (n.number = $2 or ($2 = $3 and n.number > $3))
           join attempts a on a.mail_id = m.id and (a.number = n.number or (a.number > n.number and a.mail_from = n.mail_from))
           where m.id = $1 order by a.number desc limit 1""",
        mail_id,
        attempt,
        most_attempts,
    )
    return _sent(row) if row else None


async def first_built(runner: Runner, mail_ids: Sequence[UUID]) -> Sent | None:
    """The first of these mails that was ever offered to a server."""
    row = await runner.fetchrow(
        """select m.id, m.account_id, m.ticket_id, m.purpose, m.message_header, m.rcpt_to, 0 as number, '' as state,
               coalesce(m.size, 0) as size
           from unnest($1::uuid[]) with ordinality given(id, place) join mails m using (id)
           where exists (select from attempts a where a.mail_id = m.id and a.dot_due_at is not null)
           order by given.place limit 1""",
        list(mail_ids),
    )
    return _sent(row) if row else None


def _sent(row: Any) -> Sent:
    return Sent(
        row["id"],
        row["account_id"],
        row["ticket_id"],
        row["purpose"],
        row["message_header"],
        row["rcpt_to"],
        row["number"],
        row["state"],
        row["size"],
    )


async def kept(runner: Runner, mail_id: UUID, sha256: bytes) -> Kept:
    """What is kept for a mail, and whether one with these octets is among it; erased ones count too."""
    rows = await runner.fetch(
        """select kind, count(*), sum(size)::bigint as octets, bool_or(sha256 = $2) as again
           from inbound_mails where mail_id = $1 group by kind""",
        mail_id,
        sha256,
    )
    return Kept(
        count=sum(row["count"] for row in rows),
        octets=sum(row["octets"] for row in rows),
        kinds=frozenset(row["kind"] for row in rows),
        again=any(row["again"] for row in rows),
    )


async def replies(runner: Runner, ticket_id: UUID) -> int:
    """How many replies are kept for a ticket."""
    return await runner.fetchval(
        "select count(*) from inbound_mails where ticket_id = $1 and kind in ('reply', 'unclear')", ticket_id
    )


async def abuse_reports(runner: Runner, since: datetime) -> int:
    """How many abuse reports have come in since then."""
    return await runner.fetchval("select count(*) from inbound_mails where kind = 'abuse' and received_at >= $1", since)


async def add(connection: Connection, new: NewInbound) -> bool:
    """Keeps one; False: it, or its effect, is there already, and nothing was changed."""
    stored = new.stored
    return bool(
        await connection.fetchval(
            """insert into inbound_mails (id, account_id, ticket_id, mail_id, attempt, kind, received_at, mail_from, sha256,
                   size, facts, segment, "offset", length, nonce, wrapped_key)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
               on conflict do nothing returning true""",
            stored.owner,
            new.sent.account_id,
            new.sent.ticket_id,
            new.sent.mail_id,
            new.sent.attempt,
            new.kind,
            new.received_at,
            new.mail_from,
            new.sha256,
            new.size,
            new.facts,
            stored.segment,
            stored.offset,
            stored.length,
            stored.nonce,
            stored.wrapped_key,
        )
    )


async def reply(runner: Runner, ticket_id: UUID, first_digits: str) -> Any | None:
    """A ticket's reply whose id begins with these digits, unless it was erased."""
    return await runner.fetchrow(
        """select * from inbound_mails where ticket_id = $1 and kind in ('reply', 'unclear') and wrapped_key is not null
           and starts_with(id::text, $2) order by received_at limit 1""",
        ticket_id,
        first_digits,
    )


async def return_paths(runner: Runner, mail_id: UUID) -> list[str]:
    """The return paths that a mail's attempts had."""
    rows = await runner.fetch(
        "select distinct mail_from from attempts where mail_id = $1 and mail_from is not null", mail_id
    )
    return [row["mail_from"] for row in rows]
