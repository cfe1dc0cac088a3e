"""Domains that an account sends from: add, look at, replace the key, remove; and the service's own records.

For the command line. A domain is *verified* while the DNS holds the public half of the key that was made for this
account: only who rules the DNS can put it there (``usecases/check_domains`` looks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from sealpost.domain.errors import Conflict, InvalidInput, NotFound
from sealpost.domain.parties import address
from sealpost.mail.dkim import public_txt
from sealpost.mail.domain_records import Finding, SenderKey, asked, key_name, key_target, organisational
from sealpost.store import people
from sealpost.store import sender_domains as store
from sealpost.store.pool import Connection
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service
from sealpost.usecases.sign_mail import made_key, own_domain, own_key

log = structlog.get_logger()

MOST = 100
LONGEST = 200  # octets of a name: a selector and more must fit before it
FIRST_CHECK = timedelta(hours=1)
RETIRED_STAYS = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A key of a domain; ``until``: how long the record of a retired one must stay."""

    selector: str
    state: str
    changed_at: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class SenderDomain:
    """A domain and how its records stand.

    Args:
        name: lower case, A-labels.
        verified_at: since when it is shown to be the account's; None: it is not.
        return_path: mails use its return path.
        checked_at: when its records were last looked up, or None.
        due_at: when they will be again.
        findings: one for each record that is asked for now.
        keys: oldest first.
    """

    name: str
    verified_at: datetime | None
    return_path: bool
    checked_at: datetime | None
    due_at: datetime
    findings: tuple[Finding, ...]
    keys: tuple[KeyLine, ...]


@dataclass(frozen=True, slots=True)
class ZoneRecord:
    """A TXT record of the service's own zone: its name without a final dot, its value, what it is for."""

    name: str
    value: str
    purpose: str


def domain_name(service: Service, text: str) -> str:
    """A domain that somebody can own, lower case, as A-labels.

    Raises:
        InvalidInput: it is not a domain name, is a public suffix (``co.uk``), or is the service's own.
    """
    try:
        name = address("domain", f"x@{text.strip().removesuffix('.')}").domain
    except InvalidInput:
        raise InvalidInput("domain", "is not a domain name such as example.org") from None
    if len(name) > LONGEST:
        raise InvalidInput("domain", f"is longer than {LONGEST} characters")
    if organisational(name) is None:
        raise InvalidInput("domain", "is a public suffix, under which others register their domains")
    ours = own_domain(service)
    if name == ours or name.endswith(f".{ours}"):
        raise InvalidInput("domain", "is the service's own")
    return name


async def add_domain(service: Service, account_id: int, text: str) -> SenderDomain:
    """A new domain with a key of its own, and the records to be made.

    Raises:
        Conflict: the account has it already, or has as many as it can.
        InvalidInput: not a domain that can be added.
        NotFound: no such account.
    """
    name = domain_name(service, text)
    key = await made_key(service)
    now = service.clock.real()
    async with transaction(service) as connection:
        # The account's lock makes "at most so many" hold against callers that come at once.
        if await people.lock_account(connection, account_id) is None:
            raise NotFound(f"no account {account_id}")
        domain_id = await store.add(connection, account_id, name, now, now + FIRST_CHECK)
        if domain_id is None:
            raise Conflict(f"the account has {name} already")
        if await store.count(connection, account_id) > MOST:
            raise Conflict(f"the account has {MOST} domains, and no more can be added")
        await store.add_key(connection, domain_id, key, "active", now)
        return await _read(service, connection, account_id, name)


async def list_domains(service: Service, account_id: int) -> tuple[SenderDomain, ...]:
    """The account's domains by name.

    Raises:
        NotFound: no such account.
    """
    async with transaction(service) as connection:
        if await people.account(connection, account_id) is None:
            raise NotFound(f"no account {account_id}")
        rows = await store.of_account(connection, account_id)
        return tuple([_shown(service, row, await store.keys_of(connection, row["id"])) for row in rows])


async def one_domain(service: Service, account_id: int, text: str) -> SenderDomain:
    """One domain of the account.

    Raises:
        NotFound: the account has no such domain.
    """
    async with transaction(service) as connection:
        return await _read(service, connection, account_id, given_name(text))


async def remove_domain(service: Service, account_id: int, text: str) -> None:
    """Ends a domain and its keys; mails that were built before keep their signature, new ones say *via*.

    Raises:
        NotFound: the account has no such domain.
    """
    name = given_name(text)
    async with transaction(service) as connection:
        if not await store.remove(connection, account_id, name):
            raise NotFound(f"the account has no domain {name}")
    log.warning("sender domain removed", account=account_id, domain=name)


async def rotate_domain(service: Service, account_id: int, text: str) -> SenderDomain:
    """Makes the next key and asks for its record; a check that finds it there puts it into use.

    A next key that waits already stays the next one.

    Raises:
        NotFound: the account has no such domain.
    """
    name, key, now = given_name(text), await made_key(service), service.clock.real()
    async with transaction(service) as connection:
        row = await store.one(connection, account_id, name)
        if row is None or await store.lock(connection, row["id"]) is None:
            raise NotFound(f"the account has no domain {name}")
        if not any(known["state"] == "next" for known in await store.keys_of(connection, row["id"])):
            await store.add_key(connection, row["id"], key, "next", now)
        await store.set_due(connection, row["id"], now + FIRST_CHECK)
        return await _read(service, connection, account_id, name)


async def rotate_own(service: Service) -> None:
    """Makes the next key of the service's own domain; it comes into use when its record stands.

    Raises:
        Unavailable: the database is away.
    """
    await own_key(service)
    key = await made_key(service)
    async with transaction(service) as connection:
        await store.lock_own(connection)
        if not any(known["state"] == "next" for known in await store.keys_of(connection, None)):
            await store.add_key(connection, None, key, "next", service.clock.real())


async def own_records(service: Service) -> tuple[ZoneRecord, ...]:
    """The key records of the service's own zone: its own, then those that senders' CNAMEs point to.

    Raises:
        Unavailable: the database is away.
    """
    await own_key(service)
    ours = own_domain(service)
    async with transaction(service) as connection:
        own = await store.keys_of(connection, None)
        theirs = await store.published(connection)
    return (
        *(ZoneRecord(key_name(row["selector"], ours), _txt(row), f"{ours}, {row['state']}") for row in own),
        *(
            ZoneRecord(key_target(row["selector"], row["name"], ours), _txt(row), f"{row['name']}, {row['state']}")
            for row in theirs
        ),
    )


def _txt(row: Any) -> str:
    return public_txt(bytes(row["public_key"]))


def given_name(text: str) -> str:
    """A name as it is stored, however it was typed; what is no name is no domain of the account either."""
    try:
        return address("domain", f"x@{text.strip().removesuffix('.')}").domain
    except InvalidInput:
        raise NotFound("the account has no such domain") from None


async def _read(service: Service, connection: Connection, account_id: int, name: str) -> SenderDomain:
    row = await store.one(connection, account_id, name)
    if row is None:
        raise NotFound(f"the account has no domain {name}")
    return _shown(service, row, await store.keys_of(connection, row["id"]))


def _shown(service: Service, row: Any, keys: Sequence[Any]) -> SenderDomain:
    known = {(one.type, one.name): one for one in stored_findings(row)}
    wanted = asked(row["name"], own_domain(service), sender_keys(keys))
    return SenderDomain(
        row["name"],
        row["verified_at"],
        row["return_path"],
        row["checked_at"],
        row["due_at"],
        # What is asked may have changed since the last check (another key, another name of the service).
        tuple(_standing(one, known.get((one.type, one.name))) for one in wanted),
        tuple(
            KeyLine(
                key["selector"],
                key["state"],
                key["changed_at"],
                key["changed_at"] + RETIRED_STAYS if key["state"] == "retired" else None,
            )
            for key in keys
        ),
    )


def _standing(wanted: Finding, known: Finding | None) -> Finding:
    if known is None or known.expected != wanted.expected:
        return wanted
    return replace(wanted, seen=known.seen, state=known.state, words=known.words, since=known.since)


def stored_findings(row: Any) -> list[Finding]:
    """What the last check found."""
    return msgspec.convert(row["findings"], list[Finding])


def sender_keys(rows: Sequence[Any]) -> list[SenderKey]:
    """The key in use first, then the next one."""
    live = [row for row in rows if row["state"] != "retired"]
    live.sort(key=lambda row: row["state"] != "active")
    return [SenderKey(row["selector"], bytes(row["public_key"]), row["state"] == "active") for row in live]
