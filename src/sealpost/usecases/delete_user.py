"""Delete a user: no signing in and no sending any more; tickets and their evidence stay (contract, section 2)."""

from __future__ import annotations

from typing import Any

from sealpost.domain.errors import NotFound, PreconditionFailed
from sealpost.store import users
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service


async def delete_user(service: Service, account_id: int, user_id: int) -> None:
    """Deletes the user and ends sessions and links; the address is free again. A crash leaves all of it or nothing.

    Raises:
        NotFound: the account has no such user (any more).
        PreconditionFailed: the account's last active administrator.
    """
    async with transaction(service) as connection:
        # The administrators are locked together: of two that are deleted at once, the second sees the first gone.
        rows = await users.lock_with_administrators(connection, account_id, user_id)
        user = next((row for row in rows if row["id"] == user_id), None)
        if user is None:
            raise NotFound("no such user")
        if _administers(user) and sum(map(_administers, rows)) == 1:
            raise PreconditionFailed("user: the account's last active administrator cannot be deleted")
        await users.delete(connection, user_id, service.clock.now(), service.clock.real())


def _administers(row: Any) -> bool:
    return row["role"] == "administrator" and row["activated_at"] is not None
