"""A scripted SMTP server on loopback, and letters between Alice and Bob."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sealpost.inbound.catcher import Catcher
from sealpost.mail.letter import Letter, Mailbox
from sealpost.mail.relay import Relay
from sealpost.mail.session import Timeouts
from sealpost.mail.transport import Envelope

DEFAULTS: dict[str, bytes | str] = {
    "greeting": b"220 mx.test ESMTP\r\n",
    "ehlo": b"250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 ENHANCEDSTATUSCODES\r\n",
    "starttls": b"220 2.0.0 go\r\n",
    "auth": b"235 2.7.0 welcome\r\n",
    "mail": b"250 2.1.0 Ok\r\n",
    "rcpt": b"250 2.1.5 Ok\r\n",
    "data": b"354 go on\r\n",
    "dot": b"250 2.0.0 Ok: queued as ABC\r\n",
    "quit": b"221 2.0.0 Bye\r\n",
    "rset": b"250 2.0.0 Ok\r\n",
}


@dataclass
class Scripted:
    """Answers each stage with bytes, or with "close" or "silence"; keeps what was said."""

    script: dict[str, bytes | str]
    context: ssl.SSLContext | None = None
    port: int = 0
    commands: list[bytes] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    connections: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    ended: list[asyncio.Event] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        self.ended.append(asyncio.Event())
        ended = self.ended[-1]
        try:
            if await self._answer("greeting", writer):
                while (line := await reader.readline()) and await self._command(line, reader, writer):
                    pass
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()
            ended.set()

    async def _command(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.commands.append(line.rstrip(b"\r\n"))
        verb = line.split(b" ")[0].strip().lower().decode("latin-1").replace("helo", "ehlo")
        if not await self._answer(verb, writer):
            return False
        if verb == "starttls" and self.context is not None:
            await writer.start_tls(self.context)
        if verb == "data" and str(self.script.get("data", b"354")).startswith("b'354"):
            return await self._data(reader, writer)
        return verb != "quit"

    async def _data(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines: list[bytes] = []
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line)
        self.mails.append(b"".join(lines))
        return await self._answer("dot", writer)

    async def _answer(self, stage: str, writer: asyncio.StreamWriter) -> bool:
        answer = self.script.get(stage, DEFAULTS.get(stage, b"500 5.5.1 what\r\n"))
        if isinstance(answer, bytes):
            writer.write(answer)
            await writer.drain()
            return not answer.endswith(b"...")  # half a line, then the end
        if answer == "silence":
            await self.over.wait()
        return False


Start = Callable[..., Awaitable[Scripted]]


@pytest.fixture
async def scripted() -> AsyncIterator[Start]:
    """Starts servers: ``await scripted({stage: answer}, context=…)``."""
    running: list[tuple[Scripted, asyncio.Server]] = []

    async def start(script: dict[str, bytes | str] | None = None, context: ssl.SSLContext | None = None) -> Scripted:
        one = Scripted(script or {}, context)
        server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
        one.port = server.sockets[0].getsockname()[1]
        running.append((one, server))
        return one

    yield start
    for one, server in running:
        one.over.set()
        for writer in one.writers:
            writer.transport.abort()
        for ended in one.ended:
            await ended.wait()
        server.close()
        await server.wait_closed()


@pytest.fixture
async def relays() -> AsyncIterator[Callable[..., Relay]]:
    """Builds relays to a port of this machine, and closes them."""
    built: list[Relay] = []

    def relay(port: int, **options: Any) -> Relay:
        clock = options.pop("clock", lambda: datetime.now(UTC))
        host = options.pop("host", "127.0.0.1")
        options.setdefault("timeouts", Timeouts(connect=5, greeting=5, command=5, tls=5, data=5, block=5, dot=5))
        built.append(Relay(host=host, port=port, our_name="out.sealpost.test", clock=clock, **options))
        return built[-1]

    yield relay
    for one in built:
        await one.close()


@pytest.fixture
async def catcher() -> AsyncIterator[tuple[int, list[tuple[str, str, bytes]]]]:
    """The demo's catcher: its port, and what it kept."""
    kept: list[tuple[str, str, bytes]] = []

    async def keep(sender: str, recipient: str, raw: bytes) -> None:
        kept.append((sender, recipient, raw))

    one = Catcher(keep)
    yield await one.start(), kept
    await one.stop()


@pytest.fixture
def envelope() -> Envelope:
    return Envelope("b+token@bounce.sealpost.test", "bob@example.com", smtputf8=False, envid="t-1")


@pytest.fixture
def letter() -> Callable[..., Letter]:
    """A letter from Alice to Bob, with any field changed."""

    def make(**changes: Any) -> Letter:
        fields: dict[str, Any] = {
            "sender": Mailbox("post@sealpost.test", "Alice via Sealpost"),
            "recipient": Mailbox("bob@example.com", "Bob"),
            "reply_to": Mailbox("alice@example.org", "Alice"),
            "subject": "Registered e-mail from Alice",
            "text": "Hello Bob\n",
            "html": "<p>Hello Bob</p>\n",
            "files": (),
            "message_id": "<019dab50-1@sealpost.test>",
            "date": datetime(2026, 11, 23, 8, tzinfo=UTC),
            "language": "en",
        }
        return Letter(**(fields | changes))

    return make


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for mx.test and 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.test")])
    names = x509.SubjectAlternativeName(
        [x509.DNSName("mx.test"), x509.DNSName("*.wild.test"), x509.IPAddress(ip_address("127.0.0.1"))]
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
