"""Submissions that arrive together are committed together: one transaction, one flush of the log for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from sealpost.content.placement import Placement
from sealpost.content.vault import Sealed
from sealpost.domain.errors import Conflict, Unavailable
from sealpost.domain.records import Record, Subject
from sealpost.store import gateway_mails, idempotency_keys, jobs, mails, records, tickets
from sealpost.store.gateway_mails import Claim
from sealpost.store.idempotency_keys import Held
from sealpost.store.pool import Connection
from sealpost.usecases.database import transaction
from sealpost.usecases.fields import Fields
from sealpost.usecases.group import Group
from sealpost.usecases.service import Service

log = structlog.get_logger()
TAKEN_OVER = "Idempotency-Key: this request took too long, and another one with it has begun"


@dataclass(frozen=True, slots=True)
class Submission:
    """Everything of one submission, ready to be written; its content is durable already."""

    ticket_id: UUID
    message_id: UUID
    mail_id: UUID
    account_id: int
    subject: Subject
    fields: Fields
    placement: Placement
    sealed: Sealed
    record: Record
    salt: bytes
    seal: bytes
    look_again: datetime
    held: Held | Claim | None = None


class SubmissionGroup:
    """Commits submissions; those that arrive together in one transaction."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._group = Group(self._write)

    async def commit(self, submission: Submission) -> None:
        """Returns when the submission is committed.

        Raises:
            Conflict: another request holds its idempotency key by now.
            Unavailable: it is not, and nothing of it exists but unnamed bytes.
        """
        await self._group.add(submission)

    async def close(self) -> None:
        """Waits for the transactions under way."""
        await self._group.close()

    async def _write(self, group: Sequence[Submission]) -> list[Exception | None]:
        try:
            fenced = await self._store(group)
        except Exception as error:
            log.warning("submissions not stored", count=len(group), why=type(error).__name__)
            raise
        return [Conflict(TAKEN_OVER) if one.ticket_id in fenced else None for one in group]

    async def _store(self, group: Sequence[Submission]) -> set[UUID]:
        """Stores them; those that lost their idempotency key meanwhile are not stored, and returned."""
        try:
            return await write(self._service, group)
        except Unavailable:
            # The connection may have been lost after the commit was done: look before saying that nothing was taken.
            if not await self._exist(group):
                raise
            return set()

    async def _exist(self, group: Sequence[Submission]) -> bool:
        try:
            async with transaction(self._service) as connection:
                return await tickets.exist(connection, [submission.ticket_id for submission in group])
        except Unavailable:
            return False


async def write(service: Service, group: Sequence[Submission]) -> set[UUID]:
    """The submit transaction: answers of idempotency keys and claims, message, ticket, record, announcement, job.

    A crash before the commit leaves nothing; after it, everything, whether or not the callers were answered.

    Returns:
        Tickets that were not written, because another request holds their idempotency key or claim by now.
    """
    async with transaction(service) as connection:
        fenced = await _answer_keys(connection, group)
        group = [one for one in group if one.ticket_id not in fenced]
        if not group:
            return fenced
        await tickets.insert(connection, tickets.INSERT_MESSAGE, [_message(one) for one in group])
        await tickets.insert(connection, tickets.INSERT_TICKET, [_ticket(one) for one in group])
        await tickets.insert(
            connection, records.INSERT, [records.row(one.ticket_id, one.record, one.salt, one.seal) for one in group]
        )
        await mails.plan(connection, [_announcement(one) for one in group])
        await jobs.enqueue(connection, [("announce", str(one.mail_id)) for one in group])
    return fenced


async def _answer_keys(connection: Connection, group: Sequence[Submission]) -> set[UUID]:
    """Writes what submissions answer: an idempotency key, or the claim of a mail that came by the gateway."""
    keyed = [(one.held, one.subject.ticket_token) for one in group if isinstance(one.held, Held)]
    claimed = [(one.held, one.subject.ticket_token) for one in group if isinstance(one.held, Claim)]
    keys = await idempotency_keys.answer(connection, keyed) if keyed else set[UUID]()
    claims = await gateway_mails.fulfil(connection, claimed) if claimed else set[Claim]()
    return {
        one.ticket_id
        for one in group
        if (isinstance(one.held, Held) and one.held.claim not in keys)
        or (isinstance(one.held, Claim) and one.held not in claims)
    }


def _message(one: Submission) -> tuple[Any, ...]:
    subject, placement, sealed = one.subject, one.placement, one.sealed
    return (
        one.message_id,
        one.account_id,
        subject.sender_email,
        one.fields.sender_name,
        one.fields.subject,
        tickets.parts_to_json(subject.parts),
        placement.segment,
        placement.offset,
        placement.length,
        sealed.nonce,
        sealed.wrapped_key,
        subject.submitted_at,
    )


def _ticket(one: Submission) -> tuple[Any, ...]:
    subject, fields = one.subject, one.fields
    return (
        one.ticket_id,
        subject.ticket_token,
        one.account_id,
        one.message_id,
        subject.recipient_email,
        fields.recipient.normalised,
        subject.recipient_name,
        fields.language,
        subject.own_id,
        fields.own_guid,
        fields.campaign,
        fields.address_basis,
        fields.sender.key,
        subject.delegate,
        subject.method,
        subject.authenticated_at,
        subject.submitted_at,
        fields.remind_at,
        fields.expire_at,
        fields.remind_at,
        10,
        1,
        one.record.sha256,
        fields.tls_verified,
    )


def _announcement(one: Submission) -> tuple[Any, ...]:
    at = one.subject.submitted_at
    return mails.plan_row(one.mail_id, one.account_id, "announcement", at, one.look_again, one.ticket_id)
