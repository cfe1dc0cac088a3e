"""A ticket with every status, for its sender's organisation: page, XML and notices are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from sealpost.domain.content import Part
from sealpost.domain.statement import read_statement
from sealpost.domain.status import Status, status_of
from sealpost.domain.ticket import Decision
from sealpost.mail.incoming import clean_lines
from sealpost.store import records, tickets
from sealpost.text.sources import DOWNLOAD
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service

MOST_DETAIL = 4096


@dataclass(frozen=True, slots=True)
class StatusLine:
    """One line of the time line; ``detail`` is the server's literal reply, the reason, or empty."""

    at: datetime
    status: Status
    detail: str
    kind: str
    source: str = ""
    """Whose word it is (`text.sources`)."""


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
    reason: str
    reached_at: datetime | None
    could_know_at: datetime | None
    decided_at: datetime | None
    signature_required: bool
    statuses: tuple[StatusLine, ...]


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
        reason=found.reason,
        reached_at=state.reached_at,
        could_know_at=state.could_know_at,
        decided_at=state.decided_at,
        signature_required=False,
        statuses=status_lines(rows),
    )


def status_lines(rows: Sequence[Any]) -> tuple[StatusLine, ...]:
    """The time line that a ticket's record rows tell, in the order of the chain."""
    return tuple(_line(row["at"], row["kind"], msgspec.json.decode(row["octets"])) for row in rows)


def _line(at: datetime, kind: str, members: dict[str, Any]) -> StatusLine:
    states = read_statement(members)
    host = members["Extensions"][0]["sealpost/1"].get("smtp", {}).get("host", "")
    detail = states.reply or states.recipients_words or states.why or host
    source = DOWNLOAD if kind == "content_downloaded" else states.source
    return StatusLine(at, status_of(kind), clean_lines(detail, MOST_DETAIL), kind, source)
