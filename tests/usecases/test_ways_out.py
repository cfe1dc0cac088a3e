"""A relay of an account's own: its mail goes there and nowhere else, and nobody else's does."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from sealpost.content.vault import Vault
from sealpost.domain.errors import InvalidInput, NotFound, Unavailable
from sealpost.mail.relay import Relay
from sealpost.store.account_mail import OwnRelay, own_relay
from sealpost.store.pool import open_pool
from sealpost.usecases import ways_out
from sealpost.usecases.set_relay import RelayFields, set_relay
from sealpost.usecases.ways_out import WaysOut
from tests.mail.conftest import certificate as certificate
from tests.mail.conftest import server_tls as server_tls
from tests.scripted import Scripted
from tests.usecases.servers import changed, charlies, envelopes, path, served, smtp_of
from tests.usecases.test_life import ANNOUNCED
from tests.world import START, World, parsed

DSN = b"250-own.test\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 DSN\r\n"
WITH_TLS = b"250-own.test\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250 DSN\r\n"
PASSWORD = "hunter2-of-alice"
NONE = RelayFields("", 587, "required", "", "")


def plain(server: Scripted) -> RelayFields:
    return RelayFields("127.0.0.1", server.port, "none", "", "")


def to_bob(server: Scripted) -> int:
    return len([one for _, one in envelopes(server) if path(one) == "bob@example.com"])


def later(world: World, **span: float) -> None:
    world.clock.real_at += timedelta(**span)


def password_relay(port: int, tls: str = "required") -> RelayFields:
    return RelayFields("127.0.0.1", port, tls, "alice", PASSWORD)


async def test_an_accounts_mail_goes_there_and_others_as_before(world: World) -> None:
    async with served({"ehlo": DSN}) as own:
        await set_relay(world.service, world.alice, plain(own))
        token = await world.send()
        assert await world.kinds(token) == ANNOUNCED
        assert sorted(path(rcpt) for _, rcpt in envelopes(own)) == ["alice@example.org", "bob@example.com"]
        assert world.mailbox.mails == []
        theirs = await world.send(**charlies(world))
        assert await world.kinds(theirs) == ANNOUNCED
        assert [to for _, to, _ in world.mailbox.mails] == ["bob@example.com", "charlie@example.net"]
        assert len(own.mails) == 2
        smtp = smtp_of((await world.records(token))[-1])
        assert (smtp["by"], smtp["host"], smtp["port"]) == ("relay", "127.0.0.1", own.port)


async def test_notifications_are_asked_for(world: World) -> None:
    async with served({"ehlo": DSN}) as own:
        await set_relay(world.service, world.alice, plain(own))
        await world.send()
        row = await world.service.pool.fetchrow(
            "select m.id, m.size, a.mail_from, a.handover from mails m join attempts a on a.mail_id = m.id where purpose = 'announcement'"
        )
        mail, rcpt = next(pair for pair in envelopes(own) if path(pair[1]) == "bob@example.com")
        assert mail == f"MAIL FROM:<{row['mail_from']}> SIZE={row['size']} RET=HDRS ENVID={row['id'].hex}-1"
        assert rcpt == "RCPT TO:<bob@example.com> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;bob@example.com"
        lines = [line["line"] for line in row["handover"]["lines"] if line["by"] == "c"]
        assert {mail, rcpt} <= set(lines), "and it stands in the transcript"


async def test_a_change_is_followed_after_a_minute(world: World) -> None:
    async with served() as first, served() as second:

        async def went(**changes: Any) -> tuple[int, int, int]:
            before = (to_bob(first), to_bob(second), len(world.mailbox.to("bob@example.com")))
            await world.send(**changes)
            after = (to_bob(first), to_bob(second), len(world.mailbox.to("bob@example.com")))
            return after[0] - before[0], after[1] - before[1], after[2] - before[2]

        assert await went() == (0, 0, 1)
        for fields, now, then in (
            (plain(first), (0, 0, 1), (1, 0, 0)),
            (plain(second), (1, 0, 0), (0, 1, 0)),
            (NONE, (0, 1, 0), (0, 0, 1)),
            (plain(first), (0, 0, 1), (1, 0, 0)),
        ):
            await set_relay(world.service, world.alice, fields)
            later(world, seconds=59)
            assert await went() == now
            later(world, seconds=2)
            assert await went() == then
        assert await went(**charlies(world)) == (0, 0, 1)
        await asyncio.wait_for(second.ended[0].wait(), 5)
        assert second.commands[-1] == b"QUIT", "the former relay's connection is not kept"


async def test_the_same_relay_keeps_its_connection(world: World) -> None:
    async with served() as own:
        await set_relay(world.service, world.alice, plain(own))
        for _ in range(3):
            await world.send()
            later(world, seconds=61)
        assert (to_bob(own), own.connections) == (3, 1)


async def test_those_who_ask_at_once_get_the_same(world: World) -> None:
    async with served() as own:
        await set_relay(world.service, world.alice, plain(own))
        ways = await asyncio.gather(*(world.service.ways.of(world.alice) for _ in range(10)))
        assert len({id(one) for one in ways}) == 1, "else connections are left open that nobody ends"


async def test_credentials_travel_over_verified_tls_and_are_stored_sealed(
    world: World, server_tls: ssl.SSLContext, certificate: Path
) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    seen: list[tuple[OwnRelay, str]] = []

    def make(relay: OwnRelay, password: str) -> Relay:
        seen.append((relay, password))
        return Relay(
            host=relay.host, port=relay.port, our_name="out.test", clock=world.clock.now, tls="required",
            username=relay.user, password=password, context=trusted,
        )  # fmt: skip

    async with served({"ehlo": WITH_TLS}, server_tls) as own, AsyncExitStack() as stack:
        await set_relay(world.service, world.alice, password_relay(own.port))
        ways = WaysOut(make, world.service.pool, world.service.mail_vault, world.clock)
        stack.push_async_callback(ways.close)
        here = changed(world, ways=ways)
        token = await here.send()
        assert await world.kinds(token) == ANNOUNCED
        assert [(relay.user, password) for relay, password in seen] == [("alice", PASSWORD)]
        assert b"AUTH PLAIN " + base64.b64encode(f"\0alice\0{PASSWORD}".encode()) in own.commands
    for table in ("accounts", "attempts", "records"):
        rows = await world.service.pool.fetch(f"select {table}::text as row from {table}")
        stored = "".join(row["row"] for row in rows)
        for form in (PASSWORD, PASSWORD.encode().hex(), base64.b64encode(f"\0alice\0{PASSWORD}".encode()).decode()):
            assert form not in stored, table


Spoil = Callable[[World, bytes], bytes]
SPOILT: dict[str, Spoil] = {
    "nothing": lambda world, sealed: b"",
    "one octet": lambda world, sealed: b"\0",
    "cut": lambda world, sealed: sealed[:-1],
    "changed": lambda world, sealed: sealed[:-1] + bytes([sealed[-1] ^ 1]),
    "another account's": lambda world, sealed: world.service.mail_vault.seal_whole(UUID(int=world.charlie), b"x"),
    "another key's": lambda world, sealed: Vault({1: bytes(32)}, 1, b"mail").seal_whole(UUID(int=world.alice), b"x"),
    "another purpose's": lambda world, sealed: world.service.content_vault.seal_whole(UUID(int=world.alice), b"x"),
}


@pytest.mark.parametrize("how", SPOILT)
async def test_with_a_wrong_key_mail_waits_and_goes_no_other_way(world: World, how: str) -> None:
    async with served({"ehlo": DSN}) as own:
        await set_relay(world.service, world.alice, password_relay(own.port))
        relay = await own_relay(world.service.pool, world.alice)
        assert relay
        assert relay.secret
        spoilt = SPOILT[how](world, relay.secret)
        await world.service.pool.execute("update accounts set relay_secret = $2 where id = $1", world.alice, spoilt)
        with capture_logs() as logs:
            token = await world.send()
            assert await world.kinds(await world.send(**charlies(world))) == ANNOUNCED, "others' mail goes out"
        assert await world.kinds(token) == ["submitted"]
        assert (own.connections, len(world.mailbox.to("bob@example.com"))) == (0, 1)
        assert {"a relay's password cannot be opened", "mail not tried"} <= {line["event"] for line in logs}
        assert PASSWORD not in str(logs)
        row = await world.service.pool.fetchrow(
            "select claimed_by, due_at, tries, state from mails where purpose = 'announcement' and account_id = $1",
            world.alice,
        )
        assert tuple(row) == (None, START + timedelta(seconds=30), 0, "planned")
        assert await world.service.pool.fetchval("select count(*) from attempts a join mails m on m.id = a.mail_id where account_id = $1", world.alice) == 0  # fmt: skip
        await set_relay(world.service, world.alice, plain(own))
        world.clock.advance(seconds=31)
        await world.work_off()
        assert await world.kinds(token) == ANNOUNCED
        assert (to_bob(own), len(world.mailbox.to("bob@example.com"))) == (1, 1)


async def test_without_the_database_nothing_is_known(world: World, dsn: str) -> None:
    pool = await open_pool(dsn, 1)
    ways = WaysOut(_unmade, pool, world.service.mail_vault, world.clock)
    assert await ways.of(world.alice) is None
    await pool.close()
    assert await ways.of(world.alice) is None, "remembered"
    with pytest.raises(Unavailable):
        await ways.of(world.charlie)
    later(world, seconds=61)
    with pytest.raises(Unavailable):
        await ways.of(world.alice)


def _unmade(relay: OwnRelay, password: str) -> Relay:
    raise AssertionError(relay, password)


async def test_no_more_are_remembered_than_may_be(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways_out, "MOST", 3)
    async with served() as own:
        await set_relay(world.service, world.alice, plain(own))
        await world.send()
        for number in range(10):
            assert await world.service.ways.of(-number) is None
            assert len(world.service.ways._known) <= 3
        await asyncio.wait_for(own.ended[0].wait(), 5)
        await world.send()
        assert (to_bob(own), own.connections) == (2, 2), "what was forgotten is found again"


REFUSED = [
    ({"host": "relay example"}, "host"), ({"host": "relay.example\r\nRSET"}, "host"), ({"host": "-relay.example"}, "host"),
    ({"host": "relay.example."}, "host"), ({"host": "smtp://relay.example"}, "host"), ({"host": "a" * 254}, "host"),
    ({"host": "rélay.example"}, "host"), ({"host": "\0"}, "host"), ({"host": "[::1]"}, "host"),
    ({"port": 0}, "port"), ({"port": -1}, "port"), ({"port": 65_536}, "port"),
    ({"tls": ""}, "tls"), ({"tls": "dane"}, "tls"), ({"tls": "encrypted"}, "tls"), ({"tls": "REQUIRED"}, "tls"),
    ({"user": "alice"}, "user"), ({"password": "x"}, "user"), ({"user": "a b", "password": "x"}, "user"),
    ({"user": "alice", "password": "x\n"}, "user"), ({"user": "alice", "password": "x\0"}, "user"),
    ({"user": "alice", "password": "é"}, "user"), ({"user": "a" * 201, "password": "x"}, "user"),
    ({"user": "alice", "password": "x" * 201}, "user"),
    ({"user": "alice", "password": "x", "tls": "opportunistic"}, "tls"), ({"user": "alice", "password": "x", "tls": "none"}, "tls"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "field"), REFUSED)
async def test_what_is_no_relay(quiet_world: World, changes: dict[str, Any], field: str) -> None:
    await set_relay(quiet_world.service, quiet_world.alice, password_relay(587))
    before = await own_relay(quiet_world.service.pool, quiet_world.alice)
    given: dict[str, Any] = {"host": "relay.example", "port": 587, "tls": "required", "user": "", "password": ""}
    with pytest.raises(InvalidInput) as refused:
        await set_relay(quiet_world.service, quiet_world.alice, RelayFields(**{**given, **changes}))
    assert refused.value.field == field
    assert await own_relay(quiet_world.service.pool, quiet_world.alice) == before


@pytest.mark.parametrize("host", ["relay.example:587", "127.0.0.1:25", "a:b"])
async def test_a_port_is_no_part_of_the_name(quiet_world: World, host: str) -> None:
    with pytest.raises(InvalidInput):
        await set_relay(quiet_world.service, quiet_world.alice, RelayFields(host, 587, "required", "", ""))


@pytest.mark.parametrize("host", ["relay.example", "Relay-1.Example", "localhost", "192.0.2.1", "2001:db8::1", "a"])
async def test_what_is_one(quiet_world: World, host: str) -> None:
    await set_relay(quiet_world.service, quiet_world.alice, RelayFields(host, 65_535, "opportunistic", "", ""))
    assert await own_relay(quiet_world.service.pool, quiet_world.alice) == OwnRelay(
        host, 65_535, "opportunistic", "", None
    )
    assert await own_relay(quiet_world.service.pool, quiet_world.charlie) is None
    await set_relay(quiet_world.service, quiet_world.alice, NONE)
    assert await own_relay(quiet_world.service.pool, quiet_world.alice) is None


async def test_no_such_account(world: World) -> None:
    for fields in (password_relay(587), NONE):
        with pytest.raises(NotFound):
            await set_relay(world.service, 1, fields)
    assert await own_relay(world.service.pool, 1) is None


async def test_a_relay_that_is_away_delays_and_the_installations_is_not_used(world: World) -> None:
    async with served({"greeting": "close"}) as own:
        await set_relay(world.service, world.alice, plain(own))
        token = await world.send()
        assert await world.kinds(token) == ["submitted", "announcement_delayed"]
        assert world.mailbox.mails == []
        own.script.clear()
        world.clock.advance(minutes=3)
        await world.work_off()
        assert (await world.kinds(token))[-1] == "announcement_accepted"
        assert parsed(own.mails[0])["to"].addresses[0].addr_spec
        assert world.mailbox.mails == []
