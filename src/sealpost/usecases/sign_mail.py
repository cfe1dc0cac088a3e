"""The keys that sign our mails: the sender's verified domain's, then the service's own. For whoever builds mails.

A sender's domain counts only while its DKIM record stands (``usecases/sender_domains``). What was found is remembered
for a minute; a key that was replaced meanwhile still verifies, because its record stays for two weeks.
"""

from __future__ import annotations

import asyncio
from base64 import b32encode
from datetime import timedelta
from typing import Any

import structlog

from sealpost.content.placement import ContentDamaged
from sealpost.domain.errors import Unavailable
from sealpost.domain.ids import uuid7
from sealpost.mail.dkim import DkimKey, is_signable, new_key, private_der, public_der, read_private
from sealpost.mail.domain_records import return_domain
from sealpost.store import sender_domains
from sealpost.store.sender_domains import NewKey
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service
from sealpost.usecases.signing_cache import VerifiedDomain

log = structlog.get_logger()

REMEMBERED = timedelta(seconds=60)
MOST = 10_000


async def signing_keys(service: Service, account_id: int, domain: str) -> tuple[DkimKey, ...]:
    """The keys to sign with, the sender's first; ``mail/dkim.signed`` takes them (a third of a millisecond each).

    Args:
        service: the parts.
        account_id: of the sender.
        domain: of the From address, lower case, A-labels; the service's own gives its own key alone.

    Raises:
        Unavailable: the database is away, or the service's own key cannot be opened.
    """
    theirs = await verified_domain(service, account_id, domain)
    ours = await _ours(service)
    return tuple(key for key in (theirs and theirs.key, ours) if key)


async def verified_domain(service: Service, account_id: int, domain: str) -> VerifiedDomain | None:
    """The domain, if it is verified for this account and its key can be used; None: the From address is *via*.

    Raises:
        Unavailable: the database is away.
    """
    now, cache = service.clock.real(), service.signing
    until, found = cache.known.get((account_id, domain), (now, None))
    if now < until:
        return found
    async with cache.loading:
        until, found = cache.known.get((account_id, domain), (now, None))
        if now >= until:
            found = await _load(service, account_id, domain)
            if len(cache.known) >= MOST:
                cache.known.clear()
            cache.known[account_id, domain] = (now + REMEMBERED, found)
    return found


async def _ours(service: Service) -> DkimKey | None:
    """The service's own key; None: its domain is none that has a DNS."""
    if not is_signable(service.face.mail_domain):
        return None
    now, cache = service.clock.real(), service.signing
    if cache.own and now < cache.own[0]:
        return cache.own[1]
    async with cache.loading:
        if cache.own is None or now >= cache.own[0]:
            row = await own_key(service)
            key = opened(service, row, service.face.mail_domain)
            if key is None:
                raise Unavailable("the service's own DKIM key cannot be opened")
            cache.own = (now + REMEMBERED, key)
        return cache.own[1]


async def _load(service: Service, account_id: int, domain: str) -> VerifiedDomain | None:
    async with transaction(service) as connection:
        row = await sender_domains.signing(connection, account_id, domain)
    key = opened(service, row, domain) if row else None
    return VerifiedDomain(domain, return_domain(domain) if row["return_path"] else "", key) if key else None


def opened(service: Service, row: Any, domain: str) -> DkimKey | None:
    """A stored key, ready to sign; None, and a log line: it cannot be opened any more."""
    try:
        der = service.mail_vault.open_whole(row["owner"], row["sealed"])
        return DkimKey(domain, row["selector"], read_private(der))
    except (ContentDamaged, ValueError) as error:
        log.warning("DKIM key cannot be used", domain=domain, selector=row["selector"], why=type(error).__name__)
        return None


def own_domain(service: Service) -> str:
    """The service's own domain as the DNS has it."""
    return service.face.mail_domain.lower()


async def own_key(service: Service) -> Any:
    """The row of the service's own key in use, made at the first call.

    Raises:
        Unavailable: the database is away.
    """
    async with transaction(service) as connection:
        row = await sender_domains.own(connection)
    if row is None:
        made = await made_key(service)
        async with transaction(service) as connection:
            # Of two processes that make one at once, the index takes the first; a crash before leaves none.
            await sender_domains.add_key(connection, None, made, "active", service.clock.real())
            row = await sender_domains.own(connection)
    return row


async def made_key(service: Service) -> NewKey:
    """A new key, sealed; its selector is nobody else's, so that several accounts can have one domain."""
    key = await asyncio.to_thread(new_key)
    owner = uuid7(service.clock.real(), service.random)
    sealed = service.mail_vault.seal_whole(owner, private_der(key))
    selector = "sp" + b32encode(service.random(5)).decode("ascii").lower()
    return NewKey(selector, public_der(key), owner, sealed)
