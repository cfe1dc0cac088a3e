"""The durable steps of handing mails over, each in one transaction for all mails that are at it at this moment.

What a crash leaves between the steps stands in ``usecases/handover``. A claim that another worker has taken over gets
``Fenced``, for its own mail alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sealpost.domain.errors import Fenced
from sealpost.domain.records import Event
from sealpost.domain.timetable import MOST_UNCERTAIN
from sealpost.store import links, mails, tickets
from sealpost.store.pool import Connection
from sealpost.usecases.chain import LOOK_AGAIN, plan_for_tickets, record
from sealpost.usecases.database import transaction
from sealpost.usecases.dialogue import Try, smtp
from sealpost.usecases.sending import Draft, Sending
from sealpost.usecases.service import Service


@dataclass(frozen=True, slots=True)
class Held:
    """A claimed mail, and its ticket as it was then."""

    claim: mails.Claim
    ticket: tickets.Ticket | None

    @property
    def id(self) -> UUID:
        return self.claim.id

    @property
    def purpose(self) -> str:
        return self.claim.purpose


@dataclass(frozen=True, slots=True)
class Intent:
    """An attempt that is to be made: of a mail that is built now (with its draft) or was before (None)."""

    held: Held
    made: Try
    draft: Draft | None
    sending: Sending


@dataclass(frozen=True, slots=True)
class Mark:
    """An attempt whose final dot is to be sent next."""

    claim: mails.Claim
    number: int
    sending: Sending


class Unwanted(Exception):
    """The mail is not to be sent any more: somebody decided, or the term is over. Its claim has ended with that."""


async def claim_all(service: Service, wanted: Sequence[tuple[UUID, Sending]]) -> list[Held | None]:
    """Takes mails, and settles attempts that a crash left open; None: not free, or not to be sent any more.

    What is not wanted any more ends here: whatever was read before this transaction may be old.
    """
    async with transaction(service) as connection:
        ids = list(dict.fromkeys(mail_id for mail_id, _ in wanted))
        claims = await mails.claim(connection, ids, service.worker, service.clock.now() + LOOK_AGAIN)
        for mail_id, sending in wanted:
            held = claims.get(mail_id)
            if held and held.open_attempt and not await _close(service, connection, held, held.open_attempt, sending):
                del claims[mail_id]
        found = await tickets.by_ids(connection, [one.ticket_id for one in claims.values() if one.ticket_id])
        sendings = dict(wanted)
        gone = [one for one in claims.values() if not sendings[one.id].is_wanted(one, _ticket(one, found))]
        await mails.release(connection, [(claims.pop(one.id), "cancelled", None) for one in gone])
    # Of two jobs for one mail, one has it.
    taken = [claims.pop(mail_id, None) for mail_id, _ in wanted]
    return [Held(one, _ticket(one, found)) if one else None for one in taken]


def _ticket(claim: mails.Claim, found: dict[UUID, tickets.Ticket]) -> tickets.Ticket | None:
    return found[claim.ticket_id] if claim.ticket_id else None


async def _unwanted(connection: Connection, held: Sequence[tuple[mails.Claim, Sending]]) -> set[UUID]:
    """Those of the mails that are not to be sent any more, as of now; the claims of these end."""
    found = await tickets.by_ids(connection, [claim.ticket_id for claim, _ in held if claim.ticket_id])
    gone = [claim for claim, sending in held if not sending.is_wanted(claim, _ticket(claim, found))]
    await mails.release(connection, [(claim, "cancelled", None) for claim in gone])
    return {claim.id for claim in gone}


async def _close(
    service: Service, connection: Connection, held: mails.Claim, left_open: mails.LeftOpen, sending: Sending
) -> bool:
    """Settles an attempt that was left open; whether another one may follow."""
    now = service.clock.now()
    uncertain = left_open.state == "dot_due"
    state = "uncertain" if uncertain else "abandoned"
    await mails.end_attempts(connection, [(held, left_open.number, state, None)], now)
    if uncertain and sending.kinds and held.ticket_id and held.built:
        ticket = await tickets.lock(connection, held.ticket_id)
        made = Try(held.built, left_open.number, left_open.mail_from)
        await record(service, connection, ticket, [_left_open(made, sending, now)])
    if uncertain and held.uncertain + 1 >= MOST_UNCERTAIN:
        await mails.release(connection, [(held, "failed", None)])
        return False
    return True


def _left_open(made: Try, sending: Sending, now: datetime) -> Event:
    mail = sending.kinds, made.number
    return Event(sending.kind("uncertain"), now, now, mail=mail, extension=smtp(made, None))


async def intend_all(service: Service, intents: Sequence[Intent]) -> list[Exception | None]:
    """Stores what is about to be sent: the built mails, their links, what follows from them, and the attempts.

    A crash here leaves the mails as they were before, at most some unnamed bytes in a segment. Building takes a while,
    and so may waiting for a place: what is not wanted any more gets ``Unwanted``.
    """
    now = service.clock.now()
    async with transaction(service) as connection:
        holding = await mails.fence(connection, [one.held.claim for one in intents])
        held = [(one.held.claim, one.sending) for one in intents if one.held.id in holding]
        gone = await _unwanted(connection, held)
        good = [one for one in intents if one.held.id in holding - gone]
        new = [one for one in good if one.draft]
        await mails.save_built(connection, [(one.held.claim, one.made.built) for one in new])
        await links.add(connection, [row for one in new for row in _link(one, now)])
        planned = [(one.held.ticket, one.sending.plans) for one in new if one.sending.plans and one.held.ticket]
        await plan_for_tickets(service, connection, planned)
        attempts = [(one.held.claim, one.made.number, one.made.mail_from) for one in good]
        await mails.prepare_attempts(connection, attempts, now)
    return [_end(one.held.id, holding, gone) for one in intents]


def _end(mail_id: UUID, holding: set[UUID], gone: set[UUID]) -> Exception | None:
    if mail_id in gone:
        return Unwanted(str(mail_id))
    return None if mail_id in holding else Fenced(str(mail_id))


def _link(one: Intent, now: datetime) -> list[tuple[bytes, UUID, str, datetime, datetime]]:
    link, ticket = one.draft.link if one.draft else None, one.held.ticket
    return [(link.sha256, ticket.id, link.purpose, link.expires_at, now)] if link and ticket else []


async def mark_dots(service: Service, due: Sequence[Mark]) -> list[Exception | None]:
    """The marks before final dots. A crash after this commit makes outcomes uncertain, also if no dot was written.

    The last look at what was decided meanwhile: a slow server may have taken half an hour to come so far. What is not
    wanted any more gets ``Unwanted``, and no dot. A decision that falls after this cannot call the mail back.
    """
    now = service.clock.now()
    async with transaction(service) as connection:
        holding = await mails.fence(connection, [one.claim for one in due])
        gone = await _unwanted(connection, [(one.claim, one.sending) for one in due if one.claim.id in holding])
        ends = [(one.claim, one.number, "abandoned", None) for one in due if one.claim.id in gone]
        await mails.end_attempts(connection, ends, now)
        left = [(one.claim, one.number) for one in due if one.claim.id in holding - gone]
        marked = await mails.dots_due(connection, left, now)
    return [_end(one.claim.id, marked, gone) for one in due]
