"""Tokens over HTTP: every way to ask for one, every way that is refused, and their end (RFC 6749, RFC 7009)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.site import Site, basic

TOKEN = "/oauth/client_credential/accesstoken"
GRANT = {"grant_type": "client_credentials"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def pair(site: Site) -> dict[str, str]:
    return {"client_id": site.world.alice_client.name, "client_secret": site.world.alice_client.secret}


def alice(site: Site) -> dict[str, str]:
    return basic(*pair(site).values())


async def test_every_way_to_ask(quiet_site: Site) -> None:
    ways: list[dict[str, Any]] = [
        {"params": GRANT, "data": pair(quiet_site)},
        {"data": GRANT | pair(quiet_site)},
        {"params": GRANT, "data": GRANT | pair(quiet_site)},
        {"params": GRANT, "headers": alice(quiet_site)},
        {"params": GRANT, "headers": alice(quiet_site) | {"content-type": "application/json"}},
        {"data": GRANT, "headers": alice(quiet_site)},
        {"params": GRANT, "data": pair(quiet_site), "headers": alice(quiet_site)},
    ]
    async with quiet_site.client() as program:
        for way in ways:
            answer = await program.post(TOKEN, **way)
            assert answer.status_code == 200, way
            told = answer.json()
            assert set(told) == {"access_token", "token_type", "expires_in"}
            assert (told["token_type"], told["expires_in"]) == ("Bearer", 3600)
            assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "changes", "headers", "status", "info"),
    [
        ("", {}, FORM, 400, "grant_type: "),
        ("grant_type=password", {}, FORM, 400, "grant_type: "),
        ("grant_type=client_credentials", {"grant_type": "password"}, FORM, 400, "grant_type: "),
        ("grant_type=client_credentials&grant_type=client_credentials", {}, FORM, 400, "query: "),
        ("grant_type=client_credentials", {}, {"content-type": "application/json"}, 415, "the body"),
        ("grant_type=client_credentials", {}, {}, 415, "the body"),
        ("grant_type=client_credentials", {"client_secret": "wrong"}, FORM, 401, "the client's"),
        ("grant_type=client_credentials", {"client_id": "nobody"}, FORM, 401, "the client's"),
        ("grant_type=client_credentials", {"client_secret": ""}, FORM, 401, "the client's"),
        ("grant_type=client_credentials", {"client_secret": "\0"}, FORM, 401, "the client's"),
        ("grant_type=client_credentials", {"client_id": "a\0b"}, FORM, 401, "the client's"),
        ("grant_type=client_credentials", {"client_id": "x" * 70_000}, FORM, 413, "body: "),
        ("grant_type=client_credentials", {}, FORM | {"authorization": "Basic eDp5"}, 400, "client_id: "),
        ("grant_type=client_credentials", {}, FORM | {"authorization": "Bearer x"}, 401, "a token is"),
        ("grant_type=client_credentials", {}, FORM | {"authorization": "Basic !"}, 401, "the Basic"),
    ],
)
async def test_every_way_that_is_refused(
    quiet_site: Site, query: str, changes: dict[str, str], headers: dict[str, str], status: int, info: str
) -> None:
    body = urlencode(pair(quiet_site) | changes).encode()
    async with quiet_site.client() as program:
        answer = await program.post(f"{TOKEN}?{query}", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["info"].startswith(info)
    assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_a_web_service_user_is_no_oauth_client(quiet_site: Site) -> None:
    async with quiet_site.client() as program:
        answer = await program.post(TOKEN, params=GRANT, headers=quiet_site.alice_basic)
        assert answer.status_code == 401
        answer = await program.get("/webservice/xml/?ticket_token=x", headers=alice(quiet_site))
        assert answer.status_code == 401, "nor the other way round"


async def test_a_token_ends_when_its_own_client_says_so(quiet_site: Site) -> None:
    async with quiet_site.client() as program:

        async def status(bearer: dict[str, str]) -> int:
            return (await program.get("/webservice/xml/?ticket_token=x", headers=bearer)).status_code

        first = await quiet_site.bearer(*pair(quiet_site).values())
        second = await quiet_site.bearer(*pair(quiet_site).values())
        token = {"token": first["Authorization"].removeprefix("Bearer ")}
        stranger = await program.post("/oauth/revoke", data=token, headers=quiet_site.charlie_basic)
        assert stranger.status_code == 200, "nothing tells whether there is such a token"
        assert await status(first) == 404
        assert (await program.post("/oauth/revoke", data=token)).status_code == 401
        assert (await program.post("/oauth/revoke", headers=second)).status_code == 400
        gone = await program.post("/oauth/revoke", data={"token": token["token"] + "x"}, headers=second)
        assert gone.status_code == 200
        third = await quiet_site.bearer(*pair(quiet_site).values())
        unused = {"token": third["Authorization"].removeprefix("Bearer ")}  # not remembered by this process yet
        ended = await program.post("/oauth/revoke", data=unused, headers=second)
        assert (ended.status_code, ended.content) == (200, b"")
        assert [await status(third), await status(second)] == [401, 404]
