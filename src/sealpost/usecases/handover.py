"""One try to hand one mail to one server; shared by announce, remind, deliver and notify.

claim → build once (or read back) → *prepared* → connect → *dot due* → final dot → outcome. Each arrow is durable before
the next begins. What a crash leaves: before *prepared*, nothing; *prepared*, a mail that was certainly not taken: tried
again; *dot due*, an unknown outcome: recorded as such, then the same bytes again under the same Message-ID.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from sealpost.content.placement import ContentDamaged, ContentUnavailable, Placement
from sealpost.domain.canonical import sha256
from sealpost.domain.errors import Fenced, Unavailable
from sealpost.domain.records import Event
from sealpost.mail.build import build
from sealpost.mail.letter import Letter, UnsafeMail, needs_smtputf8
from sealpost.mail.transport import Envelope
from sealpost.store import links, mails, tickets
from sealpost.store.pool import Connection
from sealpost.usecases.chain import LOOK_AGAIN, record
from sealpost.usecases.database import insist, transaction
from sealpost.usecases.dialogue import smtp
from sealpost.usecases.sending import NewLink, Sending
from sealpost.usecases.service import Service
from sealpost.usecases.settle import settle

log = structlog.get_logger()
INLINE = 200_000
"""Octets up to which a mail is built on the event loop; larger ones in a thread."""


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
    service: Service, connection: Connection, held: mails.Claim, left_open: tuple[int, str], sending: Sending
) -> None:
    now = service.clock.now()
    number, state = left_open
    uncertain = state == "dot_due"
    await mails.end_attempt(connection, held, number, "uncertain" if uncertain else "abandoned", now, None)
    if uncertain and sending.kinds and held.ticket_id and held.built:
        ticket = await tickets.lock(connection, held.ticket_id)
        await record(service, connection, ticket, [_left_open(held.built, number, sending, now)])


def _left_open(built: mails.Built, number: int, sending: Sending, now: datetime) -> Event:
    reason = (f"{sending.kinds}", f"attempt {number}: the final dot was due when the process ended; repeated")
    return Event(sending.kind("uncertain"), now, now, (reason,), extension=smtp(built, number, None))


@dataclass(frozen=True, slots=True)
class Prepared:
    """An attempt that is about to be made: its number and the exact bytes."""

    number: int
    built: mails.Built
    octets: bytes


async def _prepare(service: Service, held: mails.Claim, sending: Sending) -> Prepared | None:
    """Makes the mail's bytes durable, or reads them back, and stores the intent to send them; None: not wanted."""
    ticket = await _ticket(service, held)
    draft = None
    if not sending.wanted(ticket) or (held.built is None and (draft := await sending.compose(held, ticket)) is None):
        await _cancel(service, held)
        return None
    number = held.tries + 1
    if draft is None:
        built, octets = await _read_back(service, held)
    else:
        built, octets = await _build(service, held, draft.letter)
    async with transaction(service) as connection:
        # A crash here leaves the mail as it was before, at most some unnamed bytes in a segment.
        await mails.fence(connection, held)
        if draft:
            await _keep(service, connection, held, built, draft.link)
            if ticket and sending.at_first:
                await sending.at_first(connection, ticket, None)
        await mails.prepare_attempt(connection, held, number, service.clock.now())
    return Prepared(number, built, octets)


async def _keep(
    service: Service, connection: Connection, held: mails.Claim, built: mails.Built, link: NewLink | None
) -> None:
    await mails.save_built(connection, held, built)
    if link and held.ticket_id:
        now = service.clock.now()
        await links.add(connection, link.sha256, held.ticket_id, link.purpose, link.expires_at, now)


async def _send(service: Service, held: mails.Claim, prepared: Prepared, sending: Sending) -> None:
    """Connects and hands over; the outcome is stored however long the database takes to come back."""
    built, number = prepared.built, prepared.number

    async def before_dot() -> None:
        # A crash after this commit makes the outcome uncertain, also if the dot was never written.
        async with transaction(service) as connection:
            await mails.dot_due(connection, held, number, service.clock.now())

    envelope = Envelope(built.mail_from, built.rcpt_to, smtputf8=built.smtputf8, envid=f"{held.id.hex}-{number}")
    handover = await service.transport.hand_over(envelope, prepared.octets, before_dot)
    await insist(lambda: settle(service, held, built, number, handover, sending))


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


async def _read_back(service: Service, held: mails.Claim) -> tuple[mails.Built, bytes]:
    """The bytes of an earlier attempt.

    Raises:
        ContentDamaged: they are not those that were built; nothing is sent.
    """
    built = held.built
    if built is None:
        raise ContentDamaged("a mail without bytes")
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
