"""Users when several act at once, or act late: one wins, and nobody gets what belongs to another address."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from sealpost.domain.canonical import sha256
from sealpost.domain.errors import NotFound, PreconditionFailed
from sealpost.store import people, users
from sealpost.usecases import sign_in as signing
from sealpost.usecases.activate import activate, invitation
from sealpost.usecases.add_user import add_user
from sealpost.usecases.change_user import change_user
from sealpost.usecases.database import transaction
from sealpost.usecases.delete_user import delete_user
from sealpost.usecases.found import found_user
from sealpost.usecases.invite import invite
from sealpost.usecases.reads.session import session
from sealpost.usecases.sign_in import sign_in
from sealpost.usecases.suspend import resume, suspend
from sealpost.usecases.user_fields import UserFields
from tests.world import PASSWORD, World, links_in

BOB = "bob@example.org"
Eventually = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


def secrets(world: World, email: str = BOB) -> list[str]:
    links = [link for mail in world.mailbox.to(email) for link in links_in(mail) if "/activate/" in link]
    return [link.rsplit("/", 1)[1] for link in links]


async def invited(world: World, mails: int = 1) -> int:
    """Bob's id; she has so many activation mails."""
    user = await add_user(world.service, world.alice, UserFields(BOB))
    await world.work_off()
    for _ in range(mails - 1):
        world.clock.real_at += timedelta(minutes=5)
        await invite(world.service, world.alice, user)
        await world.work_off()
    assert len(secrets(world)) == mails
    return user


async def outcome(act: Awaitable[Any]) -> str:
    try:
        await act
    except (NotFound, PreconditionFailed) as error:
        return type(error).__name__
    return "done"


async def somebody_waits(world: World) -> bool:
    """Whether a statement waits for a row that another transaction holds."""
    return await world.service.pool.fetchval(
        "select count(*) > 0 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    )


async def test_of_links_followed_at_once_one_wins(world: World) -> None:
    await invited(world, mails=3)
    tries = [activate(world.service, secret, PASSWORD, "") for secret in secrets(world) * 3]
    results = await asyncio.gather(*map(outcome, tries))
    assert sorted(results) == ["NotFound"] * 8 + ["done"]
    assert [await invitation(world.service, secret) for secret in secrets(world)] == [None] * 3


@pytest.mark.parametrize(("days", "lives"), [(6.99, True), (7, False)])
async def test_a_link_lives_seven_days_of_real_time(world: World, days: float, lives: bool) -> None:
    await invited(world)
    (secret,) = secrets(world)
    world.clock.advance(days=30)  # the demo's clock does not end links of users
    world.clock.real_at += timedelta(days=days)
    assert (await invitation(world.service, secret) is not None) is lives
    assert await outcome(activate(world.service, secret, PASSWORD, "")) == ("done" if lives else "NotFound")


async def test_a_link_of_a_suspended_account_is_dead(world: World) -> None:
    await invited(world)
    (secret,) = secrets(world)
    await suspend(world.service, world.alice)
    assert await invitation(world.service, secret) is None
    assert await outcome(activate(world.service, secret, PASSWORD, "")) == "NotFound"
    await resume(world.service, world.alice)
    assert await outcome(activate(world.service, secret, PASSWORD, "")) == "done"


async def test_of_two_last_administrators_deleted_at_once_one_stays(world: World) -> None:
    second = await found_user(world.service, world.alice, BOB, PASSWORD, "administrator")
    idle = await add_user(world.service, world.alice, UserFields("idle@example.org"), "administrator")
    tries = [delete_user(world.service, world.alice, user) for user in (world.alice_user, second)]
    assert sorted(await asyncio.gather(*map(outcome, tries))) == ["PreconditionFailed", "done"]
    assert await outcome(delete_user(world.service, world.alice, idle)) == "done", "one who is not active is none"


async def test_the_second_of_two_administrators_waits_for_the_first(world: World, eventually: Eventually) -> None:
    second = await found_user(world.service, world.alice, BOB, PASSWORD, "administrator")
    async with transaction(world.service) as connection:
        assert len(await users.lock_with_administrators(connection, world.alice, second)) == 2
        await users.delete(connection, second, world.clock.now(), world.clock.real())
        deleting = asyncio.create_task(outcome(delete_user(world.service, world.alice, world.alice_user)))
        await eventually(lambda: somebody_waits(world))
    assert await deleting == "PreconditionFailed"


async def test_of_users_added_at_once_with_one_address_one_is(world: World) -> None:
    results = await asyncio.gather(
        *(outcome(add_user(world.service, account, UserFields(BOB))) for account in [world.alice, world.charlie] * 4)
    )
    assert sorted(results) == ["PreconditionFailed"] * 7 + ["done"]
    await world.work_off()
    assert len(secrets(world)) == 1


async def test_no_user_without_an_account(world: World) -> None:
    assert await outcome(add_user(world.service, 1, UserFields(BOB))) == "NotFound"


async def test_a_mail_made_during_a_change_goes_to_the_new_address(world: World, eventually: Eventually) -> None:
    """Else its link, read from the old mailbox, would activate somebody else's address."""
    user = await add_user(world.service, world.alice, UserFields(BOB))
    async with transaction(world.service) as connection:
        row = await users.lock(connection, world.alice, user)
        new = users.Details("bea@example.org", "bea@example.org", row["username"])
        assert await users.change(connection, user, new)
        mailing = asyncio.create_task(world.work_off())
        await eventually(lambda: somebody_waits(world))
        await users.deactivate(connection, user, world.clock.real())
    await mailing
    assert (secrets(world), len(secrets(world, "bea@example.org"))) == ([], 1)


async def test_a_change_ends_a_link_that_is_being_made(world: World, eventually: Eventually) -> None:
    user = await add_user(world.service, world.alice, UserFields(BOB))
    secret = "s" * 43
    async with transaction(world.service) as connection:
        # What the mail's own transaction does, and has not committed yet.
        assert await people.lock_inactive(connection, user)
        until = world.clock.real() + timedelta(days=7)
        await people.add_user_link(connection, sha256(secret.encode()), user, until)
        fields = UserFields("bea@example.org")
        changing = asyncio.create_task(change_user(world.service, world.alice, user, fields))
        await eventually(lambda: somebody_waits(world))
    await changing
    assert await invitation(world.service, secret) is None


async def test_a_link_followed_during_a_change_is_dead(world: World, eventually: Eventually) -> None:
    """And the two do not wait for each other."""
    user = await invited(world)
    (secret,) = secrets(world)
    async with transaction(world.service) as connection:
        row = await users.lock(connection, world.alice, user)
        new = users.Details("bea@example.org", "bea@example.org", row["username"])
        assert await users.change(connection, user, new)
        following = asyncio.create_task(outcome(activate(world.service, secret, PASSWORD, "")))
        await eventually(lambda: somebody_waits(world))
        await users.deactivate(connection, user, world.clock.real())
    assert await following == "NotFound"


async def test_a_change_back_during_a_change_ends_the_links_of_the_one_between(
    world: World, eventually: Eventually
) -> None:
    """Else the owner of the address between could activate the first."""
    user = await add_user(world.service, world.alice, UserFields(BOB))
    secret = "s" * 43
    async with transaction(world.service) as connection:
        row = await users.lock(connection, world.alice, user)
        assert await users.change(
            connection, user, users.Details("bea@example.org", "bea@example.org", row["username"])
        )
        await users.deactivate(connection, user, world.clock.real())
        until = world.clock.real() + timedelta(days=7)
        await people.add_user_link(connection, sha256(secret.encode()), user, until)
        changing = asyncio.create_task(change_user(world.service, world.alice, user, UserFields(BOB)))
        await eventually(lambda: somebody_waits(world))
    assert (await changing).email_address == BOB
    assert await invitation(world.service, secret) is None


@pytest.mark.parametrize("meanwhile", ["changed", "deleted", "suspended"])
async def test_a_password_that_is_being_checked_when_the_user_goes(
    world: World, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    user = await found_user(world.service, world.alice, BOB, PASSWORD, "user")

    async def right_but_late(*_: Any) -> bool:
        match meanwhile:
            case "changed":
                await change_user(world.service, world.alice, user, UserFields("bea@example.org"))
            case "deleted":
                await delete_user(world.service, world.alice, user)
            case _:
                await suspend(world.service, world.alice)
        return True

    monkeypatch.setattr(signing, "matches", right_but_late)
    assert await sign_in(world.service, BOB, PASSWORD, "192.0.2.1") is None
    assert await world.service.pool.fetchval("select count(*) from sessions") == 0


async def test_activating_ends_older_sessions(world: World) -> None:
    user = await invited(world)
    (secret,) = secrets(world)
    stale = "s" * 43
    await world.service.pool.execute(
        "insert into sessions values (sha256($1), $2, $3, $4)",
        stale.encode(), user, world.clock.real() + timedelta(hours=1), world.clock.real(),
    )  # fmt: skip
    new = await activate(world.service, secret, PASSWORD, "Bob")
    assert await session(world.service, stale) is None
    assert (await session(world.service, new)) is not None
