"""Who is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sealpost.domain.canonical import sha256
from sealpost.store import people
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in user and the account that everything shown belongs to."""

    user_id: int
    account_id: int
    account_name: str
    email: str
    real_name: str
    role: str
    language: str
    zone: ZoneInfo


async def session(service: Service, secret: str) -> Session | None:
    """The user of a live session, or None: over, signed out, deleted, or the account is suspended."""
    async with transaction(service) as connection:
        user = await people.session(connection, sha256(secret.encode("utf-8", "surrogatepass")), service.clock.real())
    if user is None:
        return None
    return Session(
        user["id"],
        user["account_id"],
        user["account_name"],
        user["email"],
        user["real_name"],
        user["role"],
        user["language"],
        ZoneInfo(user["time_zone"]),
    )
