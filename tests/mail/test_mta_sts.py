"""Policies of domains: read strictly, fetched over real TLS on loopback, remembered while they last."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from sealpost.mail import mta_sts
from sealpost.mail.dns import Answer, Kind
from sealpost.mail.mta_sts import MtaSts, StsPolicy, fetcher, matches, read_policy, read_record

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = 86400
GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: mx1.example.com\r\nmx: *.mail.example.com\r\nmax_age: 864000\r\n"


def read(text: bytes) -> StsPolicy:
    return read_policy(text, "example.com", "id1", NOW)


RECORDS: list[tuple[tuple[str, ...], str | None]] = [
    (("v=STSv1; id=20160831085700Z;",), "20160831085700Z"),
    (("v=STSv1;id=a",), "a"),
    (("v=STSv1;\tid=a \t;",), "a"),
    (("v=STSv1; id=a; ",), "a"),
    (("v=STSv1; id=" + "a" * 32,), "a" * 32),
    (("v=STSv1; other=x; id=a",), "a"),
    (("v=STSv1; id=a; id=b",), "a"),
    (("v=spf1 -all", "v=STSv1; id=a", "v=STSv2; id=b"), "a"),
    ((), None),
    (("",), None),
    (("v=STSv1",), None),
    (("v=STSv1;",), None),
    (("v=STSv1; id=",), None),
    (("v=STSv1; id=a-b",), None),
    (("v=STSv1; id=" + "a" * 33,), None),
    (("v=STSv1; id=\u0661",), None),
    (("v=STSv1; id=caf\xe9",), None),
    (("v=STSv1; id=a\n",), None),
    (("v=STSv1; id=a\r\nX: y",), None),
    (("v=STSv1; id = a",), None),
    (("v=STSv1; id=a b",), None),
    (("v=STSv1; nonsense; id=a",), None),
    (("v=STSv1; id=a;;",), None),
    (("v=STSv1; ID=a",), None),
    (("V=STSv1; id=a",), None),
    ((" v=STSv1; id=a",), None),
    (("v=STSv1 ; id=a",), None),
    (("v=STSv1; id=a", "v=STSv1; id=a"), None),
]


@pytest.mark.parametrize(("values", "expected"), RECORDS)
def test_records(values: tuple[str, ...], expected: str | None) -> None:
    assert read_record(values) == expected


def test_a_policy() -> None:
    hosts = ("mx1.example.com", "*.mail.example.com")
    expected = StsPolicy("example.com", "id1", "enforce", hosts, NOW + timedelta(days=10))
    assert read(GOOD) == expected
    assert read(GOOD.replace(b"\r\n", b"\n")) == expected
    assert read(GOOD.rstrip()) == expected


ACCEPTED = [
    (b"mode: testing\nversion: STSv1\nmx: a.b\nmax_age: 1\n", "testing", ("a.b",)),
    (b"version:STSv1\nmode:none\nmax_age:0\n", "none", ()),
    (b"version: STSv1 \t\nmode: \t none\t\nmax_age: 1\n\n\n", "none", ()),
    (b"version: STSv1\nmode: none\nmax_age: 31557600\nx-new.key_1: any thing; \xc3\xa9\n", "none", ()),
    (b"version: STSv1\nmode: enforce\nmode: none\nmax_age: 1\nmax_age: x\nmx: MX.A\nmx: mx.a\n", "enforce", ("mx.a",)),
]


@pytest.mark.parametrize(("text", "mode", "hosts"), ACCEPTED)
def test_policies_that_are_read(text: bytes, mode: str, hosts: tuple[str, ...]) -> None:
    assert (read(text).mode, read(text).hosts) == (mode, hosts)


REFUSED = [
    b"",
    b"\n",
    b"<html>not found</html>",
    b"version: STSv1",
    GOOD.replace(b"STSv1", b"STSv2"),
    GOOD.replace(b"STSv1", b"stsv1"),
    GOOD.replace(b"version: STSv1\r\n", b""),
    GOOD.replace(b"version", b"Version"),
    GOOD.replace(b"enforce", b"Enforce"),
    GOOD.replace(b"enforce", b"report"),
    GOOD.replace(b"mode: enforce\r\n", b""),
    GOOD.replace(b"864000", b"31557601"),
    GOOD.replace(b"864000", b"-1"),
    GOOD.replace(b"864000", b"1.5"),
    GOOD.replace(b"864000", b"1e3"),
    GOOD.replace(b"864000", b""),
    GOOD.replace(b"864000", b"9" * 4000),
    GOOD.replace(b"864000", "\u0661".encode()),
    GOOD.replace(b"max_age: 864000\r\n", b""),
    b"version: STSv1\nmode: enforce\nmax_age: 1\n",
    b"version: STSv1\nmode: testing\nmax_age: 1\n",
    GOOD.replace(b"mx1.example.com", b""),
    GOOD.replace(b"mx1.example.com", b"*"),
    GOOD.replace(b"mx1.example.com", b"*."),
    GOOD.replace(b"mx1.example.com", b"**.example.com"),
    GOOD.replace(b"mx1.example.com", b"mx.*.com"),
    GOOD.replace(b"mx1.example.com", b"mx1.example.com."),
    GOOD.replace(b"mx1.example.com", b"mx1 example.com"),
    GOOD.replace(b"mx1.example.com", b".example.com"),
    GOOD.replace(b"mx1.example.com", "m\u00fcnchen.de".encode()),
    GOOD.replace(b"mx1.example.com", b"a" * 64),
    GOOD + b"no field\r\n",
    GOOD + b": x\r\n",
    GOOD + b" x: y\r\n",
    GOOD + b"x : y\r\n",
    GOOD + b"x" * 33 + b": y\r\n",
    GOOD + b"x: a\rb\r\n",
    GOOD + b"x: a\0b\r\n",
    GOOD + b"x: \xff\r\n",
    b"\xef\xbb\xbf" + GOOD,
    GOOD.decode().encode("utf-16"),
    GOOD + b"x: y\n" * 13200,
]


@pytest.mark.parametrize("text", REFUSED)
def test_policies_that_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        read(text)


@given(st.binary(max_size=300) | st.lists(st.sampled_from(GOOD.split(b"\r\n")) | st.binary(max_size=9)).map(b"\n".join))
def test_any_octets_are_a_policy_or_refused(text: bytes) -> None:
    try:
        policy = read(text)
    except ValueError:
        return
    assert policy.hosts or policy.mode == "none"
    assert NOW <= policy.until <= NOW + timedelta(seconds=31557600)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("mx1.example.com", True),
        ("MX1.Example.com.", True),
        ("a.mail.example.com", True),
        ("a.b.mail.example.com", False),
        ("mail.example.com", False),
        ("mx2.example.com", False),
        ("", False),
    ],
)
def test_hosts_that_a_policy_names(host: str, *, expected: bool) -> None:
    assert matches(read(GOOD), host) is expected


# What is in force


@dataclass
class Domain:
    """Example.com's DNS and web server, a memory, and the time: all as a test says."""

    record: str = "id1"  # or "gone", or "failed"
    body: bytes | Exception = GOOD
    now: datetime = NOW
    kept: dict[str, StsPolicy] = field(default_factory=dict)
    fetches: int = 0
    recalls: int = 0
    hold: asyncio.Event | None = None

    async def look_up(self, name: str, kind: Kind) -> Answer:
        assert (name, kind) == ("_mta-sts.example.com", "TXT")
        if self.record == "failed":
            return Answer("failed", (), secure=False, name=name)
        if self.record == "gone":
            return Answer("nxdomain", (), secure=False, name=name)
        return Answer("found", (f"v=STSv1; id={self.record};",), secure=False, name=name)

    async def fetch(self, domain: str) -> bytes:
        assert domain == "example.com"
        self.fetches += 1
        if self.hold:
            await self.hold.wait()
        if isinstance(self.body, Exception):
            raise self.body
        return self.body

    async def recall(self, domain: str) -> StsPolicy | None:
        self.recalls += 1
        return self.kept.get(domain)

    async def remember(self, policy: StsPolicy) -> None:
        self.kept[policy.domain] = policy

    def process(self) -> MtaSts:
        return MtaSts(self, self.fetch, self, lambda: self.now)

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)


def named(policy: StsPolicy | None) -> str | None:
    return policy and policy.id


async def test_a_new_policy_is_fetched_once_and_remembered() -> None:
    domain = Domain()
    one = domain.process()
    assert (
        await one.policy("example.com") == await one.policy("example.com") == read(GOOD) == domain.kept["example.com"]
    )
    assert await domain.process().policy("example.com") == read(GOOD)  # after a restart
    assert (domain.fetches, domain.recalls) == (1, 2)


async def test_no_record_no_policy() -> None:
    domain = Domain(record="gone")
    assert await domain.process().policy("example.com") is None
    assert domain.fetches == 0


async def test_another_id_brings_another_policy() -> None:
    domain = Domain()
    one = domain.process()
    await one.policy("example.com")
    domain.record, domain.body = "id2", GOOD.replace(b"mx1", b"mx2")
    assert (await one.policy("example.com") or read(GOOD)).hosts[0] == "mx2.example.com"
    assert domain.kept["example.com"].id == "id2"


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("record", ["gone", "failed", "id2"])
async def test_a_policy_stays_in_force_until_it_ends(record: str, *, restarted: bool) -> None:
    domain = Domain()
    one = domain.process()
    await one.policy("example.com")
    domain.record, domain.body = record, ConnectionError()
    for days, expected in ((0, "id1"), (9.9, "id1"), (0.2, None)):
        domain.later(days=days)
        one = domain.process() if restarted else one
        assert named(await one.policy("example.com")) == expected


@pytest.mark.parametrize("body", [OSError(), TimeoutError(), ValueError(), b"", b"version: STSv1"])
async def test_a_failing_fetch_waits_five_minutes(body: bytes | Exception) -> None:
    domain = Domain(body=body)
    one = domain.process()
    for minutes, fetches in ((0, 1), (0, 1), (4.9, 1), (0.2, 2), (1, 2)):
        domain.later(minutes=minutes)
        assert await one.policy("example.com") is None
        assert domain.fetches == fetches
    domain.record = "id2"  # whoever can change the record must not make us fetch with each mail
    await one.policy("example.com")
    assert domain.fetches == 2
    domain.body = GOOD
    domain.later(minutes=5)
    assert named(await one.policy("example.com")) == "id2"


async def test_mode_none_ends_a_policy() -> None:
    domain = Domain()
    one = domain.process()
    await one.policy("example.com")
    domain.record, domain.body = "id2", b"version: STSv1\nmode: none\nmax_age: 86400\n"
    assert await one.policy("example.com") is None
    domain.record = "gone"
    assert await one.policy("example.com") is None
    assert await domain.process().policy("example.com") is None


async def test_a_policy_is_renewed_before_it_ends() -> None:
    domain = Domain(body=GOOD.replace(b"864000", b"172800"))
    one = domain.process()
    for hours, fetches in ((0, 1), (23, 1), (2, 2), (0, 2), (23, 2)):
        domain.later(hours=hours)
        assert await one.policy("example.com") is not None
        assert domain.fetches == fetches


async def test_a_short_policy_is_not_fetched_with_each_mail() -> None:
    domain = Domain(body=GOOD.replace(b"864000", b"7200"))
    one = domain.process()
    for minutes, fetches in ((0, 1), (59, 1), (2, 2)):
        domain.later(minutes=minutes)
        assert await one.policy("example.com") is not None
        assert domain.fetches == fetches


async def test_what_another_process_learnt_counts() -> None:
    domain = Domain(record="gone")
    one = domain.process()
    assert await one.policy("example.com") is None
    domain.kept["example.com"] = read(GOOD)
    assert await one.policy("example.com") is None
    assert domain.recalls == 1  # not asked again with each mail
    domain.later(minutes=6)
    assert await one.policy("example.com") == read(GOOD)


async def test_mails_at_the_same_time_share_one_fetch() -> None:
    domain = Domain(hold=asyncio.Event())
    one = domain.process()
    asking = [asyncio.create_task(one.policy("example.com")) for _ in range(10)]
    while not domain.fetches:
        await asyncio.sleep(0)
    assert domain.hold
    domain.hold.set()
    assert set(await asyncio.gather(*asking)) == {read(GOOD)}
    assert domain.fetches == 1


async def test_what_a_process_knows_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mta_sts, "MOST_KNOWN", 2)

    class Silent(Domain):
        async def look_up(self, name: str, kind: Kind) -> Answer:
            return Answer("empty", (), secure=False, name=name)

    one = Silent().process()
    for n in range(5):
        await one.policy(f"n{n}.test")
    assert list(one._known) == ["n3.test", "n4.test"]


# The fetch


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for this name, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "web.pem").write_bytes(key.private_bytes(*form) + made)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "web.pem")
    return server, ssl.create_default_context(cadata=made.decode())


class Diverted(httpx2.AsyncBaseTransport):
    """Connects to a port on loopback, whatever host is meant; TLS still asks for the host."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.port = port
        self.inner = httpx2.AsyncHTTPTransport(verify=context)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        assert (request.url.scheme, request.url.path) == ("https", "/.well-known/mta-sts.txt")
        request.extensions = {**request.extensions, "sni_hostname": request.url.host}
        request.url = request.url.copy_with(host="127.0.0.1", port=self.port)
        return await self.inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self.inner.aclose()


async def yes(_: str) -> bool:
    return True


@asynccontextmanager
async def web(
    folder: Path,
    answer: bytes | None,
    name: str = "mta-sts.example.com",
    allowed: Callable[[str], Awaitable[bool]] = yes,
) -> AsyncGenerator[tuple[Callable[[str], Awaitable[bytes]], list[bytes]]]:
    """A fetch, and the requests that reached the server; ``None``: it never answers."""
    requests: list[bytes] = []
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            if answer is None:
                await over.wait()
            writer.write(answer or b"")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    ours, theirs = certificate(folder, name)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=ours)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx2.AsyncClient(transport=Diverted(port, theirs), follow_redirects=True) as client:
        try:
            yield fetcher(client, allowed), requests
        finally:
            over.set()


def http(body: bytes, status: str = "200 OK", kind: str = "text/plain", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


@pytest.mark.parametrize("kind", ["text/plain", "text/plain; charset=utf-8", "TEXT/Plain"])
async def test_a_policy_is_fetched(tmp_path: Path, kind: str) -> None:
    async with web(tmp_path, http(GOOD, kind=kind)) as (fetch, requests):
        assert await fetch("example.com") == GOOD
    (request,) = requests
    assert request.startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n")
    assert b"host: mta-sts.example.com\r\n" in request.lower()


BAD_ANSWERS = [
    b"",
    b"rubbish\r\n\r\n",
    http(GOOD, "404 Not Found"),
    http(GOOD, "201 Created"),
    http(b"", "204 No Content"),
    http(GOOD, "301 Moved", more="Location: https://mta-sts.example.com/.well-known/mta-sts.txt\r\n"),
    http(GOOD, "302 Found", more="Location: http://127.0.0.1/\r\n"),
    http(GOOD, kind="text/html"),
    http(GOOD, kind=""),
    http(GOOD, kind="text/plainer"),
    http(GOOD, more="Content-Encoding: gzip\r\n"),
    http(GOOD)[:-1],
    http(b"x" * 65537),
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 10_000_000,
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000,
]


@pytest.mark.parametrize("answer", BAD_ANSWERS)
async def test_bad_answers_are_refused(tmp_path: Path, answer: bytes) -> None:
    async with web(tmp_path, answer) as (fetch, requests):
        with pytest.raises((OSError, ValueError)):
            await fetch("example.com")
    assert len(requests) == 1  # no redirect was followed


async def test_the_longest_policy(tmp_path: Path) -> None:
    async with web(tmp_path, http(b"x" * 65536)) as (fetch, _):
        assert len(await fetch("example.com")) == 65536


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    async with web(tmp_path, http(GOOD), name="example.com") as (fetch, requests):
        with pytest.raises(OSError):
            await fetch("example.com")
    assert not requests


async def test_a_fetch_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mta_sts, "MOST_SECONDS", 0.3)
    async with web(tmp_path, None) as (fetch, requests):
        with pytest.raises(TimeoutError):
            await fetch("example.com")
    assert len(requests) == 1


async def test_a_host_that_must_not_be_reached_is_not(tmp_path: Path) -> None:
    asked: list[str] = []

    async def no(host: str) -> bool:
        asked.append(host)
        return False

    async with web(tmp_path, http(GOOD), allowed=no) as (fetch, requests):
        with pytest.raises(OSError):
            await fetch("example.com")
    assert (asked, requests) == (["mta-sts.example.com"], [])


@pytest.mark.parametrize("domain", ["", "a/b", "a@b", "a b", "a:1", "a\r\nb", "EXAMPLE.com", "x" * 250])
async def test_only_names_are_fetched_from(tmp_path: Path, domain: str) -> None:
    async with web(tmp_path, http(GOOD)) as (fetch, requests):
        with pytest.raises(ValueError):
            await fetch(domain)
    assert not requests


async def test_nobody_listens() -> None:
    context = ssl.create_default_context()
    async with httpx2.AsyncClient(transport=Diverted(1, context)) as client:
        with pytest.raises(OSError):
            await fetcher(client, yes)("example.com")


def test_policies_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        read(GOOD).mode = "none"  # pyright: ignore[reportAttributeAccessIssue]
    assert replace(read(GOOD), mode="none").mode == "none"
