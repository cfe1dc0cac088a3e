"""The same request under the same key makes one ticket, whatever happens in between (contract, section 3)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sealpost.domain.canonical import sha256
from sealpost.domain.errors import Conflict, Unavailable
from sealpost.store import idempotency_keys
from sealpost.store.idempotency_keys import Held
from sealpost.usecases import submit_once as module
from sealpost.usecases.submit_once import submit_once
from tests.site import Site, request_body
from tests.world import World

SEND = "/webservice/mailsender/send"
KEY = {"Idempotency-Key": "notice-2026-11"}


async def tickets(world: World) -> int:
    return await world.service.pool.fetchval("select count(*) from tickets")


async def post(site: Site, headers: dict[str, str], **changes: Any) -> Any:
    async with site.client() as client:
        return await client.post(SEND, json=request_body(**changes), headers=headers)


async def test_the_first_answer_again_and_marked(site: Site) -> None:
    first = await post(site, site.alice_basic | KEY)
    again = await post(site, site.alice_basic | KEY)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert await tickets(site.world) == 1
    await site.world.work_off()
    assert len(site.world.mailbox.to("bob@example.com")) == 1


async def test_a_large_request_too(site: Site) -> None:
    large = {"message_body": "x" * 900_000, "attachments": [
        {"attachment": "QUJD" * 500_000, "attachment_name": "a.bin", "attachment_type": "application/octet-stream"}
    ]}  # fmt: skip
    first = await post(site, site.alice_basic | KEY, **large)
    again = await post(site, site.alice_basic | KEY, **large)
    assert first.status_code == 200, first.text
    assert first.json() == again.json()
    assert await tickets(site.world) == 1


async def test_another_body_is_422(site: Site) -> None:
    await post(site, site.alice_basic | KEY)
    other = await post(site, site.alice_basic | KEY, subject="Another notice")
    assert other.status_code == 422
    assert other.json()["status"] == "422"
    assert other.json()["info"].startswith("Idempotency-Key: ")
    assert await tickets(site.world) == 1


async def test_keys_of_two_clients_are_two(site: Site) -> None:
    world = site.world
    bearer = await site.bearer(world.alice_client.name, world.alice_client.secret)
    first = await post(site, site.alice_basic | KEY)
    second = await post(site, bearer | KEY)
    charlies = await post(site, site.charlie_basic | KEY, sender_email="charlie@example.net")
    assert len({answer.json()["ticket_token"] for answer in (first, second, charlies)}) == 3


async def test_only_successes_are_kept(site: Site) -> None:
    refused = await post(site, site.alice_basic | KEY, sender_email="stranger@example.org")
    assert refused.status_code == 412
    assert (await post(site, site.alice_basic | KEY)).status_code == 200


async def test_forgotten_after_thirty_days(site: Site) -> None:
    first = await post(site, site.alice_basic | KEY)
    await site.world.service.pool.execute("update idempotency_keys set created_at = created_at - interval '30 days'")
    again = await post(site, site.alice_basic | KEY)
    assert again.status_code == 200
    assert first.json()["ticket_token"] != again.json()["ticket_token"]


async def test_many_at_once_make_one_ticket(site: Site) -> None:
    answers = await asyncio.gather(*(post(site, site.alice_basic | KEY) for _ in range(12)))
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {200, 409}
    assert 200 in statuses
    assert all(answer.headers.get("retry-after") for answer in answers if answer.status_code == 409)
    assert len({answer.json()["ticket_token"] for answer in answers if answer.status_code == 200}) == 1
    assert await tickets(site.world) == 1


class Slow:
    """A submitter that another request overtakes: the lease ends before it commits."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.overtaken = ""

    async def submit(self, message: Any, held: Held | None = None) -> str:
        pool = self.world.service.pool
        await pool.execute("update idempotency_keys set claimed_until = claimed_until - interval '61 seconds'")
        self.overtaken, repeated = await submit_once(self.world.service, self.world.submitter, message, 7, "key")
        assert not repeated
        return await self.world.submitter.submit(message, held)


async def test_who_was_taken_over_cannot_commit(world: World) -> None:
    slow = Slow(world)
    with pytest.raises(Conflict):
        await submit_once(world.service, slow, world.message(), 7, "key")
    assert await tickets(world) == 1
    assert await submit_once(world.service, world.submitter, world.message(), 7, "key") == (slow.overtaken, True)


async def test_one_that_was_taken_over_does_not_hurt_its_group(world: World) -> None:
    stale = Held(7, sha256(b"key"), world.service.worker)
    outcomes = await asyncio.gather(
        world.submitter.submit(world.message(), stale),
        *(world.submitter.submit(world.message()) for _ in range(5)),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], Conflict)
    assert all(isinstance(token, str) for token in outcomes[1:])
    assert await tickets(world) == 5


async def test_still_running_is_409(world: World) -> None:
    held = Held(7, sha256(b"key"), world.service.worker)
    now = world.service.clock.real()
    message = world.message()
    args = (message.request_sha256, now, now + module.LEASE, now - module.KEPT)
    assert await idempotency_keys.claim(world.service.pool, held, *args)
    with pytest.raises(Conflict):
        await submit_once(world.service, world.submitter, message, 7, "key")
    world.clock.real_at += module.LEASE + module.LEASE
    token, repeated = await submit_once(world.service, world.submitter, message, 7, "key")
    assert (token[:2], repeated) == ("K.", False)


class Failing:
    """Fails before or after the commit."""

    def __init__(self, world: World, *, stored: bool) -> None:
        self.world, self.stored = world, stored

    async def submit(self, message: Any, held: Held | None = None) -> str:
        if self.stored:
            await self.world.submitter.submit(message, held)
        raise Unavailable("the database is away")


@pytest.mark.parametrize("stored", [False, True])
async def test_a_failed_request_frees_its_key_and_a_stored_one_keeps_it(world: World, stored: bool) -> None:
    with pytest.raises(Unavailable):
        await submit_once(world.service, Failing(world, stored=stored), world.message(), 7, "key")
    _, repeated = await submit_once(world.service, world.submitter, world.message(), 7, "key")
    assert repeated == stored
    assert await tickets(world) == 1


async def test_limits_of_the_account(site: Site) -> None:
    await site.world.service.pool.execute(
        "update accounts set max_decoded = 3000, max_attachments = 1 where id = $1", site.world.alice
    )
    part = {"attachment": "QUJD", "attachment_name": "a.txt", "attachment_type": "text/plain"}
    for changes, field in (
        ({"attachments": [part, part]}, "attachments"),
        ({"attachments": [part | {"attachment": "QUJD" * 1000}]}, "attachments"),
        ({"attachments": [], "message_body": "x" * 3001}, "message_body"),
    ):
        answer = await post(site, site.alice_basic, **changes)
        assert (answer.status_code, answer.json()["info"].partition(":")[0]) == (413, field)
    assert (await post(site, site.alice_basic, attachments=[part])).status_code == 200
    assert (await post(site, site.charlie_basic, attachments=[part, part], sender_email="charlie@example.net")).status_code == 200  # fmt: skip
