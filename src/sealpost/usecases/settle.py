"""What becomes of an attempt: its records, the mail's state and what follows, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from sealpost.domain.records import Event
from sealpost.domain.timetable import QUEUE_LIFETIME, retry_delay
from sealpost.mail.transport import Handover
from sealpost.store import mails, records, tickets
from sealpost.usecases.chain import record
from sealpost.usecases.database import transaction
from sealpost.usecases.dialogue import Try, contact_at, final_at, kept, smtp, transcripts
from sealpost.usecases.sending import Sending
from sealpost.usecases.service import Service

log = structlog.get_logger()


async def settle(service: Service, held: mails.Claim, made: Try, handover: Handover, sending: Sending) -> None:
    """The outcome: attempt, records, state and what follows, in one transaction.

    A crash before the commit leaves the attempt at *dot due* (or *prepared*), which the next claim settles.
    """
    now, number = service.clock.now(), made.number
    async with transaction(service) as connection:
        await mails.fence(connection, held)
        await mails.end_attempt(connection, held, number, handover.outcome, now, kept(handover))
        ticket = await tickets.lock(connection, held.ticket_id) if held.ticket_id else None
        retry_at = _retry_at(service, held, number, handover, ticket if sending.ends_at_expiry else None)
        if ticket and sending.kinds:
            known = await records.kinds(connection, ticket.id)
            await record(
                service, connection, ticket, _events(service, made, handover, sending, known, retry_at is None)
            )
        await mails.release(connection, held, _end_state(handover, retry_at), retry_at)
        if ticket and sending.afterwards:
            await sending.afterwards(connection, ticket, handover)
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
    greylisted = handover.reason == "greylisted"
    at = service.clock.now() + retry_delay(number, service.random(1)[0] / 255, greylisted=greylisted)
    if at >= held.planned_at + QUEUE_LIFETIME or (ticket and at >= ticket.state.expire_at):
        return None
    return at


def _events(
    service: Service,
    made: Try,
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
        events.append(Event(sending.kind("offered"), contact, now, extension=smtp(made, handover, outcome=False)))
    # The last try ends a delay as a failure. An unknown outcome stays unknown: the server may have the mail.
    outcome = "failed" if last and handover.outcome == "delayed" else handover.outcome
    if outcome != "delayed" or sending.kind("delayed") not in known:
        events.append(_outcome(made, handover, sending, outcome, now))
    return events


def _outcome(made: Try, handover: Handover, sending: Sending, outcome: str, now: datetime) -> Event:
    given_up = outcome == "failed" and handover.outcome != "failed"
    detail = f"{sending.kinds}, attempt {made.number}" + (", no more tries" if given_up else "")
    reasons = ((f"{sending.kinds}", detail),)
    if outcome != "accepted":
        reasons += ((handover.reason, handover.why),)
    return Event(
        sending.kind(outcome),
        final_at(handover),
        now,
        reasons,
        handover.host,
        transcripts(handover),
        smtp(made, handover),
    )
