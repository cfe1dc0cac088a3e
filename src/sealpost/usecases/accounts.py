"""What a submission needs to know of its account, remembered for five seconds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sealpost.domain.errors import NotAllowed
from sealpost.store import people
from sealpost.usecases.database import transaction
from sealpost.usecases.fields import Timetable
from sealpost.usecases.service import Service

REMEMBERED = timedelta(seconds=5)
MOST = 10_000


class Accounts:
    """Account settings and usable sender addresses; a change counts after five seconds at most."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._known: dict[tuple[int, str], tuple[datetime, Any]] = {}

    async def timetable(self, account_id: int) -> Timetable:
        """The account's defaults.

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
        """Whether an address is usable: an active user's own, who may send (contract, section 2)."""
        if self._get(account_id, key):
            return True
        async with transaction(self._service) as connection:
            usable = await people.may_send(connection, account_id, key)
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

    async def _load(self, account_id: int) -> Timetable:
        async with transaction(self._service) as connection:
            row = await people.account(connection, account_id)
        if row is None or row["suspended_at"] is not None:
            raise NotAllowed("the account may not send")
        return Timetable(
            ZoneInfo(row["time_zone"]),
            row["language"],
            row["reminder_days"],
            row["expiry_days"],
            row["deadline_time"],
        )
