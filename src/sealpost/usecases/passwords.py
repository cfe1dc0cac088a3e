"""Passwords that people choose: argon2id (RFC 9106), worked out in a thread."""

from __future__ import annotations

import asyncio
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from sealpost.domain.errors import InvalidInput

_hasher = PasswordHasher()
_turn = asyncio.Semaphore(2)  # each costs 64 MiB for a moment
SHORTEST, LONGEST = 12, 200


def check_new(password: str) -> None:
    """Raises InvalidInput unless a new password has 12 to 200 characters and more than a few different ones."""
    if len(password) < SHORTEST:
        raise InvalidInput("password", f"needs at least {SHORTEST} characters")
    if len(password) > LONGEST:
        raise InvalidInput("password", f"may have at most {LONGEST} characters")
    if len(set(password)) < 5:
        raise InvalidInput("password", "repeats too few characters")


async def hashed(password: str) -> str:
    """The argon2id hash, with its parameters and salt."""
    async with _turn:
        return await asyncio.to_thread(_hasher.hash, password)


async def matches(stored: str | None, password: str) -> bool:
    """Whether a password is the stored one; takes the same time where nothing is stored."""
    async with _turn:
        return await asyncio.to_thread(_verify, stored, password[: LONGEST + 1])


@cache
def _nobody() -> str:
    """Stands in where there is no user, so that a wrong address takes as long as a wrong password."""
    return _hasher.hash("nobody has this password")


def _verify(stored: str | None, password: str) -> bool:
    try:
        _hasher.verify(stored or _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None
