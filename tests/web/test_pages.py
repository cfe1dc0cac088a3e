"""The pages on the real service: the recipient decides in two acts, nothing else decides, nobody sees another's."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from typing import Any

import httpx2
import pytest

from sealpost.usecases.add_user import add_user
from sealpost.usecases.user_fields import UserFields
from sealpost.web.acts import visible_text
from tests.world import PASSWORD, PDF, World, links_in

ANNOUNCED = ["submitted", "announcement_offered", "announcement_accepted"]
CSP = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


async def arrived(world: World, site: httpx2.AsyncClient) -> str:
    """A ticket whose link Bob has opened; its token."""
    token = await world.send()
    followed = await site.get(f"/p/{world.secret()}")
    assert (followed.status_code, followed.headers["location"]) == (303, f"/pickup/{token}")
    return token


async def signed_in(site: httpx2.AsyncClient, email: str = "alice@example.org") -> None:
    answer = await site.post("/signin", data={"email": email, "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/")


async def last_web(world: World, token: str) -> dict[str, Any]:
    record = json.loads((await world.records(token))[-1])
    return record["Extensions"][0]["sealpost/1"]["web"]


async def rows_as_written(world: World) -> list[tuple[str, str]]:
    """Which transaction wrote each row that a decision would touch."""
    tables = ("tickets", "records", "link_tokens", "pgqueuer")
    parts = (f"select '{table}' as name, xmin::text as written from {table}" for table in tables)
    return sorted(tuple(row) for row in await world.service.pool.fetch(" union all ".join(parts)))


async def test_accepting_takes_two_acts(world: World, site: httpx2.AsyncClient) -> None:
    token = await arrived(world, site)
    landing = await site.get(f"/pickup/{token}")
    assert landing.status_code == 200
    assert "Alice Incasso N.V." in landing.text
    assert " checked" not in landing.text
    assert await world.kinds(token) == ANNOUNCED

    chosen = await site.post(f"/pickup/{token}", data={"decision": "accept"})
    assert (chosen.status_code, chosen.headers["location"]) == (303, f"/pickup/{token}/accept")
    assert await world.kinds(token) == [*ANNOUNCED, "announcement_opened"]
    asked = await site.get(f"/pickup/{token}/accept")
    assert asked.status_code == 200

    done = await site.post(f"/pickup/{token}/accept", data={"confirm": "yes"})
    assert (done.status_code, done.headers["location"]) == (303, f"/pickup/{token}")
    kinds = await world.kinds(token)
    assert kinds == [*ANNOUNCED, "announcement_opened", "accepted"]
    web = await last_web(world, token)
    shown = hashlib.sha256(visible_text(asked.text).encode()).digest()
    assert b64decode(web["page"]["DigestValue"]) == shown
    assert "scanner-agent" in web["automation"]
    await world.work_off()
    assert (
        "A relay server took it, to pass it on to <bdi>bob@example.com</bdi>"
        in (await site.get(f"/pickup/{token}")).text
    )


async def test_a_download_is_a_form_and_a_file(world: World, site: httpx2.AsyncClient) -> None:
    token = await arrived(world, site)
    early = await site.post(f"/pickup/{token}/download/1")
    assert early.status_code == 409
    await site.post(f"/pickup/{token}/accept", data={"confirm": "yes"})
    file = await site.post(f"/pickup/{token}/download/1")
    assert (file.status_code, file.content) == (200, PDF)
    assert file.headers["content-disposition"] == 'attachment; filename="notice.pdf"'
    assert file.headers["content-type"] == "application/pdf"
    assert file.headers["x-content-type-options"] == "nosniff"
    assert file.headers["content-security-policy"].startswith("sandbox")
    for index in ("2", "-1", "x", "1" * 50, "%C2%B2"):
        assert (await site.post(f"/pickup/{token}/download/{index}")).status_code == 404, index
    fetched = await site.get(f"/pickup/{token}/download/1")
    assert fetched.status_code == 405
    assert "POST" in fetched.headers["allow"]


async def test_refusing_keeps_the_reason(world: World, site: httpx2.AsyncClient) -> None:
    token = await arrived(world, site)
    long = await site.post(f"/pickup/{token}/refuse", data={"confirm": "yes", "reason": "x" * 1001})
    assert long.status_code == 400
    assert "x" * 1001 in long.text
    assert 'role="alert"' in long.text
    await site.post(f"/pickup/{token}/refuse", data={"confirm": "yes", "reason": " Not mine.\r\n<b>Really.</b> "})
    page = await site.get(f"/pickup/{token}")
    assert "Not mine.\n&lt;b&gt;Really.&lt;/b&gt;" in page.text
    again = await site.post(f"/pickup/{token}/accept", data={"confirm": "yes"})
    assert again.status_code == 409
    assert "You have refused" in again.text
    assert (await site.get(f"/pickup/{token}/accept")).headers["location"] == f"/pickup/{token}"
    assert (await world.kinds(token))[3:] == ["refused"]


@pytest.mark.parametrize(
    "data", [{}, {"decision": ""}, {"decision": "Accept"}, {"decision": ["accept", "refuse"]}, {"confirm": "yes"}]
)
async def test_an_untouched_form_chooses_nothing(world: World, site: httpx2.AsyncClient, data: dict[str, Any]) -> None:
    token = await arrived(world, site)
    answer = await site.post(f"/pickup/{token}", data=data)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert await world.kinds(token) == ANNOUNCED


@pytest.mark.parametrize("choice", ["accept", "refuse"])
@pytest.mark.parametrize("data", [{}, {"confirm": ""}, {"confirm": "no"}, {"reason": "x"}, {"decision": "accept"}])
async def test_an_untouched_form_confirms_nothing(
    world: World, site: httpx2.AsyncClient, choice: str, data: dict[str, str]
) -> None:
    token = await arrived(world, site)
    answer = await site.post(f"/pickup/{token}/{choice}", data=data)
    assert answer.status_code == 400
    assert await world.kinds(token) == ANNOUNCED


async def test_reading_changes_nothing(world: World, site: httpx2.AsyncClient) -> None:
    token = await arrived(world, site)
    before = await rows_as_written(world)
    for path in (f"/p/{world.secret()}", f"/pickup/{token}", f"/pickup/{token}/accept", f"/pickup/{token}/refuse"):
        for method in ("GET", "HEAD"):
            answer = await site.request(
                method, path + "?confirm=yes&decision=accept", headers={"sec-purpose": "prefetch"}
            )
            assert answer.status_code in {200, 303}, path
    assert await rows_as_written(world) == before


async def test_after_the_term(world: World, site: httpx2.AsyncClient) -> None:
    token = await arrived(world, site)
    world.clock.advance(days=13)
    for path, data in (("", {"decision": "accept"}), ("/accept", {"confirm": "yes"})):
        answer = await site.post(f"/pickup/{token}{path}", data=data)
        assert answer.status_code == 410
        assert "The collection period is over" in answer.text
    assert await world.kinds(token) == ANNOUNCED


async def test_without_the_link(world: World, site: httpx2.AsyncClient) -> None:
    token = await world.send()
    wrong = {"pickup": "x" * 43}
    pages: set[str] = set()
    for cookies in ({}, wrong, {"pickup": world.secret()[:-1]}):
        site.cookies.clear()
        for name, value in cookies.items():
            site.cookies.set(name, value)
        for named in (token, "K." + "x" * 22, "nothing"):
            answer = await site.get(f"/pickup/{named}")
            assert answer.status_code == 404
            pages.add(answer.text)
            for path, data in (("", {"decision": "accept"}), ("/accept", {"confirm": "yes"}), ("/download/1", {})):
                assert (await site.post(f"/pickup/{named}{path}", data=data)).status_code == 404
    assert len(pages) == 1
    for secret in ("x" * 43, "x", world.secret() + "x", "%00"):
        answer = await site.get(f"/p/{secret}")
        assert (answer.status_code, "set-cookie" in answer.headers) == (404, False)
        assert ("This link is not complete" in answer.text) == (len(secret) != 43)
    assert await world.kinds(token) == ANNOUNCED


async def test_one_cookie_holds_several_tickets(world: World, site: httpx2.AsyncClient) -> None:
    first, second = await arrived(world, site), await arrived(world, site)
    for token in (first, second):
        assert (await site.get(f"/pickup/{token}")).status_code == 200


async def test_a_strangers_form_does_nothing(world: World, site: httpx2.AsyncClient) -> None:
    token = await arrived(world, site)
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        answer = await site.post(f"/pickup/{token}/accept", data={"confirm": "yes"}, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert await world.kinds(token) == ANNOUNCED


async def test_headers_and_language(world: World, site: httpx2.AsyncClient) -> None:
    token = await arrived(world, site)
    for path in (f"/pickup/{token}", "/signin", "/p/nothing", "/dashboard/nothing", "/activate/x"):
        answer = await site.get(path)
        assert answer.headers["content-security-policy"] == CSP
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
    dutch = await site.get(f"/pickup/{token}?lang=nl")
    assert '<html lang="nl">' in dutch.text
    assert f'action="/pickup/{token}?lang=nl"' in dutch.text
    chosen = await site.post(f"/pickup/{token}?lang=nl", data={"decision": "refuse"})
    assert chosen.headers["location"] == f"/pickup/{token}/refuse?lang=nl"
    assert '<html lang="en">' in (await site.get(f"/pickup/{token}?lang=xx")).text


async def test_signing_in(world: World, site: httpx2.AsyncClient) -> None:
    wrong: set[str] = set()
    for pair in (("alice@example.org", "x" * 12), ("nobody@example.org", PASSWORD), ("alice@example.org", "")):
        answer = await site.post("/signin", data={"email": pair[0], "password": pair[1]})
        assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
        wrong.add(answer.text.replace(pair[0], ""))
    assert len(wrong) == 1
    answer = await site.post(
        "/signin", data={"email": "Alice@Example.org", "password": PASSWORD, "next": "//evil.example"}
    )
    assert answer.headers["location"] == "/dashboard/"
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("session=")
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert (await site.get("/dashboard/")).status_code == 200
    assert (await site.get("/signin")).headers["location"] == "/dashboard/"
    secret = site.cookies["session"]
    await site.post("/signout")
    site.cookies.set("session", secret)
    assert (await site.get("/dashboard/")).headers["location"] == "/signin"


async def test_the_ticket_page(world: World, site: httpx2.AsyncClient) -> None:
    token = await world.send()
    address_of = "/webservice/dashboard/?ticket_token={}&action=ticket_html&lang=en"
    for named in (token, "K." + "x" * 22):
        unknown = await site.get(address_of.format(named))
        assert unknown.status_code == 302
        assert unknown.headers["location"].startswith(
            "/signin?next=%2Fwebservice%2Fdashboard%2F%3Fticket_token%3D" + named
        )
    await signed_in(site)
    page = await site.get(address_of.format(token))
    assert page.status_code == 200
    assert "250 " in page.text
    # The catcher is a relay.
    assert "Accepted by a relay server" in page.text
    assert "<strong>Announcement accepted by relay server</strong>" in page.text
    assert "Relay server, not the recipient’s mail server." in page.text
    assert "Reached the recipient’s mail server" not in page.text
    assert hashlib.sha256(PDF).hexdigest() in page.text.replace("<wbr>", "")
    assert "bob@example.com" in (await site.get("/dashboard/")).text
    await site.post("/signout")
    await signed_in(site, "charlie@example.net")
    assert token not in (await site.get("/dashboard/")).text
    answers = [await site.get(address_of.format(named)) for named in (token, "K." + "x" * 22, "x", "")]
    answers.append(
        await site.post("/webservice/dashboard/withdraw?lang=en", data={"ticket_token": token, "confirm": "yes"})
    )
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert await world.kinds(token) == ANNOUNCED


async def test_withdrawing_asks_once_more(world: World, site: httpx2.AsyncClient) -> None:
    token = await world.send()
    form = {"ticket_token": token}
    assert (await site.post("/webservice/dashboard/withdraw", data=form | {"confirm": "yes"})).status_code == 302
    await signed_in(site)
    asked = await site.post("/webservice/dashboard/withdraw", data=form)
    assert asked.status_code == 200
    assert await world.kinds(token) == ANNOUNCED
    done = await site.post("/webservice/dashboard/withdraw", data=form | {"confirm": "yes"})
    assert done.headers["location"] == f"/webservice/dashboard/?ticket_token={token}&action=ticket_html&lang=nl"
    assert (await world.kinds(token))[-1] == "withdrawn"
    again = await site.post("/webservice/dashboard/withdraw", data=form | {"confirm": "yes"})
    assert again.status_code == 409
    await site.get(f"/p/{world.secret()}")
    assert "has withdrawn" in (await site.get(f"/pickup/{token}")).text


async def test_activating(world: World, site: httpx2.AsyncClient) -> None:
    await add_user(world.service, world.alice, UserFields("bob@example.org"))
    await world.work_off()
    (mail,) = world.mailbox.to("bob@example.org")
    path = next(link for link in links_in(mail) if "/activate/" in link).partition("//")[2].partition("/")[2]
    for _ in range(2):
        page = await site.get(f"/{path}")
        assert (page.status_code, "bob@example.org" in page.text) == (200, True)
    for data in ({}, {"password": "short"}, {"password": "a" * 20}, {"password": PASSWORD, "password_again": "x"}):
        assert (await site.post(f"/{path}", data=data)).status_code == 400
    done = await site.post(f"/{path}", data={"password": PASSWORD, "real_name": "Bob"})
    assert (done.status_code, done.headers["location"]) == (303, "/dashboard/")
    assert (await site.get("/dashboard/")).status_code == 200
    assert (await site.post(f"/{path}", data={"password": PASSWORD})).status_code == 410
    assert (await site.get(f"/{path}")).status_code == 410
    assert (await site.get("/activate/" + "x" * 43)).status_code == 404


async def test_errors_are_pages(site: httpx2.AsyncClient) -> None:
    table = (
        ("GET", "/pickup", 404),
        ("PUT", "/signin", 405),
        ("GET", "/signout", 405),
        ("GET", "/static/x", 404),
        ("DELETE", "/p/x", 405),
    )
    for method, path, status in table:
        answer = await site.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8"), path
        assert ("allow" in answer.headers) is (status == 405)
    large = await site.post("/signin", data={"email": "x" * 40_000})
    assert large.status_code == 413
    json_body = await site.post("/signin", json={"email": "x"})
    assert json_body.status_code == 400
    await signed_in(site)
    assert (await site.get("/dashboard/?cursor=x")).status_code == 400


async def test_the_inbox_knows_its_host(site: httpx2.AsyncClient) -> None:
    assert (await site.get("/inbox")).status_code == 200
    assert (await site.get("/inbox/api/messages")).json() == []
    for path in ("/inbox", "/inbox/api/messages", "/inbox/x"):
        assert (await site.get(path, headers={"host": "evil.example"})).status_code == 403
    for path in ("/inbox/x", "/inbox/api/messages/x/raw", "/inbox/%ff", "/inbox/" + "1" * 100):
        assert (await site.get(path)).status_code == 404, path


async def test_the_style_sheet_is_kept(site: httpx2.AsyncClient) -> None:
    page = (await site.get("/signin")).text
    link = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert "immutable" in (await site.get(link)).headers["cache-control"]
    assert "immutable" not in (await site.get(link.partition("?")[0] + "?v=other")).headers["cache-control"]
