"""Tokens over HTTP: every way to ask for one, every way that is refused, and their end (RFC 6749, RFC 7009)."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from typer.testing import CliRunner

from sealpost.cli.client import client
from tests.site import Site, basic

TOKEN = "/oauth/client_credential/accesstoken"
GRANT = {"grant_type": "client_credentials"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def pair(site: Site) -> dict[str, str]:
    return {"client_id": site.world.alice_client.name, "client_secret": site.world.alice_client.secret}


def of_charlie(site: Site) -> dict[str, str]:
    return {"client_id": site.world.charlie_client.name, "client_secret": site.world.charlie_client.secret}


def forget(site: Site) -> None:
    """Lets everything end that a process remembers of its callers."""
    site.world.clock.real_at += timedelta(seconds=6)


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
        {"content": urlencode(GRANT | pair(quiet_site)).encode()},
        {"content": urlencode(GRANT | pair(quiet_site)).encode() + b"\n", "headers": FORM},
        {"files": {name: (None, value) for name, value in (GRANT | pair(quiet_site)).items()}},
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
        ("grant_type=client_credentials", {}, {"content-type": "multipart/form-data; boundary=x"}, 400, "body: "),
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
    told = answer.json()
    assert told["info"].startswith(info)
    kind = {400: "invalid_request", 401: "invalid_client", 413: "invalid_request", 415: "invalid_request"}[status]
    assert told["error"] == ("unsupported_grant_type" if query == "grant_type=password" else kind)
    assert told["error_description"] == told["info"]
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize("twice", [[("grant_type", "x")] * 2, [("file", ("a.txt", b"x"))]])
async def test_a_multipart_form_with_a_name_twice_or_a_file(quiet_site: Site, twice: list[Any]) -> None:
    files = [(name, (None, value)) for name, value in pair(quiet_site).items()]
    files += [(name, (None, value) if isinstance(value, str) else value) for name, value in twice]
    async with quiet_site.client() as program:
        answer = await program.post(TOKEN, params=GRANT, files=files)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


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
        for stranger in (
            basic(*of_charlie(quiet_site).values()),
            await quiet_site.bearer(*of_charlie(quiet_site).values()),
        ):
            left = await program.post("/oauth/revoke", data=token, headers=stranger)
            assert (left.status_code, left.content) == (200, b""), "nothing tells whether there is such a token"
        forget(quiet_site)
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


async def token_of(site: Site) -> str:
    return (await site.bearer(*pair(site).values()))["Authorization"].removeprefix("Bearer ")


async def lives(site: Site, token: str) -> bool:
    forget(site)
    async with site.client() as program:
        answer = await program.get("/webservice/xml/?ticket_token=x", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code in {401, 404}
    return answer.status_code == 404


async def test_every_way_to_end_a_token(quiet_site: Site) -> None:
    async with quiet_site.client() as program:
        for number, hint in enumerate(({}, {"token_type_hint": "refresh_token"}, {"token_type_hint": "nonsense"})):
            token = await token_of(quiet_site)
            ways: list[dict[str, Any]] = [
                {"data": {"token": token} | hint, "headers": {"Authorization": f"Bearer {token}"}},
                {"data": {"token": token} | hint, "headers": alice(quiet_site)},
                {"data": {"token": token} | hint | pair(quiet_site)},
            ]
            assert await lives(quiet_site, token)
            answer = await program.post("/oauth/revoke", **ways[number])
            assert (answer.status_code, answer.content) == (200, b"")
            assert answer.headers["cache-control"] == "no-store"
            assert not await lives(quiet_site, token)
            again = await program.post("/oauth/revoke", **ways[number])
            assert again.status_code == (401 if number == 0 else 200), "with itself it cannot be ended twice"


@pytest.mark.parametrize(
    ("changes", "authorization", "status", "info"),
    [
        ({}, "", 401, "the client's"),
        ({"client_id": "alice-client"}, "", 401, "the client's"),
        ({"client_id": "alice-client", "client_secret": "wrong"}, "", 401, "the client's"),
        ({"client_id": "alice-service", "client_secret": "wrong"}, "", 401, "the client's"),
        ({}, "Basic eDp5", 401, "the client's"),
        ({}, "Basic !", 401, "the Basic"),
        ({}, "Digest x", 401, "the Authorization"),
        ({}, "Bearer x", 401, "the credentials"),
        ({"client_id": "alice-client"}, "Basic eDp5", 400, "client_id: "),
        ({"client_id": "alice-client", "client_secret": "wrong"}, "Bearer x", 400, "client_secret: "),
    ],
)
async def test_who_may_not_end_a_token(
    quiet_site: Site, changes: dict[str, str], authorization: str, status: int, info: str
) -> None:
    token = await token_of(quiet_site)
    headers = {"authorization": authorization} if authorization else {}
    async with quiet_site.client() as program:
        answer = await program.post("/oauth/revoke", data={"token": token} | changes, headers=headers)
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert told["info"].startswith(info)
    kind = {400: "invalid_request", 401: "invalid_client", 413: "invalid_request", 415: "invalid_request"}[status]
    assert told["error"] == kind
    assert told["error_description"] == told["info"]
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert await lives(quiet_site, token)


async def test_a_web_service_user_ends_no_token(quiet_site: Site) -> None:
    token = await token_of(quiet_site)
    async with quiet_site.client() as program:
        answer = await program.post("/oauth/revoke", data={"token": token}, headers=quiet_site.alice_basic)
    assert answer.status_code == 401
    assert await lives(quiet_site, token)


async def test_a_suspended_account_gets_no_token(site: Site) -> None:
    await site.world.service.pool.execute("update accounts set suspended_at = now() where id = $1", site.world.alice)
    async with site.client() as program:
        for secret, status in ((site.world.alice_client.secret, 403), ("wrong", 401)):
            answer = await program.post(TOKEN, params=GRANT, data=pair(site) | {"client_secret": secret})
            assert answer.status_code == status, answer.text
    assert await site.world.service.pool.fetchval("select count(*) from access_tokens") == 0


async def test_the_operators_commands(site: Site, dsn: str, tmp_path: Path) -> None:
    """A client from the command line: added, listed, changed and revoked while the service runs."""

    async def sealpost(*words: str) -> tuple[int, str]:
        variables = {"DATABASE_URL": dsn, "SEALPOST_DATA": str(tmp_path / "operator")}
        done = await asyncio.to_thread(CliRunner().invoke, client, words, env=variables)
        return done.exit_code, done.output if done.exit_code != 1 else str(done.exception)

    account = str(site.world.alice)
    code, told = await sealpost("add", account, "--name", "crm", "--quota", "3")
    made = re.fullmatch(r"id +crm\nsecret +([A-Za-z0-9_-]{43})\n", told)
    assert made, told
    token = await site.bearer("crm", made[1])

    async def call() -> httpx2.Response:
        forget(site)
        async with site.client() as program:
            return await program.get("/webservice/xml/?ticket_token=x", headers=token)

    assert [(await call()).status_code for _ in range(3)] == [404, 404, 429]
    assert await sealpost("set", "crm", "--quota", "9", "--role", "administrator") == (
        0,
        "client crm: quota 9, role administrator\n",
    )
    assert ((answer := await call()).status_code, answer.headers["quota-limit"]) == (404, "9")
    code, told = await sealpost("list", account)
    assert told.splitlines()[0] == "name\tkind\trole\tquota\trevoked"
    assert told.splitlines()[-1] == "crm\toauth\tadministrator\t9\t-"
    assert made[1] not in told
    assert await sealpost("set", "crm", "--quota", "0") == (0, "client crm: quota of the installation\n")
    assert (await call()).headers["quota-limit"] == "60000"
    assert await sealpost("revoke", "crm") == (0, "client crm: revoked\n")
    assert (await call()).status_code == 401, "its tokens die with it"
    async with site.client() as program:
        again = await program.post(TOKEN, params=GRANT, headers=basic("crm", made[1]))
    assert again.status_code == 401
    code, told = await sealpost("list", account)
    assert re.search(r"^crm\toauth\tadministrator\t-\t2\d{3}-\S+Z$", told, re.MULTILINE)
    for words in (
        ("set", "crm", "--quota", "1"),
        ("revoke", "nobody"),
        ("list", "1"),
        ("add", account, "--name", "crm"),
    ):
        code, told = await sealpost(*words)
        assert (code, told.split()[0]) == (1, "this" if words[0] == "add" else "no"), words
    for words in (("set", "crm"), ("set", "crm", "--quota", "-1"), ("add", account, "--quota", "x")):
        assert (await sealpost(*words))[0] == 2
