"""How an account's mail goes, as an operator types it; and doctor's line on the way that all mail goes."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sealpost.cli import doctor
from sealpost.settings import read_settings
from sealpost.store.account_mail import OwnRelay, own_relay
from tests.cli.test_commands import free_port, sealpost
from tests.mail.dns_server import DnsServer, running
from tests.world import World

PASSWORD = "hunter2-of-alice"
Run = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest_asyncio.fixture
async def run(dsn: str, tmp_path: Path, world: World) -> AsyncGenerator[Run]:
    """Runs a command on the world's database."""

    async def command(*words: object, given: str = "") -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            sealpost, *map(str, words), given=given, database_url=dsn, data=tmp_path, pool=4,
            environment="test", tsa_url="own", legal_name="Sealpost Test B.V.",
        )  # fmt: skip

    yield command


async def test_a_relay_is_set_changed_and_ended(run: Run, world: World) -> None:
    alice, pool = world.alice, world.service.pool
    done = await run("account", "relay", alice, "relay.example", "--user", "alice", given=f"{PASSWORD}\n")
    assert (done.returncode, done.stdout) == (0, f"account {alice}: relay relay.example:587, TLS required\n")
    assert PASSWORD not in done.stdout + done.stderr
    relay = await own_relay(pool, alice)
    assert relay
    assert relay.secret
    assert (relay.host, relay.port, relay.tls, relay.user) == ("relay.example", 587, "required", "alice")
    assert PASSWORD.encode() not in relay.secret
    assert world.service.ways._password(alice, relay) == PASSWORD, "the workers can open what the command sealed"
    done = await run("account", "relay", alice, "192.0.2.1", "--port", 25, "--tls", "none", given=f"{PASSWORD}\n")
    assert done.stdout == f"account {alice}: relay 192.0.2.1:25, TLS none\n"
    assert await own_relay(pool, alice) == OwnRelay("192.0.2.1", 25, "none", "", None), "no user, no password"
    done = await run("account", "relay", alice, "none")
    assert (done.returncode, done.stdout) == (0, f"account {alice}: no relay of its own\n")
    assert await own_relay(pool, alice) is None
    assert await own_relay(pool, world.charlie) is None


REFUSED = [
    (["1", "none"], "", 1, "no account 1"),
    (["ALICE", "relay example"], "", 1, "host: is no host name or address"),
    (["ALICE", "relay.example", "--tls", "dane"], "", 2, "--tls"),
    (["ALICE", "relay.example", "--user", "alice"], "\n", 1, "user: and password belong together"),
    (["ALICE", "relay.example", "--user", "alice", "--tls", "none"], f"{PASSWORD}\n", 1, "tls: must be required"),
]  # fmt: skip
EMPTY = (["ALICE", ""], "", 1, "host")


@pytest.mark.parametrize(("words", "given", "code", "why"), [*REFUSED, EMPTY])
async def test_what_is_refused_changes_nothing(
    run: Run, world: World, words: list[str], given: str, code: int, why: str
) -> None:
    await world.service.pool.execute("update accounts set relay_host = 'before.example' where id = $1", world.alice)
    before = await own_relay(world.service.pool, world.alice)
    done = await run("account", "relay", *(str(world.alice) if one == "ALICE" else one for one in words), given=given)
    assert (done.returncode, done.stdout) == (code, "")
    assert why in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stderr
    assert await own_relay(world.service.pool, world.alice) == before


async def test_demands_are_set_shown_and_lifted(run: Run, world: World) -> None:
    async def demands() -> dict[int, tuple[bool, bool]]:
        rows = await world.service.pool.fetch("select id, tls_verified, domain_demanded from accounts")
        return {row["id"]: (row["tls_verified"], row["domain_demanded"]) for row in rows}

    none, tls, domain = "encrypted where it can be", "over verified TLS only", "of verified domains only"
    steps: list[tuple[list[str], tuple[bool, bool], str, str]] = [
        (["--verified-tls", "--own-domains"], (True, True), tls, domain),
        (["--keep-days", "40"], (True, True), tls, domain),
        (["--any-tls"], (False, True), none, domain),
        (["--any-domain", "--verified-tls"], (True, False), tls, "any confirmed address"),
    ]
    for words, stored, delivery, senders in steps:
        done = await run("account", "set", world.alice, *words)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-2:] == [f"delivery     {delivery}", f"senders      {senders}"]
        assert await demands() == {world.alice: stored, world.charlie: (False, False)}
    refused = await run("account", "set", world.alice, "--any-tls", "--max-mb", "-1")
    assert (refused.returncode, (await demands())[world.alice]) == (1, (True, False)), "all or nothing"


# Doctor's line


async def told(**settings: Any) -> str:
    given = {"smtp_host": "", "our_name": "out1.sealpost.example", "mail_domain": "sealpost.example", **settings}
    try:
        return await doctor.smtp(read_settings({}, **given))
    except (doctor.Failed, RuntimeError) as error:
        return f"FAIL {error}"


@pytest.mark.parametrize(
    ("zones", "secure", "said"),
    [
        ({"sealpost.example": {"MX": ["10 mx.sealpost.example."]}}, set[str](), "not validated (no DANE)"),
        ({"sealpost.example": {"MX": ["10 mx.sealpost.example."]}}, {"*"}, "validated"),
        ({"sealpost.example": {"A": ["192.0.2.1"]}}, set[str](), "not validated (no DANE)"),
        ({}, set[str](), "not validated (no DANE)"),
        ({"sealpost.example": {"MX": "servfail"}}, set[str](), None), ({"sealpost.example": {"MX": "refused"}}, set[str](), None),
        ({"sealpost.example": {"MX": "lame"}}, set[str](), None),
    ],
)  # fmt: skip
async def test_direct_delivery_by_a_dns(zones: Any, secure: set[str], said: str | None) -> None:
    async with running(DnsServer(zones, secure=secure)) as server:
        line = await told(dns="127.0.0.1", dns_port=server.port)
    wrong = "FAIL the DNS does not answer: set SEALPOST_DNS"
    assert line == (f"direct as out1.sealpost.example; DNS answers, {said}" if said else wrong)
    assert {(name, kind) for name, kind, _ in server.asked} == {("sealpost.example", "MX")}


async def test_direct_delivery_without_a_dns() -> None:
    assert await told(dns="127.0.0.1", dns_port=free_port()) == "FAIL the DNS does not answer: set SEALPOST_DNS"


@pytest.mark.parametrize("name", ["localhost", "out1"])
async def test_direct_delivery_needs_a_name(name: str) -> None:
    async with running(DnsServer({})) as server:
        line = await told(our_name=name, dns="127.0.0.1", dns_port=server.port)
        assert line.startswith("FAIL SEALPOST_OUR_NAME must be this machine's public name")
        assert server.asked == []


async def test_a_relay_is_greeted_and_needs_neither(world: World) -> None:
    port = int(world.catcher._server.sockets[0].getsockname()[1])  # type: ignore[union-attr] - it runs
    line = await told(smtp_host="127.0.0.1", smtp_port=port, our_name="localhost", dns="192.0.2.1")
    assert line.startswith(f"127.0.0.1:{port} greets: 220 ")


async def test_doctor_as_a_command(tmp_path: Path) -> None:
    async with running(DnsServer({"sealpost.example": {"MX": ["10 mx.sealpost.example."]}})) as server:
        done = await asyncio.to_thread(
            sealpost, "doctor", data=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none",
            our_name="out1.sealpost.example", mail_domain="sealpost.example", dns="127.0.0.1", dns_port=server.port,
        )  # fmt: skip
    (line,) = [line for line in done.stdout.splitlines() if line.split()[1] == "smtp"]
    assert line == "ok    smtp      direct as out1.sealpost.example; DNS answers, not validated (no DANE)"
