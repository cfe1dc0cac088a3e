"""What has ended goes; what lives, and every piece of evidence, stays."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sealpost.domain.canonical import sha256
from sealpost.store import ended
from sealpost.usecases.forget import forget
from sealpost.usecases.sign_in import sign_in
from sealpost.usecases.submit_once import submit_once
from tests.world import PASSWORD, World

TABLES = (
    "sessions",
    "access_tokens",
    "user_links",
    "address_links",
    "mta_sts_policies",
    "idempotency_keys",
    "gateway_mails",
)


async def counts(world: World) -> list[int]:
    return [await world.service.pool.fetchval(f"select count(*) from {table}") for table in TABLES]


async def fill(world: World) -> None:
    service = world.service
    assert await sign_in(service, "alice@example.org", PASSWORD, "192.0.2.1")
    await submit_once(service, world.submitter, world.message(), 1, "key")
    until, pool = service.clock.real() + timedelta(days=7), service.pool
    await pool.execute("insert into access_tokens select $1, id, $2, $2 from clients limit 1", sha256(b"t"), until)
    await pool.execute("insert into user_links (hash, user_id, expires_at) values ($1, $2, $3)", sha256(b"u"), world.alice_user, until)  # fmt: skip
    address = await pool.fetchval(
        """insert into allowed_addresses (account_id, email, email_key, created_at, asked_at)
           values ($1, 'x@example.org', 'x@example.org', $2, $2) returning id""",
        world.alice, until,
    )  # fmt: skip
    await pool.execute("insert into address_links values ($1, $2, $3)", sha256(b"a"), address, until)
    await pool.execute("insert into mta_sts_policies values ('example.com', '1', 'enforce', '{mx.example.com}', $1)", until)  # fmt: skip
    await pool.execute(
        "insert into gateway_mails values ($1, $2, 'bob@example.com', $2, 'token', $3, $3)",
        world.alice, sha256(b"g"), service.clock.real(),
    )  # fmt: skip


async def test_nothing_that_lives_is_removed(world: World) -> None:
    await fill(world)
    assert await forget(world.service) == 0
    assert await counts(world) == [1] * 7


@pytest.mark.parametrize(
    ("days", "left"),
    [
        (3, [0, 1, 1, 1, 1, 1, 1]),
        (7, [0, 1, 1, 1, 1, 1, 1]),
        (10, [0, 0, 1, 1, 0, 1, 1]),
        (40, [0, 0, 1, 1, 0, 0, 0]),
        (96, [0, 0, 1, 1, 0, 0, 0]),
        (98, [0] * 7),
    ],
)
async def test_each_in_its_time(world: World, days: int, left: list[int]) -> None:
    await fill(world)
    world.clock.real_at += timedelta(days=days)
    assert await forget(world.service) == 7 - sum(left)
    assert await counts(world) == left
    assert await world.service.pool.fetchval("select count(*) from records") == 1


async def test_message_ids_are_known_for_thirty_days(world: World) -> None:
    await fill(world)
    world.clock.real_at += timedelta(days=30)
    assert (await forget(world.service), (await counts(world))[-1]) == (3, 1)
    world.clock.real_at += timedelta(seconds=1)
    assert (await forget(world.service), (await counts(world))[-1]) == (2, 0)


async def test_more_than_a_piece(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended, "PIECE", 3)
    await world.service.pool.execute(
        "insert into sessions select sha256(n::text::bytea), $1, $2, $2 from generate_series(1, 10) n",
        world.alice_user,
        world.clock.real_at - timedelta(days=2),
    )
    assert await forget(world.service) == 10


@pytest.mark.parametrize(("days", "left"), [(12 + 30, 1), (12 + 30 + 1825, 1), (12 + 30 + 1828, 0)])
async def test_links_to_tickets_are_known_for_five_years_after_their_end(world: World, days: int, left: int) -> None:
    await world.send()
    world.clock.advance(days=days)
    await forget(world.service)
    assert await world.service.pool.fetchval("select count(*) from link_tokens") == left
