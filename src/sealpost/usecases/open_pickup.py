"""The first sign of a person on the pickup page: a form was sent (status 50). Fetching pages is no such sign."""

from __future__ import annotations

from collections.abc import Sequence

from sealpost.domain.records import Event
from sealpost.store import records, tickets
from sealpost.usecases.chain import record
from sealpost.usecases.database import transaction
from sealpost.usecases.opened import opened_ticket
from sealpost.usecases.service import Service
from sealpost.usecases.web_act import WebAct, web


async def open_pickup(service: Service, ticket_token: str, secrets: Sequence[str], act: WebAct) -> None:
    """Records it once.

    Raises:
        NotFound: no secret opens this ticket.
    """
    async with transaction(service) as connection:
        ticket_id, link = await opened_ticket(service, connection, ticket_token, secrets)
        ticket = await tickets.lock(connection, ticket_id)
        if "announcement_opened" in await records.kinds(connection, ticket_id):
            return
        now = service.clock.now()
        event = Event("announcement_opened", now, now, extension=web(service, act, "opened", link))
        await record(service, connection, ticket, [event])
