"""The page on which the owner of an address lets an organisation send from it."""

from __future__ import annotations

import re

import httpx2
import pytest

from sealpost.domain.parties import address
from sealpost.usecases.allow_address import allow_address
from tests.world import World, links_in, text_of

DESK = "desk@example.org"


async def asked(world: World) -> str:
    """The path of a new confirmation link."""
    await allow_address(world.service, world.alice, address("email_address", DESK))
    await world.work_off()
    (link,) = links_in(world.mailbox.to(DESK)[-1])
    return "/" + link.partition("//")[2].partition("/")[2]


async def confirmed(world: World) -> bool:
    return await world.service.pool.fetchval("select confirmed_at is not null from allowed_addresses")


async def test_it_says_who_asks_and_what_it_means(world: World, site: httpx2.AsyncClient) -> None:
    path = await asked(world)
    page = await site.get(path, params={"lang": "en"})
    assert page.status_code == 200
    words = " ".join(re.sub(r"<[^>]*>", " ", page.text).split())
    assert f"Alice Incasso N.V. asks to send messages with {DESK} as the sender." in words
    assert "If you confirm" in words
    assert "the organisation cannot use this address" in words
    (form,) = re.findall(r"<form.*?</form>", page.text, re.DOTALL)
    assert 'method="post"' in form
    assert (len(re.findall("<button", form)), len(re.findall("<input", form))) == (1, 0)
    assert not await confirmed(world)

    done = await site.post(path)
    assert (done.status_code, await confirmed(world)) == (200, True)
    assert DESK in done.text
    assert "<form" not in done.text
    again = await site.post(path)
    assert (again.status_code, again.headers["content-type"]) == (410, "text/html; charset=utf-8")
    assert "The address is confirmed already" in (await site.get(path, params={"lang": "en"})).text


async def test_the_page_and_the_mail_speak_the_accounts_language(world: World, site: httpx2.AsyncClient) -> None:
    await world.service.pool.execute("update accounts set language = 'nl'")
    path = await asked(world)
    page = await site.get(path)
    assert '<html lang="nl">' in page.text
    mail = world.mailbox.to(DESK)[0]
    assert (mail["content-language"], "Alice Incasso N.V." in text_of(mail)) == ("nl", True)


@pytest.mark.parametrize("secret", ["x" * 43, "x", "x" * 500, "%00", "%F0%9F%92%8C" * 11])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_a_dead_link_is_a_page(site: httpx2.AsyncClient, method: str, secret: str) -> None:
    answer = await site.request(method, f"/address/{secret}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    if method != "HEAD":
        words = "We do not know this link" if len(secret) == 43 else "This link is not complete"
        assert words in answer.text


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_a_strangers_form_confirms_nothing(world: World, site: httpx2.AsyncClient, origin: str) -> None:
    path = await asked(world)
    answer = await site.post(path, headers={"Origin": origin})
    assert (answer.status_code, await confirmed(world)) == (403, False)
