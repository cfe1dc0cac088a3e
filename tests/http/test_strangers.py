"""Charlie, of another account, sees nothing of Alice's: a walk over every route that there is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from litestar import Litestar

from sealpost.bootstrap.web import litestar_app
from tests.site import Site

PARAMETER = re.compile(r"\{[^}]*\}")
HIDDEN = (
    "bob@example.com",
    "Notice of default",
    "notice.pdf",
    "alice@example.org",
    "please read this",
    "Alice Incasso",
)


PUBLISHED = {"/docs", "/openapi.json"}  # the same for everybody, with examples of its own


def every_route(service: Any) -> list[tuple[str, str]]:
    """Method and template of every route, from the application itself, so that a new one cannot be forgotten."""
    app = litestar_app(service, test_clock=False)
    assert isinstance(app, Litestar)
    routes = {(method, route.path) for route in app.routes for method in getattr(route, "methods", [])}
    return sorted(pair for pair in routes if pair[0] != "OPTIONS" and pair[1] not in PUBLISHED)


def filled(path: str, token: str) -> str:
    """A route's template with values in it: the token first."""
    values = [token, "accept", "1"]
    return PARAMETER.sub(lambda _: values.pop(0) if values else "x", path)


async def test_charlie_sees_nothing(site: Site) -> None:
    token = await site.send()
    secret = site.world.secret()
    routes = every_route(site.world.service)
    assert len(routes) > 15
    charlie_api = await site.bearer(site.world.charlie_client.name, site.world.charlie_client.secret)
    async with site.client() as charlie:
        await site.sign_in(charlie, "charlie@example.net")
        walked = 0
        for headers in ({}, site.charlie_basic, charlie_api):
            for method, path in routes:
                address = filled(path, token)
                for query in (
                    {},
                    {"ticket_token": token, "action": "ticket_html"},
                    {"ticket_token": token, "action": "ticket_xml"},
                ):
                    if path.startswith("/signout"):
                        continue
                    data = {"decision": "accept", "confirm": "yes", "ticket_token": token} if method == "POST" else None
                    answer = await charlie.request(method, address, params=query, data=data, headers=headers)
                    walked += 1
                    for word in (*HIDDEN, secret):
                        assert word not in answer.text, f"{method} {address} shows {word}"
                    if method == "POST" and answer.status_code < 400:
                        assert path.startswith(("/signin", "/oauth", "/dashboard/notices")), (
                            f"{method} {address} was taken"
                        )
        assert walked > 100
    assert await site.world.kinds(token) == ["submitted", "announcement_offered", "announcement_accepted"]


async def test_none_and_another_accounts_look_the_same(site: Site) -> None:
    token = await site.send()
    none = "K." + "A" * 22
    async with site.client() as charlie:
        await site.sign_in(charlie, "charlie@example.net")
        for action in ("ticket_html", "ticket_xml"):
            headers = site.charlie_basic if action == "ticket_xml" else {}
            answers = []
            for asked in (token, none):
                answer = await charlie.get(
                    "/webservice/dashboard/",
                    params={"ticket_token": asked, "action": action, "lang": "nl"},
                    headers=headers,
                )
                assert answer.status_code == 404
                text = answer.text.replace(asked, "TOKEN").replace(answer.headers["x-request-id"], "ID")
                answers.append(text)
            assert answers[0] == answers[1]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_fetching_changes_nothing(site: Site, method: str) -> None:
    token = await site.send()
    before = await snapshot(site)
    async with site.client(follow_redirects=True) as scanner:
        for path in (f"/p/{site.world.secret()}", f"/pickup/{token}", f"/pickup/{token}/accept", f"/pickup/{token}/refuse",
                     f"/pickup/{token}/accept?confirm=yes", f"/pickup/{token}?decision=accept", "/genuine?reference=" + token):  # fmt: skip
            await scanner.request(method, path)
            await scanner.request(method, path, headers={"Purpose": "prefetch", "User-Agent": "HeadlessChrome"})
    assert await snapshot(site) == before


async def snapshot(site: Site) -> list[Any]:
    tables = ("tickets", "records", "mails", "attempts", "link_tokens")
    return [
        await site.world.service.pool.fetch(f"select md5(t::text) as row from {table} t order by 1") for table in tables
    ]
