"""Table ``gateway_mails``: which mails have come in by SMTP, one row for each recipient.

A claim is durable before anything is taken in; the ticket is written in the submit transaction itself. What fences a
claim is the end of its lease: whoever takes an ended one over sets a later end. Message-IDs are hashed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sealpost.store.pool import Connection, Runner


@dataclass(frozen=True, slots=True)
class Claim:
    """A mail's recipient whose ticket is being made.

    Args:
        account_id: who sends.
        message_sha256: of the Message-ID.
        recipient_key: the recipient, normalised.
        lease_until: real; afterwards another try may take over.
    """

    account_id: int
    message_sha256: bytes
    recipient_key: str
    lease_until: datetime


async def claim(runner: Runner, claim: Claim, content_sha256: bytes, now: datetime, forgotten: datetime) -> bool:
    """Takes a recipient that nobody is at; False: there is a ticket, another try is at it, or another mail has it.

    Args:
        runner: a statement of its own: a crash after it leaves a claim that frees itself.
        claim: what is wanted.
        content_sha256: of the mail; an ended claim of another mail with the Message-ID is free for this one.
        now: real.
        forgotten: rows from before are free again.
    """
    return bool(
        await runner.fetchval(
            """insert into gateway_mails as g
                   (account_id, message_sha256, recipient_key, content_sha256, lease_until, taken_at)
               values ($1, $2, $3, $4, $5, $6)
               on conflict (account_id, message_sha256, recipient_key) do update
                   set content_sha256 = excluded.content_sha256, lease_until = excluded.lease_until,
                       taken_at = excluded.taken_at, ticket_token = null
                   where g.taken_at <= $7 or (g.ticket_token is null and g.lease_until < $6)
               returning true""",
            claim.account_id,
            claim.message_sha256,
            claim.recipient_key,
            content_sha256,
            claim.lease_until,
            now,
            forgotten,
        )
    )


async def standing(
    runner: Runner, account_id: int, message_sha256: bytes, now: datetime, forgotten: datetime
) -> list[Any]:
    """What stands under a Message-ID: recipient_key, content_sha256 and ticket_token (None while it is under way)."""
    return await runner.fetch(
        """select recipient_key, content_sha256, ticket_token from gateway_mails
           where account_id = $1 and message_sha256 = $2 and taken_at > $4
             and (ticket_token is not null or lease_until >= $3)""",
        account_id,
        message_sha256,
        now,
        forgotten,
    )


async def fulfil(connection: Connection, tickets: Sequence[tuple[Claim, str]]) -> set[Claim]:
    """Writes the tickets that claims have led to, in their submit transaction; the claims that still held."""
    rows = await connection.fetch(
        """update gateway_mails g set ticket_token = given.token
           from unnest($1::bigint[], $2::bytea[], $3::text[], $4::timestamptz[], $5::text[])
               as given(account_id, message, recipient, lease, token)
           where g.account_id = given.account_id and g.message_sha256 = given.message
             and g.recipient_key = given.recipient and g.lease_until = given.lease and g.ticket_token is null
           returning g.account_id, g.message_sha256, g.recipient_key, g.lease_until""",
        [claim.account_id for claim, _ in tickets],
        [claim.message_sha256 for claim, _ in tickets],
        [claim.recipient_key for claim, _ in tickets],
        [claim.lease_until for claim, _ in tickets],
        [token for _, token in tickets],
    )
    return {Claim(*row.values()) for row in rows}


async def release(runner: Runner, claim: Claim) -> None:
    """Frees a recipient whose ticket came to nothing; one that has a ticket, or another claim, stays."""
    await runner.execute(
        """delete from gateway_mails
           where account_id = $1 and message_sha256 = $2 and recipient_key = $3 and lease_until = $4
             and ticket_token is null""",
        claim.account_id,
        claim.message_sha256,
        claim.recipient_key,
        claim.lease_until,
    )
