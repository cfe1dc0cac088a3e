"""What a submission needs to know of its account, remembered for five seconds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sealpost.domain.errors import NotAllowed
from sealpost.store import addresses, people
from sealpost.usecases.database import transaction
from sealpost.usecases.fields import Rules
from sealpost.usecases.service import Service

REMEMBERED = timedelta(seconds=5)
MOST = 10_000


class Accounts:
    """Account settings and usable sender addresses; a change counts after five seconds at most."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._known: dict[tuple[int, str], tuple[datetime, Any]] = {}

    async def rules(self, account_id: int) -> Rules:
        """The account's defaults and limits.

        Raises:
            NotAllowed: there is no such account, or it is suspended.
            Unavailable: the database is away.
        """
        found = self._get(account_id, "")
        if found is None:
            found = await self._load(account_id)
            self._put(account_id, "", found)
        return found

    async def may_send(self, account_id: int, key: str) -> bool:
        """Whether an address is usable: an active user's own, who may send, or a confirmed one (contract, section 2)."""
        if self._get(account_id, key):
            return True
        async with transaction(self._service) as connection:
            usable = await addresses.may_send(connection, account_id, key)
        if usable:
            self._put(account_id, key, found=True)
        return usable

    def _get(self, account_id: int, key: str) -> Any:
        until, found = self._known.get((account_id, key), (None, None))
        return found if until and self._service.clock.real() < until else None

    def _put(self, account_id: int, key: str, found: Any) -> None:
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[account_id, key] = (self._service.clock.real() + REMEMBERED, found)

    async def _load(self, account_id: int) -> Rules:
        async with transaction(self._service) as connection:
            row = await people.account(connection, account_id)
        if row is None or row["suspended_at"] is not None:
            raise NotAllowed("the account may not send")
        limits = self._service.limits
        return Rules(
            ZoneInfo(row["time_zone"]),
            row["language"],
            row["reminder_days"],
            row["expiry_days"],
            row["deadline_time"],
            replace(
                limits,
                decoded=min(row["max_decoded"] or limits.decoded, limits.decoded),
                attachments=row["max_attachments"] or limits.attachments,
            ),
            row["tls_verified"],
            row["domain_demanded"],
        )
