"""Found an account, its users and its API clients from the command line. Secrets are returned once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sealpost.domain.canonical import sha256
from sealpost.domain.errors import InvalidInput, NotFound, PreconditionFailed
from sealpost.domain.ids import secret, url_safe
from sealpost.domain.lines import line
from sealpost.domain.parties import address
from sealpost.domain.timetable import check_days
from sealpost.store import credentials, people, users
from sealpost.store.users import Details
from sealpost.text.catalogue import LANGUAGES
from sealpost.usecases.database import transaction
from sealpost.usecases.fields import name as name_of
from sealpost.usecases.passwords import check_new, hashed
from sealpost.usecases.quotas import checked
from sealpost.usecases.service import Service

Kind = Literal["oauth", "web_service"]


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What an account is founded with; the days are its defaults for reminder and expiry."""

    name: str
    zone: str = "Europe/Amsterdam"
    language: str = "nl"
    reminder_days: int = 6
    expiry_days: int = 12


async def found_account(service: Service, new: NewAccount) -> int:
    """The new account's number, the vendor's ``customer_id``.

    Raises:
        InvalidInput: name, zone, language or days.
    """
    name = name_of("name", new.name, 200, own=None)
    check_days(new.reminder_days, new.expiry_days)
    if new.language not in LANGUAGES:
        raise InvalidInput("language", f"must be one of {', '.join(LANGUAGES)}")
    try:
        ZoneInfo(new.zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise InvalidInput("zone", "is not a time zone such as Europe/Amsterdam") from None
    async with transaction(service) as connection:
        account_id = await people.add_account(connection, name, new.zone, new.language, service.clock.now())
        await people.set_days(connection, account_id, new.reminder_days, new.expiry_days)
        return account_id


async def found_user(service: Service, account_id: int, email: str, password: str, role: str) -> int:
    """An active user with a password, as the first of an account must be.

    Raises:
        InvalidInput: address or password.
        NotFound: no such account.
        PreconditionFailed: the address belongs to a user already.
    """
    given = address("email", email)
    check_new(password)
    password_hash = await hashed(password)
    now = service.clock.now()
    async with transaction(service) as connection:
        if await people.account(connection, account_id) is None:
            raise NotFound(f"no account {account_id}")
        user_id = await users.add(connection, account_id, Details(given.given, given.key, given.given), role, now)
        if user_id is None:
            raise PreconditionFailed("this user exists already")
        await people.set_password(connection, user_id, password_hash, "", now)
        return user_id


@dataclass(frozen=True, slots=True)
class NewClient:
    """API credentials; the secret is shown once and kept as a hash."""

    name: str
    secret: str


async def found_client(
    service: Service, account_id: int, kind: Kind, name: str, role: str, quota: int | None = None
) -> NewClient:
    """New API credentials.

    Args:
        service: the parts.
        account_id: of the account.
        kind: OAuth client or web service user.
        name: public name; empty: one is made.
        role: ``user`` or ``administrator``.
        quota: calls in each interval; None: the installation's limit.

    Raises:
        InvalidInput: name or quota.
        NotFound: no such account.
        PreconditionFailed: the name is taken.
    """
    name = line("name", name, 100, empty=True) or f"client-{url_safe(service.random(6))}"
    if ":" in name:
        raise InvalidInput("name", "has a colon, which HTTP Basic cannot carry")
    limit = checked(quota)
    new = NewClient(name, secret(service.random))
    async with transaction(service) as connection:
        if await people.account(connection, account_id) is None:
            raise NotFound(f"no account {account_id}")
        hashed_secret = sha256(new.secret.encode())
        added = await credentials.add_client(
            connection, account_id, kind, new.name, hashed_secret, role, service.clock.now(), limit
        )
        if added is None:
            raise PreconditionFailed("this name is taken")
    return new
