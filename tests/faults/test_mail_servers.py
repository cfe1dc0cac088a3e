"""Announcements to Postfix, Exim and OpenSMTPD as a recipient's MX: the record has what the server itself has logged.

For ``script/faults``. Through the whole service, directly: the domain's MX names the server, in a DNS of the test's own.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sealpost.domain.canonical import digest
from sealpost.mail.direct import Direct
from sealpost.mail.dns import Resolver
from tests.conftest import reachable
from tests.faults.mail_servers import KINDS, CannotRun, Kind, MailServer, running
from tests.mail.conftest import certificate as certificate
from tests.mail.dns_server import DnsServer
from tests.mail.dns_server import running as answering
from tests.world import World, new_world

COMPLETE = bool(os.environ.get("SEALPOST_FAULTS_COMPLETE"))
ROOT = Path(__file__).resolve().parents[2]
Eventually = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
ANNOUNCED = ["submitted", "announcement_offered", "announcement_accepted"]
# Debian 12's OpenSMTPD offers STARTTLS and cannot do it (OpenSMTPD issue 1171): the mail goes on in plain, as RFC 7435
# has it. A later one can, and then its facts must be there.
BROKEN_TLS = "missing private key"


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def mail_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: Path
) -> Generator[MailServer]:
    """One after another; one that cannot be run here is named in the last line of ``script/faults``."""
    if not COMPLETE:
        pytest.skip("script/faults runs this: it fetches Debian's mail servers")
    kind: Kind = request.param
    folder = reachable(tmp_path_factory.mktemp(kind.name))
    try:
        with running(kind, folder, certificate) as started:
            yield started
    except CannotRun as why:
        pytest.skip(f"{kind.name}: {why}")


@asynccontextmanager
async def sending_to(mail_server: MailServer, certificate: Path, dsn: str, folder: Path) -> AsyncGenerator[World]:
    """A world whose mail goes directly to the server; who wants verified TLS trusts its certificate."""
    zones: Any = {name: {"MX": ["10 mx.test."]} for name in ("example.com", "example.org")}
    async with (
        answering(DnsServer(zones | {"mx.test": {"A": ["127.0.0.1"]}})) as dns,
        new_world(dsn, folder) as world,
    ):
        direct = Direct(
            dns=Resolver(["127.0.0.1"], port=dns.port),
            sts=None,
            our_name="out1.sealpost.example",
            clock=world.clock.now,
            shuffle=lambda _: None,
            port=mail_server.port,
            private=True,
            context=ssl.create_default_context(cafile=str(certificate)),
        )
        try:
            yield dataclasses.replace(world, service=dataclasses.replace(world.service, transport=direct))
        finally:
            await direct.close()


@dataclass(frozen=True, slots=True)
class Told:
    """A record: its ``smtp`` and what both sides said, as it has them."""

    smtp: dict[str, Any]
    server: list[str]
    client: list[str]


async def newest(world: World, token: str) -> Told:
    record = json.loads((await world.records(token))[-1])
    logs = record["TransactionLogInformation"]["TransactionLog"]
    lines = [line for log in logs if log["type"] == "smtp" for line in log["lines"]]
    sides = ([line["line"] for line in lines if line["by"] == by] for by in "sc")
    return Told(record["Extensions"][0]["sealpost/1"]["smtp"], *sides)


async def check_final(told: Told, mail_server: MailServer, eventually: Eventually) -> None:
    """The deciding line is, letter by letter, what the server logged as said."""
    final = told.smtp["final"]
    assert final in told.server

    async def logged() -> bool:
        return any(mail_server.kind.said(line) == final for line in mail_server.log().splitlines())

    await eventually(logged)


def check_tls(told: Told, mail_server: MailServer, certificate: Path) -> None:
    log = mail_server.log()
    if BROKEN_TLS in log:
        assert "tls" not in told.smtp
        assert told.client.count("STARTTLS") == 1
        assert len([line for line in told.client if line.startswith("EHLO ")]) == 2
        return
    tls = told.smtp["tls"]
    der = x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(Encoding.DER)
    assert tls["certificate"] == digest(sha256(der).digest())
    assert tls["nameCheck"] == "match"
    assert any(tls["version"].replace("TLSv", "TLS") in line.replace("TLSv", "TLS") for line in log.splitlines())
    assert mail_server.kind.name == "Exim" or tls["cipher"] in log  # GnuTLS has names of its own for them


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_accepted(
    mail_server: MailServer, certificate: Path, dsn: str, tmp_path: Path, eventually: Eventually,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    async with sending_to(mail_server, certificate, dsn, tmp_path) as world:
        token = await world.send()
        assert await world.kinds(token) == ANNOUNCED
        told = await newest(world, token)
    found = mail_server.kind.queue_id.search(told.smtp["final"])
    assert found
    assert (told.smtp["class"], told.smtp["host"], told.smtp["final"]) == ("accepted", "mx.test", told.server[-1])
    await check_final(told, mail_server, eventually)
    assert any(mail_server.kind.took(line) == found[1] for line in mail_server.log().splitlines())
    check_tls(told, mail_server, certificate)

    async def delivered() -> bool:
        return any(told.smtp["messageId"].encode() in mail.read_bytes() for mail in mail_server.mails())

    await eventually(delivered)
    with capsys.disabled():
        tls = told.smtp.get("tls", {}).get("version") or "offers TLS and cannot do it: plain"
        print(f"\n{mail_server.kind.name} {mail_server.version}: {told.smtp['final']!r} ({tls})")


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_greylisted(
    mail_server: MailServer, certificate: Path, dsn: str, tmp_path: Path, eventually: Eventually
) -> None:
    """Told once, then taken at the second try: the same client, sender and recipient come again."""
    async with sending_to(mail_server, certificate, dsn, tmp_path) as world:
        token = await world.send(recipient_email="grey@example.com")
        assert await world.kinds(token) == [*ANNOUNCED[:-1], "announcement_delayed"]
        first = await newest(world, token)
        assert first.smtp["class"] == "greylisted"
        await check_final(first, mail_server, eventually)
        world.clock.advance(minutes=2)
        await world.work_off()
        assert await world.kinds(token) == [*ANNOUNCED[:-1], "announcement_delayed", "announcement_accepted"]
        second = await newest(world, token)
    assert second.smtp["attempt"] == 2
    await check_final(second, mail_server, eventually)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_full(
    mail_server: MailServer, certificate: Path, dsn: str, tmp_path: Path, eventually: Eventually
) -> None:
    async with sending_to(mail_server, certificate, dsn, tmp_path) as world:
        token = await world.send(recipient_email="full@example.com")
        kinds, told = await world.kinds(token), await newest(world, token)
    outcome = "failed" if mail_server.kind.full.startswith("5") else "delayed"
    assert kinds == [*ANNOUNCED[:-1], f"announcement_{outcome}"]
    assert told.smtp["class"] == "full"
    assert told.smtp["final"].startswith(mail_server.kind.full)
    await check_final(told, mail_server, eventually)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_verified_tls_demanded(
    mail_server: MailServer, certificate: Path, dsn: str, tmp_path: Path, eventually: Eventually
) -> None:
    async with sending_to(mail_server, certificate, dsn, tmp_path) as world:
        token = await world.send(tls_verified=True)
        kinds, told = await world.kinds(token), await newest(world, token)
    assert told.smtp["policy"] == {"type": "demanded", "demanded": True}
    if BROKEN_TLS in mail_server.log():
        assert kinds == [*ANNOUNCED[:-1], "announcement_delayed"]
        assert told.smtp["class"] == "policy"
        assert not [line for line in told.client if line.startswith("MAIL ")]
        return
    assert kinds == ANNOUNCED
    check_tls(told, mail_server, certificate)
    await check_final(told, mail_server, eventually)


# What the suite's last line says -------------------------------------------------------------------------------------

HERE = "3 passed in 4.10s"
AWAY = """SKIPPED [1] tests/faults/test_mail_servers.py:57: Exim: no apt
SKIPPED [2] tests/faults/test_mail_servers.py:99: Exim: no apt
SKIPPED [1] tests/mail/test_smuggling.py:290: Exim: no apt
1 passed, 4 skipped in 61.00s (0:01:01)"""
NAMED = "tests/faults/test_mail_servers.py: Exim: no apt; tests/mail/test_smuggling.py: Exim: no apt"
KILLED = "30 rounds, 0 violations"


@pytest.mark.parametrize(
    ("suites", "code", "arguments", "last"),
    [
        (HERE, 0, (), f"== faults: everything held (3 passed; 3 passed; {KILLED}; {KILLED})"),
        (HERE, 1, (), f"== faults: VIOLATIONS, see above (3 passed; 3 passed; {KILLED}; {KILLED})"),
        (AWAY, 0, (), f"== faults: NOT ALL WAS RUN; what was run held (1 passed, 4 skipped; 1 passed, 4 skipped; {KILLED}; {KILLED}); NOT RUN: {NAMED}"),
        (AWAY, 1, (), f"== faults: VIOLATIONS, see above (1 passed, 4 skipped; 1 passed, 4 skipped; {KILLED}; {KILLED}); NOT RUN: {NAMED}"),
        ("2 skipped in 1.00s", 0, (), f"== faults: NOT ALL WAS RUN; what was run held (2 skipped; 2 skipped; {KILLED}; {KILLED}); NOT RUN: what was skipped above"),
        (AWAY, 0, ("--shard", "2/3"), f"== faults: this part held ({KILLED})"),
        (AWAY, 0, ("--kills", "5"), f"== faults: this part held ({KILLED})"),
        (AWAY, 1, ("--kills=5",), f"== faults: VIOLATIONS, see above ({KILLED})"),
    ],
)  # fmt: skip
def test_the_last_line_says_what_was_run(
    suites: str, code: int, arguments: tuple[str, ...], last: str, tmp_path: Path
) -> None:
    (tmp_path / "script").mkdir()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    shutil.copy(ROOT / "script/faults", tmp_path / "script")
    (tmp_path / "script/environment").write_text("environment() { :; }\n")
    for name, says in (("pytest", f"a line\n{suites}"), ("python", f"round 30: held; 2 in 5 s\n{KILLED}")):
        program = tmp_path / ".venv/bin" / name
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\nexit {code}\n")
        program.chmod(0o755)
    done = subprocess.run(
        [tmp_path / "script/faults", *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.splitlines()[-1] == last
    assert (done.returncode, done.stderr) == (code, "")
