"""The quota as a program meets it: headers on every answer of an API address, 429 beyond it, and never on pages."""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest

from sealpost.store.pool import open_pool
from sealpost.usecases.found import NewClient, found_client
from tests.site import Site, basic, request_body

SEND = "/webservice/mailsender/send"
XML = "/webservice/xml/?ticket_token=x"
TOKEN = "/oauth/client_credential/accesstoken?grant_type=client_credentials"
NAMES = {"quota-limit", "quota-interval", "quota-time-unit", "quota-used", "quota-reset-utc"}
_numbers = itertools.count(1)


async def new_client(site: Site, kind: Any = "web_service", quota: int | None = None) -> NewClient:
    """A client of Alice's that nobody else uses."""
    return await found_client(site.world.service, site.world.alice, kind, f"few-{next(_numbers)}", "user", quota)


def told(answer: Any) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("quota-")}


def expected(limit: int, used: int, reset: str = "2026-11-23T11:00:00Z") -> dict[str, str]:
    return {
        "quota-limit": str(limit), "quota-interval": "1", "quota-time-unit": "hour", "quota-used": str(used),
        "quota-reset-utc": reset,
    }  # fmt: skip


KNOWN_CALLERS: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", XML, {}, 404),
    ("HEAD", XML, {}, 404),
    ("GET", "/webservice/xml/?ticket_token=x&ticket_token=y", {}, 400),
    ("GET", "/webservice/dashboard/?ticket_token=x&action=ticket_xml", {}, 404),
    ("POST", SEND, {"json": {}}, 400),
    ("POST", SEND, {"json": request_body(sender_email="charlie@example.net")}, 412),
    ("POST", "/api/user/", {"json": {"email_address": "new@example.org"}}, 403),
]


@pytest.mark.parametrize(("method", "address", "options", "status"), KNOWN_CALLERS)
async def test_whatever_a_known_caller_gets(
    quiet_site: Site, method: str, address: str, options: dict[str, Any], status: int
) -> None:
    few = await new_client(quiet_site, quota=50)
    async with quiet_site.client() as program:
        for used in (1, 2):
            answer = await program.request(method, address, headers=basic(few.name, few.secret), **options)
            assert answer.status_code == status, answer.text
            assert told(answer) == expected(50, used)


NOBODY: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", XML, {}, 401),
    ("GET", XML, {"headers": {"Authorization": "Bearer x"}}, 401),
    ("POST", SEND, {"json": {}}, 401),
    ("POST", SEND, {"content": b"x"}, 415),
    ("GET", SEND, {}, 405),
    ("HEAD", SEND, {}, 405),
    ("PUT", "/oauth/revoke", {}, 405),
    ("POST", TOKEN, {"content": b"x" * 70_000}, 413),
    ("POST", TOKEN, {"data": {"client_id": "x", "client_secret": "y"}}, 401),
    ("GET", "/api/nothing", {}, 404),
    ("GET", "/nothing", {}, 404),
    ("GET", "/webservice/dashboard/?action=nothing", {}, 400),
]


@pytest.mark.parametrize(("method", "address", "options", "status"), NOBODY)
async def test_who_is_not_known_is_told_the_installations_quota(
    quiet_site: Site, method: str, address: str, options: dict[str, Any], status: int
) -> None:
    async with quiet_site.client() as program:
        answer = await program.request(method, address, **options)
    assert answer.status_code == status, answer.text
    assert told(answer) == expected(60_000, 0)


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/signin",
        "/p/nothing",
        "/dashboard/",
        "/static/nothing",
        "/webservice/dashboard/?ticket_token=x&action=ticket_html",
    ],
)
async def test_pages_have_no_quota(quiet_site: Site, address: str) -> None:
    async with quiet_site.client() as browser:
        answer = await browser.get(address)
    assert "api-version" in answer.headers
    assert not told(answer)


async def test_an_accepted_letter_and_a_token(site: Site) -> None:
    oauth = await new_client(site, "oauth")
    async with site.client() as program:
        form = {"client_id": oauth.name, "client_secret": oauth.secret}
        first = await program.post(TOKEN, data=form)
        bearer = {"Authorization": f"Bearer {first.json()['access_token']}"}
        sent = await program.post(SEND, json=request_body(), headers=bearer)
        ended = await program.post("/oauth/revoke", data={"token": "x"} | form)
    assert [answer.status_code for answer in (first, sent, ended)] == [200, 200, 200]
    assert [told(answer) for answer in (first, sent, ended)] == [expected(60_000, used) for used in (1, 2, 3)]


async def test_beyond_the_quota(site: Site) -> None:
    few = await new_client(site, quota=2)
    headers = basic(few.name, few.secret)
    async with site.client() as program:
        for status in (404, 404, 429, 429):
            answer = await program.get(XML, headers=headers)
            assert answer.status_code == status
        body = answer.json()
        assert set(body) == {"transactionId", "status", "name", "message", "info"}
        assert (body["status"], body["name"]) == ("429", "Too Many Requests")
        assert body["info"] == "the quota of 2 calls in each hour is used up"
        assert body["transactionId"] == answer.headers["x-request-id"]
        assert told(answer) == expected(2, 2)
        assert answer.headers["retry-after"] == "2698", "10:15:02.481 to 11:00:00, rounded up"
        letter = await program.post(SEND, json=request_body(), headers=headers)
        assert letter.status_code == 429
        assert (await program.get(XML, headers=site.alice_basic)).status_code == 404, "another client goes on"
        site.world.clock.real_at = datetime.fromisoformat("2026-11-23T10:59:59.999Z")
        late = await program.get(XML, headers=headers)
        assert (late.status_code, late.headers["retry-after"]) == (429, "1")
        site.world.clock.real_at += timedelta(milliseconds=1)
        again = await program.get(XML, headers=headers)
        assert (again.status_code, told(again)) == (404, expected(2, 1, "2026-11-23T12:00:00Z"))
    assert await site.world.service.pool.fetchval("select count(*) from messages") == 0


async def test_tokens_count_too(quiet_site: Site) -> None:
    few = await new_client(quiet_site, "oauth", quota=3)
    bearer = await quiet_site.bearer(few.name, few.secret)
    async with quiet_site.client() as program:

        async def status(method: str, address: str, **options: Any) -> int:
            return (await program.request(method, address, **options)).status_code

        form = {"client_id": few.name, "client_secret": few.secret}
        assert await status("POST", TOKEN, data=form | {"client_secret": "wrong"}) == 401, "not Alice's call"
        assert await status("POST", TOKEN, data=form) == 200
        assert await status("GET", XML, headers=bearer) == 404
        assert await status("POST", TOKEN, data=form) == 429
        assert await status("GET", XML, headers=bearer) == 429
        assert await status("POST", "/oauth/revoke", data=form | {"token": "x"}) == 429


async def test_many_at_once(quiet_site: Site) -> None:
    few = await new_client(quiet_site, quota=20)
    async with quiet_site.client() as program:
        answers = await asyncio.gather(*(program.get(XML, headers=basic(few.name, few.secret)) for _ in range(45)))
    assert sorted(answer.status_code for answer in answers) == [404] * 20 + [429] * 25
    assert sorted(int(answer.headers["quota-used"]) for answer in answers if answer.status_code == 404) == [
        *range(1, 21)
    ]


async def test_a_suspended_account_spends_nothing(site: Site) -> None:
    few = await new_client(site, quota=2)
    await site.world.service.pool.execute("update accounts set suspended_at = now()")
    async with site.client() as program:
        for _ in range(3):
            answer = await program.get(XML, headers=basic(few.name, few.secret))
            assert (answer.status_code, told(answer)) == (403, expected(60_000, 0))
    assert await site.world.service.pool.fetchval("select count(*) from quotas") == 0


async def test_nothing_goes_on_uncounted(site: Site, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database goes away between knowing the caller and counting the call."""
    few = await new_client(site, quota=100)
    dead = await open_pool(dsn, 1)
    dead.terminate()
    monkeypatch.setattr(site.world.service.quotas, "_pool", dead)
    async with site.client() as program:
        answer = await program.post(SEND, json=request_body(), headers=basic(few.name, few.secret))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert told(answer) == expected(60_000, 0)
    assert await site.world.service.pool.fetchval("select count(*) from messages") == 0
    assert set(told(answer)) == NAMES
