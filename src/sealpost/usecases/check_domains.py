"""Looks at the records of sender domains: for the command line at once, for the worker daily.

A DNS that does not answer takes nothing away. A record that is gone takes the domain away at the second look, an hour
after the first: a zone that was half loaded for a minute shall not turn mails into *via*.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from sealpost.domain.errors import NotFound
from sealpost.mail.domain_records import Finding, SenderKey, asked, check, key_name
from sealpost.store import sender_domains as store
from sealpost.store.pool import Connection
from sealpost.usecases.database import transaction
from sealpost.usecases.sender_domains import (
    RETIRED_STAYS,
    SenderDomain,
    given_name,
    one_domain,
    sender_keys,
    stored_findings,
)
from sealpost.usecases.service import Service
from sealpost.usecases.sign_mail import own_domain

log = structlog.get_logger()

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
GRACE = timedelta(minutes=55)  # an hour, but for a check that came a little early
LOOK_AGAIN = timedelta(minutes=10)
BATCH = 20
BAD = ("missing", "wrong")


async def check_domain(service: Service, account_id: int, text: str) -> SenderDomain:
    """Looks the records up now and keeps what was found.

    Raises:
        NotFound: the account has no such domain.
        Unavailable: the database is away.
    """
    name = given_name(text)
    async with transaction(service) as connection:
        row = await store.one(connection, account_id, name)
    if row is None:
        raise NotFound(f"the account has no domain {name}")
    await _check(service, row)
    return await one_domain(service, account_id, name)


async def check_due(service: Service) -> int:
    """Checks a batch of the domains whose time has come, and the service's own next key; how many domains.

    Any number of workers: a domain that one has taken, another takes ten minutes later, if the first died.

    Raises:
        Unavailable: the database is away.
    """
    now = service.clock.real()
    async with transaction(service) as connection:
        rows = await store.take_due(connection, now, now + LOOK_AGAIN, BATCH)
        await store.drop_retired(connection, now - RETIRED_STAYS)
    results = await asyncio.gather(*(_check(service, row) for row in rows), return_exceptions=True)
    for failed in filter(None, results):  # all have ended: what one could not do does not stop the others
        raise failed
    await _check_own(service)
    return len(rows)


async def _check(service: Service, row: Any) -> None:
    async with transaction(service) as connection:
        keys = sender_keys(await store.keys_of(connection, row["id"]))
    found = await check(service.dns, row["name"], own_domain(service), keys)
    async with transaction(service) as connection:
        # The DNS took its time: what is judged is the row as it is now, and only keys that were looked at.
        now, row = service.clock.real(), await store.lock(connection, row["id"])
        if row is None:
            return
        await _promote_found(connection, row, found, now)
        keys = sender_keys(await store.keys_of(connection, row["id"]))
        names = {one.name: one for one in asked(row["name"], own_domain(service), keys)}
        current = [replace(one, record=names[one.name].record) for one in found if one.name in names]
        await _keep(connection, row, _dated(stored_findings(row), current, now), now)


async def _promote_found(connection: Connection, row: Any, found: Sequence[Finding], now: datetime) -> None:
    right = {one.name for one in found if one.state == "right"}
    for key in await store.keys_of(connection, row["id"]):
        if key["state"] == "next" and key_name(key["selector"], row["name"]) in right:
            await store.promote(connection, row["id"], key["id"], now)
            log.info("DKIM key in use", domain=row["name"], selector=key["selector"], account=row["account_id"])


def _dated(before: Sequence[Finding], found: Sequence[Finding], now: datetime) -> list[Finding]:
    """Each with the time since when it stands so; *missing* and *wrong* are one standing."""
    known = {(one.type, one.name): one for one in before}

    def since(one: Finding) -> datetime:
        past = known.get((one.type, one.name))
        same = past and (past.state == one.state or (past.state in BAD and one.state in BAD))
        return past.since if past and same and past.since else now

    return [replace(one, since=since(one)) for one in found]


async def _keep(connection: Connection, row: Any, found: Sequence[Finding], now: datetime) -> None:
    verified_at, due_at = _judged(row["verified_at"], found, now)
    path = next(one.state for one in found if one.record == "return_path")
    return_path = row["return_path"] if path == "unknown" else path == "right"
    await store.set_checked(connection, row["id"], found, verified_at, now, due_at, return_path=return_path)
    _say(row, found, verified_at)


def _judged(verified_at: datetime | None, found: Sequence[Finding], now: datetime) -> tuple[datetime | None, datetime]:
    """Since when the domain is verified, or None, and when to look again."""
    key = next((one for one in found if one.record == "dkim"), None)
    if key is None:  # its key was replaced while the DNS was asked
        return verified_at, now + LOOK_AGAIN
    if key.state == "right":
        return verified_at or now, now + DAY
    if verified_at is None:
        return None, now + DAY
    if key.state == "unknown":
        return verified_at, now + HOUR
    lost = key.since is not None and now - key.since >= GRACE
    return (None, now + DAY) if lost else (verified_at, now + HOUR)


def _say(row: Any, found: Sequence[Finding], verified_at: datetime | None) -> None:
    standing = {one.record: one.state for one in found}
    if standing != {one.record: one.state for one in stored_findings(row)}:
        log.info("sender domain's records changed", account=row["account_id"], domain=row["name"], **standing)
    if verified_at is None and row["verified_at"] is not None:
        log.warning("sender domain lost", account=row["account_id"], domain=row["name"], dkim=standing.get("dkim"))
    elif verified_at is not None and row["verified_at"] is None:
        log.info("sender domain verified", account=row["account_id"], domain=row["name"])


async def _check_own(service: Service) -> None:
    async with transaction(service) as connection:
        waiting = [row for row in await store.keys_of(connection, None) if row["state"] == "next"]
    if not waiting:
        return
    ours = own_domain(service)
    keys = [SenderKey(row["selector"], bytes(row["public_key"]), active=False) for row in waiting]
    found = await check(service.dns, ours, ours, keys)
    right = {one.name for one in found if one.record == "dkim_next" and one.state == "right"}
    async with transaction(service) as connection:
        await store.lock_own(connection)
        for row in await store.keys_of(connection, None):
            if row["state"] == "next" and key_name(row["selector"], ours) in right:
                await store.promote(connection, None, row["id"], service.clock.real())
                log.info("DKIM key in use", domain=ours, selector=row["selector"])
