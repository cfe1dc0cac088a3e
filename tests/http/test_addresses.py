"""Allowed sender addresses over HTTP: asked for by a program, confirmed by the address's owner (contract, section 2)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx2
import pytest

from sealpost.usecases import allow_address as allowing
from tests.site import Site, request_body
from tests.world import links_in, text_of

PATH = "/allowed_email_address/"
SEND = "/webservice/mailsender/send"
DESK = "Desk@example.org"


async def program(site: Site, name: str = "alice") -> httpx2.AsyncClient:
    """Alice's or Charlie's administrator's client."""
    client = site.world.alice_client if name == "alice" else site.world.charlie_client
    return site.client(headers=await site.bearer(client.name, client.secret))


async def link_to(site: Site, email: str = DESK, number: int = -1) -> str:
    await site.world.work_off()
    links = [link for mail in site.world.mailbox.to(email) for link in links_in(mail) if "/address/" in link]
    return links[number]


async def confirm(site: Site, link: str) -> int:
    async with site.client() as browser:
        return (await browser.post(link)).status_code


async def allowed(site: Site, client: httpx2.AsyncClient, email: str = DESK) -> int:
    """An address that its owner has confirmed."""
    made = await client.post(PATH, json={"email_address": email})
    assert made.status_code == 201, made.text
    assert await confirm(site, await link_to(site, email)) == 200
    return made.json()["id"]


async def may_send(site: Site, email: str = DESK) -> bool:
    """Asks the service, after its memory of earlier answers has ended."""
    site.world.clock.real_at += timedelta(seconds=6)
    async with site.client(headers=site.alice_basic) as sender:
        answer = await sender.post(SEND, json=request_body(sender_email=email))
    assert answer.status_code in {200, 412}, answer.text
    assert answer.status_code == 200 or answer.json()["info"].startswith("sender_email")
    return answer.status_code == 200


async def test_from_the_question_to_a_letter(site: Site) -> None:
    async with await program(site) as client:
        made = await client.post(PATH, json={"email_address": DESK})
        assert made.status_code == 201
        desk = made.json()["id"]
        assert made.json() == {"id": desk}
        waiting = {"id": desk, "email_address": DESK, "confirmed": False}
        assert (await client.get(PATH)).json() == {"allowed_email_addresses": [waiting], "next": None}
        assert not await may_send(site)
        link = await link_to(site)
        (mail,) = site.world.mailbox.to(DESK)
        assert "Alice Incasso N.V." in text_of(mail)
        assert site.world.mailbox.to("alice@example.org") == []

        async with site.client() as scanner:
            for method in ("GET", "HEAD", "GET"):
                assert (await scanner.request(method, link)).status_code == 200
            foreign = await scanner.post(link, headers={"Origin": "https://evil.example"})
            assert foreign.status_code == 403
        assert not await may_send(site), "reading and strangers' forms confirm nothing"

        assert await confirm(site, link) == 200
        for path in (f"{PATH}{desk}", f"{PATH}{desk}/"):
            assert (await client.get(path)).json() == {**waiting, "confirmed": True}
        assert await may_send(site, "desk@EXAMPLE.org")
        assert await confirm(site, link) == 410, "used"

        gone = await client.delete(f"{PATH}{desk}/")
        assert (gone.status_code, gone.json()) == (200, {"message": "OK"})
        assert not await may_send(site)
        assert (await client.delete(f"{PATH}{desk}")).status_code == 404
        assert (await client.get(f"{PATH}{desk}")).status_code == 404


async def test_one_confirmation_counts(site: Site) -> None:
    async with await program(site) as client:
        await client.post(PATH, json={"email_address": DESK})
        link = await link_to(site)
        results = await asyncio.gather(*(confirm(site, link) for _ in range(6)))
        assert sorted(results) == [200] + [410] * 5


async def test_asked_again_but_not_at_once(site: Site) -> None:
    async with await program(site) as client:
        first = (await client.post("/allowed_email_address", json={"email_address": DESK})).json()["id"]
        for minutes, status in ((0, 412), (4.9, 412), (0.2, 201), (0, 412)):
            site.world.clock.real_at += timedelta(minutes=minutes)
            answer = await client.post(PATH, json={"email_address": "desk@example.org"})
            assert answer.status_code == status, answer.text
            if status == 201:
                assert answer.json() == {"id": first}
            else:
                assert answer.json()["info"].startswith("email_address: ")
                assert "five minutes" in answer.json()["info"]
        old, new = await link_to(site, number=0), await link_to(site, number=1)
        assert await confirm(site, old) == 200
        assert await confirm(site, new) == 410, "all links of the address are used"
        site.world.clock.real_at += timedelta(minutes=6)
        answer = await client.post(PATH, json={"email_address": DESK})
        assert (answer.status_code, "confirmed already" in answer.json()["info"]) == (412, True)


@pytest.mark.parametrize(("days", "status"), [(6.99, 200), (7, 410)])
async def test_a_link_lives_seven_days(site: Site, days: float, status: int) -> None:
    async with await program(site) as client:
        await client.post(PATH, json={"email_address": DESK})
    link = await link_to(site)
    site.world.clock.real_at += timedelta(days=days)
    async with site.client() as browser:
        assert (await browser.get(link)).status_code == status
    assert await confirm(site, link) == status


async def test_a_removed_address_has_no_links(site: Site) -> None:
    async with await program(site) as client:
        desk = (await client.post(PATH, json={"email_address": DESK})).json()["id"]
        link = await link_to(site)
        assert (await client.delete(f"{PATH}{desk}")).status_code == 200
        assert (await client.post(PATH, json={"email_address": DESK})).json()["id"] != desk
        assert await confirm(site, link) == 404
        # One that is removed before its mail was made gets none.
        other = (await client.post(PATH, json={"email_address": "other@example.org"})).json()["id"]
        assert (await client.delete(f"{PATH}{other}")).status_code == 200
    await site.world.work_off()
    assert site.world.mailbox.to("other@example.org") == []


async def test_two_accounts_each_ask(site: Site) -> None:
    async with await program(site) as alice, await program(site, "charlie") as charlie:
        assert (await alice.post(PATH, json={"email_address": DESK})).status_code == 201
        links = [await link_to(site)]
        desk = (await charlie.post(PATH, json={"email_address": DESK})).json()["id"]
        links.append(await link_to(site))
        assert await confirm(site, links[1]) == 200
        assert not await may_send(site), "Charlie's confirmation is not Alice's"
        for answer in (await alice.get(f"{PATH}{desk}"), await alice.delete(f"{PATH}{desk}")):
            assert (answer.status_code, answer.json()["info"]) == (404, "no such address")
        assert [one["confirmed"] for one in (await alice.get(PATH)).json()["allowed_email_addresses"]] == [False]
        assert await confirm(site, links[0]) == 200
        assert await may_send(site)


async def test_users_and_allowed_addresses(site: Site) -> None:
    """A user's own word comes first: who may not send, may not by the list either."""
    async with await program(site) as client:
        taken = await client.post(PATH, json={"email_address": "Alice@example.org"})
        assert (taken.status_code, taken.json()["info"]) == (
            412,
            "email_address: it is an active user's of the account",
        )
        await allowed(site, client)
        user = {"email_address": DESK, "username": "Desk", "sender_allowed": False}
        desk = (await client.post("/api/user/", json=user)).json()["id"]
        assert not await may_send(site)
        put = await client.put(f"/api/user/{desk}", json={**user, "sender_allowed": True})
        assert put.json()["active"] is False
        assert await may_send(site), "not active, but confirmed"
        assert (await client.put(f"/api/user/{desk}", json=user)).status_code == 200
        assert not await may_send(site)
        assert (await client.delete(f"/api/user/{desk}")).status_code == 200
        assert await may_send(site), "a user who is gone says nothing any more"


async def test_at_most_so_many(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowing, "MOST", 5)
    async with await program(site) as client:
        answers = await asyncio.gather(
            *(client.post(PATH, json={"email_address": f"a{number}@example.org"}) for number in range(12))
        )
        assert sorted(answer.status_code for answer in answers) == [201] * 5 + [412] * 7
        full = next(answer for answer in answers if answer.status_code == 412)
        assert full.json()["info"].startswith("email_address: ")
        page = (await client.get(PATH, params={"limit": 3})).json()
        rest = (await client.get(PATH, params={"limit": 3, "cursor": page["next"]})).json()
        listed = page["allowed_email_addresses"] + rest["allowed_email_addresses"]
        made = [answer.json()["id"] for answer in answers if answer.status_code == 201]
        assert [one["id"] for one in listed] == sorted(made)
        assert rest["next"] is None


async def test_an_account_has_a_thousand_at_most() -> None:
    assert allowing.MOST == 1_000


@pytest.mark.parametrize(
    "body",
    [{}, {"email_address": None}, {"email_address": "x"}, {"email_address": 1}, {"email_address": "a@b.example\n"}],
)
async def test_what_is_no_address(quiet_site: Site, body: dict[str, object]) -> None:
    async with await program(quiet_site) as client:
        answer = await client.post(PATH, json=body)
        assert (answer.status_code, answer.json()["info"].partition(":")[0]) == (400, "email_address")
        assert (await client.get(PATH)).json()["allowed_email_addresses"] == []


async def test_who_may(quiet_site: Site) -> None:
    calls = (("GET", PATH), ("POST", PATH), ("GET", f"{PATH}1"), ("DELETE", f"{PATH}1"))
    async with quiet_site.client() as client:
        for method, path in calls:
            for headers, status in (({}, 401), (quiet_site.alice_basic, 403)):
                answer = await client.request(method, path, json={"email_address": DESK}, headers=headers)
                assert answer.status_code == status
    async with await program(quiet_site) as client:
        for name in ("0", "-1", "x", "1.0", "9" * 18, "9" * 30, "%20"):
            for answer in (await client.get(f"{PATH}{name}"), await client.delete(f"{PATH}{name}")):
                assert (answer.status_code, answer.json()["info"]) == (404, "no such address")
        assert (await client.put(f"{PATH}1", json={})).status_code == 405
