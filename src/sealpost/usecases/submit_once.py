"""Submit under an Idempotency-Key: the same request again gets the first answer and makes nothing (contract, section 3).

A claim on the key is durable before anything is taken in; the answer is written in the submit transaction itself. A
crash in between leaves a claim that frees itself after a minute. The one that was taken over can no longer commit.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from sealpost.domain.canonical import sha256
from sealpost.domain.errors import KeyBusy, KeyReused, Unavailable
from sealpost.domain.ids import uuid7
from sealpost.store import idempotency_keys
from sealpost.store.idempotency_keys import Held
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service
from sealpost.usecases.submit_message import SubmitMessage

KEPT = timedelta(days=30)
LEASE = timedelta(seconds=60)
TRIES = 3


class Submits(Protocol):
    """What takes a message in: ``sealpost.usecases.submit.Submitter``."""

    async def submit(self, message: SubmitMessage, held: Held | None = None) -> str:
        """The ticket token, once everything is durable."""
        ...


async def submit_once(
    service: Service, submitter: Submits, message: SubmitMessage, client_id: int, key: str
) -> tuple[str, bool]:
    """The ticket token, and whether it is that of an earlier request.

    Args:
        service: the parts.
        submitter: takes the message in, if this request is the first.
        message: as the caller gave it; its ``request_sha256`` tells the same request from another.
        client_id: keys of two clients are two keys.
        key: as the caller gave it.

    Raises:
        KeyReused: the key came with another body before.
        KeyBusy: the first request is still running.
        SealpostError: what ``submit`` raises; the key is free again.
    """
    held = Held(client_id, sha256(key.encode()), uuid7(service.clock.real(), service.random))
    if earlier := await _claim(service, held, message.request_sha256):
        return earlier, True
    try:
        return await submitter.submit(message, held), False
    except Exception:
        await _release(service, held)
        raise


async def _claim(service: Service, held: Held, request_sha256: bytes) -> str | None:
    """Claims the key, or gives the ticket token that it stands for."""
    for _ in range(TRIES):  # between the two statements the first request may end and free the key
        now = service.clock.real()
        async with transaction(service) as connection:
            if await idempotency_keys.claim(connection, held, request_sha256, now, now + LEASE, now - KEPT):
                return None
            known = await idempotency_keys.standing(connection, held)
        if known is None:
            continue
        if known["request_sha256"] != request_sha256:
            raise KeyReused("Idempotency-Key: was used with another request body")
        if known["ticket_token"] is None:
            break
        return known["ticket_token"]
    raise KeyBusy("Idempotency-Key: the first request with it is still running")


async def _release(service: Service, held: Held) -> None:
    """Frees the key; if the database is away the claim ends by itself."""
    try:
        async with transaction(service) as connection:
            await idempotency_keys.release(connection, held)
    except Unavailable:
        return
