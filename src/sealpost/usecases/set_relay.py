"""Set an account's own relay: any smarthost, which is asked for delivery status notifications."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from uuid import UUID

from sealpost.domain.errors import InvalidInput, NotFound
from sealpost.store import account_mail
from sealpost.store.account_mail import OwnRelay
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service

HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
PRINTABLE = re.compile(r"[\x21-\x7e]{0,200}")


@dataclass(frozen=True, slots=True)
class RelayFields:
    """What an administrator says of a relay; an empty host ends it.

    Args:
        tls: ``none``, ``opportunistic`` or ``required``.
        user: for AUTH; empty: none.
        password: with it.
    """

    host: str
    port: int
    tls: str
    user: str
    password: str


async def set_relay(service: Service, account_id: int, fields: RelayFields) -> None:
    """Sets or ends an account's relay; workers follow within a minute.

    Raises:
        InvalidInput: no host name, port or mode; credentials that would travel in clear.
        NotFound: no such account.
    """
    _check(fields)
    secret = service.mail_vault.seal_whole(UUID(int=account_id), fields.password.encode()) if fields.password else None
    relay = OwnRelay(fields.host, fields.port, fields.tls, fields.user, secret)
    async with transaction(service) as connection:
        if not await account_mail.set_relay(connection, account_id, relay):
            raise NotFound(f"no account {account_id}")


def _is_host(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return HOST.fullmatch(text) is not None
    return True


def _check(fields: RelayFields) -> None:
    if fields.host and not _is_host(fields.host):
        raise InvalidInput("host", "is no host name or address")
    if not 1 <= fields.port <= 65_535:
        raise InvalidInput("port", "must be 1 to 65535")
    if fields.tls not in {"none", "opportunistic", "required"}:
        raise InvalidInput("tls", "must be none, opportunistic or required")
    if not PRINTABLE.fullmatch(fields.user) or not PRINTABLE.fullmatch(fields.password):
        raise InvalidInput("user", "and password must be printable ASCII without spaces")
    if bool(fields.user) != bool(fields.password):
        raise InvalidInput("user", "and password belong together")
    if fields.user and fields.tls != "required":
        raise InvalidInput("tls", "must be required where a password is given")
