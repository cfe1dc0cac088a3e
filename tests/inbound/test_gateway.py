"""The submission gateway over real SMTP conversations: what a sender's mail program hears."""

from __future__ import annotations

import asyncio
import re
import shlex
import ssl
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPDataError, SMTPRecipientRefused

from sealpost.domain.errors import Unavailable
from sealpost.inbound.destination import Conversation
from sealpost.inbound.gateway import GatewayDestination
from sealpost.inbound.server import InboundServer
from sealpost.store.gateway_mails import Claim
from sealpost.usecases.gateway import Credential, Gateway
from sealpost.usecases.submit_message import SubmitMessage
from tests.handing import HOST, Handing
from tests.mail.conftest import certificate as certificate
from tests.mail.conftest import server_tls as server_tls
from tests.world import World

ALICE = "alice@example.org"


@pytest.fixture
def handing(world: World) -> Handing:
    return Handing(world)


@pytest.fixture
async def port(handing: Handing, server_tls: ssl.SSLContext) -> AsyncIterator[int]:
    """A server with the gateway alone."""
    destination = GatewayDestination(handing.gateway)
    server = InboundServer(
        [destination], host="127.0.0.1", port=0, hostname="in.sealpost.example", size_limit=36_000_000,
        tls=server_tls, authenticate=destination.authenticate,
    )  # fmt: skip
    yield await server.start()
    await server.stop()


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def client(port: int, **options: Any) -> SMTP:
    options = {"start_tls": True, "tls_context": trusting(), **options}
    return SMTP(hostname="127.0.0.1", port=port, timeout=20, local_hostname="out.example.org", **options)


@pytest.mark.parametrize("way", ["auth_plain", "auth_login"])
async def test_with_a_credential(handing: Handing, port: int, way: str) -> None:
    async with client(port) as smtp:
        await smtp.ehlo()
        await getattr(smtp, way)(handing.alice.name, handing.alice.secret)
        _, said = await smtp.sendmail(ALICE, [handing.to()], handing.mail())
        _, again = await smtp.sendmail(ALICE, [handing.to()], handing.mail())
    token = await handing.service.pool.fetchval("select token from tickets")
    assert said == again == f"2.0.0 Taken: {token}"


async def test_the_example_of_the_manual(handing: Handing, port: int, tmp_path: Path) -> None:
    """curl, as the page has it; only names, number and secret are this test's."""
    text = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text()
    mail, command = re.findall(r"`mail.eml`:\n\n```text\n(.*?)```\n\n```sh\n(curl .*?)```", text, re.DOTALL)[0]
    for old, new in [
        ("100001", str(handing.world.alice)), ("alice-service:SECRET", f"{handing.alice.name}:{handing.alice.secret}"),
        ("smtp://gateway.sealpost.example:25", f"smtp://127.0.0.1:{port} --insecure"), ("\\\n", ""),
    ]:  # fmt: skip
        mail, command = mail.replace(old, new), command.replace(old, new)
    (tmp_path / "mail.eml").write_text(mail)
    words = shlex.split(command)
    curl = await asyncio.create_subprocess_exec(
        *words, "--silent", "--show-error", "--verbose", cwd=tmp_path, stderr=PIPE
    )
    _, said = await asyncio.wait_for(curl.communicate(), 20)
    assert curl.returncode == 0, said.decode()
    assert b"< 250 2.0.0 Taken: K." in said
    ticket = await handing.service.pool.fetchrow("select recipient_email, recipient_name from tickets")
    assert dict(ticket) == {"recipient_email": "bob@example.com", "recipient_name": "Bob"}


async def test_signed_without_tls(handing: Handing, port: int) -> None:
    """Dots at the beginning of lines arrive as they were signed."""
    octets = handing.signed(handing.mail(body=".\n..\n.Dear Bob\n"))
    async with client(port, start_tls=False) as smtp:
        _, said = await smtp.sendmail(ALICE, [handing.to()], octets)
        assert said.startswith("2.0.0 Taken: K.")
        assert not smtp.supports_extension("auth")


async def test_many_tickets_in_one_line(handing: Handing, port: int) -> None:
    async with client(port) as smtp:
        await smtp.login(handing.alice.name, handing.alice.secret)
        _, said = await smtp.sendmail(ALICE, [handing.to(f"bob{n}@example.com") for n in range(30)], handing.mail())
    assert said.endswith(" and 18 more")
    assert said.count("K.") == 12
    assert await handing.count() == 30


async def test_a_wrong_secret(handing: Handing, port: int) -> None:
    async with client(port) as smtp:
        await smtp.ehlo()
        with pytest.raises(SMTPAuthenticationError) as refused:
            await smtp.auth_plain(handing.alice.name, "wrong")
    assert (refused.value.code, refused.value.message[:5]) == (535, "5.7.8")


@pytest.mark.parametrize(
    ("mail_from", "recipient", "code"),
    [
        (ALICE, "bob@example.com", "550 5.1.1"),
        (ALICE, f"bob@example.com.{HOST}", "550 5.1.3"),
        (ALICE, f"bob@example.com.999999.{HOST}", "550 5.7.1"),
        ("", "alice's", "550 5.7.1"),
    ],
)
async def test_refused_at_once(handing: Handing, port: int, mail_from: str, recipient: str, code: str) -> None:
    async with client(port) as smtp:
        await smtp.login(handing.alice.name, handing.alice.secret)
        await smtp.mail(mail_from)
        with pytest.raises(SMTPRecipientRefused) as refused:
            await smtp.rcpt(handing.to() if recipient == "alice's" else recipient)
    assert f"{refused.value.code} {refused.value.message}".startswith(code)


async def test_refused_at_the_end(handing: Handing, port: int) -> None:
    async with client(port) as smtp:
        for octets, code in [
            (handing.mail(), "550 5.7.20"),
            (handing.mail(From="charlie@example.net"), "550 5.7.20"),
            (handing.signed(handing.mail()) + b"more\r\n", "550 5.7.7"),
            (handing.signed(handing.mail(body="a\x1bb\n")), "550 5.6.0"),
        ]:
            with pytest.raises(SMTPDataError) as refused:
                await smtp.sendmail(ALICE, [handing.to()], octets)
            assert f"{refused.value.code} {refused.value.message}".startswith(code)
        # The conversation goes on.
        await smtp.sendmail(ALICE, [handing.to()], handing.signed(handing.mail()))
    assert await handing.count() == 1


async def test_an_address_in_utf_8(handing: Handing, port: int) -> None:
    async with client(port) as smtp:
        await smtp.login(handing.alice.name, handing.alice.secret)
        recipient = handing.to("bøb@bücher.example")
        assert await smtp.execute_command(f"MAIL FROM:<{ALICE}> SMTPUTF8".encode())
        answer = await smtp.execute_command(f"RCPT TO:<{recipient}>".encode())
        assert answer.code == 250
        await smtp.data(handing.mail(To=f"Bøb <{recipient}>"))
    ticket = await handing.service.pool.fetchrow("select recipient_email, recipient_name from tickets")
    assert dict(ticket) == {"recipient_email": "bøb@bücher.example", "recipient_name": "Bøb"}


async def test_smuggled_line_ends(handing: Handing, port: int) -> None:
    """A bare LF refuses the whole mail, and nothing of it is a ticket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    signed = handing.signed(handing.mail())
    lines = [b"EHLO x", f"MAIL FROM:<{ALICE}>".encode(), f"RCPT TO:<{handing.to()}>".encode(), b"DATA"]
    writer.write(b"".join(line + b"\r\n" for line in lines))
    writer.write(signed.replace(b"Dear Bob,\r\n", b"Dear Bob,\n") + b"\n.\r\nMAIL FROM:<x@y.example>\r\n.\r\n")
    heard = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert b"550 5.5.2" in heard.splitlines()[-1]
    assert await handing.count() == 0


async def test_nothing_can_be_stored(handing: Handing) -> None:
    class Away:
        async def submit(self, message: SubmitMessage, held: Claim | None = None) -> str:
            raise Unavailable("the database is away")

    destination = GatewayDestination(Gateway(handing.service, Away(), HOST))
    conversation = Conversation("192.0.2.1", identity=handing.alice, tls=True)
    reply = await destination.take(conversation, ALICE, [handing.to()], handing.mail())
    assert reply.startswith("451 4.3.0 ")


async def test_other_identities_and_plain_connections_are_no_credential(handing: Handing) -> None:
    destination = GatewayDestination(handing.gateway)
    stranger = Conversation("192.0.2.1", identity=("alice", handing.world.alice), tls=True)
    assert (await destination.take(stranger, ALICE, [handing.to()], handing.mail())).startswith("550 5.7.20")
    plain = Conversation("192.0.2.1")
    assert await destination.authenticate("PLAIN", handing.alice.name, handing.alice.secret, plain) is None
    plain.tls = True
    found = await destination.authenticate("PLAIN", handing.alice.name, handing.alice.secret, plain)
    assert found == Credential(handing.alice.name, handing.alice.secret)
