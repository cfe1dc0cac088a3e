"""Signing in: what is told to whoever guesses, and how long they may."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher
from argon2.profiles import RFC_9106_LOW_MEMORY

from sealpost.domain.errors import InvalidInput
from sealpost.usecases import passwords
from sealpost.usecases.reads.session import session
from sealpost.usecases.sign_in import sign_in, sign_out
from tests.world import PASSWORD, World


async def test_in_and_out(world: World) -> None:
    secret = await sign_in(world.service, " Alice@Example.ORG ", PASSWORD, "192.0.2.1")
    assert secret
    who = await session(world.service, secret)
    assert who
    assert (who.account_id, who.email, who.role) == (world.alice, "alice@example.org", "administrator")
    kept = await world.service.pool.fetch("select s::text as row from sessions s")
    assert secret not in str(kept)
    await sign_out(world.service, secret)
    assert await session(world.service, secret) is None


async def test_sessions_end_after_twelve_hours_and_with_the_account(world: World) -> None:
    secret = await sign_in(world.service, "alice@example.org", PASSWORD, "192.0.2.1")
    assert secret
    await world.service.pool.execute("update accounts set suspended_at = now() where id = $1", world.alice)
    assert await session(world.service, secret) is None
    assert await sign_in(world.service, "alice@example.org", PASSWORD, "192.0.2.1") is None
    await world.service.pool.execute("update accounts set suspended_at = null")
    assert await session(world.service, secret)
    world.clock.real_at = world.clock.real_at.replace(hour=23)
    assert await session(world.service, secret) is None


@pytest.mark.parametrize(
    "email", ["alice@example.org", "nobody@example.org", "not an address", "", "a\0@example.org", "\ud800"]
)
async def test_wrong_pairs_look_the_same(quiet_world: World, email: str) -> None:
    assert await sign_in(quiet_world.service, email, "wrong password", "192.0.2.1") is None


async def test_guessing_is_slowed_and_locks_nobody_else_out(world: World) -> None:
    for _ in range(10):
        assert await sign_in(world.service, "alice@example.org", "wrong", "192.0.2.66") is None
    assert await sign_in(world.service, "alice@example.org", PASSWORD, "192.0.2.66") is None, "the guesser is stopped"
    assert await sign_in(world.service, "alice@example.org", PASSWORD, "192.0.2.1"), "Alice is not"


@pytest.mark.parametrize("password", ["", "short", "a" * 11, "a" * 12, "abab" * 5, "x" * 201])
def test_weak_passwords(password: str) -> None:
    with pytest.raises(InvalidInput):
        passwords.check_new(password)


def test_the_hash_is_as_costly_as_the_standard_asks() -> None:
    ours = PasswordHasher()
    assert ours.memory_cost >= RFC_9106_LOW_MEMORY.memory_cost
    assert ours.time_cost >= RFC_9106_LOW_MEMORY.time_cost
