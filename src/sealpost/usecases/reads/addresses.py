"""The allowed sender addresses of an account, and what a confirmation link is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sealpost.domain.canonical import sha256
from sealpost.domain.errors import NotFound
from sealpost.store import addresses as store
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service


@dataclass(frozen=True, slots=True)
class AllowedAddress:
    """A sender address beyond those of the account's users; usable once it is confirmed."""

    id: int
    email_address: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class AddressPage:
    """A part of the list, in the order of ids; ``next`` is the last id where more follow."""

    addresses: tuple[AllowedAddress, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a live confirmation link asks: whether the account may use the address."""

    email: str
    account_name: str
    language: str
    valid_until: datetime
    zone: ZoneInfo


async def allowed_addresses(service: Service, account_id: int, after: int, limit: int) -> AddressPage:
    """At most ``limit`` addresses of the account, from behind the id ``after``."""
    async with transaction(service) as connection:
        rows = await store.page(connection, account_id, after, limit + 1)
    shown = tuple(_address(row) for row in rows[:limit])
    return AddressPage(shown, shown[-1].id if len(rows) > limit else None)


async def allowed_address(service: Service, account_id: int, address_id: int) -> AllowedAddress:
    """One address.

    Raises:
        NotFound: there is none, or it is another account's.
    """
    async with transaction(service) as connection:
        row = await store.one(connection, account_id, address_id)
    if row is None:
        raise NotFound("no such address")
    return _address(row)


async def asked(service: Service, secret: str) -> Asked | None:
    """What a link asks, or None: wrong, used or over. Changes nothing."""
    async with transaction(service) as connection:
        row = await store.of_link(connection, sha256(secret.encode()), service.clock.real())
    if row is None:
        return None
    return Asked(row["email"], row["account_name"], row["language"], row["expires_at"], ZoneInfo(row["time_zone"]))


def _address(row: Any) -> AllowedAddress:
    return AllowedAddress(row["id"], row["email"], row["confirmed_at"] is not None)
