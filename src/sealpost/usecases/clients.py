"""API clients after their founding: another quota or role, an end, a list. For the command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sealpost.domain.errors import NotFound
from sealpost.store import credentials, people
from sealpost.usecases.database import transaction
from sealpost.usecases.quotas import checked
from sealpost.usecases.service import Service


@dataclass(frozen=True, slots=True)
class ClientLine:
    """A client in a list.

    Args:
        name: its public name.
        kind: ``oauth`` or ``web_service``.
        role: ``user`` or ``administrator``.
        quota: calls in each interval; None: the installation's limit.
        revoked_at: when it was ended, or None.
    """

    name: str
    kind: str
    role: str
    quota: int | None
    revoked_at: datetime | None


async def change_client(service: Service, name: str, quota: int | None = None, role: str | None = None) -> None:
    """Changes a live client; processes that know it see that within five seconds.

    Args:
        service: the parts.
        name: of the client.
        quota: calls in each interval; 0: the installation's limit; None: as it is.
        role: ``user`` or ``administrator``; None: as it is.

    Raises:
        InvalidInput: the quota is out of range.
        NotFound: no such client, or it is revoked.
    """
    limit = checked(quota or None)
    async with transaction(service) as connection:
        # One transaction: after a crash both are as they were, or both are new.
        if quota is not None and not await credentials.set_quota(connection, name, limit):
            raise NotFound(f"no client {name}")
        if role is not None and not await credentials.set_role(connection, name, role):
            raise NotFound(f"no client {name}")


async def revoke_client(service: Service, name: str) -> None:
    """Ends a client and all its tokens, within five seconds everywhere; its name stays taken.

    Raises:
        NotFound: no such client.
    """
    async with transaction(service) as connection:
        if not await credentials.revoke_client(connection, name, service.clock.real()):
            raise NotFound(f"no client {name}")


async def clients_of(service: Service, account_id: int) -> list[ClientLine]:
    """The account's clients, oldest first, revoked ones too; nothing secret.

    Raises:
        NotFound: no such account.
    """
    async with transaction(service) as connection:
        if await people.account(connection, account_id) is None:
            raise NotFound(f"no account {account_id}")
        return [ClientLine(**dict(row)) for row in await credentials.clients_of(connection, account_id)]
