"""The list of tickets with its filters, and the choice of notices."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from sealpost.usecases.reads.notices import CHOICES
from tests.site import Site
from tests.world import ACT

NOTICES = "/dashboard/notices"
OWN = {"Origin": "http://127.0.0.1"}


@pytest_asyncio.fixture
async def alice(site: Site) -> AsyncGenerator[httpx2.AsyncClient]:
    async with site.client() as client:
        await site.sign_in(client)
        yield client


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, {"spring", "autumn", "plain"}), ({"campaign": "spring & Co"}, {"spring"}), ({"x-own-id": " A 1 "}, {"spring"}),
        ({"x-own-guid": "g-2"}, {"autumn"}), ({"status": "announcement_accepted.relay"}, {"spring", "autumn", "plain"}),
        ({"status": "announcement_accepted"}, set()), ({"status": "reminder_delayed"}, set()),
        ({"status": "accepted"}, set()), ({"campaign": "spring & Co", "x-own-guid": "g-2"}, set()), ({"campaign": ""}, {"spring", "autumn", "plain"}),
    ],
)  # fmt: skip
async def test_filters(site: Site, alice: httpx2.AsyncClient, query: dict[str, str], shown: set[str]) -> None:
    await site.send(subject="plain")
    await site.send(**{"subject": "spring", "x-own-campaign": "spring & Co", "x-own-id": "A 1", "x-own-guid": "g-1"})
    await site.send(**{"subject": "autumn", "x-own-campaign": "autumn", "x-own-guid": "g-2"})
    page = await alice.get("/dashboard/", params={**query, "lang": "en"})
    found = {name for name in ("spring", "autumn", "plain") if f'"subject"><bdi>{name}<' in page.text}
    assert found == shown
    assert ("No message fits" in page.text) == (not shown)
    for text in query.values():
        assert not text or text.strip().replace("&", "&amp;") in page.text, "the form keeps what was asked"


@pytest.mark.parametrize("query", [{"status": "x"}, {"campaign": "x" * 201}, {"x-own-id": "a\0b"}, {"cursor": "x"}])
async def test_what_cannot_be_asked(alice: httpx2.AsyncClient, query: dict[str, str]) -> None:
    page = await alice.get("/dashboard/", params=query)
    assert page.status_code == 400
    assert page.headers["content-type"].startswith("text/html")


async def test_pages_keep_the_filter(site: Site, alice: httpx2.AsyncClient) -> None:
    for number in range(51):
        await site.world.submitter.submit(site.world.message(campaign="a b", subject=f"number {number}"))
    first = await alice.get("/dashboard/", params={"campaign": "a b", "lang": "en"})
    assert first.text.count('class="subject"') == 50
    older = first.text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "campaign=a+b" in older
    second = await alice.get(older)
    assert second.text.count('class="subject"') == 1
    assert 'href="/dashboard/?campaign=a+b"' in second.text


async def test_administrators_choose_the_notices(site: Site, alice: httpx2.AsyncClient) -> None:
    page = await alice.get(NOTICES)
    assert page.status_code == 200
    assert page.text.count(" checked") == 6
    answer = await alice.post(NOTICES, data={"announcement_accepted": "yes", "accepted": "no", "refused": "yes"})
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, NOTICES)
    assert (await alice.get(answer.headers["location"])).text.count(" checked") == 2
    await site.send()
    subjects = " | ".join(site.world.mailbox.subjects("alice@example.org"))
    assert "geaccepteerd door relayserver" in subjects
    every = await alice.post(NOTICES, data=dict.fromkeys(CHOICES, "yes"))
    assert every.status_code == 303
    assert (await alice.get(NOTICES)).text.count(" checked") == len(CHOICES)
    none = await alice.post(NOTICES, data={})
    assert none.status_code == 303
    assert (await alice.get(NOTICES)).text.count(" checked") == 0


async def test_a_notice_for_each_choice_can_be_written(site: Site, alice: httpx2.AsyncClient) -> None:
    await alice.post(NOTICES, data=dict.fromkeys(CHOICES, "yes"))
    token = await site.send()
    from sealpost.usecases.decide import decide  # noqa: PLC0415 - one test's

    await decide(site.world.service, token, [site.world.secret()], "accepted", "", ACT)
    await site.world.work_off()
    mails = site.world.mailbox.to("alice@example.org")
    assert len(mails) == 6, [str(mail["subject"]) for mail in mails]
    states = await site.world.service.pool.fetch("select distinct state from mails where purpose like 'notice:%'")
    assert [row["state"] for row in states] == ["sent"]


async def test_others_do_not_choose(site: Site, alice: httpx2.AsyncClient) -> None:
    await site.world.service.pool.execute("update users set role = 'user' where id = $1", site.world.alice_user)
    assert NOTICES not in (await alice.get("/dashboard/")).text
    assert (await alice.get(NOTICES)).status_code == 403
    assert (await alice.post(NOTICES, data={"refused": "yes"})).status_code == 403
    chosen: list[Any] = await site.world.service.pool.fetchval(
        "select notices from accounts where id = $1", site.world.alice
    )
    assert len(chosen) == 6


async def test_nobody_signs_in_first_and_comes_back(site: Site) -> None:
    async with site.client() as client:
        sent = await client.get(NOTICES)
        assert (sent.status_code, sent.headers["location"]) == (302, "/signin?next=%2Fdashboard%2Fnotices")
        assert (await client.post(NOTICES, data={"refused": "yes"})).status_code == 302
        form = {"email": "alice@example.org", "password": "correct horse battery staple", "next": NOTICES}
        assert (await client.post("/signin", data=form)).headers["location"] == NOTICES


async def test_a_ticket_link_keeps_its_language_on_the_way(site: Site) -> None:
    async with site.client() as client:
        sent = await client.get("/webservice/dashboard/?ticket_token=K.x&action=ticket_html&lang=fr")
        assert sent.headers["location"].endswith("&lang=fr")
        assert 'lang="fr"' in (await client.get(sent.headers["location"])).text
