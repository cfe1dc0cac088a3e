"""Domains that accounts send from: whose they are, since when, until when, and which keys sign."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dkim
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from sealpost.domain.errors import Conflict, InvalidInput, NotFound, Unavailable
from sealpost.mail.build import build
from sealpost.mail.dkim import DkimKey, public_txt, signed
from sealpost.mail.letter import Letter, Mailbox
from sealpost.usecases import check_domains as checks
from sealpost.usecases import sender_domains as domains
from sealpost.usecases.sender_domains import SenderDomain
from sealpost.usecases.service import Service
from sealpost.usecases.sign_mail import own_key, signing_keys, verified_domain
from sealpost.usecases.signing_cache import SigningCache
from tests.world import START, World, new_world
from tests.zones import Zones

NAME = "alice.example"


def fresh(world: World) -> Service:
    """A process that remembers nothing yet."""
    return replace(world.service, signing=SigningCache())


@pytest.fixture
def zones() -> Zones:
    return Zones()


@pytest_asyncio.fixture
async def world(dsn: str, tmp_path: Path, zones: Zones) -> AsyncGenerator[World]:
    async with new_world(dsn, tmp_path, dns=zones) as made:
        yield made


def publish(zones: Zones, domain: SenderDomain, *records: str) -> None:
    """Puts what is asked into the DNS; without names, everything."""
    for one in domain.findings:
        if records and one.record not in records:
            continue
        if one.type == "CNAME":
            zones.aliases[one.name] = one.expected
        else:
            zones.records[one.name, "TXT"] = (one.expected,)


def states(domain: SenderDomain) -> dict[str, str]:
    return {one.record: one.state for one in domain.findings}


async def verified(world: World, zones: Zones, name: str = NAME) -> SenderDomain:
    publish(zones, await domains.add_domain(world.service, world.alice, name))
    done = await checks.check_domain(world.service, world.alice, name)
    assert done.verified_at == world.clock.real_at
    return done


def later(world: World, **span: float) -> None:
    world.clock.real_at += timedelta(**span)


async def worked(service: Service) -> int:
    """Checks until nothing is due."""
    total = 0
    while done := await checks.check_due(service):
        total += done
    return total


async def refusal(act: Any) -> str:
    try:
        await act
    except (Conflict, InvalidInput, NotFound, Unavailable) as error:
        return type(error).__name__
    return "done"


async def test_a_new_domain_is_not_verified(world: World) -> None:
    one = await domains.add_domain(world.service, world.alice, " Alice.Example. ")
    assert (one.name, one.verified_at, one.return_path, one.checked_at) == (NAME, None, False, None)
    assert states(one) == dict.fromkeys(["dkim", "return_path", "dmarc", "spf"], "unknown")
    assert one == await domains.one_domain(world.service, world.alice, "ALICE.example")
    assert await domains.list_domains(world.service, world.alice) == (one,)
    checked = await checks.check_domain(world.service, world.alice, NAME)
    assert (checked.verified_at, states(checked)["dkim"]) == (None, "missing")
    assert checked.checked_at == world.clock.real_at
    assert checked.due_at == world.clock.real_at + timedelta(days=1)


async def test_a_domain_is_verified_by_its_key_alone(world: World, zones: Zones) -> None:
    publish(zones, await domains.add_domain(world.service, world.alice, NAME), "return_path", "dmarc", "spf")
    one = await checks.check_domain(world.service, world.alice, NAME)
    assert (one.verified_at, one.return_path) == (None, True)
    publish(zones, one, "dkim")
    zones.aliases.clear()
    with capture_logs() as logs:
        one = await checks.check_domain(world.service, world.alice, NAME)
    assert (one.verified_at, one.return_path) == (START, False)
    assert [line["event"] for line in logs] == ["sender domain's records changed", "sender domain verified"]
    later(world, days=2)
    with capture_logs() as logs:
        one = await checks.check_domain(world.service, world.alice, NAME)
    assert (one.verified_at, logs) == (START, []), "since when, not when last seen; and nothing new is told"
    assert {finding.since for finding in one.findings} == {START}


async def test_another_account_gains_nothing(world: World, zones: Zones) -> None:
    mine = await verified(world, zones)
    theirs = await domains.add_domain(world.service, world.charlie, NAME)
    assert theirs.keys[0].selector != mine.keys[0].selector
    assert (await checks.check_domain(world.service, world.charlie, NAME)).verified_at is None
    assert await verified_domain(fresh(world), world.charlie, NAME) is None
    assert len(await signing_keys(fresh(world), world.charlie, NAME)) == 1
    await domains.remove_domain(world.service, world.charlie, NAME)
    for act in (domains.one_domain, checks.check_domain, domains.rotate_domain, domains.remove_domain):
        assert await refusal(act(world.service, world.charlie, NAME)) == "NotFound"
    assert (await domains.one_domain(world.service, world.alice, NAME)).verified_at


@pytest.mark.parametrize(
    "text",
    [
        "", "example", "localhost", "co.uk", "org", "github.io", "alice@example.org", "a b.org", "example.org\r\n.x", "192.0.2.1",
        "-a.org", "a..org", "exa_mple.org", "*.example.org", "http://example.org", "sealpost.example",
        "x.sealpost.example", "SEALPOST.example", "x" * 64 + ".org", "a." * 101 + "org", "\0.org", "x\u202e.org",
    ],
)  # fmt: skip
async def test_what_is_no_domain_to_send_from(world: World, text: str) -> None:
    assert await refusal(domains.add_domain(world.service, world.alice, text)) == "InvalidInput"
    assert await domains.list_domains(world.service, world.alice) == ()


async def test_twice_too_many_and_no_account(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "MOST", 2)
    tries = [
        domains.add_domain(world.service, world.alice, name)
        for name in ["bücher.example", "b.example", "c.example"] * 2
    ]
    assert sorted([await refusal(one) for one in tries]) == ["Conflict"] * 4 + ["done"] * 2
    assert [one.name for one in await domains.list_domains(world.service, world.alice)] == [
        "b.example",
        "xn--bcher-kva.example",
    ]
    for act in (domains.add_domain(world.service, 1, "d.example"), domains.list_domains(world.service, 1)):
        assert await refusal(act) == "NotFound"
    assert await refusal(domains.one_domain(world.service, world.alice, "no domain")) == "NotFound"


async def test_of_many_added_at_once_no_more_than_may_be(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "MOST", 2)
    tries = [refusal(domains.add_domain(world.service, world.alice, f"{name}.example")) for name in "abcde"]
    assert sorted(await asyncio.gather(*tries)) == ["Conflict"] * 3 + ["done"] * 2


@pytest.mark.parametrize("gone", ["missing", "wrong"])
async def test_a_record_that_is_gone_ends_it_at_the_second_look(world: World, zones: Zones, gone: str) -> None:
    one = await verified(world, zones)
    at = (one.findings[0].name, "TXT")
    zones.records[at] = "nxdomain" if gone == "missing" else ("v=spf1 -all",)
    later(world, days=1)
    assert await worked(world.service) == 1
    one = await domains.one_domain(world.service, world.alice, NAME)
    assert (one.verified_at, states(one)["dkim"]) == (START, gone)
    assert one.due_at == world.clock.real_at + timedelta(hours=1)
    later(world, minutes=30)
    again = await checks.check_domain(world.service, world.alice, NAME)
    assert again.verified_at == START, "looking often does not make it the second look"
    later(world, minutes=30)
    with capture_logs() as logs:
        await checks.check_domain(world.service, world.alice, NAME)
    lost = await domains.one_domain(world.service, world.alice, NAME)
    assert lost.verified_at is None
    assert [(line["event"], line["log_level"]) for line in logs] == [("sender domain lost", "warning")]
    publish(zones, lost)
    assert (await checks.check_domain(world.service, world.alice, NAME)).verified_at == world.clock.real_at


async def test_a_record_that_comes_back_within_the_hour_ends_nothing(world: World, zones: Zones) -> None:
    one = await verified(world, zones)
    kept = dict(zones.records)
    zones.records.clear()
    later(world, days=1)
    await worked(world.service)
    zones.records.update(kept)
    later(world, hours=1)
    assert await worked(world.service) == 1
    assert (await domains.one_domain(world.service, world.alice, NAME)).verified_at == START
    zones.records.clear()
    later(world, days=3)
    await worked(world.service)
    one = await domains.one_domain(world.service, world.alice, NAME)
    assert one.verified_at == START, "a new absence has a grace of its own"


async def test_a_dns_that_is_away_takes_nothing_away(world: World, zones: Zones) -> None:
    await verified(world, zones)
    zones.away = True
    for _ in range(5):
        later(world, days=2)
        assert await worked(world.service) == 1
    one = await domains.one_domain(world.service, world.alice, NAME)
    assert (one.verified_at, one.return_path, set(states(one).values())) == (START, True, {"unknown"})
    assert one.due_at == world.clock.real_at + timedelta(hours=1)


async def test_a_return_path_that_is_gone_is_not_used(world: World, zones: Zones) -> None:
    await verified(world, zones)
    keeping = fresh(world)
    found = await verified_domain(keeping, world.alice, NAME)
    assert found
    assert found.return_path == f"rp.{NAME}"
    zones.aliases.clear()
    await checks.check_domain(world.service, world.alice, NAME)
    later(world, seconds=61)
    found = await verified_domain(keeping, world.alice, NAME)
    assert found
    assert found.return_path == ""


def letter(sender: str) -> bytes:
    ours = Mailbox(sender, "Alice")
    return build(Letter(ours, Mailbox("bob@example.com"), None, "x", "x", "x", (), "<1@x.test>", START, "en"))


def accepted(mail: bytes, keys: tuple[DkimKey, ...]) -> list[bool]:
    texts = {f"{key.selector}._domainkey.{key.domain}.": public_txt(key.key).encode() for key in keys}
    look = [dkim.DKIM(mail).verify(index, dnsfunc=lambda name, **_: texts[name.decode()]) for index in range(len(keys))]
    return [bool(one) for one in look]


async def test_mails_of_a_verified_domain_are_signed_twice(world: World, zones: Zones) -> None:
    one = await verified(world, zones)
    keys = await signing_keys(fresh(world), world.alice, NAME)
    assert [key.domain for key in keys] == [NAME, "sealpost.example"]
    mail = signed(letter(f"alice@{NAME}"), keys, START)
    published = zones.records[one.findings[0].name, "TXT"]
    assert published == (public_txt(keys[0].key),), "what signs is what was asked for"
    assert accepted(mail, keys) == [True, True]


async def test_others_are_signed_by_us_alone(world: World, zones: Zones) -> None:
    await domains.add_domain(world.service, world.alice, NAME)
    for name in (NAME, "other.example", f"sub.{NAME}", "sealpost.example"):
        assert [key.domain for key in await signing_keys(fresh(world), world.alice, name)] == ["sealpost.example"]
    laptop = replace(fresh(world), face=replace(world.service.face, mail_domain="localhost"))
    assert await signing_keys(laptop, world.alice, NAME) == ()


async def test_what_is_known_is_remembered_for_a_minute(world: World, zones: Zones) -> None:
    keeping = fresh(world)
    assert len(await signing_keys(keeping, world.alice, NAME)) == 1
    await verified(world, zones)
    assert len(await signing_keys(keeping, world.alice, NAME)) == 1
    later(world, seconds=61)
    first = await asyncio.gather(*(signing_keys(keeping, world.alice, NAME) for _ in range(20)))
    assert {len(one) for one in first} == {2}
    assert len({id(key) for one in first for key in one}) == 2, "read once for all that ask at once"
    await domains.remove_domain(world.service, world.alice, NAME)
    assert len(await signing_keys(keeping, world.alice, NAME)) == 2
    later(world, seconds=61)
    assert len(await signing_keys(keeping, world.alice, NAME)) == 1


async def test_the_memory_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealpost.usecases.sign_mail.MOST", 3)
    keeping = fresh(world)
    for number in range(10):
        assert await verified_domain(keeping, world.alice, f"{number}.example") is None
        assert len(keeping.signing.known) <= 3


async def test_a_private_key_is_stored_sealed(world: World, zones: Zones) -> None:
    await verified(world, zones)
    row = await world.service.pool.fetchrow("select * from dkim_keys where domain_id is not null")
    key = (await signing_keys(fresh(world), world.alice, NAME))[0].key
    primes = key.private_numbers()  # type: ignore[union-attr] - RSA
    assert primes.p.to_bytes(128, "big") not in row["sealed"]
    # Another owner's name, as if rows were exchanged, opens nothing; the mail then goes out as "via".
    await world.service.pool.execute("update dkim_keys set owner = gen_random_uuid() where domain_id is not null")
    with capture_logs() as logs:
        keys = await signing_keys(fresh(world), world.alice, NAME)
    assert [key.domain for key in keys] == ["sealpost.example"]
    assert [line["event"] for line in logs] == ["DKIM key cannot be used"]
    await world.service.pool.execute("update dkim_keys set sealed = '\\x00'")
    assert await refusal(signing_keys(fresh(world), world.alice, NAME)) == "Unavailable"


async def test_rotation(world: World, zones: Zones) -> None:
    old = (await verified(world, zones)).keys[0].selector
    rotated = await domains.rotate_domain(world.service, world.alice, NAME)
    assert [key.state for key in rotated.keys] == ["active", "next"]
    new = rotated.keys[1].selector
    assert (await domains.rotate_domain(world.service, world.alice, NAME)).keys == rotated.keys, (
        "one next key at a time"
    )
    assert states(rotated) == {
        "dkim": "right",
        "dkim_next": "unknown",
        "return_path": "right",
        "dmarc": "right",
        "spf": "right",
    }
    checked = await checks.check_domain(world.service, world.alice, NAME)
    assert (states(checked)["dkim_next"], checked.verified_at) == ("missing", START)
    assert (await signing_keys(fresh(world), world.alice, NAME))[0].selector == old
    publish(zones, rotated, "dkim_next")
    later(world, hours=1)
    with capture_logs() as logs:
        done = await checks.check_domain(world.service, world.alice, NAME)
    assert "DKIM key in use" in [line["event"] for line in logs]
    assert [(key.selector, key.state) for key in done.keys] == [(old, "retired"), (new, "active")]
    assert done.keys[0].until == world.clock.real_at + timedelta(days=14)
    assert (states(done), done.verified_at) == (dict.fromkeys(["dkim", "return_path", "dmarc", "spf"], "right"), START)
    assert (await signing_keys(fresh(world), world.alice, NAME))[0].selector == new
    zones.records = {at: texts for at, texts in zones.records.items() if not at[0].startswith(old)}
    later(world, days=14, minutes=1)
    await worked(world.service)
    left = await domains.one_domain(world.service, world.alice, NAME)
    assert [key.selector for key in left.keys] == [new]
    assert left.verified_at == START


async def test_a_lost_record_is_made_good_by_the_next_key(world: World, zones: Zones) -> None:
    await verified(world, zones)
    zones.records.clear()
    publish(zones, await domains.rotate_domain(world.service, world.alice, NAME), "dkim_next")
    one = await checks.check_domain(world.service, world.alice, NAME)
    assert (one.verified_at, states(one)["dkim"]) == (START, "right")


async def test_a_domain_that_changes_while_the_dns_is_asked(world: World, zones: Zones) -> None:
    """What was found is kept only for what is still asked."""
    one = await verified(world, zones)
    removed, rotated = asyncio.Event(), asyncio.Event()

    class Slow(Zones):
        async def look_up(self, name: str, kind: Any) -> Any:
            answer = await zones.look_up(name, kind)
            if name == one.findings[0].name:
                await domains.rotate_domain(world.service, world.alice, NAME)
                rotated.set()
            return answer

    done = await checks.check_domain(replace(world.service, dns=Slow()), world.alice, NAME)
    assert rotated.is_set()
    assert (done.verified_at, states(done)["dkim_next"]) == (START, "unknown")

    class Slower(Zones):
        async def look_up(self, name: str, kind: Any) -> Any:
            if not removed.is_set():
                removed.set()
                await domains.remove_domain(world.service, world.alice, NAME)
            return await zones.look_up(name, kind)

    assert await refusal(checks.check_domain(replace(world.service, dns=Slower()), world.alice, NAME)) == "NotFound"
    assert await world.service.pool.fetchval("select count(*) from dkim_keys where domain_id is not null") == 0


async def test_several_workers_share_what_is_due(world: World, zones: Zones) -> None:
    for number in range(checks.BATCH + 5):
        await world.service.pool.execute(
            "insert into sender_domains (account_id, name, created_at, due_at) values ($1, $2, $3, $3)",
            world.alice, f"d{number}.example", START,
        )  # fmt: skip
    counts = await asyncio.gather(*(checks.check_due(world.service) for _ in range(3)))
    assert sum(counts) == checks.BATCH + 5
    assert zones.asked.count(("rp.d7.example", "CNAME")) == 1
    assert await checks.check_due(world.service) == 0
    later(world, days=1)
    assert await worked(world.service) == checks.BATCH + 5


async def test_what_a_worker_died_over_is_taken_again(world: World, zones: Zones) -> None:
    await domains.add_domain(world.service, world.alice, NAME)
    later(world, hours=1)

    class Broken(Zones):
        async def look_up(self, name: str, kind: Any) -> Any:
            raise MemoryError

    with pytest.raises(MemoryError):
        await checks.check_due(replace(world.service, dns=Broken()))
    assert await checks.check_due(world.service) == 0
    later(world, minutes=10)
    assert await checks.check_due(world.service) == 1


async def test_the_service_has_one_key_of_its_own(world: World, zones: Zones) -> None:
    rows = await asyncio.gather(*(own_key(world.service) for _ in range(4)))
    assert len({row["selector"] for row in rows}) == 1
    (own,) = await domains.own_records(world.service)
    assert own.name == f"{rows[0]['selector']}._domainkey.sealpost.example"
    one = await domains.add_domain(world.service, world.alice, NAME)
    theirs = (await domains.own_records(world.service))[1]
    assert (theirs.name, theirs.value) == (one.findings[0].alternative, one.findings[0].expected)
    await domains.rotate_own(world.service)
    await domains.rotate_own(world.service)
    first, following, _ = await domains.own_records(world.service)
    assert (first, following.purpose) == (own, "sealpost.example, next")
    await checks.check_due(world.service)
    assert (await own_key(world.service))["selector"] == rows[0]["selector"]
    zones.records[following.name, "TXT"] = (following.value,)
    await checks.check_due(world.service)
    assert following.name.startswith((await own_key(world.service))["selector"])
    assert [record.purpose for record in await domains.own_records(world.service)][:2] == [
        "sealpost.example, retired",
        "sealpost.example, active",
    ]
