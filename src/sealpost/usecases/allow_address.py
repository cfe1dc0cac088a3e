"""Ask the owner of an address whether the account may send from it (contract, section 2)."""

from __future__ import annotations

from typing import Any

from sealpost.domain.errors import NotAllowed, PreconditionFailed
from sealpost.domain.parties import Address
from sealpost.store import addresses, people, users
from sealpost.store.pool import Connection
from sealpost.usecases.chain import plan_mail
from sealpost.usecases.database import transaction
from sealpost.usecases.invite import AGAIN
from sealpost.usecases.service import Service

MOST = 1_000


async def allow_address(service: Service, account_id: int, email: Address) -> int:
    """The address's id; it is usable once the link in the mail, planned in the same transaction, is confirmed.

    Args:
        service: the parts.
        account_id: the caller's account.
        email: the address; one that waits for its confirmation is asked again.

    Raises:
        PreconditionFailed: usable already, asked less than five minutes ago, or too many.
    """
    async with transaction(service) as connection:
        # The account's lock makes "at most so many" hold against callers that come at once.
        if await people.lock_account(connection, account_id) is None:
            raise NotAllowed("there is no such account")
        found = await users.page(connection, account_id, 0, 1, email.key)
        if found and found[0]["activated_at"] is not None:
            raise PreconditionFailed("email_address: it is an active user's of the account")
        known = await addresses.by_key(connection, account_id, email.key)
        address_id = (
            await _again(service, connection, known) if known else await _new(service, connection, account_id, email)
        )
        await plan_mail(service, connection, account_id, "address", None, address_id=address_id)
        return address_id


async def _again(service: Service, connection: Connection, known: Any) -> int:
    now = service.clock.real()
    if known["confirmed_at"] is not None:
        raise PreconditionFailed("email_address: it is confirmed already")
    if now < known["asked_at"] + AGAIN:
        raise PreconditionFailed("email_address: the last mail was asked for less than five minutes ago")
    await addresses.asked_again(connection, known["id"], now)
    return known["id"]


async def _new(service: Service, connection: Connection, account_id: int, email: Address) -> int:
    if await addresses.count(connection, account_id) >= MOST:
        raise PreconditionFailed(f"email_address: the account has {MOST} allowed addresses, and no more can be added")
    now, real_now = service.clock.now(), service.clock.real()
    return await addresses.add(connection, account_id, email.given, email.key, now, real_now)
