"""Idempotency keys: one row per client and key. A request claims it, and its submit transaction writes the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sealpost.store.pool import Connection, Runner


@dataclass(frozen=True, slots=True)
class Held:
    """A key that one request holds.

    Args:
        client_id: whose key it is.
        key_sha256: the key, hashed: callers put references of their own in it.
        claim: names this request among all that ever held the key.
    """

    client_id: int
    key_sha256: bytes
    claim: UUID


async def claim(
    runner: Runner, held: Held, request_sha256: bytes, now: datetime, until: datetime, forgotten: datetime
) -> bool:
    """Takes a key that nobody holds; False: it has an answer, or another request is at it.

    Args:
        runner: a statement of its own.
        held: the key and the new claim.
        request_sha256: of the raw body.
        now: real.
        until: when another may take over, should this request never end.
        forgotten: keys made before this are free again.
    """
    return bool(
        await runner.fetchval(
            """insert into idempotency_keys as k
                   (client_id, key_sha256, request_sha256, claim, claimed_until, created_at)
               values ($1, $2, $3, $4, $5, $6)
               on conflict (client_id, key_sha256) do update
                   set request_sha256 = excluded.request_sha256, claim = excluded.claim,
                       claimed_until = excluded.claimed_until, created_at = excluded.created_at, ticket_token = null
                   where k.created_at <= $7 or (k.ticket_token is null and k.claimed_until < $6)
               returning true""",
            held.client_id,
            held.key_sha256,
            request_sha256,
            held.claim,
            until,
            now,
            forgotten,
        )
    )


async def standing(runner: Runner, held: Held) -> Any:
    """What a key stands for: request_sha256 and ticket_token (None while its request runs); None: nobody holds it."""
    return await runner.fetchrow(
        "select request_sha256, ticket_token from idempotency_keys where client_id = $1 and key_sha256 = $2",
        held.client_id,
        held.key_sha256,
    )


async def answer(connection: Connection, answers: Sequence[tuple[Held, str]]) -> set[UUID]:
    """Writes the tickets that claims have led to; the claims that still held. The others were taken over."""
    rows = await connection.fetch(
        """update idempotency_keys k set ticket_token = given.token
           from unnest($1::bigint[], $2::bytea[], $3::uuid[], $4::text[]) as given(client_id, key, claim, token)
           where k.client_id = given.client_id and k.key_sha256 = given.key and k.claim = given.claim
             and k.ticket_token is null
           returning k.claim""",
        [held.client_id for held, _ in answers],
        [held.key_sha256 for held, _ in answers],
        [held.claim for held, _ in answers],
        [token for _, token in answers],
    )
    return {row["claim"] for row in rows}


async def release(runner: Runner, held: Held) -> None:
    """Frees a key whose request came to nothing; one that has an answer, or another holder, stays."""
    await runner.execute(
        """delete from idempotency_keys
           where client_id = $1 and key_sha256 = $2 and claim = $3 and ticket_token is null""",
        held.client_id,
        held.key_sha256,
        held.claim,
    )
