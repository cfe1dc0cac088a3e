"""A suspended account: everything of it stops, nothing of it is lost, and it goes on when it is resumed."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx2
import pytest

from sealpost.usecases.suspend import resume, suspend
from tests.site import Site, request_body
from tests.world import PASSWORD, START, World, links_in

SEND = "/webservice/mailsender/send"
SUSPENDED = ("account-suspended", ["the account was suspended; its links did not work"])


async def stop(world: World) -> None:
    """Suspends Alice's account, and lets the memories of five seconds end."""
    await suspend(world.service, world.alice)
    world.clock.real_at += timedelta(seconds=6)


def link_in(world: World, email: str, part: str) -> str:
    return next(link for mail in world.mailbox.to(email) for link in links_in(mail) if part in link)


async def test_programs_are_refused(site: Site) -> None:
    bearer = await site.bearer(site.world.alice_client.name, site.world.alice_client.secret)
    async with site.client() as program:
        assert (await program.post(SEND, json=request_body(), headers=bearer)).status_code == 200
        await stop(site.world)
        for headers in (bearer, site.alice_basic):
            for method, path in (
                ("POST", SEND), ("GET", "/webservice/xml/?ticket_token=x"), ("GET", "/api/user/"),
                ("GET", "/allowed_email_address/"), ("DELETE", f"/api/user/{site.world.alice_user}"),
            ):  # fmt: skip
                answer = await program.request(method, path, json=request_body(), headers=headers)
                assert (answer.status_code, answer.json()["info"]) == (403, "the account is suspended"), path
        pair = {"client_id": site.world.alice_client.name, "client_secret": site.world.alice_client.secret}
        issue = "/oauth/client_credential/accesstoken?grant_type=client_credentials"
        assert (await program.post(issue, data=pair)).status_code in {401, 403}
        other = await program.get("/webservice/xml/?ticket_token=x", headers=site.charlie_basic)
        assert other.status_code != 403, "Charlie goes on"
        await resume(site.world.service, site.world.alice)
        site.world.clock.real_at += timedelta(seconds=6)
        assert (await program.post(issue, data=pair)).status_code == 200
        assert (await program.post(SEND, json=request_body(), headers=site.alice_basic)).status_code == 200


async def test_people_are_signed_out(site: Site) -> None:
    async with site.client() as browser, site.client() as charlie:
        await site.sign_in(browser)
        await site.sign_in(charlie, "charlie@example.net")
        await stop(site.world)
        assert (await browser.get("/dashboard/")).status_code == 302
        again = await browser.post("/signin", data={"email": "alice@example.org", "password": PASSWORD})
        assert again.status_code == 401
        assert (await charlie.get("/dashboard/")).status_code == 200
        await resume(site.world.service, site.world.alice)
        assert (await browser.get("/dashboard/")).status_code == 302, "the session ended for good"
        await site.sign_in(browser)


async def opened(site: Site, browser: httpx2.AsyncClient) -> str:
    """A new ticket whose link Bob's browser has opened."""
    token = await site.send()
    assert (await browser.get(f"/p/{site.world.secret()}")).status_code == 303
    return token


async def test_pickup_links_are_dead_at_every_step(site: Site) -> None:
    async with site.client() as browser, site.client() as accepted:
        await _dead_at_every_step(site, browser, accepted)


async def _dead_at_every_step(site: Site, browser: httpx2.AsyncClient, accepted: httpx2.AsyncClient) -> None:
    token, other = await opened(site, browser), await opened(site, accepted)
    await accepted.post(f"/pickup/{other}", data={"decision": "accept"})
    assert (await accepted.post(f"/pickup/{other}/accept", data={"confirm": "yes"})).status_code == 303
    await site.world.work_off()
    before = await site.world.kinds(token), await site.world.kinds(other)
    await stop(site.world)
    calls = (
        (browser, "GET", f"/p/{site.world.secret(number=0)}", {}),
        (browser, "GET", f"/pickup/{token}", {}),
        (browser, "POST", f"/pickup/{token}", {"decision": "accept"}),
        (browser, "GET", f"/pickup/{token}/accept", {}),
        (browser, "POST", f"/pickup/{token}/accept", {"confirm": "yes"}),
        (browser, "POST", f"/pickup/{token}/refuse", {"confirm": "yes", "reason": ""}),
        (accepted, "GET", f"/pickup/{other}", {}),
        (accepted, "POST", f"/pickup/{other}/download/1", {}),
    )
    for client, method, path, data in calls:
        answer = await client.request(method, path, data=data)
        assert (answer.status_code, path) == (403, path)
        assert "cannot be opened at the moment" in answer.text or "kan nu niet" in answer.text
    assert (await site.world.kinds(token), await site.world.kinds(other)) == before
    await resume(site.world.service, site.world.alice)
    for client, method, path, data in calls:
        answer = await client.request(method, path, data=data)
        # Refusing comes after accepting here, and finds the decision made.
        assert answer.status_code in ({409} if path.endswith("refuse") else {200, 303}), path


async def test_confirmation_and_activation_links_are_dead(site: Site) -> None:
    headers = await site.bearer(site.world.alice_client.name, site.world.alice_client.secret)
    async with site.client() as program:
        await program.post("/api/user/", json={"email_address": "bob@example.org"}, headers=headers)
        await program.post("/allowed_email_address/", json={"email_address": "desk@example.org"}, headers=headers)
    await site.world.work_off()
    links = {
        link_in(site.world, "bob@example.org", "/activate/"): (303, {"password": PASSWORD}),
        link_in(site.world, "desk@example.org", "/address/"): (200, {}),
    }
    await stop(site.world)
    async with site.client() as browser:
        for link, (_, data) in links.items():
            assert (await browser.get(link)).status_code == 403
            assert (await browser.post(link, data=data)).status_code == 403
        await resume(site.world.service, site.world.alice)
        for link, (status, data) in links.items():
            assert (await browser.post(link, data=data)).status_code == status


async def test_no_mail_leaves_and_none_is_lost(site: Site) -> None:
    headers = await site.bearer(site.world.alice_client.name, site.world.alice_client.secret)
    async with site.client() as program:
        # Accepted before, not announced yet; invited before, not mailed yet.
        sent = await program.post(SEND, json=request_body(), headers=headers)
        await program.post("/api/user/", json={"email_address": "bob@example.org"}, headers=headers)
        await program.post(SEND, json=request_body(sender_email="charlie@example.net"), headers=site.charlie_basic)
    token = sent.json()["ticket_token"]
    await stop(site.world)
    for _ in range(4):
        await site.world.work_off()
        site.world.clock.advance(minutes=6)
    told = {rcpt for _, rcpt, _ in site.world.mailbox.mails}
    assert told == {"bob@example.com", "charlie@example.net"}, "Charlie's go out"
    assert len(site.world.mailbox.to("bob@example.com")) == 1
    states = await site.world.service.pool.fetch(
        "select state, claimed_by, due_at from mails where account_id = $1", site.world.alice
    )
    assert [(row["state"], row["claimed_by"]) for row in states] == [("planned", None)] * 2
    assert all(row["due_at"] is not None for row in states), "looked at again"
    assert await site.world.kinds(token) == ["submitted"]

    await resume(site.world.service, site.world.alice)
    site.world.clock.advance(minutes=6)
    await site.world.work_off()
    assert await site.world.kinds(token) == ["submitted", "announcement_offered", "announcement_accepted"]
    assert len(site.world.mailbox.to("bob@example.com")) == 2
    assert len(site.world.mailbox.to("bob@example.org")) == 1


async def reasons(world: World, token: str) -> list[tuple[str, list[str]]]:
    members = json.loads((await world.records(token))[-1])
    assert members["ERDSEventId"].endswith("AcceptanceRejectionExpiry")
    told = members["EventReasons"]["EventReason"]
    return [(reason["Code"].rpartition("#")[2], reason["Details"]) for reason in told]


@pytest.mark.parametrize("when", ["never", "before", "afterwards", "and resumed"])
async def test_the_expiry_says_that_the_links_did_not_work(world: World, when: str) -> None:
    token = await world.send()
    if when in {"before", "and resumed"}:
        await suspend(world.service, world.alice)
    if when == "and resumed":
        await resume(world.service, world.alice)
    world.clock.advance(days=13)
    if when == "afterwards":
        await suspend(world.service, world.alice)
    await world.work_off()
    assert (await world.kinds(token))[-1] == "expired"
    told = await reasons(world, token)
    assert told[0][0] == "term-over"
    assert told[1:] == ([SUSPENDED] if when == "before" else [])


async def test_suspending_twice_keeps_the_first_time(world: World) -> None:
    asked = "select suspended_at from accounts where id = $1"
    for _ in range(2):
        await suspend(world.service, world.alice)
        assert await world.service.pool.fetchval(asked, world.alice) == START
        world.clock.advance(minutes=1)
    for _ in range(2):
        await resume(world.service, world.alice)
        assert await world.service.pool.fetchval(asked, world.alice) is None
