"""Which way a mail goes out: the installation's, or the relay of its account. One per process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from sealpost.clock import Clock
from sealpost.content.placement import ContentDamaged
from sealpost.content.vault import Vault
from sealpost.domain.errors import Unavailable
from sealpost.mail.transport import Transport
from sealpost.store import account_mail
from sealpost.store.account_mail import OwnRelay
from sealpost.store.pool import AWAY, Pool

log = structlog.get_logger()

REMEMBERED = timedelta(seconds=60)
MOST = 1_000

MakeRelay = Callable[[OwnRelay, str], Transport]
"""Makes the transport of a relay, given its opened password (may be empty)."""


@dataclass(slots=True)
class _Way:
    relay: OwnRelay | None
    transport: Transport | None
    until: datetime


class WaysOut:
    """Accounts' own relays, each remembered for a minute; a changed one gets a new transport."""

    def __init__(self, make: MakeRelay, pool: Pool, vault: Vault, clock: Clock) -> None:
        """Opens nothing yet.

        Args:
            make: makes a relay's transport.
            pool: where accounts are.
            vault: opens their relays' passwords.
            clock: its real time.
        """
        self._make, self._pool, self._vault, self._clock = make, pool, vault, clock
        self._known: dict[int, _Way] = {}
        self._looking = asyncio.Lock()  # mails that come at once make one transport

    async def of(self, account_id: int) -> Transport | None:
        """The account's own way out; None: it goes as the installation does.

        Raises:
            Unavailable: the database is away, or the relay's password cannot be opened: nothing is sent another way.
        """
        known = self._known.get(account_id)
        if known and self._clock.real() < known.until:
            return known.transport
        async with self._looking:
            return await self._look(account_id)

    async def _look(self, account_id: int) -> Transport | None:
        now, known = self._clock.real(), self._known.get(account_id)
        if known and now < known.until:
            return known.transport
        relay = await self._read(account_id)
        if known and known.relay == relay:
            known.until = now + REMEMBERED
            return known.transport
        transport = None if relay is None else self._make(relay, self._password(account_id, relay))
        if len(self._known) >= MOST:
            await self.close()
        self._known[account_id] = _Way(relay, transport, now + REMEMBERED)
        if known and known.transport:
            await known.transport.close()
        return transport

    async def _read(self, account_id: int) -> OwnRelay | None:
        try:
            return await account_mail.own_relay(self._pool, account_id)
        except AWAY as error:
            raise Unavailable("the database is away") from error

    def _password(self, account_id: int, relay: OwnRelay) -> str:
        if relay.secret is None:
            return ""
        try:
            return self._vault.open_whole(UUID(int=account_id), relay.secret).decode()
        except ContentDamaged as error:
            log.exception("a relay's password cannot be opened", account=account_id)
            raise Unavailable("the relay's password cannot be opened") from error

    async def close(self) -> None:
        """Ends idle connections of accounts' relays."""
        known, self._known = self._known, {}
        for way in known.values():
            if way.transport:
                await way.transport.close()
