"""The sender takes an undecided registered e-mail back."""

from __future__ import annotations

from sealpost.domain.errors import NotFound
from sealpost.domain.records import Event
from sealpost.store import tickets
from sealpost.usecases.chain import record
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service


async def withdraw(service: Service, visible: tickets.Visible, user_id: int, token: str) -> None:
    """Records the withdrawal.

    Raises:
        NotFound: there is no such ticket that this person may see.
        AlreadyDecided: accepted, refused, expired or withdrawn before.
        TermOver: the term has ended.
    """
    async with transaction(service) as connection:
        ticket_id = await tickets.id_of(connection, token, visible)
        if ticket_id is None:
            raise NotFound("no such ticket")
        ticket = await tickets.lock(connection, ticket_id)
        now = service.clock.now()
        event = Event("withdrawn", now, now, extension={"by": {"user": user_id}})
        await record(service, connection, ticket, [event])
