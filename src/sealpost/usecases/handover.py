"""One try to hand one mail to one server; shared by announce, remind, deliver and notify.

claim → build once (or read back) → *prepared* → connect → *dot due* → final dot → outcome. Each arrow is durable before
the next begins. What a crash leaves: before *prepared*, nothing; *prepared*, a mail that was certainly not taken: tried
again; *dot due*, an unknown outcome: recorded as such, then the same bytes again under the same Message-ID.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from sealpost.content.placement import ContentDamaged, ContentUnavailable
from sealpost.domain.errors import Fenced, Unavailable
from sealpost.domain.records import Event
from sealpost.mail.letter import UnsafeMail
from sealpost.mail.return_path import LIFE as RETURN_LIFE
from sealpost.mail.transport import Envelope, Transport
from sealpost.store import links, mails, tickets
from sealpost.store.pool import Connection
from sealpost.usecases.chain import LOOK_AGAIN, record
from sealpost.usecases.database import insist, transaction
from sealpost.usecases.dialogue import Try, smtp
from sealpost.usecases.mail_bytes import build_mail, read_back, shown_domain
from sealpost.usecases.sending import TO_RECIPIENT, NewLink, Sending
from sealpost.usecases.service import Service
from sealpost.usecases.settle import settle

log = structlog.get_logger()


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
    held = await _claim(service, mail_id, sending)
    if held is None:
        return
    prepared = None
    try:
        prepared = await _prepare(service, held, sending)
        if prepared:
            await _send(service, held, prepared, sending)
    except Fenced:
        log.warning("claim lost, attempt dropped", mail=str(mail_id))
    except (Unavailable, ContentUnavailable) as error:
        log.warning("mail not tried", mail=str(mail_id), why=str(error))
        await insist(lambda: _let_go(service, held))
    except (UnsafeMail, ContentDamaged) as error:
        why = str(error)
        log.exception("mail cannot be sent", mail=str(mail_id))
        await insist(lambda: _never(service, held, sending, why))
    except Exception:
        # A fault of ours. Nothing was sent yet: the mail is looked at again. Once prepared, the claim stays until this
        # worker ends, so that the same mail does not go out again and again.
        if prepared is None:
            await insist(lambda: _let_go(service, held))
        raise


async def _claim(service: Service, mail_id: UUID, sending: Sending) -> mails.Claim | None:
    """Takes the mail and settles an attempt that a crash left open, in one transaction."""
    held = None
    try:
        async with transaction(service) as connection:
            held = await mails.claim(connection, mail_id, service.worker, service.clock.now() + LOOK_AGAIN)
            if held and held.open_attempt:
                await _close_left_open(service, connection, held, held.open_attempt, sending)
    except Unavailable:
        if claimed := held:
            # The commit may be done all the same; while we live nobody else would give this claim back.
            await insist(lambda: _let_go(service, claimed))
        raise
    return held


async def _close_left_open(
    service: Service, connection: Connection, held: mails.Claim, left_open: mails.LeftOpen, sending: Sending
) -> None:
    now = service.clock.now()
    uncertain = left_open.state == "dot_due"
    await mails.end_attempt(connection, held, left_open.number, "uncertain" if uncertain else "abandoned", now, None)
    if uncertain and sending.kinds and held.ticket_id and held.built:
        ticket = await tickets.lock(connection, held.ticket_id)
        await record(
            service,
            connection,
            ticket,
            [_left_open(Try(held.built, left_open.number, left_open.mail_from), sending, now)],
        )


def _left_open(made: Try, sending: Sending, now: datetime) -> Event:
    reason = (f"{sending.kinds}", f"attempt {made.number}: the final dot was due when the process ended; repeated")
    return Event(sending.kind("uncertain"), now, now, (reason,), extension=smtp(made, None))


@dataclass(frozen=True, slots=True)
class Prepared:
    """An attempt that is about to be made, and the exact bytes."""

    made: Try
    octets: bytes
    transport: Transport
    tls_verified: bool


async def _prepare(service: Service, held: mails.Claim, sending: Sending) -> Prepared | None:
    """Makes the mail's bytes durable, or reads them back, and stores the intent to send them; None: not wanted."""
    ticket = await _ticket(service, held)
    draft = None
    if not sending.wanted(ticket) or (held.built is None and (draft := await sending.compose(held, ticket)) is None):
        await _cancel(service, held)
        return None
    recipient = held.built.rcpt_to if held.built else draft.letter.recipient.address if draft else ""
    transport = await service.ways.of(held.account_id) or service.transport
    if wait := transport.wait(recipient):
        await _postpone(service, held, wait)
        return None
    if draft is None:
        built, octets = await read_back(service, held)
    else:
        built, octets = await build_mail(service, held, draft)
    made = Try(built, held.tries + 1, held.return_path or await _return_path(service, held, ticket))
    async with transaction(service) as connection:
        # A crash here leaves the mail as it was before, at most some unnamed bytes in a segment.
        await mails.fence(connection, held)
        if draft:
            await _keep(service, connection, held, built, draft.link)
            if ticket and sending.at_first:
                await sending.at_first(connection, ticket, None)
        await mails.prepare_attempt(connection, held, made.number, made.mail_from, service.clock.now())
    tls_verified = ticket is not None and held.purpose in TO_RECIPIENT and ticket.tls_verified
    return Prepared(made, octets, transport, tls_verified)


async def _return_path(service: Service, held: mails.Claim, ticket: tickets.Ticket | None) -> str:
    """Of the mail's first attempt, and of those after an unknown outcome, so that bounces say which copy they mean.

    Attempts in between keep it: a greylisting server takes a mail whose sender it has seen before (RFC 6647 2.3).
    """
    token = service.return_paths.local_part(held.id, held.tries + 1, service.clock.real() + RETURN_LIFE)
    shown = await shown_domain(service, ticket) if ticket and held.purpose in TO_RECIPIENT else None
    return f"{token}@{(shown and shown.return_path) or service.face.mail_domain}"


async def _postpone(service: Service, held: mails.Claim, seconds: float) -> None:
    """Its destination rests, or has enough under way: no attempt, no record, a little later."""
    async with transaction(service) as connection:
        await mails.let_go(connection, held, service.clock.now() + timedelta(seconds=seconds))


async def _keep(
    service: Service, connection: Connection, held: mails.Claim, built: mails.Built, link: NewLink | None
) -> None:
    await mails.save_built(connection, held, built)
    if link and held.ticket_id:
        now = service.clock.now()
        await links.add(connection, link.sha256, held.ticket_id, link.purpose, link.expires_at, now)


async def _send(service: Service, held: mails.Claim, prepared: Prepared, sending: Sending) -> None:
    """Connects and hands over; the outcome is stored however long the database takes to come back."""
    made = prepared.made
    built, number = made.built, made.number

    async def before_dot() -> None:
        # A crash after this commit makes the outcome uncertain, also if the dot was never written.
        async with transaction(service) as connection:
            await mails.dot_due(connection, held, number, service.clock.now())

    envelope = Envelope(
        made.mail_from,
        built.rcpt_to,
        smtputf8=built.smtputf8,
        envid=f"{held.id.hex}-{number}",
        tls_verified=prepared.tls_verified,
    )
    handover = await prepared.transport.hand_over(envelope, prepared.octets, before_dot)
    await insist(lambda: settle(service, held, made, handover, sending))


async def _ticket(service: Service, held: mails.Claim) -> tickets.Ticket | None:
    if held.ticket_id is None:
        return None
    async with transaction(service) as connection:
        return await tickets.by_id(connection, held.ticket_id)


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
