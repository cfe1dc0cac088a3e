"""What becomes of attempts: their records, the mails' state and what follows, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from sealpost.domain.errors import Fenced
from sealpost.domain.records import Event
from sealpost.domain.timetable import MOST_UNCERTAIN, retry_delay
from sealpost.mail.transport import Handover
from sealpost.store import mails, records, tickets, tls_certificates
from sealpost.store.pool import Connection
from sealpost.usecases.chain import record_all
from sealpost.usecases.database import transaction
from sealpost.usecases.dialogue import Try, contact_at, final_at, kept, smtp, transcripts
from sealpost.usecases.handovers import Held
from sealpost.usecases.sending import Sending
from sealpost.usecases.service import Service

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt."""

    held: Held
    made: Try
    handover: Handover
    sending: Sending

    @property
    def told_of(self) -> UUID | None:
        """The ticket whose evidence tells of it."""
        return self.held.claim.ticket_id if self.sending.kinds else None


async def settle(service: Service, held: Held, made: Try, handover: Handover, sending: Sending) -> None:
    """Stores an outcome, together with those that come at the same time.

    A crash before the commit leaves the attempt at *dot due* (or *prepared*), which the next claim settles.

    Raises:
        Fenced: another worker has taken the mail over.
        Unavailable: the database is away; nothing is stored.
    """
    await service.groups.add(service, settle_all, Outcome(held, made, handover, sending))
    log.info("mail attempt", purpose=held.purpose, outcome=handover.outcome, number=made.number, reason=handover.reason)


async def settle_all(service: Service, outcomes: Sequence[Outcome]) -> list[Exception | None]:
    """One transaction for all; of two outcomes of one ticket's mails the second waits for another."""
    told: list[Exception | None] = [None] * len(outcomes)
    rest = list(range(len(outcomes)))
    while rest:
        seen, now, later = set[UUID](), list[int](), list[int]()
        for number in rest:
            ticket_id = outcomes[number].told_of
            (later if ticket_id in seen else now).append(number)
            seen |= {ticket_id} if ticket_id else set()
        for number, end in zip(now, await _settle(service, [outcomes[number] for number in now]), strict=True):
            told[number] = end
        rest = later
    return told


async def _settle(service: Service, outcomes: Sequence[Outcome]) -> list[Exception | None]:
    shown = service.certificates.unknown(one.handover for one in outcomes)
    async with transaction(service) as connection:
        holding = await mails.fence(connection, [one.held.claim for one in outcomes])
        good = [one for one in outcomes if one.held.id in holding]
        ids = [one.told_of for one in good if one.told_of]
        await _store(service, connection, good, await tickets.lock_all(connection, ids))
        if shown:
            await tls_certificates.keep(connection, shown)
    service.certificates.remember(shown)
    return [None if one.held.id in holding else Fenced(str(one.held.id)) for one in outcomes]


async def _store(
    service: Service, connection: Connection, outcomes: Sequence[Outcome], locked: dict[UUID, tickets.Ticket]
) -> None:
    known = await records.kinds_of_all(connection, list(locked))
    retries = [_retry_at(service, one, locked.get(one.told_of) if one.told_of else None) for one in outcomes]
    ended = [one.held.id for one, at in zip(outcomes, retries, strict=True) if at is None and one.held.claim.tries]
    before = await mails.delays(connection, ended) if ended else {}
    told = [
        (locked[one.told_of], _events(service, one, known[one.told_of], before.get(one.held.id, ()), last=at is None))
        for one, at in zip(outcomes, retries, strict=True)
        if one.told_of
    ]
    ends = [(one.held.claim, one.made.number, one.handover.outcome, kept(one.handover)) for one in outcomes]
    await mails.end_attempts(connection, ends, service.clock.now())
    await record_all(service, connection, told)
    await mails.release(
        connection,
        [(one.held.claim, _end_state(one.handover, at), at) for one, at in zip(outcomes, retries, strict=True)],
    )
    for one in outcomes:
        if one.told_of and one.sending.afterwards:
            await one.sending.afterwards(connection, locked[one.told_of], one.handover)


def _end_state(handover: Handover, retry_at: datetime | None) -> str | None:
    if retry_at is not None:
        return None
    return "sent" if handover.outcome == "accepted" else "failed"


def _retry_at(service: Service, one: Outcome, ticket: tickets.Ticket | None) -> datetime | None:
    """When to try again, or None: taken, refused for good, perhaps taken too often, or its time would be over by then.

    Attempts that ended with us, before the dot could be due, were nobody's refusal: they make no pause longer.
    """
    handover, claim = one.handover, one.held.claim
    too_often = handover.outcome == "uncertain" and claim.uncertain + 1 >= MOST_UNCERTAIN
    if handover.outcome in {"accepted", "failed"} or too_often:
        return None
    greylisted = handover.reason == "greylisted"
    tries = claim.greylisted + 1 if greylisted else claim.counted + 1
    at = service.clock.now() + retry_delay(tries, service.random(1)[0] / 255, greylisted=greylisted)
    return at if at < one.sending.ends_at(one.held.claim, ticket) else None


def _events(
    service: Service, one: Outcome, known: set[str], before: Sequence[mails.Delay], *, last: bool
) -> Sequence[Event]:
    """The records of an attempt: the first contact once, then what came of it.

    A delay is told once only; the last record has the dialogues of all.
    """
    now, handover, sending = service.clock.now(), one.handover, one.sending
    events: list[Event] = []
    contact = contact_at(handover)
    if contact and sending.kind("offered") not in known:
        offered = smtp(one.made, handover, outcome=False)
        events.append(Event(sending.kind("offered"), contact, now, mail=_mail(one), extension=offered))
    # The last try ends a delay as a failure. An unknown outcome stays unknown: the server may have the mail.
    outcome = "failed" if last and handover.outcome == "delayed" else handover.outcome
    if outcome != "delayed" or sending.kind("delayed") not in known:
        events.append(_outcome(one, outcome, now, before))
    return events


def _mail(one: Outcome) -> tuple[str, int]:
    return one.sending.kinds, one.made.number


def _outcome(one: Outcome, outcome: str, now: datetime, before: Sequence[mails.Delay]) -> Event:
    handover = one.handover
    return Event(
        one.sending.kind(outcome),
        final_at(handover),
        now,
        ((handover.reason, handover.why.text),) if outcome == "failed" else (),
        handover.host,
        transcripts(handover, before),
        smtp(one.made, handover, before=before),
        _mail(one),
    )
