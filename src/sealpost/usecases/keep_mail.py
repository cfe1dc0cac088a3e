"""The demo's catcher took a mail in: keep it for the inbox."""

from __future__ import annotations

from sealpost.domain.ids import uuid7
from sealpost.store import demo
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service


async def keep_mail(service: Service, mail_from: str, rcpt_to: str, raw: bytes) -> str:
    """The id under which it is kept, durable before the catcher answers 250."""
    now = service.clock.now()
    mail_id = uuid7(service.clock.real(), service.random)
    async with transaction(service) as connection:
        await demo.keep(connection, mail_id, mail_from, rcpt_to, now, raw)
    return str(mail_id)
