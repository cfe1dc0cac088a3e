"""A scripted SMTP server on loopback, and letters between Alice and Bob."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
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
from tests.scripted import Scripted

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
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(self_signed())
    return path


def self_signed() -> bytes:
    """A new certificate and its key, in PEM."""
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
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
