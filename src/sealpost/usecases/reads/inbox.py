"""The demo's inbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sealpost.store import demo
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service

MOST = 1000


@dataclass(frozen=True, slots=True)
class InboxMail:
    """A caught mail: its envelope and its exact bytes."""

    id: str
    mail_from: str
    rcpt_to: str
    received_at: datetime
    raw: bytes


def _mail(row: Any) -> InboxMail:
    return InboxMail(str(row["id"]), row["mail_from"], row["rcpt_to"], row["received_at"], row["octets"])


async def inbox(service: Service, to: str | None) -> list[InboxMail]:
    """The newest thousand mails, to one address or to all, oldest first."""
    async with transaction(service) as connection:
        return [_mail(row) for row in await demo.inbox(connection, to, MOST)]


async def inbox_mail(service: Service, mail_id: str) -> InboxMail | None:
    """One mail, or None."""
    try:
        key = UUID(mail_id)
    except ValueError:
        return None
    async with transaction(service) as connection:
        row = await demo.inbox_mail(connection, key)
    return _mail(row) if row else None
