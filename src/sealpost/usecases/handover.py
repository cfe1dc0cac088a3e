"""One try to hand one mail to one server; shared by announce, remind, deliver and notify.

claim → build once (or read back) → *prepared* → connect → *dot due* → final dot → outcome. Each arrow is durable before
the next begins, and *claim*, *prepared* and *dot due* each look in their own transaction whether the mail is still
wanted. What a crash leaves: before *prepared*, nothing; *prepared*, a mail that was certainly not taken: tried
again; *dot due*, an unknown outcome: recorded as such, then the same bytes again under the same Message-ID.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from sealpost.content.placement import ContentDamaged, ContentUnavailable
from sealpost.domain.errors import Fenced, Unavailable
from sealpost.domain.records import Event
from sealpost.domain.timetable import FIRST_TRY
from sealpost.mail.letter import UnsafeMail
from sealpost.mail.return_path import LIFE as RETURN_LIFE
from sealpost.mail.transport import Envelope, Reason, Transport, Why
from sealpost.store import mails, tickets
from sealpost.usecases.chain import record
from sealpost.usecases.database import insist, transaction
from sealpost.usecases.dialogue import Try, dialogues_of, in_brief
from sealpost.usecases.handovers import Held, Intent, Mark, Unwanted, claim_all, intend_all, mark_dots
from sealpost.usecases.letters import sender_of
from sealpost.usecases.mail_bytes import build_mail, read_back, shown_domain
from sealpost.usecases.sending import TO_RECIPIENT, Sending
from sealpost.usecases.service import Service
from sealpost.usecases.settle import settle

log = structlog.get_logger()

AFTER_FAULT = timedelta(minutes=5)
NOT_TRIED = Why(
    "not-tried",
    "not tried until its time was over: the servers of its domain were out of reach, or busy with other mail",
)
OWN_FAULT = Why("own-fault", "ended by a fault of this service")


async def hand_over(service: Service, mail_id: UUID, sending: Sending) -> None:
    """Makes one attempt, if the mail is to be sent and no live worker is at it.

    Args:
        service: the parts.
        mail_id: the planned or built mail.
        sending: what is particular to its purpose.
    """
    if sending.kinds and (why := await service.readiness.lacking()):
        # No evidence could be made of what happens to it: it stays due, and the timers bring it back.
        log.warning("mail waits for evidence", mail=str(mail_id), why=why)
        return
    us = (service.worker, mail_id)
    if us in service.under_way:
        return
    service.under_way.add(us)
    try:
        held = await _claim(service, mail_id, sending)
        if held:
            await _attempt(service, held, sending)
    finally:
        service.under_way.discard(us)


async def _attempt(service: Service, held: Held, sending: Sending) -> None:
    mail_id, prepared = held.id, None
    try:
        async with _booked(service, held, sending) as transport:
            if transport:
                prepared = await _prepare(service, held, sending, transport)
            if prepared:
                await _send(service, held, prepared, sending)
    except Fenced:
        log.warning("claim lost, attempt dropped", mail=str(mail_id))
    except Unwanted:
        log.info("mail not wanted any more", mail=str(mail_id), purpose=held.purpose)
    except (Unavailable, ContentUnavailable) as error:
        log.warning("mail not tried", mail=str(mail_id), why=str(error))
        await insist(lambda: _let_go(service, held.claim, timedelta(seconds=30), prepared))
    except (UnsafeMail, ContentDamaged) as error:
        why = Why("unsendable", str(error))
        log.exception("mail cannot be sent", mail=str(mail_id))
        await insist(lambda: _never(service, held, sending, "content", why, prepared))
    except Exception:
        await insist(lambda: _after_fault(service, held, sending, prepared))
        raise


async def _claim(service: Service, mail_id: UUID, sending: Sending) -> Held | None:
    """Takes the mail and settles an attempt that a crash left open, in one transaction with what else is claimed now."""
    try:
        return await service.groups.add(service, claim_all, (mail_id, sending))
    except Unavailable:
        # The commit may be done all the same; while we live nobody else would give this claim back.
        await insist(lambda: _let_go_ours(service, mail_id))
        raise


@dataclass(slots=True)
class Prepared:
    """An attempt that is about to be made, and the exact bytes; ``dot_due``: the mark is made, and the dot may be sent."""

    made: Try
    octets: bytes
    transport: Transport
    tls_verified: bool
    dot_due: bool = False


@asynccontextmanager
async def _booked(service: Service, held: Held, sending: Sending) -> AsyncGenerator[Transport | None]:
    """The way out, with a place at the recipient's servers for as long as the block takes; None: not now."""
    claim, ticket = held.claim, held.ticket
    transport = await service.ways.of(claim.account_id) or service.transport
    pressing = claim.counted == 0 and service.clock.now() >= claim.planned_at + FIRST_TRY
    recipient = _recipient(claim, ticket)
    if recipient and (wait := await transport.book(recipient, pressing=pressing)):
        await _postpone(service, held, sending, timedelta(seconds=wait))
        yield None
        return
    try:
        yield transport
    finally:
        if recipient:
            transport.unbook(recipient)


async def _prepare(service: Service, held: Held, sending: Sending, transport: Transport) -> Prepared | None:
    """Makes the mail's bytes durable, or reads them back, and stores the intent to send them; None: nothing to send."""
    claim, ticket, draft = held.claim, held.ticket, None
    if claim.built is None and (draft := await sending.compose(claim, ticket)) is None:
        await _cancel(service, claim)
        return None
    if draft is None:
        built, octets = await read_back(service, claim)
    else:
        built, octets = await build_mail(service, claim, draft)
    made = Try(built, claim.tries + 1, claim.return_path or await _return_path(service, claim, ticket))
    await service.groups.add(service, intend_all, Intent(held, made, draft, sending))
    tls_verified = ticket is not None and claim.purpose in TO_RECIPIENT and ticket.tls_verified
    return Prepared(made, octets, transport, tls_verified)


def _recipient(claim: mails.Claim, ticket: tickets.Ticket | None) -> str:
    """Whom the mail is for, as far as that is known before it is built; composing may already write."""
    if claim.built:
        return claim.built.rcpt_to
    if ticket is None:
        return ""
    return ticket.recipient_key if claim.purpose in TO_RECIPIENT else sender_of(ticket).address


async def _return_path(service: Service, held: mails.Claim, ticket: tickets.Ticket | None) -> str:
    """Of the mail's first attempt, and of those after an unknown outcome, so that bounces say which copy they mean.

    Attempts in between keep it: a greylisting server takes a mail whose sender it has seen before (RFC 6647 2.3).
    """
    token = service.return_paths.local_part(held.id, held.tries + 1, service.clock.real() + RETURN_LIFE)
    shown = await shown_domain(service, ticket) if ticket and held.purpose in TO_RECIPIENT else None
    return f"{token}@{(shown and shown.return_path) or service.face.mail_domain}"


async def _postpone(service: Service, held: Held, sending: Sending, wait: timedelta) -> None:
    """Its destination rests, or has enough under way: no attempt, no record, a little later; a failure at its end.

    A thousand mails to a domain that is out of reach are so not a thousand attempts, and none of them waits for ever.
    """
    until = service.clock.now() + wait
    if until >= sending.ends_at(held.claim, held.ticket):
        log.warning("mail given up", mail=str(held.id), tries=held.claim.tries)
        await _never(service, held, sending, "unreachable", NOT_TRIED)
        return
    async with transaction(service) as connection:
        await mails.let_go(connection, held.claim, until)


async def _send(service: Service, held: Held, prepared: Prepared, sending: Sending) -> None:
    """Connects and hands over; the outcome is stored however long the database takes to come back."""
    made = prepared.made

    async def before_dot() -> None:
        await service.groups.add(service, mark_dots, Mark(held.claim, made.number, sending))
        prepared.dot_due = True  # not before: without the mark the transport sends no dot

    envelope = Envelope(
        made.mail_from,
        made.built.rcpt_to,
        smtputf8=made.built.smtputf8,
        envid=f"{held.id.hex}-{made.number}",
        tls_verified=prepared.tls_verified,
    )
    handover = await prepared.transport.hand_over(envelope, prepared.octets, before_dot)
    await insist(lambda: settle(service, held, made, handover, sending))


async def _cancel(service: Service, held: mails.Claim) -> None:
    async with transaction(service) as connection:
        await mails.fence_one(connection, held)
        await mails.release(connection, [(held, "cancelled", None)])


async def _let_go(service: Service, held: mails.Claim, wait: timedelta, prepared: Prepared | None) -> None:
    """Gives a claim back; an attempt of which we know that its dot was not sent has ended, and does not count.

    That holds also where the mark's commit came through and its answer did not. One whose dot may have been sent stays
    open, and the next claim says so.
    """
    now = service.clock.now()
    async with transaction(service) as connection:
        if prepared and not prepared.dot_due and await mails.fence(connection, [held]):
            await mails.end_attempts(connection, [(held, prepared.made.number, "abandoned", None)], now)
        await mails.let_go(connection, held, now + wait)


async def _after_fault(service: Service, held: Held, sending: Sending, prepared: Prepared | None) -> None:
    """A fault of ours: the mail is looked at again after a while, and comes to an end when its time is over."""
    if service.clock.now() + AFTER_FAULT >= sending.ends_at(held.claim, held.ticket):
        await _never(service, held, sending, "other", OWN_FAULT, prepared)
        return
    await _let_go(service, held.claim, AFTER_FAULT, prepared)


async def _let_go_ours(service: Service, mail_id: UUID) -> None:
    async with transaction(service) as connection:
        await mails.let_go_of(connection, mail_id, service.worker, service.clock.now() + timedelta(seconds=30))


async def _never(
    service: Service, held: Held, sending: Sending, reason: Reason, why: Why, prepared: Prepared | None = None
) -> None:
    """A mail that cannot be sent by us at all, or not any more: a final failure, said so; unknown if the dot was due.

    No attempt ended it, so the cause stands beside the mail's purpose, with the attempts that were delayed before (decision 14).
    A crash before the commit leaves it claimed; it is looked at again.
    """
    now, claim = service.clock.now(), held.claim
    uncertain = prepared is not None and prepared.dot_due
    async with transaction(service) as connection:
        await mails.fence_one(connection, claim)
        if prepared:
            state = "uncertain" if uncertain else "abandoned"
            await mails.end_attempts(connection, [(claim, prepared.made.number, state, None)], now)
        await mails.release(connection, [(claim, "failed", None)])
        if claim.ticket_id and sending.kinds:
            ticket = await tickets.lock(connection, claim.ticket_id)
            kind = sending.kind("uncertain" if uncertain else "failed")
            number = prepared.made.number if prepared else claim.tries
            before = (await mails.delays(connection, [claim.id])).get(claim.id, ()) if claim.tries else ()
            end = Event(
                kind,
                now,
                now,
                () if uncertain else ((reason, why.text),),
                transcripts=tuple(dialogues_of(before)),
                mail=(sending.kinds, number),
                cause=(why.code, why.text),
                earlier=tuple(map(in_brief, before)),
            )
            await record(service, connection, ticket, [end])
