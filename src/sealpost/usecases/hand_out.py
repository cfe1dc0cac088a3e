"""Hand out accepted content on the pickup page (status 80, ContentHandover): by a form that POSTs, for 30 days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sealpost.content.placement import ContentUnavailable
from sealpost.domain.content import shown_name
from sealpost.domain.errors import Conflict, NotFound, Unavailable
from sealpost.domain.records import Event
from sealpost.store import records, tickets
from sealpost.usecases.chain import record
from sealpost.usecases.database import transaction
from sealpost.usecases.deliver import split
from sealpost.usecases.letters import SHOWN_AFTERWARDS
from sealpost.usecases.mail_bytes import opened
from sealpost.usecases.opened import opened_ticket
from sealpost.usecases.service import Service
from sealpost.usecases.web_act import WebAct, web


@dataclass(frozen=True, slots=True)
class HandedOut:
    """A file, exactly as it was submitted."""

    name: str
    content_type: str
    octets: bytes


async def hand_out(service: Service, ticket_token: str, secrets: Sequence[str], index: int, act: WebAct) -> HandedOut:
    """One part of the content; the first download of a ticket is recorded before any byte leaves.

    Raises:
        NotFound: no secret opens this ticket, or it has no such part.
        Conflict: not accepted, or the 30 days are over, or the content was erased.
        ContentDamaged: what is stored is not what was submitted.
        Unavailable: content store or database away.
    """
    async with transaction(service) as connection:
        ticket_id, link = await opened_ticket(service, connection, ticket_token, secrets)
        ticket = await tickets.by_id(connection, ticket_id)
    parts = ticket.evidence.parts
    if not 0 <= index < len(parts):
        raise NotFound("no such part")
    decided_at = ticket.state.decided_at
    if ticket.state.decision != "accepted" or decided_at is None or ticket.content.wrapped_key is None:
        raise Conflict("there is nothing to hand out")
    if service.clock.now() >= decided_at + SHOWN_AFTERWARDS:
        raise Conflict("the time to download is over")
    try:
        octets = await opened(service, service.content_vault.open, ticket.content)
    except ContentUnavailable as error:
        raise Unavailable("the content store is away") from error
    async with transaction(service) as connection:
        ticket = await tickets.lock(connection, ticket_id)
        if "content_downloaded" not in await records.kinds(connection, ticket_id):
            now = service.clock.now()
            event = Event("content_downloaded", now, now, extension=web(service, act, "download", link))
            await record(service, connection, ticket, [event])
    part = parts[index]
    return HandedOut(shown_name(part.name, part.content_type), part.content_type, split(parts, octets)[index])
