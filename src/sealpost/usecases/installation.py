"""Records about the installation itself: keys that were rotated, a backup that was put back, a log that begins.

They are records like those of tickets, in a chain of their own, sealed and logged with the others (evidence format,
section 7: rotation is an event in the log). Sender and recipient are the operator.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog

from sealpost.domain.ids import uuid7
from sealpost.domain.records import Event, Link, Subject
from sealpost.store import records
from sealpost.store.pool import Connection
from sealpost.usecases.database import transaction
from sealpost.usecases.seals import make_sealed_fact, salt_for
from sealpost.usecases.service import Service

CHAIN = UUID(int=0)
"""In place of a ticket."""
REFERENCE = "installation"

log = structlog.get_logger()


async def record_event(service: Service, kind: str, extension: dict[str, Any]) -> None:
    """Adds a record to the installation's chain. A crash leaves it whole or not at all.

    Args:
        service: the parts.
        kind: one of `domain.records.INSTALLATION`.
        extension: its own members of ``sealpost/1``, under its kind.

    Raises:
        Unavailable: the database is away.
    """
    async with transaction(service) as connection:
        await append_event(service, connection, kind, extension)
    log.info("recorded", event_kind=kind)


async def append_event(service: Service, connection: Connection, kind: str, extension: dict[str, Any]) -> None:
    """The same in the caller's transaction, together with what it tells of."""
    now = service.clock.now()
    last = await records.newest_locked(connection, CHAIN)
    link = Link(last["seq"] + 1, last["sha256"]) if last else Link(1, None)
    event = Event(kind, now, now, extension={kind: extension})
    made, seal = make_sealed_fact(service, _subject(service), link, event, uuid7(now, service.random))
    await records.append(connection, CHAIN, made, salt_for(service, made), seal)


def _subject(service: Service) -> Subject:
    address, name = f"postmaster@{service.face.mail_domain}", service.issuer.legal_name
    return Subject(
        ticket_token=REFERENCE,
        submitted_at=service.clock.now(),
        account_name=name,
        sender_email=address,
        delegate="user:operator",
        method="local",
        authenticated_at=service.clock.now(),
        recipient_email=address,
        recipient_name=name,
        own_id="",
        parts=(),
    )
