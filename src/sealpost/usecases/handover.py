"""One try to hand one mail to one server; shared by announce, remind, deliver and notify.

claim → build once (or read back) → *prepared* → connect → *dot due* → final dot → outcome. Each arrow is durable before
the next begins. What a crash leaves: before *prepared*, nothing; *prepared*, a mail that was certainly not taken: tried
again; *dot due*, an unknown outcome: recorded as such, then the same bytes again under the same Message-ID.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from sealpost.content.placement import ContentDamaged, ContentUnavailable, Placement
from sealpost.domain.canonical import sha256
from sealpost.domain.errors import Fenced, Unavailable
from sealpost.domain.records import Event
from sealpost.domain.timetable import QUEUE_LIFETIME, retry_delay
from sealpost.mail.build import build
from sealpost.mail.letter import Letter, UnsafeMail, needs_smtputf8
from sealpost.mail.transport import Envelope, Handover
from sealpost.store import links, mails, records, tickets
from sealpost.store.pool import Connection
from sealpost.usecases.chain import LOOK_AGAIN, record
from sealpost.usecases.database import insist, transaction
from sealpost.usecases.dialogue import contact_at, final_at, kept, smtp, transcript
from sealpost.usecases.service import Service

log = structlog.get_logger()
INLINE = 200_000
"""Octets up to which a mail is built on the event loop; larger ones in a thread."""


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link in a mail: only its hash is stored."""

    sha256: bytes
    purpose: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail to be built."""

    letter: Letter
    link: NewLink | None = None


Compose = Callable[[mails.Claim, tickets.Ticket | None], Awaitable[Draft | None]]
"""Makes the mail, or says None: it is not wanted (any more)."""

Sent = Callable[[Connection, mails.Claim, tickets.Ticket, Handover], Awaitable[None]]
"""What else belongs into the transaction of the outcome."""


@dataclass(frozen=True, slots=True)
class Sending:
    """What differs between the use cases that send.

    Args:
        compose: makes the mail; also asked before each repeat, whether the mail is still wanted.
        kinds: first part of the record kinds (``announcement``), or empty: no evidence is made of it.
        taken: the kind of record of a server's 250.
        ends_at_expiry: no more tries after the ticket's term.
        afterwards: further writes of the outcome's transaction.
    """

    compose: Compose
    kinds: str = ""
    taken: str = "accepted"
    ends_at_expiry: bool = False
    afterwards: Sent | None = None

    def kind(self, outcome: str) -> str:
        return f"{self.kinds}_{self.taken if outcome == 'accepted' else outcome}"


async def hand_over(service: Service, mail_id: UUID, sending: Sending) -> None:
    """Makes one attempt, if the mail is to be sent and no live worker is at it.

    Args:
        service: the parts.
        mail_id: the planned or built mail.
        sending: what is particular to its purpose.
    """
    held = await _claim(service, mail_id, sending)
    if held is None:
        return
    try:
        await _attempt(service, held, sending)
    except Fenced:
        log.warning("claim lost, attempt dropped", mail=str(mail_id))
    except (Unavailable, ContentUnavailable) as error:
        log.warning("mail not tried", mail=str(mail_id), why=str(error))
        await insist(lambda: _let_go(service, held))
    except (UnsafeMail, ContentDamaged) as error:
        why = str(error)
        log.exception("mail cannot be sent", mail=str(mail_id))
        await insist(lambda: _never(service, held, sending, why))


async def _claim(service: Service, mail_id: UUID, sending: Sending) -> mails.Claim | None:
    """Takes the mail and settles an attempt that a crash left open, in one transaction."""
    now = service.clock.now()
    async with transaction(service) as connection:
        held = await mails.claim(connection, mail_id, service.worker, now + LOOK_AGAIN)
        if held and held.open_attempt:
            number, state = held.open_attempt
            uncertain = state == "dot_due"
            await mails.end_attempt(connection, held, number, "uncertain" if uncertain else "abandoned", now, None)
            if uncertain and sending.kinds and held.ticket_id and held.built:
                ticket = await tickets.lock(connection, held.ticket_id)
                await record(service, connection, ticket, [_left_open(held.built, number, sending, now)])
        return held


def _left_open(built: mails.Built, number: int, sending: Sending, now: datetime) -> Event:
    reason = (f"{sending.kinds}", f"attempt {number}: the final dot was due when the process ended; repeated")
    return Event(sending.kind("uncertain"), now, now, (reason,), extension=smtp(built, number, None))


async def _attempt(service: Service, held: mails.Claim, sending: Sending) -> None:
    ticket = await _ticket(service, held)
    draft = await sending.compose(held, ticket)
    if draft is None:
        await _cancel(service, held)
        return
    number = held.tries + 1
    built, octets = await (_read_back(service, held.built) if held.built else _build(service, held, draft.letter))
    async with transaction(service) as connection:
        # A crash here leaves the mail as it was before, at most some unnamed bytes in a segment.
        await mails.fence(connection, held)
        if held.built is None:
            await mails.save_built(connection, held, built)
            if draft.link and held.ticket_id:
                await links.add(
                    connection,
                    draft.link.sha256,
                    held.ticket_id,
                    draft.link.purpose,
                    draft.link.expires_at,
                    service.clock.now(),
                )
        await mails.prepare_attempt(connection, held, number, service.clock.now())

    async def before_dot() -> None:
        # A crash after this commit makes the outcome uncertain, also if the dot was never written.
        try:
            await mails.dot_due(service.pool, held, number, service.clock.now())
        except OSError as error:
            raise Unavailable("the database is away") from error

    envelope = Envelope(built.mail_from, built.rcpt_to, smtputf8=built.smtputf8, envid=f"{held.id.hex}-{number}")
    handover = await service.transport.hand_over(envelope, octets, before_dot)
    await insist(lambda: _settle(service, held, built, number, handover, sending))


async def _ticket(service: Service, held: mails.Claim) -> tickets.Ticket | None:
    if held.ticket_id is None:
        return None
    async with transaction(service) as connection:
        return await tickets.by_id(connection, held.ticket_id)


async def _build(service: Service, held: mails.Claim, letter: Letter) -> tuple[mails.Built, bytes]:
    """Builds the bytes that will be sent, now and in every repeat, and makes them durable, encrypted."""
    large = sum(len(file.content) for file in letter.files) > INLINE
    octets = await asyncio.to_thread(build, letter) if large else build(letter)
    ciphertext, sealed = service.mail_vault.seal(held.id, octets)
    placement = await service.content.append(ciphertext)
    stored = tickets.Stored(
        held.id, placement.segment, placement.offset, placement.length, sealed.nonce, sealed.wrapped_key
    )
    built = mails.Built(
        message_header=letter.message_id,
        mail_from=f"bounce@{service.face.mail_domain}",
        rcpt_to=letter.recipient.address,
        smtputf8=needs_smtputf8(letter),
        sha256=sha256(octets),
        size=len(octets),
        stored=stored,
    )
    return built, octets


async def _read_back(service: Service, built: mails.Built) -> tuple[mails.Built, bytes]:
    """The bytes of an earlier attempt.

    Raises:
        ContentDamaged: they are not those that were built; nothing is sent.
    """
    octets = await opened(service, service.mail_vault.open, built.stored)
    if sha256(octets) != built.sha256:
        raise ContentDamaged("a stored mail is not what was built")
    return built, octets


async def opened(
    service: Service, unseal: Callable[[UUID, bytes, bytes, bytes], bytes], stored: tickets.Stored
) -> bytes:
    """Reads and decrypts something stored.

    Raises:
        ContentDamaged: erased, or not what was stored.
        ContentUnavailable: the store is away.
    """
    if stored.wrapped_key is None:
        raise ContentDamaged("its key was erased")
    ciphertext = await service.content.read(Placement(stored.segment, stored.offset, stored.length))
    return unseal(stored.owner, stored.nonce, stored.wrapped_key, ciphertext)


async def _settle(
    service: Service, held: mails.Claim, built: mails.Built, number: int, handover: Handover, sending: Sending
) -> None:
    """The outcome: attempt, records, state and what follows, in one transaction.

    A crash before the commit leaves the attempt at *dot due* (or *prepared*), which the next claim settles.
    """
    now = service.clock.now()
    async with transaction(service) as connection:
        await mails.fence(connection, held)
        await mails.end_attempt(connection, held, number, handover.outcome, now, kept(handover))
        ticket = await tickets.lock(connection, held.ticket_id) if held.ticket_id else None
        retry_at = _retry_at(service, held, number, handover, ticket if sending.ends_at_expiry else None)
        if ticket and sending.kinds:
            known = await records.kinds(connection, ticket.id)
            await record(
                service, connection, ticket, _events(service, built, number, handover, sending, known, retry_at is None)
            )
        await mails.release(connection, held, _end_state(handover, retry_at), retry_at)
        if ticket and sending.afterwards:
            await sending.afterwards(connection, held, ticket, handover)
    log.info("mail attempt", purpose=held.purpose, outcome=handover.outcome, number=number, reason=handover.reason)


def _end_state(handover: Handover, retry_at: datetime | None) -> str | None:
    if retry_at is not None:
        return None
    return "sent" if handover.outcome == "accepted" else "failed"


def _retry_at(
    service: Service, held: mails.Claim, number: int, handover: Handover, ticket: tickets.Ticket | None
) -> datetime | None:
    """When to try again, or None: taken, refused for good, or the queue's lifetime or the ticket's term would be over."""
    if handover.outcome in {"accepted", "failed"}:
        return None
    at = service.clock.now() + retry_delay(number, service.random(1)[0] / 255)
    if at >= held.planned_at + QUEUE_LIFETIME or (ticket and at >= ticket.state.expire_at):
        return None
    return at


def _events(
    service: Service,
    built: mails.Built,
    number: int,
    handover: Handover,
    sending: Sending,
    known: set[str],
    last: bool,
) -> Sequence[Event]:
    """The records of an attempt: the first contact once, then what came of it; a delay is told once only."""
    now = service.clock.now()
    events: list[Event] = []
    contact = contact_at(handover)
    if contact and sending.kind("offered") not in known:
        events.append(
            Event(sending.kind("offered"), contact, now, extension=smtp(built, number, handover, outcome=False))
        )
    outcome = handover.outcome
    if outcome == "uncertain" and last:
        events.append(_outcome(built, number, handover, sending, "uncertain", now))
    if outcome in {"delayed", "uncertain"} and last:
        outcome = "failed"
    if outcome != "delayed" or sending.kind("delayed") not in known:
        events.append(_outcome(built, number, handover, sending, outcome, now))
    return events


def _outcome(
    built: mails.Built, number: int, handover: Handover, sending: Sending, outcome: str, now: datetime
) -> Event:
    given_up = outcome == "failed" and handover.outcome != "failed"
    detail = f"{sending.kinds}, attempt {number}" + (", no more tries" if given_up else "")
    reasons = ((f"{sending.kinds}", detail),)
    if outcome != "accepted":
        reasons += ((handover.reason, ""),)
    return Event(
        sending.kind(outcome),
        final_at(handover),
        now,
        reasons,
        handover.host,
        (transcript(handover),),
        smtp(built, number, handover),
    )


async def _cancel(service: Service, held: mails.Claim) -> None:
    async with transaction(service) as connection:
        await mails.fence(connection, held)
        await mails.release(connection, held, "cancelled", None)


async def _let_go(service: Service, held: mails.Claim) -> None:
    async with transaction(service) as connection:
        await mails.let_go(connection, held, service.clock.now() + timedelta(seconds=30))


async def _never(service: Service, held: mails.Claim, sending: Sending, why: str) -> None:
    """A mail that cannot be sent by us at all: a final failure, said so."""
    now = service.clock.now()
    async with transaction(service) as connection:
        await mails.fence(connection, held)
        await mails.release(connection, held, "failed", None)
        if held.ticket_id and sending.kinds:
            ticket = await tickets.lock(connection, held.ticket_id)
            failed = Event(sending.kind("failed"), now, now, ((sending.kinds, ""), ("content", why)))
            await record(service, connection, ticket, [failed])
