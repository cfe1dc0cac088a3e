"""A ticket with every status, for its sender's organisation: page, XML and notices are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from sealpost.domain.content import Part
from sealpost.domain.statement import Statement, read_statement
from sealpost.domain.status import BY_CODE, Status, status_of
from sealpost.domain.ticket import KNOWN, REACHED, Decision
from sealpost.mail.incoming import clean_lines
from sealpost.store import records, tickets
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service

MOST_LITERAL = 32_000


@dataclass(frozen=True, slots=True)
class StatusLine:
    """One line of the time line.

    Args:
        at: when it happened.
        status: as which it is shown.
        states: what the record states; `text.statements` has the words.
        literal: the words of others, of the server, of a returned mail or of the recipient; without controls.
    """

    at: datetime
    status: Status
    states: Statement
    literal: str


@dataclass(frozen=True, slots=True)
class TicketView:
    """A ticket as its account may see it."""

    token: str
    account_id: int
    account_name: str
    sender_name: str
    sender_email: str
    recipient_email: str
    recipient_name: str
    language: str
    subject: str
    submitted_at: datetime
    remind_at: datetime | None
    expire_at: datetime
    zone: ZoneInfo
    parts: tuple[Part, ...]
    own_id: str
    own_guid: str
    campaign: str
    address_basis: str
    decision: Decision | None
    status: Status
    event: str
    reason: str
    reached_at: datetime | None
    could_know_at: datetime | None
    decided_at: datetime | None
    signature_required: bool
    statuses: tuple[StatusLine, ...]

    @property
    def reached(self) -> StatusLine | None:
        """The line that ``reached_at`` comes from."""
        return self._at(self.reached_at, REACHED)

    @property
    def known(self) -> StatusLine | None:
        """The line that ``could_know_at`` comes from."""
        return self._at(self.could_know_at, KNOWN)

    def _at(self, at: datetime | None, kinds: frozenset[str]) -> StatusLine | None:
        return next((line for line in self.statuses if line.states.kind in kinds and line.at == at), None)


async def ticket(service: Service, visible: tickets.Visible, token: str) -> TicketView | None:
    """The ticket of this token, or None: there is none, or it may not be seen."""
    async with transaction(service) as connection:
        found = await tickets.by_token(connection, token, visible)
        rows = await records.of_ticket(connection, found.id) if found else []
    return ticket_view(found, rows) if found else None


def ticket_view(found: tickets.Ticket, rows: Sequence[Any]) -> TicketView:
    """A ticket and its record rows, as its account may see them."""
    evidence, state = found.evidence, found.state
    return TicketView(
        token=found.token,
        account_id=found.account_id,
        account_name=found.account_name,
        sender_name=found.sender_name,
        sender_email=evidence.sender_email,
        recipient_email=evidence.recipient_email,
        recipient_name=evidence.recipient_name,
        language=found.language,
        subject=found.subject,
        submitted_at=evidence.submitted_at,
        remind_at=found.remind_at,
        expire_at=state.expire_at,
        zone=ZoneInfo(found.zone),
        parts=evidence.parts,
        own_id=evidence.own_id,
        own_guid=found.own_guid,
        campaign=found.campaign,
        address_basis=found.address_basis,
        decision=state.decision,
        status=BY_CODE[state.status],
        event=state.event,
        reason=found.reason,
        reached_at=state.reached_at,
        could_know_at=state.could_know_at,
        decided_at=state.decided_at,
        signature_required=False,
        statuses=status_lines(rows),
    )


def status_lines(rows: Sequence[Any]) -> tuple[StatusLine, ...]:
    """The time line that a ticket's record rows tell, in the order of the chain."""
    return tuple(_line(row["at"], row["kind"], read_statement(msgspec.json.decode(row["octets"]))) for row in rows)


def _line(at: datetime, kind: str, states: Statement) -> StatusLine:
    literal = clean_lines(states.reply or states.recipients_words, MOST_LITERAL)
    return StatusLine(at, status_of(kind), states, literal)
