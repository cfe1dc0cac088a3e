"""Many tickets as XML: filters, cursors, roles, constant memory; every answer valid against the published grammar."""

from __future__ import annotations

import gc
import json
import re
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] - the library is not typed

from sealpost.domain.errors import InvalidInput
from sealpost.domain.ids import first_uuid7, uuid7
from sealpost.usecases.reads import many
from sealpost.xmlapi import tickets as module
from sealpost.xmlapi.period import moment
from sealpost.xmlapi.schema import OCTETS
from tests.site import Site
from tests.world import START, World

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
XML = "/webservice/xml/"
ALL = {"from": "2026-01-01", "to": "2027-01-01"}
XSD = etree.XMLSchema(etree.fromstring(OCTETS))


async def get(site: Site, headers: Any = None, **query: str) -> Any:
    async with site.client() as client:
        return await client.get(XML, params=query, headers=site.alice_basic if headers is None else headers)


def read(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    root = etree.fromstring(answer.content)
    XSD.assertValid(root)
    return root


def tokens(answer: Any) -> list[str]:
    return [ticket.get("id") for ticket in read(answer)]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-23", "2026-11-22T23:00:00"), ("2026-11-23 15:43:20", "2026-11-23T14:43:20"),
        ("2026-07-01T00:00", "2026-06-30T22:00:00"), ("2026-11-23T15:43:20Z", "2026-11-23T15:43:20"),
        ("2026-11-23t15:43:20z", "2026-11-23T15:43:20"), ("2026-11-23T15:43:20.5+05:30", "2026-11-23T10:13:20.500000"),
        ("2026-03-29 02:30", "2026-03-29T01:00:00"), ("2026-10-25 02:30", "2026-10-25T00:30:00"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00"),
    ],
)  # fmt: skip
def test_moments(text: str, instant: str) -> None:
    assert moment("from", text, AMSTERDAM).replace(tzinfo=None).isoformat() == instant


@pytest.mark.parametrize(
    "text",
    ["", "x", "2026", "2026-13-01", "2026-02-30", "20261123", "2026-11-23 25:00", "2026-11-23T15:43:20 01:00", "1758000000",
     "2026-11-23\n", "2026-11-23T15:43:20+99:00", "٢٠٢٦-١١-٢٣", "0001-01-01", "2026-11-23T15:43:20,5", "+2026-11-23", "9" * 5000],
)  # fmt: skip
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        moment("from", text, AMSTERDAM)
    assert refused.value.field == "from"
    assert ("%2B" in str(refused.value)) == text.endswith(" 01:00")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "from"), ({"from": "2026-01-01"}, "to"), ({"to": "2026-01-01"}, "from"), ({**ALL, "from": "x"}, "from"),
        ({**ALL, "to": "y"}, "to"), ({"from": "2026-02-01", "to": "2026-01-31"}, "to"), ({**ALL, "status": "11"}, "status"),
        ({**ALL, "status": "x"}, "status"), ({**ALL, "status": ""}, "status"), ({**ALL, "status": "٣٠"}, "status"),
        ({**ALL, "status": "9" * 5000}, "status"), ({**ALL, "cursor": "x"}, "cursor"), ({**ALL, "cursor": "A" * 32}, "cursor"),
        ({**ALL, "limit": "0"}, "limit"), ({**ALL, "limit": "100001"}, "limit"), ({**ALL, "limit": "-1"}, "limit"),
        ({**ALL, "campaign": ""}, "campaign"), ({**ALL, "campaign": "x" * 201}, "campaign"), ({**ALL, "campaign": "a\0b"}, "campaign"),
        ({**ALL, "x-own-id": "x" * 201}, "x-own-id"),
    ],
)  # fmt: skip
async def test_wrong_queries_name_the_parameter(quiet_site: Site, query: dict[str, str], field: str) -> None:
    answer = await get(quiet_site, **query)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["info"].startswith(f"{field}: ")


async def test_a_parameter_twice_is_refused(quiet_site: Site) -> None:
    async with quiet_site.client() as client:
        answer = await client.get(
            f"{XML}?from=2026-01-01&from=2026-02-01&to=2027-01-01", headers=quiet_site.alice_basic
        )
    assert answer.status_code == 400


async def test_nobody_is_told_nothing(quiet_site: Site) -> None:
    answer = await get(quiet_site, {}, **ALL)
    assert answer.status_code == 401
    assert json.loads(answer.text)["status"] == "401"


async def test_an_empty_list(quiet_site: Site) -> None:
    answer = await get(quiet_site, from_="", **ALL)
    root = read(answer)
    assert (root.tag, len(root), dict(root.attrib)) == ("biljetten", 0, {})
    assert "link" not in answer.headers


async def test_the_period_is_half_open_to_the_millisecond(site: Site) -> None:
    first = await site.send()
    site.world.clock.advance(seconds=60)
    second = await site.send()
    at, later = "2026-11-23T10:15:02.481Z", "2026-11-23T10:16:02.481Z"
    assert tokens(await get(site, **{"from": at, "to": later})) == [first]
    assert tokens(await get(site, **{"from": later, "to": "2027-01-01"})) == [second]
    assert tokens(await get(site, **{"from": "2026-11-23 11:15:02.4811", "to": "2027-01-01"})) == [second]
    assert tokens(await get(site, **ALL)) == [first, second]


async def test_filters(site: Site) -> None:
    plain = await site.send()
    spring = await site.send(**{"x-own-campaign": "spring & Co", "x-own-id": "A 1", "x-own-guid": "g-1"})
    autumn = await site.send(**{"x-own-campaign": "autumn"})
    (ticket,) = read(await get(site, **ALL, campaign="spring & Co"))
    assert ticket.get("id") == spring
    assert (ticket.get("x-own-id"), ticket.get("x-own-guid"), ticket.get("x-own-campaign")) == (
        "A 1",
        "g-1",
        "spring & Co",
    )
    assert tokens(await get(site, **ALL, **{"x-own-id": "A 1"})) == [spring]
    assert tokens(await get(site, **ALL, **{"x-own-guid": "g-1"})) == [spring]
    assert tokens(await get(site, **ALL, **{"x-own-guid": "g-1", "campaign": "autumn"})) == []
    assert sorted(tokens(await get(site, **ALL, status="30"))) == sorted([plain, spring, autumn])
    assert tokens(await get(site, **ALL, status="70")) == []


async def test_pages_follow_each_other_and_miss_nothing(site: Site) -> None:
    sent = []
    for _ in range(7):
        sent.append(await site.send())
        site.world.clock.advance(seconds=1)
    found: list[str] = []
    address = f"{XML}?from=2026-11-01T00:00:00%2B01:00&to=2027-01-01&limit=3"
    async with site.client() as client:
        for size in (3, 3, 1):
            answer = await client.get(address, headers=site.alice_basic)
            root = read(answer)
            assert len(root) == size
            found += [ticket.get("id") for ticket in root]
            link = re.fullmatch(r'<(.*)>; rel="next"', answer.headers.get("link", ""))
            assert (link is None) == (size == 1)
            if link:
                assert f"cursor={root.get('volgende')}" in link[1]
                address = link[1]
                assert address.startswith(site.base_url)
    assert found == sent


async def test_batches_lose_none_at_their_edges(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "BATCH", 2)
    sent = [await site.send() for _ in range(5)]
    for count in (1, 2, 4, 5):
        assert len(tokens(await get(site, **ALL, limit=str(count)))) == count
    assert sorted(tokens(await get(site, **ALL))) == sorted(sent)


async def test_one_ticket_is_the_same_as_in_a_list(site: Site) -> None:
    token = await site.send(subject="Größe & <b>“ﬁ”</b> 🙂")
    one, listed = await get(site, ticket_token=token), await get(site, **ALL)
    assert one.content == listed.content
    read(one)


async def test_the_role_user_sees_what_it_sent(site: Site) -> None:
    world = site.world
    token = await site.send()  # by the web service user, whose role is user
    administrator = await site.bearer(world.alice_client.name, world.alice_client.secret)
    own = await world.send()  # by the OAuth client
    assert tokens(await get(site, **ALL)) == [token]
    assert sorted(tokens(await get(site, administrator, **ALL))) == sorted([token, own])
    assert (await get(site, ticket_token=own)).status_code == 404
    assert (await get(site, administrator, ticket_token=token)).status_code == 200
    assert tokens(await get(site, site.charlie_basic, **ALL)) == []


async def test_people_see_what_their_role_shows(site: Site) -> None:
    world = site.world
    token = await site.send()
    await world.service.pool.execute("update users set role = 'user' where id = $1", world.alice_user)
    async with site.client() as client:
        await site.sign_in(client)
        assert token in (await client.get("/dashboard/")).text
        await world.service.pool.execute("update tickets set sender_key = 'another@example.org'")
        assert token not in (await client.get("/dashboard/")).text
        page = {"ticket_token": token, "action": "ticket_html"}
        assert (await client.get("/webservice/dashboard/", params=page)).status_code == 404
        form = {"ticket_token": token, "confirm": "yes"}
        assert (await client.post("/webservice/dashboard/withdraw", data=form)).status_code == 404
    assert "withdrawn" not in await world.kinds(token)


async def test_the_grammar_is_published(quiet_site: Site) -> None:
    async with quiet_site.client() as client:
        answer = await client.get("/webservice/xml/sealpost-biljetten.xsd")
    assert (answer.status_code, answer.content) == (200, OCTETS)


async def test_head_has_no_body(quiet_site: Site) -> None:
    async with quiet_site.client() as client:
        answer = await client.head(XML, params=ALL, headers=quiet_site.alice_basic)
    assert (answer.status_code, answer.content) == (200, b"")


def test_the_first_id_of_a_millisecond() -> None:
    at = START
    assert (
        first_uuid7(at)
        <= uuid7(at, bytes)
        < uuid7(at, lambda size: b"\xff" * size)
        < first_uuid7(at + timedelta(milliseconds=1))
    )
    assert first_uuid7(datetime(1, 1, 1, tzinfo=UTC)).int >> 80 == 0


async def fill(world: World, count: int) -> None:
    """Copies of one ticket, without its mails."""
    token = await world.send()
    await world.service.pool.execute(
        """insert into tickets select (ti).* from (
               select jsonb_populate_record(t, jsonb_build_object(
                   'id', overlay(t.id::text placing lpad(to_hex(n), 12, '0') from 25),
                   'token', 'K.' || lpad(n::text, 22, '0'))) as ti
               from tickets t, generate_series(1, $2) n where t.token = $1) copies""",
        token, count,
    )  # fmt: skip
    await world.service.pool.execute(
        """insert into records select (r).* from (
               select jsonb_populate_record(r, jsonb_build_object('ticket_id', c.id)) as r
               from records r join tickets t on t.id = r.ticket_id and t.token = $1, tickets c where c.token <> $1) copies""",
        token,
    )


async def test_a_long_list_takes_the_memory_of_a_batch(world: World) -> None:
    await fill(world, 6_000)
    visible = many.Visible(world.alice)
    wanted = many.Wanted(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))

    async def drain(most: int) -> tuple[int, int]:
        part = await many.cut(world.service, visible, wanted, None, most)
        octets = 0
        gc.collect()
        tracemalloc.start()
        try:
            async for piece in module._stream(world.service, visible, wanted, part, "nl"):
                octets += len(piece)
            return octets, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    await drain(300)
    few, small = await drain(300)
    much, large = await drain(100_000)
    assert much > 15 * few
    assert large < 1.3 * small, (large, small)
