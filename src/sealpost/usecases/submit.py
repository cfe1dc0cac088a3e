"""Take a registered e-mail in (design, section 2, step 4).

``STEPS``: check the sender → read the fields strictly → evidence can be made → decode, fingerprint and encrypt → make the
record and seal it → append the content, durable → one transaction: message, ticket, record, planned announcement, job. The caller is answered only after
that commit. A crash before it leaves unnamed bytes in a segment and nothing else.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sealpost.content.placement import ContentUnavailable, Placement
from sealpost.content.vault import Sealed
from sealpost.domain.canonical import digest, instant
from sealpost.domain.errors import PreconditionFailed, Unavailable
from sealpost.domain.ids import ticket_token, uuid7
from sealpost.domain.records import Event, Link, Record, Subject
from sealpost.store.gateway_mails import Claim
from sealpost.store.idempotency_keys import Held
from sealpost.usecases.accounts import Accounts
from sealpost.usecases.chain import LOOK_AGAIN
from sealpost.usecases.encode import Enclosed, Encoded, enclose
from sealpost.usecases.fields import Fields, Rules, read_fields
from sealpost.usecases.seals import make_record, salt_for, seal_submission
from sealpost.usecases.service import Limits, Service
from sealpost.usecases.sign_mail import verified_domain
from sealpost.usecases.submission_group import Submission, SubmissionGroup
from sealpost.usecases.submit_message import SubmitMessage

LONG_BODY = 20_000
"""Characters of a body that is read in a thread."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a submission's first record says, and its seal."""

    subject: Subject
    record: Record
    seal: bytes


class Submitter:
    """Takes submissions in; those that arrive together share one transaction."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._accounts = Accounts(service)
        self._group = SubmissionGroup(service)
        self._large = asyncio.Semaphore(2)

    async def submit(self, message: SubmitMessage, held: Held | Claim | None = None) -> str:
        """Takes one in.

        Args:
            message: as the caller gave it.
            held: the idempotency key, or the claim of a gateway's mail, that this submission answers, if any.

        Returns:
            The ticket token; everything is durable.

        Raises:
            InvalidInput, TooLarge: naming the field as the contract does.
            PreconditionFailed: the sender address is not usable.
            Conflict: the idempotency key or the claim was taken over; nothing was taken in.
            Unavailable: content store or database away, or no evidence can be made now; nothing was taken in.
        """
        rules = await self._accounts.rules(message.sender.account_id)
        fields = read_fields(message, rules, self._service)
        await self._check_sender(message, fields, rules)
        await self._service.readiness.require()
        message_id = uuid7(self._service.clock.now(), self._service.random)
        enclosed = await self._enclose(message, message_id, rules.limits)
        try:
            # Sealed first: without a key nothing is appended, else refused submissions would fill the disk.
            statement = self._statement(message, fields, enclosed)
            placement = await self._service.content.append(enclosed.blob)
        except ContentUnavailable as error:
            raise Unavailable("the content store is away") from error
        finally:
            enclosed.close()
        submission = self._submission(message, fields, message_id, statement, enclosed.sealed, placement, held)
        await self._group.commit(submission)
        return submission.subject.ticket_token

    async def close(self) -> None:
        """Waits for what is being committed."""
        await self._group.close()

    async def _check_sender(self, message: SubmitMessage, fields: Fields, rules: Rules) -> None:
        account_id = message.sender.account_id
        if not await self._accounts.may_send(account_id, fields.sender.key):
            raise PreconditionFailed("sender_email: this address may not send for the account")
        if rules.domain_demanded and not await verified_domain(self._service, account_id, fields.sender.domain):
            raise PreconditionFailed("sender_email: its domain is not verified, and the account demands that")

    async def _enclose(self, message: SubmitMessage, message_id: UUID, limits: Limits) -> Enclosed:
        encoded = Encoded(message.body, message.body_format, message.attachments, limits, large=message.large)
        # Reading a long letter in HTML takes up to a second; the loop must not wait for it.
        if not message.large and len(message.body) <= LONG_BODY:
            return enclose(self._service, message_id, encoded)
        async with self._large:
            return await asyncio.to_thread(enclose, self._service, message_id, encoded)

    def _statement(self, message: SubmitMessage, fields: Fields, enclosed: Enclosed) -> Statement:
        service = self._service
        subject = Subject(
            ticket_token=ticket_token(service.random),
            submitted_at=service.clock.now(),
            account_name=message.sender.account_name,
            sender_email=fields.sender.given,
            delegate=message.sender.delegate,
            method=message.sender.method,
            authenticated_at=message.authenticated_at,
            recipient_email=fields.recipient.given,
            recipient_name=fields.recipient_name,
            own_id=fields.own_id,
            parts=enclosed.parts,
        )
        record = _record(service, message, fields, subject)
        return Statement(subject, record, seal_submission(service, record))

    def _submission(
        self,
        message: SubmitMessage,
        fields: Fields,
        message_id: UUID,
        statement: Statement,
        sealed: Sealed,
        placement: Placement,
        held: Held | Claim | None,
    ) -> Submission:
        service, now = self._service, statement.subject.submitted_at
        return Submission(
            ticket_id=uuid7(now, service.random),
            message_id=message_id,
            mail_id=uuid7(now, service.random),
            account_id=message.sender.account_id,
            subject=statement.subject,
            fields=fields,
            placement=placement,
            sealed=sealed,
            record=statement.record,
            salt=salt_for(service, statement.record),
            seal=statement.seal,
            look_again=now + LOOK_AGAIN,
            held=held,
        )


def _record(service: Service, message: SubmitMessage, fields: Fields, subject: Subject) -> Record:
    """SubmissionAcceptance, the first of the ticket's chain."""
    term = {"reminderAt": instant(fields.remind_at), "expiryAt": instant(fields.expire_at), "zone": fields.zone}
    request = {**digest(message.request_sha256), "face": message.face}
    extension: dict[str, Any] = {"request": request, "term": term}
    if fields.address_basis:
        extension["addressBasis"] = fields.address_basis
    now = subject.submitted_at
    event = Event("submitted", now, service.clock.now(), extension=extension)
    evidence_id = uuid7(now, service.random)
    return make_record(service, subject, Link(1, None), event, evidence_id)
