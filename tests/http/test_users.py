"""The users of an account over HTTP, as an administrator's program keeps them (contract, section 2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from tests.site import Site, request_body
from tests.world import PASSWORD, links_in

USERS = "/api/user/"
SEND = "/webservice/mailsender/send"
WHOLE = {
    "real_name": "Bob Müller",
    "username": "bob",
    "phone_number": "+31 (0)20-123 45 67",
    "email_address": "Bob@example.org",
    "date_of_birth": "2000-02-29",
    "sender_allowed": False,
}


async def program(site: Site) -> httpx2.AsyncClient:
    """Alice's administrator's client."""
    headers = await site.bearer(site.world.alice_client.name, site.world.alice_client.secret)
    return site.client(headers=headers)


async def activation(site: Site, email: str) -> str:
    """The newest activation link that an address got."""
    await site.world.work_off()
    mail = site.world.mailbox.to(email)[-1]
    return next(link for link in links_in(mail) if "/activate/" in link)


async def follow(site: Site, link: str) -> int:
    async with site.client() as browser:
        return (await browser.post(link, data={"password": PASSWORD})).status_code


async def may_send(site: Site, email: str) -> bool:
    """Asks the service, after its memory of earlier answers has ended."""
    site.world.clock.real_at += timedelta(seconds=6)
    async with site.client(headers=site.alice_basic) as sender:
        answer = await sender.post(SEND, json=request_body(sender_email=email))
    assert answer.status_code in {200, 412}, answer.text
    assert answer.status_code == 200 or answer.json()["info"].startswith("sender_email")
    return answer.status_code == 200


async def test_a_record_is_kept_and_changed(site: Site) -> None:
    async with await program(site) as client:
        made = await client.post(USERS, json=WHOLE)
        assert made.status_code == 201
        user = made.json()["id"]
        assert made.json() == {"id": user}
        whole = {**WHOLE, "id": user, "role": "user", "active": False}
        for path in (f"{USERS}{user}", f"{USERS}{user}/"):
            assert (await client.get(path)).json() == whole
        listed = (await client.get("/api/user")).json()
        assert listed == (await client.get(USERS)).json()
        assert [one["email_address"] for one in listed["users"]] == ["alice@example.org", "Bob@example.org"]
        assert (listed["users"][1], listed["next"]) == (whole, None)

        # What was got can be put back; what is left out stays, null empties.
        assert (await client.put(f"{USERS}{user}/", json=whole)).json() == whole
        less = {"username": "Bob", "email_address": "Bob@example.org", "date_of_birth": None, "real_name": None}
        put = await client.put(f"{USERS}{user}", json=less)
        assert put.status_code == 200
        assert put.json() == {**whole, **less, "real_name": ""} == (await client.get(f"{USERS}{user}")).json()

        bare = (
            await client.post("/api/user", json={"email_address": "charlie@example.org", "phone_number": ""})
        ).json()
        assert (await client.get(f"{USERS}{bare['id']}")).json() == {
            "real_name": "", "username": "charlie@example.org", "phone_number": "", "email_address": "charlie@example.org",
            "date_of_birth": None, "sender_allowed": True, "id": bare["id"], "role": "user", "active": False,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email_address": None}, "email_address"), ({"email_address": "bob"}, "email_address"),
        ({"email_address": ""}, "email_address"), ({"email_address": 7}, "email_address"),
        ({"email_address": "bob@example.org\r\nBcc: x@example.com"}, "email_address"),
        ({"username": 7}, "username"), ({"username": "x" * 255}, "username"), ({"username": "a\nb"}, "username"),
        ({"username": " "}, "username"), ({"real_name": ["x"]}, "real_name"), ({"real_name": "x" * 201}, "real_name"),
        ({"real_name": "Bob\u202e"}, "real_name"), ({"phone_number": 612345678}, "phone_number"),
        ({"phone_number": "12"}, "phone_number"), ({"phone_number": "1" * 31}, "phone_number"),
        ({"phone_number": "06-CALL"}, "phone_number"), ({"phone_number": "()--"}, "phone_number"),
        ({"phone_number": "\u0661\u0662\u0663"}, "phone_number"), ({"phone_number": "0612345678\n"}, "phone_number"),
        ({"date_of_birth": "2001-02-29"}, "date_of_birth"), ({"date_of_birth": "20001231"}, "date_of_birth"),
        ({"date_of_birth": "2000-W01-1"}, "date_of_birth"), ({"date_of_birth": "31-12-2000"}, "date_of_birth"),
        ({"date_of_birth": "2000-12-31T00:00"}, "date_of_birth"), ({"date_of_birth": 20001231}, "date_of_birth"),
        ({"date_of_birth": "0000-01-01"}, "date_of_birth"), ({"date_of_birth": "2026-11-24"}, "date_of_birth"),
        ({"sender_allowed": None}, "sender_allowed"), ({"sender_allowed": 1}, "sender_allowed"),
        ({"sender_allowed": "true"}, "sender_allowed"), ({"sender_allowed": []}, "sender_allowed"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_named_and_changes_nothing(
    quiet_site: Site, changes: dict[str, Any], field: str
) -> None:
    async with await program(quiet_site) as client:
        before = (await client.get(USERS)).json()
        user = before["users"][0]
        for answer in (
            await client.post(USERS, json={**WHOLE, **changes}),
            await client.put(f"{USERS}{user['id']}", json={**user, **changes}),
        ):
            assert (answer.status_code, answer.json()["info"].partition(":")[0]) == (400, field), answer.text
        assert (await client.get(USERS)).json() == before


@pytest.mark.parametrize("missing", ["username", "email_address"])
async def test_a_change_needs_both_names(quiet_site: Site, missing: str) -> None:
    async with await program(quiet_site) as client:
        user = (await client.get(USERS)).json()["users"][0]
        for value in ("absent", None, ""):
            body = {name: user[name] for name in ("username", "email_address") if name != missing}
            answer = await client.put(
                f"{USERS}{user['id']}", json=body if value == "absent" else {**body, missing: value}
            )
            assert (answer.status_code, answer.json()["info"].partition(":")[0]) == (400, missing)


@pytest.mark.parametrize(
    "name", ["0", "-1", "x", "1.0", "+1", "01", "9" * 18, "9" * 30, "%20", "1%00", "\u0661", "null", "1;2", "999999"]
)
async def test_an_id_that_is_nobodys(quiet_site: Site, name: str) -> None:
    record = {"username": "x", "email_address": "x@example.org"}
    async with await program(quiet_site) as client:
        for answer in (
            await client.get(f"{USERS}{name}"),
            await client.put(f"{USERS}{name}", json=record),
            await client.delete(f"{USERS}{name}"),
            await client.post(f"{USERS}{name}/activation"),
        ):
            assert (answer.status_code, answer.json()["info"]) == (404, "no such user")


async def test_who_may(quiet_site: Site) -> None:
    user = quiet_site.world.alice_user
    calls = (
        ("GET", USERS), ("POST", USERS), ("GET", f"{USERS}{user}"), ("PUT", f"{USERS}{user}"),
        ("DELETE", f"{USERS}{user}"), ("POST", f"{USERS}{user}/activation"),
    )  # fmt: skip
    charlie = await quiet_site.bearer(quiet_site.world.charlie_client.name, quiet_site.world.charlie_client.secret)
    body = {"username": "x", "email_address": "alice@example.org"}
    async with quiet_site.client() as client:
        for method, path in calls:
            answers = [
                await client.request(method, path, json=body, headers=headers)
                for headers in ({}, quiet_site.alice_basic, charlie)
            ]
            assert [answer.status_code for answer in answers][:2] == [401, 403], (method, path)
            if path != USERS:
                assert (answers[2].status_code, answers[2].json()["info"]) == (404, "no such user")
        listed = (await client.get(USERS, headers=charlie)).json()
        assert [one["email_address"] for one in listed["users"]] == ["charlie@example.net"]
        for method, path in (
            ("PATCH", f"{USERS}{user}"),
            ("POST", f"{USERS}{user}"),
            ("GET", f"{USERS}{user}/activation"),
        ):
            assert (await client.request(method, path, headers=charlie)).status_code == 405
        assert await quiet_site.world.service.pool.fetchval("select count(*) from users") == 2


async def test_an_address_has_one_user(site: Site) -> None:
    async with await program(site) as client:
        bob = (await client.post(USERS, json={"email_address": "bob@example.org"})).json()["id"]
        for taken in ("alice@example.org", "Charlie@Example.NET"):
            body = {"username": "x", "email_address": taken}
            for answer in (await client.post(USERS, json=body), await client.put(f"{USERS}{bob}", json=body)):
                assert (answer.status_code, "exists" in answer.json()["info"]) == (412, True)
                assert answer.json()["info"].startswith("email_address")
        assert (await client.get(f"{USERS}{bob}")).json()["username"] == "bob@example.org", "all or nothing"


async def test_a_list_goes_page_by_page(site: Site) -> None:
    async with await program(site) as client:
        for number in range(6):
            assert (await client.post(USERS, json={"email_address": f"u{number}@example.org"})).status_code == 201
        whole = [one["id"] for one in (await client.get(USERS)).json()["users"]]
        seen: list[int] = []
        cursor: str | None = "0"
        while cursor is not None:
            page = (await client.get(USERS, params={"limit": 3, "cursor": cursor})).json()
            assert len(page["users"]) <= 3
            seen += [one["id"] for one in page["users"]]
            cursor = page["next"]
            if len(seen) == 3:
                assert (await client.delete(f"{USERS}{seen[-1]}")).status_code == 200, "the cursor's own user goes"
        assert seen == whole
        found = (await client.get(USERS, params={"email_address": "U3@example.org"})).json()
        assert [one["email_address"] for one in found["users"]] == ["u3@example.org"]
        stranger = await client.get(USERS, params={"email_address": "charlie@example.net"})
        assert stranger.json() == {"users": [], "next": None}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=201", "limit"), ("limit=-1", "limit"), ("limit=x", "limit"), ("limit=", "limit"),
        ("limit=" + "9" * 30, "limit"), ("cursor=x", "cursor"), ("cursor=-1", "cursor"), ("cursor=", "cursor"),
        ("cursor=" + "9" * 30, "cursor"), ("limit=1&limit=2", "query"), ("email_address=x", "email_address"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", [USERS, "/allowed_email_address/"])
async def test_a_wrong_page_is_named(quiet_site: Site, path: str, query: str, field: str) -> None:
    if path != USERS and field == "email_address":
        return
    async with await program(quiet_site) as client:
        answer = await client.get(f"{path}?{query}")
        assert (answer.status_code, answer.json()["info"].partition(":")[0]) == (400, field)
        assert (await client.get(f"{path}?limit=200&cursor=0")).status_code == 200


async def test_a_new_address_must_be_activated_anew(site: Site) -> None:
    async with await program(site) as client:
        bob = (await client.post(USERS, json={"email_address": "bob@example.org"})).json()["id"]
        old = await activation(site, "bob@example.org")
        await client.post(USERS, json={"email_address": "unused@example.org"})
        async with site.client() as browser:
            assert (await browser.post(old, data={"password": PASSWORD})).status_code == 303
            assert await may_send(site, "bob@example.org")
            # Other letters of the same address change nothing but how it is shown.
            same = {"username": "Bob", "email_address": "Bob@Example.org"}
            assert (await client.put(f"{USERS}{bob}", json=same)).json()["active"]
            assert (await browser.get("/dashboard/")).status_code == 200

            put = await client.put(f"{USERS}{bob}", json={"username": "Bob", "email_address": "victim@example.org"})
            assert (put.status_code, put.json()["active"]) == (200, False)
            assert (await browser.get("/dashboard/")).status_code == 302, "the session ended"
            signing = await browser.post("/signin", data={"email": "victim@example.org", "password": PASSWORD})
            assert signing.status_code == 401
        assert not await may_send(site, "victim@example.org")
        assert not await may_send(site, "bob@example.org")
        new = await activation(site, "victim@example.org")
        moved = {"username": "Bob", "email_address": "bea@example.org"}
        assert (await client.put(f"{USERS}{bob}", json=moved)).status_code == 200
        assert await follow(site, new) == 410, "the link went to an address that is no longer the user's"
        assert await follow(site, await activation(site, "bea@example.org")) == 303
        assert (await client.get(f"{USERS}{bob}")).json()["active"]
        assert await may_send(site, "bea@example.org")


async def test_a_deleted_user_is_gone_and_its_tickets_stay(site: Site) -> None:
    async with await program(site) as client, site.client() as browser:
        bob = (await client.post(USERS, json={"email_address": "bob@example.org"})).json()["id"]
        link = await activation(site, "bob@example.org")
        assert (await browser.post(link, data={"password": PASSWORD})).status_code == 303
        token = await site.send(sender_email="bob@example.org")
        gone = await client.delete(f"{USERS}{bob}/")
        assert (gone.status_code, gone.json()) == (200, {"message": "OK"})
        assert (await client.delete(f"{USERS}{bob}")).status_code == 404
        assert (await client.get(f"{USERS}{bob}")).status_code == 404
        assert (await browser.get("/dashboard/")).status_code == 302
        assert (
            await browser.post("/signin", data={"email": "bob@example.org", "password": PASSWORD})
        ).status_code == 401
        assert not await may_send(site, "bob@example.org")
        assert await site.world.kinds(token)

        again = (await client.post(USERS, json={"email_address": "bob@example.org"})).json()["id"]
        assert again != bob
        link = await activation(site, "bob@example.org")
        assert (await client.delete(f"{USERS}{again}")).status_code == 200
        assert await follow(site, link) == 410


async def test_the_last_active_administrator_stays(site: Site) -> None:
    async with await program(site) as client:
        answer = await client.delete(f"{USERS}{site.world.alice_user}")
        assert (answer.status_code, "administrator" in answer.json()["info"]) == (412, True)
        assert (await client.get(f"{USERS}{site.world.alice_user}")).json()["active"]


async def test_an_activation_mail_is_sent_again_but_not_at_once(site: Site) -> None:
    async with await program(site) as client:
        bob = (await client.post(USERS, json={"email_address": "bob@example.org"})).json()["id"]
        again = f"{USERS}{bob}/activation/"
        first = await activation(site, "bob@example.org")
        for minutes, status in ((0, 412), (4.9, 412), (0.2, 200), (0, 412)):
            site.world.clock.real_at += timedelta(minutes=minutes)
            answer = await client.post(again)
            assert answer.status_code == status, answer.text
            assert status == 200 or "five minutes" in answer.json()["info"]
        second = await activation(site, "bob@example.org")
        assert len(site.world.mailbox.to("bob@example.org")) == 2
        assert first != second
        assert await follow(site, first) == 303
        assert await follow(site, second) == 410, "activating ends all links"
        site.world.clock.real_at += timedelta(minutes=6)
        active = await client.post(again)
        assert (active.status_code, "active already" in active.json()["info"]) == (412, True)
