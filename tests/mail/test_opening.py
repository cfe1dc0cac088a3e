"""What a server can show in the TLS handshake: a fact for the record, which never stops a mail."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtensionOID
from hypothesis import given
from hypothesis import strategies as st

from sealpost.mail.connections import Connections
from sealpost.mail.dane import verify
from sealpost.mail.opening import MOST_CERTIFICATES, MOST_OCTETS, _name_check
from sealpost.mail.session import Peer, Timeouts
from sealpost.mail.transport import Envelope, Handover, Tls
from sealpost.mail.wire import Wire
from tests.mail.test_dane import CA, LEAF, MIDDLE, NAMES, NOW, OTHER, ROOT, Made, make, named, tlsa
from tests.scripted import Scripted

Extensions = Sequence[tuple[x509.ExtensionType, bool]]
Start = Callable[..., Awaitable[Scripted]]
ODD_ID = x509.ObjectIdentifier("2.999.1")
NAMES_ID = ExtensionOID.SUBJECT_ALTERNATIVE_NAME
MINE = named("mx.example.com")
WITH_TLS = b"250-mx.test\r\n250 STARTTLS\r\n"


def raw(identifier: x509.ObjectIdentifier, value: str) -> tuple[x509.ExtensionType, bool]:
    """An extension in DER (hexadecimal), as no library would write it."""
    return x509.UnrecognizedExtension(identifier, bytes.fromhex(value)), False


ODD: dict[str, Extensions] = {
    "no names": [],
    "x400Address": [raw(NAMES_ID, "3004a3020500")],
    "ediPartyName": [raw(NAMES_ID, "3006a504a1020c00")],
    "a name beside an x400Address": [raw(NAMES_ID, "3012820e6d782e6578616d706c652e636f6da300")],
    "no sequence of names": [raw(NAMES_ID, "0500")],
    "an address of three octets": [raw(NAMES_ID, "30058703010203")],
    "a directory name without end": [raw(NAMES_ID, "3004a4023080")],
    "a bad object identifier": [raw(NAMES_ID, "3003880180")],
    "names, cut off": [raw(NAMES_ID, "30108205")],
    "an unknown TLS feature": [MINE, raw(ExtensionOID.TLS_FEATURE, "3003020163")],
    "a TLS feature that is no number": [MINE, raw(ExtensionOID.TLS_FEATURE, "3000ff")],
    "rubbish as key usage": [MINE, raw(ExtensionOID.KEY_USAGE, "ff")],
    "a negative path length": [MINE, raw(ExtensionOID.BASIC_CONSTRAINTS, "30060101ff0201ff")],
    "rubbish as list of revocations": [MINE, raw(ExtensionOID.CRL_DISTRIBUTION_POINTS, "3007300581030000ff")],
}


def versioned(version: int) -> bytes:
    der = bytearray(LEAF.der)
    der[der.index(bytes.fromhex("a003020102")) + 4] = version
    return bytes(der)


@pytest.mark.parametrize("odd", ODD)
def test_a_certificate_whose_names_cannot_be_read_has_none(odd: str) -> None:
    assert _name_check(make("mx", MIDDLE, ODD[odd]).der, "mx.example.com") == "none"


@pytest.mark.parametrize("version", [1, 3, 20, 127])
def test_a_certificate_of_an_unknown_version_has_no_names(version: int) -> None:
    assert _name_check(LEAF.der, "mx.example.com") == "match"
    assert _name_check(versioned(version), "mx.example.com") == "none"


@pytest.mark.parametrize("odd", ODD)
def test_what_cannot_be_read_does_not_match_the_dns(odd: str) -> None:
    leaf = make("mx", MIDDLE, ODD[odd])
    assert verify([tlsa("2 0 1", ROOT)], [leaf.der, MIDDLE.der, ROOT.der], NAMES, NOW) is not None
    assert verify([tlsa("3 1 1", leaf)], [leaf.der], NAMES, NOW) is None


def test_authorities_that_cannot_be_read_do_not_match_the_dns() -> None:
    feature = raw(ExtensionOID.TLS_FEATURE, "3003020163")
    middle = make("Middle", ROOT, [*CA, feature])
    leaf = make("mx", middle, [MINE])
    assert verify([tlsa("2 0 1", ROOT)], [leaf.der, middle.der, ROOT.der], NAMES, NOW) is not None
    assert verify([tlsa("2 0 0", middle)], [leaf.der], NAMES, NOW) is not None


@pytest.mark.filterwarnings("ignore")  # of the library, about strange lengths and numbers
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 255)), min_size=1, max_size=4))
def test_a_mangled_certificate_never_raises(changes: list[tuple[int, int]]) -> None:
    octets = bytearray(LEAF.der)
    for place, change in changes:
        octets[place % len(octets)] ^= change
    assert _name_check(bytes(octets), "mx.example.com") in {"match", "mismatch", "none"}


VALUES = st.recursive(
    st.builds(lambda tag, body: bytes([tag, len(body)]) + body, st.integers(0, 255), st.binary(max_size=6)),
    lambda inner: st.builds(
        lambda tag, parts: bytes([tag, len(b"".join(parts))]) + b"".join(parts),
        st.sampled_from([0x30, 0x31, *range(0xA0, 0xA9)]),
        st.lists(inner, max_size=2),
    ),
    max_leaves=6,
).filter(lambda value: len(value) < 128)
KNOWN = [value for value in vars(ExtensionOID).values() if isinstance(value, x509.ObjectIdentifier)]


@pytest.mark.filterwarnings("ignore")  # as above
@given(st.sampled_from([NAMES_ID, *KNOWN]), VALUES)
def test_no_extension_whatever_it_holds_raises(identifier: x509.ObjectIdentifier, value: bytes) -> None:
    strange = x509.UnrecognizedExtension(identifier, value), False
    leaf = make("mx", MIDDLE, [strange] if identifier == NAMES_ID else [MINE, strange], key=LEAF.key)
    assert _name_check(leaf.der, "mx.example.com") in {"match", "mismatch", "none"}
    verify([tlsa("2 0 1", ROOT)], [leaf.der, MIDDLE.der, ROOT.der], NAMES, NOW)


@contextmanager
def showing(made: Made) -> Generator[ssl.SSLContext]:
    """A server's side of TLS with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        pem = Path(folder) / "server.pem"
        key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem.write_bytes(key + made.certificate.public_bytes(Encoding.PEM))
        context.load_cert_chain(pem)
    yield context


async def nothing() -> None:
    """A mark that is made without effort."""


async def handed_over(peer: Peer, envelope: Envelope) -> Handover:
    connections = Connections(peer, 1)
    try:
        return await connections.hand_over(envelope, b"x\r\n", nothing)
    finally:
        await connections.close()


@pytest.fixture
def peer() -> Peer:
    times = Timeouts(connect=5, greeting=5, command=5, tls=5, data=5, block=5, dot=5)
    return Peer("127.0.0.1", 0, "out.sealpost.test", lambda: datetime.now(UTC), timeouts=times)


@pytest.mark.parametrize("odd", ["x400Address", "ediPartyName", "an unknown TLS feature"])
async def test_the_mail_goes_on(odd: str, scripted: Start, peer: Peer, envelope: Envelope) -> None:
    leaf = make("mx", MIDDLE, ODD[odd])
    with showing(leaf) as context:
        server = await scripted({"ehlo": WITH_TLS}, context)
    got = await handed_over(replace(peer, port=server.port), envelope)
    assert (got.outcome, got.tls and got.tls.name_check) == ("accepted", "none")
    dane = replace(peer, port=server.port, tls="dane", tlsa=(tlsa("2 0 1", ROOT),), names=NAMES)
    got = await handed_over(dane, envelope)
    assert (got.outcome, got.stage, got.reason) == ("delayed", "starttls", "policy")


@pytest.mark.parametrize("host", ["a..b", ".mx.test", "x" * 64 + ".test"])
async def test_a_name_that_cannot_stand_in_the_handshake(
    host: str, scripted: Start, peer: Peer, envelope: Envelope, server_tls: ssl.SSLContext
) -> None:
    server = await scripted({"ehlo": WITH_TLS}, server_tls)
    strange = replace(peer, host=host, addresses=("127.0.0.1",), port=server.port)
    got = await handed_over(replace(strange, tls="encrypted"), envelope)
    assert (got.outcome, got.stage, server.mails) == ("delayed", "starttls", [])
    got = await handed_over(strange, envelope)
    assert (got.outcome, got.tls, len(server.mails)) == ("accepted", None, 1)


@contextmanager
def showing_all(chain: Sequence[Made], **limits: Any) -> Generator[ssl.SSLContext]:
    """A server's side of TLS that shows the first one's key and all certificates, in this order."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name, value in limits.items():
        setattr(context, name, value)
    with TemporaryDirectory() as folder:
        pem = Path(folder) / "server.pem"
        key = chain[0].key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem.write_bytes(key + b"".join(one.certificate.public_bytes(Encoding.PEM) for one in chain))
        context.load_cert_chain(pem)
    yield context


def hashes(tls: Tls | None) -> list[bytes]:
    assert tls is not None
    assert all(sha256(one.octets).digest() == one.sha256 for one in tls.chain)
    assert tls.certificate_sha256 == (tls.chain[0].sha256 if tls.chain else tls.certificate_sha256)
    return [one.octets for one in tls.chain]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("length", [1, 2, 3])
async def test_the_chain_as_it_was_shown(
    length: int, version: ssl.TLSVersion, scripted: Start, peer: Peer, envelope: Envelope
) -> None:
    chain = [LEAF, MIDDLE, ROOT][:length]
    with showing_all(chain, maximum_version=version) as context:
        server = await scripted({"ehlo": WITH_TLS}, context)
    got = await handed_over(replace(peer, port=server.port), envelope)
    assert hashes(got.tls) == [one.der for one in chain]
    assert (got.tls and got.tls.shown, got.tls and got.tls.version[:5]) == (length, "TLSv1")


def test_the_chain_on_the_event_loop_of_the_service(envelope: Envelope) -> None:
    """In service it is uvloop, whose TLS is its own."""

    async def handed() -> Handover:
        with showing_all([LEAF, MIDDLE, ROOT]) as context:
            server = Scripted({"ehlo": WITH_TLS}, context)
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        times = Timeouts(connect=5, greeting=5, command=5, tls=5, data=5, block=5, dot=5)
        port = listening.sockets[0].getsockname()[1]
        try:
            return await handed_over(
                Peer("127.0.0.1", port, "out.test", lambda: datetime.now(UTC), timeouts=times), envelope
            )
        finally:
            server.over.set()
            listening.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        got = runner.run(handed())
    assert hashes(got.tls) == [LEAF.der, MIDDLE.der, ROOT.der]


async def test_whatever_else_a_server_shows_is_kept_as_it_is(scripted: Start, peer: Peer, envelope: Envelope) -> None:
    """Nobody checks a chain that is recorded: others in it, twice, in a wrong order, with rubbish in their extensions."""
    odd = make("odd", extensions=ODD["rubbish as key usage"])
    chain = [make("mx", MIDDLE, ODD["x400Address"]), OTHER, ROOT, OTHER, odd]
    with showing_all(chain) as context:
        server = await scripted({"ehlo": WITH_TLS}, context)
    got = await handed_over(replace(peer, port=server.port), envelope)
    assert (got.outcome, hashes(got.tls)) == ("accepted", [one.der for one in chain])


async def test_a_long_chain_is_kept_in_part(scripted: Start, peer: Peer, envelope: Envelope) -> None:
    chain = [LEAF, *(MIDDLE for _ in range(MOST_CERTIFICATES + 4))]
    with showing_all(chain) as context:
        server = await scripted({"ehlo": WITH_TLS}, context)
    got = await handed_over(replace(peer, port=server.port), envelope)
    assert len(hashes(got.tls)) == MOST_CERTIFICATES
    assert got.tls is not None
    assert got.tls.shown == MOST_CERTIFICATES + 5


async def test_a_huge_certificate_ends_what_is_kept(scripted: Start, peer: Peer, envelope: Envelope) -> None:
    huge = make("huge", extensions=[(x509.UnrecognizedExtension(ODD_ID, bytes(MOST_OCTETS)), False)])
    for chain, kept in ([LEAF, huge, ROOT], 1), ([huge], 0):
        with showing_all(chain) as context:
            server = await scripted({"ehlo": WITH_TLS}, context)
        got = await handed_over(replace(peer, port=server.port), envelope)
        assert got.outcome == "accepted"
        assert (len(hashes(got.tls)), got.tls and got.tls.shown) == (kept, len(chain))


async def test_where_the_chain_is_not_to_be_had_the_leaf_is(
    scripted: Start, peer: Peer, envelope: Envelope, monkeypatch: pytest.MonkeyPatch
) -> None:
    with showing_all([LEAF, MIDDLE]) as context:
        server = await scripted({"ehlo": WITH_TLS}, context)

    class Bare:
        def __init__(self, tls: Any) -> None:
            self.version, self.cipher, self.getpeercert = tls.version, tls.cipher, tls.getpeercert

    whole: Any = Wire.tls
    monkeypatch.setattr(Wire, "tls", property(lambda wire: (tls := whole.fget(wire)) and Bare(tls)))
    told = await handed_over(replace(peer, port=server.port), envelope)
    assert (told.outcome, hashes(told.tls)) == ("accepted", [LEAF.der])


def test_time_outs_are_those_of_rfc_5321():
    """RFC 5321 4.5.3.2: greeting, MAIL and RCPT five minutes, DATA two, a block three, the dot ten."""
    times = Timeouts()
    assert (times.greeting, times.command, times.data, times.block, times.dot) == (300, 300, 120, 180, 600)
