"""Which client of which account calls.

Found callers are remembered for five seconds: a revoked token or client, or a suspended account, stops at latest then.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sealpost.domain.canonical import sha256
from sealpost.store import credentials
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service

REMEMBERED = timedelta(seconds=5)
MOST = 10_000


@dataclass(frozen=True, slots=True)
class CallerRow:
    """An API caller.

    Args:
        client: its number.
        name: its public name.
        kind: ``oauth`` or ``web_service``.
        role: ``user`` or ``administrator``.
        language: the account's default.
        zone: the account's time zone.
        authenticated_at: when the token was issued, or now for Basic.
        method: ``oauth2-client-credentials`` or ``basic``.
        suspended: the account may do nothing now.
        quota: calls in each interval; None: the installation's limit.
    """

    client: int
    name: str
    kind: str
    role: str
    account_id: int
    account_name: str
    language: str
    zone: str
    authenticated_at: datetime
    method: str
    suspended: bool
    quota: int | None = None


class Remembered:
    """A small memory with an end for each entry; keyed by hashes, never by secrets."""

    def __init__(self) -> None:
        self._entries: dict[bytes, tuple[datetime, CallerRow]] = {}

    def get(self, key: bytes, now: datetime) -> CallerRow | None:
        until, caller = self._entries.get(key, (now, None))
        return caller if now < until else None

    def put(self, key: bytes, until: datetime, caller: CallerRow) -> None:
        if len(self._entries) >= MOST:
            self._entries.clear()
        self._entries[key] = (until, caller)


_remembered = Remembered()


async def by_token(service: Service, access_token: str) -> CallerRow | None:
    """The client of a live bearer token, or None."""
    hashed = sha256(access_token.encode("utf-8", "surrogatepass"))
    now = service.clock.real()
    if known := _remembered.get(hashed, now):
        return known
    async with transaction(service) as connection:
        row = await credentials.client_by_token(connection, hashed, now)
    if row is None:
        return None
    caller = _caller(row, row["issued_at"], "oauth2-client-credentials")
    _remembered.put(hashed, min(now + REMEMBERED, row["expires_at"]), caller)
    return caller


async def by_secret(service: Service, name: str, secret: str) -> CallerRow | None:
    """The web service user of this name and password, or None; unknown and wrong look the same."""
    given = sha256(secret.encode("utf-8", "surrogatepass"))
    key = sha256(given + name.encode("utf-8", "surrogatepass"))
    now = service.clock.real()
    if known := _remembered.get(key, now):
        return known
    row = await _by_name(service, name, "web_service", given)
    if row is None:
        return None
    caller = _caller(row, now, "basic")
    _remembered.put(key, now + REMEMBERED, caller)
    return caller


async def by_pair(service: Service, client_id: str, secret: str) -> CallerRow | None:
    """The OAuth client of this id and secret, or None; never from memory, so that no revoked client gets a token."""
    given = sha256(secret.encode("utf-8", "surrogatepass"))
    row = await _by_name(service, client_id, "oauth", given)
    return None if row is None else _caller(row, service.clock.real(), "oauth2-client-credentials")


async def _by_name(service: Service, name: str, kind: str, given: bytes) -> Any:
    async with transaction(service) as connection:
        row = await credentials.client_by_name(connection, name, kind)
    right = hmac.compare_digest(row["secret_hash"] if row else bytes(32), given)
    return row if right else None  # without a row never right: no SHA-256 that anyone knows is all zeros


def _caller(row: Any, authenticated_at: datetime, method: str) -> CallerRow:
    return CallerRow(
        client=row["id"],
        name=row["name"],
        kind=row["kind"],
        role=row["role"],
        account_id=row["account_id"],
        account_name=row["account_name"],
        language=row["language"],
        zone=row["time_zone"],
        authenticated_at=authenticated_at,
        method=method,
        suspended=row["suspended"],
        quota=row["quota"],
    )
