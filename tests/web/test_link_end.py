"""Mailed links with what mail programs and chats take along behind them: the link itself opens, and nothing else does."""

from __future__ import annotations

from urllib.parse import quote

import httpx2
import pytest

from sealpost.domain.parties import address
from sealpost.usecases.add_user import add_user
from sealpost.usecases.allow_address import allow_address
from sealpost.usecases.user_fields import UserFields
from sealpost.web.signin.way_back import TICKET, way_back
from tests.world import World, links_in

TAKEN = [".", ")", ">", ",", " ", "\n", "\r\n", ").", ">.\r\n", "  "]
NOT_TAKEN = ["x", "-", "/x", "%", "<", "'", ";", ".x", ". )a", ".........", "\t", "\u00a0", "\u2028", "\0", "%2e"]


async def mailed(world: World, room: str) -> str:
    """The path of a link that the service has sent."""
    if room == "/p/":
        await world.send()
        return f"/p/{world.secret()}"
    if room == "/address/":
        await allow_address(world.service, world.alice, address("email_address", "desk@example.org"))
    else:
        fields = UserFields("bob@example.org")
        await add_user(world.service, world.alice, fields)
    await world.work_off()
    to = "desk@example.org" if room == "/address/" else "bob@example.org"
    return room + next(link for link in links_in(world.mailbox.to(to)[-1]) if room in link).rpartition("/")[2]


@pytest.mark.parametrize("room", ["/p/", "/address/", "/activate/"])
async def test_an_end_is_cut_off_and_nothing_else(room: str, world: World, site: httpx2.AsyncClient) -> None:
    path = await mailed(world, room)
    rows = "select (select json_agg(l) from link_tokens l)::text || (select count(*) from records)::text"
    before = await world.service.pool.fetchval(rows)
    for end in TAKEN:
        for sent in {path + quote(end), path + quote(end, safe=".,)>")}:
            found = await site.get(sent)
            assert (found.status_code, found.headers.get("location")) == (303, path), end
            assert "set-cookie" not in found.headers
            assert (await site.head(sent)).status_code == 303
    assert (await site.get(path + "%20?lang=nl&x=y")).headers["location"] == path + "?lang=nl"
    assert (await site.get(path + ".?lang=//example.com")).headers["location"] == path
    for end in NOT_TAKEN:
        assert (await site.get(path + quote(end, safe="/"))).status_code == 404, end
    assert (await site.get(path[:-1] + ".")).status_code == 404  # cut off: not whole, whatever stands behind it
    assert (await site.get(room + "x" * 43 + ".")).headers["location"] == room + "x" * 43
    assert (await site.get(room + "x" * 43)).status_code == 404
    if room != "/p/":
        assert (await site.post(path + ".")).status_code == 404
    assert await world.service.pool.fetchval(rows) == before
    assert (await site.get(path)).status_code == (303 if room == "/p/" else 200)


@pytest.mark.parametrize("end", TAKEN)
def test_a_tickets_link_leads_on_after_signing_in(end: str) -> None:
    link = f"{TICKET}?ticket_token=K.x&action=ticket_html&lang=nl"
    assert way_back(link + quote(end)) == way_back(link) == link
    assert way_back(link + "x") == "/dashboard/"
