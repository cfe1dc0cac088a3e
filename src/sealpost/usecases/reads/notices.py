"""Which statuses an account is told about by mail, and which there are to choose from."""

from __future__ import annotations

from sealpost.domain.records import EVENTS
from sealpost.domain.status import TABLE, status_of
from sealpost.mail.compose import NOTICES
from sealpost.store import people
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service

HAPPENING = frozenset(status_of(kind).name for kind in EVENTS)
CHOICES = tuple(status.name for status in TABLE if status.name in NOTICES and status.name in HAPPENING)
"""Names of all statuses that a notice can be about and that come about, in the order of the table."""


async def notices(service: Service, account_id: int) -> tuple[str, ...]:
    """The names that the account has chosen."""
    async with transaction(service) as connection:
        account = await people.account(connection, account_id)
    return tuple(account["notices"])
