"""Change an account's defaults, limits and notices; what is not said stays, and tickets under way keep their terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sealpost.domain.errors import InvalidInput, NotFound
from sealpost.domain.timetable import check_days
from sealpost.store import account_mail, erasures, people
from sealpost.usecases.database import transaction
from sealpost.usecases.reads.notices import CHOICES
from sealpost.usecases.service import Service

MEGABYTE = 1_000_000
MOST_ATTACHMENTS = 1_000
MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What is to change; None: nothing.

    Args:
        reminder_days: day of the reminder.
        expiry_days: day of the expiry.
        max_mb: megabytes (10^6 octets) of a message, decoded; 0: the installation's.
        max_attachments: how many a message may have; 0: the installation's.
        notices: names of statuses (contract, section 6), separated by commas; empty: none.
        keep_days: how long content is kept after a ticket's end, in days.
        tls_verified: its mail to recipients goes over verified TLS, or not at all.
        domain_demanded: only addresses of its verified domains may send.
    """

    reminder_days: int | None = None
    expiry_days: int | None = None
    max_mb: int | None = None
    max_attachments: int | None = None
    notices: str | None = None
    keep_days: int | None = None
    tls_verified: bool | None = None
    domain_demanded: bool | None = None


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """What an account has; a limit of None is the installation's, ``max_decoded`` is in octets."""

    reminder_days: int
    expiry_days: int
    max_decoded: int | None
    max_attachments: int | None
    notices: tuple[str, ...]
    keep_days: int = 30
    tls_verified: bool = False
    domain_demanded: bool = False


async def change_account(service: Service, account_id: int, change: AccountChange) -> AccountSettings:
    """What the account has after the change.

    Raises:
        InvalidInput: days, a limit or a notice that cannot be.
        NotFound: no such account.
    """
    async with transaction(service) as connection:
        row = await people.lock_account(connection, account_id)
        if row is None:
            raise NotFound(f"no account {account_id}")
        new = _changed(service, row, change)
        await people.set_days(connection, account_id, new.reminder_days, new.expiry_days)
        await people.set_limits(connection, account_id, new.max_decoded, new.max_attachments)
        await people.set_notices(connection, account_id, new.notices)
        await erasures.set_keep_days(connection, account_id, new.keep_days)
        await account_mail.set_demands(
            connection, account_id, tls_verified=new.tls_verified, domain_demanded=new.domain_demanded
        )
        return new


async def account_settings(service: Service, account_id: int) -> AccountSettings:
    """What the account has; nothing is changed.

    Raises:
        NotFound: no such account.
    """
    async with transaction(service) as connection:
        row = await people.account(connection, account_id)
    if row is None:
        raise NotFound(f"no account {account_id}")
    return _changed(service, row, AccountChange())


def _changed(service: Service, row: Any, change: AccountChange) -> AccountSettings:
    reminder = row["reminder_days"] if change.reminder_days is None else change.reminder_days
    expiry = row["expiry_days"] if change.expiry_days is None else change.expiry_days
    check_days(reminder, expiry)
    decoded, attachments = row["max_decoded"], row["max_attachments"]
    if change.max_mb is not None:
        # The installation's request limit would refuse a larger message before the account's is looked at.
        decoded = _limit("max-mb", change.max_mb, service.limits.decoded // MEGABYTE, MEGABYTE)
    if change.max_attachments is not None:
        attachments = _limit("max-attachments", change.max_attachments, MOST_ATTACHMENTS, 1)
    names = tuple(row["notices"]) if change.notices is None else _notices(change.notices)
    keep = row["keep_days"] if change.keep_days is None else change.keep_days
    if not 1 <= keep <= MOST_DAYS:
        raise InvalidInput("keep-days", f"must be 1 to {MOST_DAYS}")
    tls = row["tls_verified"] if change.tls_verified is None else change.tls_verified
    domain = row["domain_demanded"] if change.domain_demanded is None else change.domain_demanded
    return AccountSettings(reminder, expiry, decoded, attachments, names, keep, tls, domain)


def _limit(field: str, number: int, most: int, unit: int) -> int | None:
    if not 0 <= number <= most:
        raise InvalidInput(field, f"must be 1 to {most}, or 0 for the installation's")
    return number * unit or None


def _notices(text: str) -> tuple[str, ...]:
    """The names in the order of the table, each once."""
    asked = {name.strip() for name in text.split(",")} - {""}
    if unknown := sorted(asked - set(CHOICES)):
        raise InvalidInput("notices", f"{', '.join(unknown)}: must be of {', '.join(CHOICES)}")
    return tuple(name for name in CHOICES if name in asked)
