"""Under whose address a mail goes: the sender's own where its domain is verified, else *via* the service."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dkim
import pytest
import pytest_asyncio

from sealpost.mail.dkim import public_txt
from sealpost.mail.return_path import Returned
from sealpost.usecases import check_domains as checks
from sealpost.usecases import sender_domains as domains
from sealpost.usecases.decide import decide
from sealpost.usecases.found import found_user
from sealpost.usecases.sign_mail import signing_keys
from tests.scripted import Scripted
from tests.usecases.servers import charlies, envelopes, path, sending_to, served
from tests.usecases.test_sender_domains import later, publish, verified, worked
from tests.world import ACT, PASSWORD, World, new_world, parsed
from tests.zones import Zones

BOB = "bob@example.com"
OURS = "sealpost.example"
DOMAIN = "example.org"
"""Alice's."""
SIGNED_BY = re.compile(rb"[ ;\t]d=([a-z0-9.-]+);")


@pytest.fixture
def zones() -> Zones:
    return Zones()


@pytest_asyncio.fixture
async def world(dsn: str, tmp_path: Path, zones: Zones) -> AsyncGenerator[World]:
    async with new_world(dsn, tmp_path, dns=zones) as made:
        yield made


def to_bob(world: World) -> list[tuple[str, bytes]]:
    """Return path and bytes of the mails to Bob."""
    return [(mail_from, raw) for mail_from, to, raw in world.mailbox.mails if to == BOB]


def author(mail: EmailMessage) -> tuple[str, str]:
    (one,) = mail["from"].addresses
    return one.display_name, one.addr_spec


def answered_to(mail: EmailMessage) -> str | None:
    return mail["reply-to"].addresses[0].addr_spec if mail["reply-to"] else None


def signers(raw: bytes) -> list[str]:
    """The domains of its signatures, from the topmost."""
    head = raw.partition(b"\r\n\r\n")[0].replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ")
    fields = [line for line in head.split(b"\r\n") if line.lower().startswith(b"dkim-signature:")]
    return [found[1].decode() for field in fields if (found := SIGNED_BY.search(field))]


async def accepted(world: World, zones: Zones, raw: bytes) -> list[bool]:
    """What dkimpy says of each signature, by the keys that are published; our own zone is not Alice's to show."""
    (own,) = await signing_keys(world.service, world.alice, OURS)
    ours = {f"{own.selector}._domainkey.{OURS}.": public_txt(own.key)}

    def look(name: bytes, **_: Any) -> bytes | None:
        text = name.decode()
        found = zones.records.get((text.removesuffix("."), "TXT"), ())
        values = (ours[text],) if text in ours else found if isinstance(found, tuple) else ()
        return values[0].encode() if values else None

    with pytest.MonkeyPatch.context() as patched:
        # The world's time: a signature of its future is refused.
        patched.setattr(dkim, "time", SimpleNamespace(time=world.clock.at.timestamp))
        return [bool(dkim.DKIM(raw).verify(number, dnsfunc=look)) for number in range(len(signers(raw)))]


async def purpose_of(world: World, mail_from: str) -> tuple[str, int]:
    """Purpose and attempt that a return path names."""
    told = world.service.return_paths.read(mail_from.partition("@")[0], world.clock.real_at)
    assert isinstance(told, Returned)
    return await world.service.pool.fetchval("select purpose from mails where id = $1", told.mail_id), told.attempt


async def lose(world: World, zones: Zones) -> None:
    """The domain's records are gone, at two looks."""
    zones.records.clear()
    zones.aliases.clear()
    later(world, days=1)
    await worked(world.service)
    later(world, hours=1)
    await worked(world.service)
    assert (await domains.one_domain(world.service, world.alice, DOMAIN)).verified_at is None
    later(world, seconds=61)


async def test_of_a_verified_domain(world: World, zones: Zones) -> None:
    await verified(world, zones, DOMAIN)
    token = await world.send()
    ((mail_from, raw),) = to_bob(world)
    mail = parsed(raw)
    assert (author(mail), answered_to(mail)) == (("Alice", "alice@example.org"), None)
    assert sorted(signers(raw)) == [DOMAIN, OURS]
    assert await accepted(world, zones, raw) == [True, True]
    assert await accepted(world, zones, raw.replace(b"Subject: ", b"Subject: X", 1)) == [False, False]
    assert mail_from.endswith(f"@rp.{DOMAIN}")
    assert await purpose_of(world, mail_from) == ("announcement", 1)
    assert (
        await world.service.pool.fetchval("select mail_from from attempts where mail_from like '%@rp.%'") == mail_from
    )
    assert str(mail["message-id"]).endswith(f"@{OURS}>"), "one form for all, by which bounces are found"

    world.clock.advance(days=6)
    await world.work_off()
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    await world.work_off()
    assert [await purpose_of(world, one) for one, _ in to_bob(world)] == [
        ("announcement", 1), ("reminder", 1), ("content", 1),
    ]  # fmt: skip
    for one, octets in to_bob(world):
        assert (author(parsed(octets)), one.partition("@")[2]) == (("Alice", "alice@example.org"), f"rp.{DOMAIN}")
        assert await accepted(world, zones, octets) == [True, True]


async def test_mails_to_the_account_are_ours(world: World, zones: Zones) -> None:
    await verified(world, zones, DOMAIN)
    await world.send()
    ((mail_from, raw),) = [(one, raw) for one, to, raw in world.mailbox.mails if to == "alice@example.org"]
    assert author(parsed(raw))[1] == f"post@{OURS}"
    assert (signers(raw), mail_from.partition("@")[2]) == ([OURS], OURS)
    assert await accepted(world, zones, raw) == [True]


async def test_without_a_verified_domain_it_is_via(world: World, zones: Zones) -> None:
    await domains.add_domain(world.service, world.alice, DOMAIN)
    await world.send()
    ((mail_from, raw),) = to_bob(world)
    mail = parsed(raw)
    assert (author(mail), answered_to(mail)) == (("Alice via Sealpost", f"post@{OURS}"), "alice@example.org")
    assert (signers(raw), mail_from.partition("@")[2]) == ([OURS], OURS)
    assert await accepted(world, zones, raw) == [True]
    assert await purpose_of(world, mail_from) == ("announcement", 1)


async def test_the_return_path_is_the_domains_where_that_record_stands(world: World, zones: Zones) -> None:
    publish(zones, await domains.add_domain(world.service, world.alice, DOMAIN), "dkim", "spf", "dmarc")
    assert (await checks.check_domain(world.service, world.alice, DOMAIN)).verified_at
    await world.send()
    ((mail_from, raw),) = to_bob(world)
    assert (author(parsed(raw))[1], mail_from.partition("@")[2]) == ("alice@example.org", OURS)
    assert len(await accepted(world, zones, raw)) == 2


@pytest.mark.parametrize("name", ["sub.example.org", "example.com", "notexample.org"])
async def test_another_domain_does_not_count(world: World, zones: Zones, name: str) -> None:
    await verified(world, zones, name)
    await world.send()
    ((_, raw),) = to_bob(world)
    assert (author(parsed(raw))[1], signers(raw)) == (f"post@{OURS}", [OURS])


async def test_another_accounts_domain_does_not_count(world: World, zones: Zones) -> None:
    await verified(world, zones, "example.net")
    await world.send(**charlies(world))
    ((mail_from, raw),) = to_bob(world)
    assert (author(parsed(raw)), answered_to(parsed(raw))) == (
        ("Charlie via Sealpost", f"post@{OURS}"),
        "charlie@example.net",
    )
    assert (signers(raw), mail_from.partition("@")[2]) == ([OURS], OURS)


async def test_a_domain_beyond_ascii(world: World, zones: Zones) -> None:
    await verified(world, zones, "xn--bcher-kva.example")
    await found_user(world.service, world.alice, "alice@bücher.example", PASSWORD, "user")
    await world.send(sender_email="alice@Bücher.example")
    ((mail_from, raw),) = to_bob(world)
    assert author(parsed(raw)) == ("Alice", "alice@xn--bcher-kva.example")
    assert mail_from.partition("@")[2] == "rp.xn--bcher-kva.example"
    assert await accepted(world, zones, raw) == [True, True]


async def test_a_domain_that_is_lost_between_two_mails(world: World, zones: Zones) -> None:
    await verified(world, zones, DOMAIN)
    await world.send()
    await lose(world, zones)
    await world.send()
    await verified_again(world, zones)
    await world.send()
    assert [author(parsed(raw))[1] for _, raw in to_bob(world)] == [
        "alice@example.org", f"post@{OURS}", "alice@example.org",
    ]  # fmt: skip
    assert [mail_from.partition("@")[2] for mail_from, _ in to_bob(world)] == [f"rp.{DOMAIN}", OURS, f"rp.{DOMAIN}"]
    assert answered_to(parsed(to_bob(world)[1][1])) == "alice@example.org"
    assert signers(to_bob(world)[1][1]) == [OURS]


async def verified_again(world: World, zones: Zones) -> None:
    publish(zones, await domains.one_domain(world.service, world.alice, DOMAIN))
    assert (await checks.check_domain(world.service, world.alice, DOMAIN)).verified_at
    later(world, seconds=61)


def bobs(server: Scripted) -> list[bytes]:
    """What came for Bob, as it came."""
    return [raw for raw in server.mails if BOB in str(parsed(raw)["to"])]


@pytest.mark.parametrize("stage", ["rcpt", "dot"])
@pytest.mark.parametrize("before", [True, False])
async def test_a_repeat_has_the_bytes_of_before(world: World, zones: Zones, before: bool, stage: str) -> None:
    """Whatever became of the domain meanwhile: what was built is what is sent."""
    if before:
        await verified(world, zones, DOMAIN)
    else:
        await domains.add_domain(world.service, world.alice, DOMAIN)
    async with served({stage: b"451 4.7.1 Greylisted, come back\r\n"}) as server, sending_to(world, server) as here:
        token = await here.send()
        sha256 = "select sha256 from mails where purpose = 'announcement'"
        built = await here.service.pool.fetchval(sha256)
        await (lose if before else verified_again)(here, zones)
        server.script.clear()
        here.clock.advance(minutes=20)
        await here.work_off()
        assert (await here.kinds(token))[-1] == "announcement_accepted"
        assert await here.service.pool.fetchval(sha256) == built
        assert len(set(bobs(server))) == 1
        mail = parsed(bobs(server)[-1])
        assert author(mail)[1] == ("alice@example.org" if before else f"post@{OURS}")
        assert len(signers(bobs(server)[-1])) == (2 if before else 1)
        paths = {path(mail) for mail, rcpt in envelopes(server) if path(rcpt) == BOB}
        assert [one.partition("@")[2] for one in paths] == [f"rp.{DOMAIN}" if before else OURS], "greylisting knows it"
        # The next mail goes as things stand now.
        await here.send()
        assert author(parsed(bobs(server)[-1]))[1] == (f"post@{OURS}" if before else "alice@example.org")


async def test_a_key_that_cannot_be_opened_makes_it_via(world: World, zones: Zones) -> None:
    await verified(world, zones, DOMAIN)
    await world.service.pool.execute("update dkim_keys set owner = gen_random_uuid() where domain_id is not null")
    await world.send()
    ((mail_from, raw),) = to_bob(world)
    assert (author(parsed(raw))[1], signers(raw), mail_from.partition("@")[2]) == (f"post@{OURS}", [OURS], OURS)


async def test_without_our_own_key_mail_waits(world: World, zones: Zones) -> None:
    await verified(world, zones, DOMAIN)
    await world.send()
    later(world, seconds=61)
    spoilt = "update dkim_keys set sealed = sealed || '\\x00' where domain_id is null"
    await world.service.pool.execute(spoilt)
    token = await world.send()
    assert await world.kinds(token) == ["submitted"]
    row = await world.service.pool.fetchrow(
        "select m.state, m.tries, m.claimed_by, m.due_at from mails m join tickets t on t.id = m.ticket_id where token = $1 and purpose = 'announcement'",
        token,
    )
    assert tuple(row) == ("planned", 0, None, world.clock.at + timedelta(seconds=30))
    await world.service.pool.execute(
        "update dkim_keys set sealed = substring(sealed from 1 for length(sealed) - 1) where domain_id is null"
    )
    world.clock.advance(seconds=31)
    await world.work_off()
    assert (await world.kinds(token))[-1] == "announcement_accepted"
    assert await accepted(world, zones, to_bob(world)[-1][1]) == [True, True]


async def test_a_service_without_a_domain_of_its_own_signs_nothing(world: World) -> None:
    face = dataclasses.replace(world.service.face, mail_domain="localhost")
    here = dataclasses.replace(world, service=dataclasses.replace(world.service, face=face))
    await here.send()
    ((mail_from, raw),) = to_bob(here)
    assert (signers(raw), mail_from.partition("@")[2]) == ([], "localhost")
