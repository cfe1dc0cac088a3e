"""Direct delivery: real DNS questions, real SMTP conversations on addresses of this machine, real TLS."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sealpost.mail.direct import Direct
from sealpost.mail.dns import Resolver
from sealpost.mail.mta_sts import MtaSts, StsPolicy
from sealpost.mail.session import Timeouts
from sealpost.mail.transport import Envelope, Handover
from tests.mail.dns_server import DnsServer, running
from tests.scripted import Scripted
from tests.zones import Zones

MAIL = b"From: post@sealpost.test\r\nTo: bob@example.com\r\n\r\nHello Bob\r\n"
TLS = b"250-mx.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n"
REQUIRETLS = b"250-mx.test\r\n250-STARTTLS\r\n250 REQUIRETLS\r\n"
SHORT = Timeouts(connect=1, greeting=0.3, command=0.3, tls=1, data=0.3, block=1, dot=0.3, quit=0.2)
POLICY = b"version: STSv1\r\nmode: %b\r\nmx: mx.test\r\nmx: *.wild.test\r\nmax_age: 86400\r\n"


class Remembered:
    """Policies in memory."""

    def __init__(self) -> None:
        self.known: dict[str, StsPolicy] = {}

    async def recall(self, domain: str) -> StsPolicy | None:
        return self.known.get(domain)

    async def remember(self, policy: StsPolicy) -> None:
        self.known[policy.domain] = policy


@dataclass
class Net:
    """A small Internet: names, and servers at 127.0.0.N, all on one port."""

    dns: DnsServer
    port: int = 0
    servers: dict[str, Scripted] = field(default_factory=dict)
    listening: list[asyncio.Server] = field(default_factory=list)
    built: list[Direct] = field(default_factory=list)
    dots: int = 0

    async def server(
        self, address: str, script: dict[str, bytes | str] | None = None, context: ssl.SSLContext | None = None
    ) -> Scripted:
        one = Scripted(script or {}, context)
        while True:
            try:
                listening = await asyncio.start_server(one.serve, address, self.port)
                break
            except OSError:  # somebody else has this port at this address: another one for all
                assert not self.servers
                self.port = 0
        self.port = one.port = listening.sockets[0].getsockname()[1]
        self.servers[address] = one
        self.listening.append(listening)
        return one

    def direct(self, **options: Any) -> Direct:
        dns = options.pop("dns", None) or Resolver(["127.0.0.1"], port=self.dns.port, timeout=0.5, lifetime=1)
        policy: bytes | None = options.pop("policy", None)

        async def fetch(_domain: str) -> bytes:
            assert policy is not None
            return policy

        sts = MtaSts(dns, fetch, Remembered(), lambda: datetime.now(UTC))
        given: dict[str, Any] = {"private": True, "timeouts": SHORT} | options
        made = Direct(
            dns=dns, sts=sts, our_name="out.sealpost.test", clock=lambda: datetime.now(UTC),
            shuffle=lambda hosts: None, port=self.port, **given,
        )  # fmt: skip
        self.built.append(made)
        return made

    async def before_dot(self) -> None:
        self.dots += 1

    async def send(self, recipient: str = "bob@example.com", *, verified: bool = False, **options: Any) -> Handover:
        envelope = Envelope("b-x@sealpost.test", recipient, not recipient.isascii(), "1", tls_verified=verified)
        return await self.direct(**options).hand_over(envelope, MAIL, self.before_dot)


@pytest.fixture
async def net() -> AsyncIterator[Callable[..., Awaitable[Net]]]:
    nets: list[Net] = []
    stack: list[Any] = []

    async def start(zones: dict[str, Any], *secure: str) -> Net:
        running_dns = running(DnsServer(zones, secure=set(secure)))
        stack.append(running_dns)
        nets.append(Net(await running_dns.__aenter__()))
        return nets[-1]

    yield start
    for one in nets:
        for way in one.built:
            await way.close()
        for server in one.servers.values():
            server.over.set()
            for writer in server.writers:
                writer.transport.abort()
            for ended in server.ended:
                await ended.wait()
        for listening in one.listening:
            listening.close()
            await listening.wait_closed()
    for one in stack:
        await one.__aexit__(None, None, None)


def two(*more: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """example.com with a best and a backup server."""
    return {
        "example.com": {"MX": ["20 backup.test.", "10 mx.test."]},
        "mx.test": {"A": ["127.0.0.1"]},
        "backup.test": {"A": ["127.0.0.2"]},
        **dict(more),
    }


def one(*more: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {"example.com": {"MX": ["10 mx.test."]}, "mx.test": {"A": ["127.0.0.1"]}, **dict(more)}


def said(server: Scripted) -> bytes:
    return b" ".join(server.commands)


async def test_the_best_host_gets_the_mail_and_the_answer_of_the_dns_is_kept(net):
    world = await net(two(), "example.com")
    best, backup = await world.server("127.0.0.1"), await world.server("127.0.0.2")
    got = await world.send()
    assert (got.outcome, got.host, got.address, got.port) == ("accepted", "mx.test", "127.0.0.1", world.port)
    assert got.final == b"250 2.0.0 Ok: queued as ABC"
    assert got.mx
    assert (got.mx.exchanges, got.mx.secure, got.mx.implicit) == (((10, "mx.test"), (20, "backup.test")), True, False)
    assert (best.mails, backup.connections, got.earlier, got.relayed) == ([MAIL], 0, (), False)


@pytest.mark.parametrize(
    ("script", "stage"),
    [
        (None, "connect"),
        ({"greeting": b"421 4.3.2 not now\r\n"}, "greeting"),
        ({"greeting": b"554 5.3.2 no service\r\n"}, "greeting"),
        ({"greeting": "silence"}, "greeting"),
        ({"greeting": "close"}, "greeting"),
        ({"ehlo": b"421 4.3.2 not now\r\n"}, "ehlo"),
        ({"mail": b"452 4.3.1 no room\r\n"}, "mail"),
        ({"rcpt": b"451 4.3.0 try again\r\n"}, "rcpt"),
        ({"rcpt": b"421 4.3.2 bye\r\n"}, "rcpt"),
        ({"data": b"451 4.3.0 try again\r\n"}, "data"),
        ({"ehlo": b"250-tiny\r\n250 SIZE 5\r\n"}, "mail"),
    ],
)
async def test_the_next_host_is_tried(net, script, stage):
    world = await net(two())
    backup = await world.server("127.0.0.2")
    if script is not None:
        await world.server("127.0.0.1", script)
    got = await world.send()
    assert (got.outcome, got.host, backup.mails) == ("accepted", "backup.test", [MAIL])
    assert [(earlier.host, earlier.stage) for earlier in got.earlier] == [("mx.test", stage)]
    assert got.earlier[0].started_at == got.started_at or got.started_at <= got.earlier[0].started_at
    assert world.dots == 1


@pytest.mark.parametrize(
    ("script", "outcome", "reason"),
    [
        ({"rcpt": b"550 5.1.1 no such user\r\n"}, "failed", "unknown"),
        ({"mail": b"552 5.3.4 too large\r\n"}, "failed", "too_large"),
        ({"mail": b"552 too large\r\n"}, "failed", "too_large"),
        ({"data": b"554 5.7.1 no\r\n"}, "failed", "policy"),
        ({"rcpt": b"451 4.7.1 greylisted, come back\r\n"}, "delayed", "greylisted"),
        ({"dot": b"452 4.2.2 over quota\r\n"}, "delayed", "full"),
        ({"dot": b"552 5.2.2 over quota\r\n"}, "failed", "full"),
        ({"dot": "close"}, "uncertain", "other"),
        ({"dot": "silence"}, "uncertain", "other"),
    ],
)
async def test_what_one_server_decided_is_not_asked_of_another(net, script, outcome, reason):
    world = await net(two())
    await world.server("127.0.0.1", script)
    backup = await world.server("127.0.0.2")
    got = await world.send()
    assert (got.outcome, got.reason, got.host, backup.connections) == (outcome, reason, "mx.test", 0)
    assert world.dots <= 1


@pytest.mark.parametrize(
    ("best", "backup", "outcome", "host"),
    [
        ({"greeting": b"554 5.3.2 no\r\n"}, {"greeting": b"554 5.3.2 no\r\n"}, "delayed", "backup.test"),
        ({"ehlo": b"550 5.3.2 no\r\n"}, {"ehlo": b"550 5.3.2 no\r\n"}, "delayed", "backup.test"),
        ({"mail": b"550 5.7.1 no\r\n"}, {"mail": b"554 5.7.1 no\r\n"}, "delayed", "backup.test"),
        ({"mail": b"550 5.7.1 no\r\n"}, {"greeting": b"554 5.3.2 no\r\n"}, "delayed", "mx.test"),
        ({"greeting": b"554 5.3.2 no\r\n"}, {"greeting": "close"}, "delayed", "backup.test"),
        ({"rcpt": b"451 4.3.0 later\r\n"}, {"greeting": "close"}, "delayed", "mx.test"),
        ({"greeting": "close"}, {"ehlo": b"250-tiny\r\n250 SIZE 5\r\n"}, "delayed", "mx.test"),
    ],
)
async def test_what_is_said_before_rcpt_is_never_final(net, best, backup, outcome, host):
    world = await net(two())
    await world.server("127.0.0.1", best)
    await world.server("127.0.0.2", backup)
    got = await world.send()
    assert (got.outcome, got.host, len(got.earlier)) == (outcome, host, 1)


@pytest.mark.parametrize(
    ("zones", "outcome", "reason", "enhanced"),
    [
        ({"example.com": {"MX": ["0 ."]}}, "failed", "unreachable", "5.1.10"),
        ({"example.org": {"A": ["127.0.0.1"]}}, "failed", "unknown", "5.1.2"),
        ({"example.com": {"MX": "servfail"}}, "delayed", "unreachable", "4.4.3"),
        ({"example.com": {"MX": "silence"}}, "delayed", "unreachable", "4.4.3"),
        ({"example.com": {"MX": "garbage"}}, "delayed", "unreachable", "4.4.3"),
        ({"example.com": {"MX": ["10 mx.test."]}, "mx.test": {"A": "servfail"}}, "delayed", "unreachable", "4.4.3"),
        ({"example.com": {"MX": ["10 gone.test."]}, "mx.test": {"A": ["127.0.0.1"]}}, "failed", "unreachable", "5.4.4"),
        ({"example.com": {"MX": ["10 out.sealpost.test."]}}, "failed", "other", "5.4.6"),
        ({"example.com": {"TXT": ["hello"]}}, "failed", "unknown", "5.1.2"),
    ],
)
async def test_nowhere_to_go(net, zones, outcome, reason, enhanced):
    world = await net(zones)
    server = await world.server("127.0.0.1")
    got = await world.send()
    assert (got.outcome, got.stage, got.reason, got.enhanced) == (outcome, "route", reason, enhanced)
    assert (got.host, got.transcript, server.connections, world.dots) == ("", (), 0, 0)
    assert got.why.code
    assert got.mx
    assert got.mx.domain == "example.com"


async def test_no_mx_means_the_domain_itself(net):
    world = await net({"example.com": {"A": ["127.0.0.1"]}})
    server = await world.server("127.0.0.1")
    got = await world.send()
    assert (got.outcome, got.host, server.mails) == ("accepted", "example.com", [MAIL])
    assert got.mx
    assert got.mx.implicit


async def test_both_address_families_are_tried(net):
    world = await net(one(("mx.test", {"A": ["127.0.0.3"], "AAAA": ["::1"]})))
    await world.server("127.0.0.3")
    got = await world.send()
    assert (got.outcome, got.address) == ("accepted", "127.0.0.3")
    (earlier,) = got.earlier
    assert (earlier.host, earlier.address, earlier.stage) == ("mx.test", "::1", "connect")
    assert earlier.transcript[0].line == b"(no connection to ::1 port %d: Connection refused)" % world.port


def in_order(**names: list[str]) -> Zones:
    """example.com and its hosts by preference, with their addresses in an order that no DNS server would keep."""
    table = Zones()
    hosts = [f"{preference} {name}.test" for preference, name in enumerate(names)]
    table.records = {("example.com", "MX"): tuple(hosts)}
    for name, addresses in names.items():
        table.records[f"{name}.test", "A"] = tuple(one for one in addresses if ":" not in one)
        table.records[f"{name}.test", "AAAA"] = tuple(one for one in addresses if ":" in one)
    return table


FIRST_REFUSES = [
    {"greeting": b"554 5.7.1 your address has no name\r\n"},
    {"greeting": b"421 4.3.2 not now\r\n"},
    {"ehlo": b"550 5.7.1 no\r\n"},
    {"mail": b"550 5.7.1 go away\r\n"},
    {"rcpt": b"451 4.3.0 try again\r\n"},
    {"data": b"451 4.3.0 try again\r\n"},
]


@pytest.mark.parametrize(("first", "second"), [("::1", "127.0.0.1"), ("127.0.0.1", "127.0.0.2")])
@pytest.mark.parametrize("script", FIRST_REFUSES, ids=lambda script: next(iter(script)))
async def test_the_next_address_of_the_same_host_is_tried(net, script, first, second):
    world = await net({})
    await world.server(first, script)
    good = await world.server(second)
    got = await world.send(dns=in_order(mx=[first, second]))
    assert (got.outcome, got.host, got.address, good.mails) == ("accepted", "mx.test", second, [MAIL])
    assert [(past.host, past.address) for past in got.earlier] == [("mx.test", first)]


async def test_five_addresses_of_all_hosts_are_tried_and_no_more(net):
    eight = [f"127.0.1.{number}" for number in range(1, 9)]
    world = await net({})
    servers = [await world.server(one, {"greeting": b"554 5.3.2 no\r\n"}) for one in (*eight, "127.0.0.2")]
    got = await world.send(dns=in_order(mx=eight, backup=["127.0.0.2"]))
    assert (got.outcome, [server.connections for server in servers]) == ("delayed", [1] * 5 + [0] * 4)
    assert [past.address for past in (*got.earlier, got)] == eight[:5]


@pytest.mark.parametrize("script", [{"mail": b"550 5.7.1 no\r\n"}, {"rcpt": b"451 4.3.0 later\r\n"}])
async def test_two_sessions_are_enough(net, script):
    four = [f"127.0.1.{number}" for number in range(1, 5)]
    world = await net({})
    await world.server(four[0], {"greeting": b"421 4.3.2 no\r\n"})  # no session: it does not count
    servers = [await world.server(one, script) for one in four[1:]]
    got = await world.send(dns=in_order(mx=four))
    assert (got.outcome, [server.connections for server in servers]) == ("delayed", [1, 1, 0])


async def test_no_address_of_a_host_that_may_not_be_used_takes_a_try(net, server_tls, certificate):
    eight = [f"127.0.1.{number}" for number in range(1, 9)]
    named = ("example.com", {"MX": ["10 other.test.", "20 mx.test."]})
    world = await net(one(STS, named, ("other.test", {"A": eight})))
    good = await world.server("127.0.0.1", {"ehlo": TLS}, server_tls)
    got = await world.send(policy=POLICY % b"enforce", context=trusting(certificate))
    assert (got.outcome, len(good.mails)) == ("accepted", 1)
    assert [(past.host, past.stage) for past in got.earlier] == [("other.test", "route")]


async def test_an_address_that_rests_takes_no_try_and_others_are_asked(net):
    """Of six addresses five are silent: the first attempt ends with them, and the next one comes to the sixth."""
    six = [f"127.0.1.{number}" for number in range(1, 7)]
    world = await net({})
    dead = [await world.server(one, {"greeting": "close"}) for one in six[:5]]
    good = await world.server(six[5])
    way = world.direct(dns=in_order(mx=six))
    envelope = Envelope("b-x@sealpost.test", "bob@example.com", smtputf8=False, envid="1")
    assert (await way.hand_over(envelope, MAIL, world.before_dot)).outcome == "delayed"
    got = await way.hand_over(envelope, MAIL, world.before_dot)
    assert (got.outcome, got.address, len(good.mails)) == ("accepted", six[5], 1)
    assert [server.connections for server in dead] == [1] * 5
    assert {past.why.code for past in got.earlier} == {"resting"}
    assert [past.address for past in got.earlier] == six[:5]


async def test_only_public_addresses(net):
    """A recipient's domain cannot make us talk to our own network."""
    world = await net(
        one(("mx.test", {"A": ["127.0.0.1", "10.0.0.1"], "AAAA": ["::1", "fe80::1", "::ffff:127.0.0.1"]}))
    )
    server = await world.server("127.0.0.1")
    got = await world.send(private=False)
    assert (got.outcome, got.enhanced, server.connections) == ("failed", "5.4.4", 0)


async def test_thirty_hosts_are_not_all_asked(net):
    hosts = {f"mx{number}.test": {"A": [f"127.0.1.{number}"]} for number in range(1, 31)}
    zones = {"example.com": {"MX": [f"{number} mx{number}.test." for number in range(1, 31)]}, **hosts}
    world = await net(zones)
    await world.server("127.0.0.9")
    got = await world.send()
    assert (got.outcome, len(got.earlier)) == ("delayed", 4)
    assert got.mx
    assert len(got.mx.exchanges) == 30
    assert len({name for name, kind, _ in world.dns.asked if kind == "A"}) <= 10


# Encryption


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


def nothing_in_clear(server: Scripted) -> None:
    """Not one byte of the mail, nor whom it is for, was seen outside TLS."""
    assert not any(command.upper().startswith((b"MAIL", b"RCPT", b"DATA")) for command in server.commands)
    assert server.mails == []


async def test_starttls_is_used_with_whatever_certificate(net, server_tls):
    world = await net(one())
    await world.server("127.0.0.1", {"ehlo": TLS}, server_tls)
    got = await world.send()
    assert (got.outcome, got.policy.kind) == ("accepted", "none")
    assert got.tls
    assert (got.tls.version[:4], got.tls.name_check) == ("TLSv", "match")


STS = ("_mta-sts.example.com", {"TXT": ['"v=STSv1; id=1;"']})


async def test_mta_sts_enforced(net, server_tls, certificate):
    world = await net(one(STS))
    await world.server("127.0.0.1", {"ehlo": TLS}, server_tls)
    got = await world.send(policy=POLICY % b"enforce", context=trusting(certificate))
    assert (got.outcome, got.policy.kind, got.policy.id, got.policy.mode) == ("accepted", "mta-sts", "1", "enforce")


@pytest.mark.parametrize("mode", [b"enforce", b"testing"])
async def test_mta_sts_with_a_certificate_that_nobody_vouches_for(net, server_tls, mode):
    world = await net(one(STS))
    server = await world.server("127.0.0.1", {"ehlo": TLS}, server_tls)
    got = await world.send(policy=POLICY % mode)
    if mode == b"testing":
        assert (got.outcome, got.policy.mode) == ("accepted", "testing")
        return
    assert (got.outcome, got.stage, got.reason) == ("delayed", "starttls", "policy")
    nothing_in_clear(server)


@pytest.mark.parametrize(
    "script",
    [
        {},  # STARTTLS taken out on the way
        {"ehlo": TLS, "starttls": b"454 4.7.0 not now\r\n"},
        {"ehlo": TLS, "starttls": b"502 5.5.1 what\r\n"},
        {"ehlo": TLS, "starttls": b"220 go\r\n250 injected\r\n"},
        {"ehlo": TLS, "starttls": "close"},
        {"ehlo": TLS, "starttls": "silence"},
    ],
)
@pytest.mark.parametrize("demand", ["sts", "dane", "verified"])
async def test_starttls_stripped(net, script, demand, certificate, server_tls):
    records = (STS,) if demand == "sts" else ()
    world = await net(one(*records), "example.com", "mx.test")
    server = await world.server("127.0.0.1", script, server_tls if script.get("starttls", b"")[:3] == b"220" else None)
    if demand == "dane":
        world.dns.zones[f"_{world.port}._tcp.mx.test"] = {"TLSA": [tlsa(certificate)]}
        world.dns.secure.add(f"_{world.port}._tcp.mx.test")
    got = await world.send(policy=POLICY % b"enforce", context=trusting(certificate), verified=demand == "verified")
    assert (got.outcome, got.stage) == ("delayed", "starttls")
    assert got.policy.kind == {"sts": "mta-sts", "dane": "dane", "verified": "demanded"}[demand]
    nothing_in_clear(server)


async def test_a_host_that_the_policy_does_not_name_is_not_even_called(net, server_tls, certificate):
    world = await net(two(STS))
    await world.server("127.0.0.1", {"ehlo": TLS, "rcpt": b"451 4.3.0 later\r\n"}, server_tls)
    backup = await world.server("127.0.0.2", {"ehlo": TLS}, server_tls)
    got = await world.send(policy=POLICY % b"enforce", context=trusting(certificate))
    assert (got.outcome, got.host, backup.connections) == ("delayed", "mx.test", 0)
    assert [(one.host, one.stage, one.reason) for one in got.earlier] == [("backup.test", "route", "policy")]


async def test_a_certificate_of_another_name(net, server_tls, certificate):
    world = await net({"example.com": {"MX": ["10 other.test."]}, "other.test": {"A": ["127.0.0.1"]}})
    server = await world.server("127.0.0.1", {"ehlo": TLS}, server_tls)
    got = await world.send(verified=True, context=trusting(certificate))
    assert (got.outcome, got.stage, got.reason) == ("delayed", "starttls", "policy")
    nothing_in_clear(server)
    assert (await world.send()).outcome == "accepted"  # where nobody demands more


def tlsa(certificate: Path, *, right: bool = True) -> str:
    spki = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    octets = spki.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) + (b"" if right else b"x")
    return f"3 1 1 {hashlib.sha256(octets).hexdigest()}"


@pytest.mark.parametrize("right", [True, False])
async def test_dane(net, server_tls, certificate, right):
    world = await net(one(), "example.com", "mx.test")
    server = await world.server("127.0.0.1", {"ehlo": TLS}, server_tls)
    name = f"_{world.port}._tcp.mx.test"
    world.dns.zones[name] = {"TLSA": [tlsa(certificate, right=right)]}
    world.dns.secure.add(name)
    got = await world.send()
    assert got.policy.kind == "dane"
    if right:
        assert (got.outcome, server.mails) == ("accepted", [MAIL])
        return
    assert (got.outcome, got.stage, got.reason) == ("delayed", "starttls", "policy")
    assert any(b"(DANE)" in line.line for line in got.transcript)
    nothing_in_clear(server)


@pytest.mark.parametrize(("alias", "base"), [("", "mx.test"), ("real.test", "real.test"), ("real.test", "mx.test")])
async def test_with_dane_the_handshake_asks_for_the_name_of_the_tlsa_records(net, server_tls, certificate, alias, base):
    """RFC 7672 8.1: the TLSA base domain, which is an alias's final name, or its own where that one has no records."""
    host = {"real.test": {"A": ["127.0.0.1"]}, "mx.test": {"CNAME": ["real.test."]}} if alias else {}
    world = await net(one() | host, "*")
    await world.server("127.0.0.1", {"ehlo": TLS}, server_tls)
    world.dns.zones[f"_{world.port}._tcp.{base}"] = {"TLSA": [tlsa(certificate)]}
    asked: list[str] = []
    server_tls.sni_callback = lambda _connection, name, _context: asked.append(name)
    got = await world.send()
    assert (got.outcome, got.policy.kind, got.host, asked) == ("accepted", "dane", "mx.test", [base])


async def test_dane_counts_only_where_dnssec_vouches_for_all_of_it(net, server_tls, certificate):
    world = await net(one(), "mx.test")  # the MX answer itself is not secure
    await world.server("127.0.0.1", {"ehlo": TLS}, server_tls)
    name = f"_{world.port}._tcp.mx.test"
    world.dns.zones[name] = {"TLSA": [tlsa(certificate, right=False)]}
    world.dns.secure.add(name)
    got = await world.send()
    assert (got.outcome, got.policy.kind) == ("accepted", "none")


async def test_tlsa_records_that_cannot_be_had(net, server_tls):
    world = await net(one(), "example.com", "mx.test")
    server = await world.server("127.0.0.1", {"ehlo": TLS}, server_tls)
    world.dns.zones[f"_{world.port}._tcp.mx.test"] = {"TLSA": "servfail"}
    got = await world.send()
    assert (got.outcome, got.reason, got.policy.kind, server.connections) == ("delayed", "policy", "dane", 0)


@pytest.mark.parametrize("plain", [True, False])
async def test_unusable_tlsa_records_still_demand_tls(net, server_tls, plain):
    world = await net(one(), "example.com", "mx.test")
    server = await world.server("127.0.0.1", {} if plain else {"ehlo": TLS}, None if plain else server_tls)
    name = f"_{world.port}._tcp.mx.test"
    world.dns.zones[name] = {"TLSA": ["0 0 1 " + "ab" * 32]}
    world.dns.secure.add(name)
    got = await world.send()
    assert (got.outcome, got.policy.mode) == ("delayed" if plain else "accepted", "unusable")
    if plain:
        nothing_in_clear(server)


async def test_unusable_tlsa_records_take_nothing_from_an_enforced_policy(net, server_tls):
    world = await net(one(STS), "example.com", "mx.test")
    server = await world.server("127.0.0.1", {"ehlo": TLS}, server_tls)
    name = f"_{world.port}._tcp.mx.test"
    world.dns.zones[name] = {"TLSA": ["0 0 1 " + "ab" * 32]}
    world.dns.secure.add(name)
    got = await world.send(policy=POLICY % b"enforce")
    assert (got.outcome, got.stage, got.policy.kind) == ("delayed", "starttls", "mta-sts")
    nothing_in_clear(server)


async def test_verified_tls_is_passed_on_where_the_server_can(net, server_tls, certificate):
    world = await net(one())
    server = await world.server("127.0.0.1", {"ehlo": REQUIRETLS}, server_tls)
    got = await world.send(verified=True, context=trusting(certificate))
    assert (got.outcome, got.policy.kind, got.policy.demanded) == ("accepted", "demanded", True)
    assert b"MAIL FROM:<b-x@sealpost.test> REQUIRETLS" in server.commands


# Many mails


async def test_connections_are_kept_and_limited(net):
    world = await net(one())
    server = await world.server("127.0.0.1")
    direct = world.direct(max_connections=2)
    envelope = Envelope("b-x@sealpost.test", "bob@example.com", smtputf8=False, envid="1")
    got = await asyncio.gather(*(direct.hand_over(envelope, MAIL, world.before_dot) for _ in range(20)))
    assert {one.outcome for one in got} == {"accepted"}
    assert (len(server.mails), server.connections) == (20, 2)


async def test_of_very_many_servers_some_connections_are_kept_and_room_comes_back(net, monkeypatch):
    """Mail to a thousand domains must not leave a thousand open files."""
    monkeypatch.setattr("sealpost.mail.direct.MOST_IDLE", 2)
    many = {f"d{number}.test": {"A": [f"127.0.0.{number}"]} for number in range(1, 6)}
    small = await net(many)
    servers = [await small.server(f"127.0.0.{number}") for number in range(1, 6)]
    way = small.direct()

    async def to(number: int) -> None:
        sent = await way.hand_over(
            Envelope("b-x@sealpost.test", f"bob@d{number}.test", False, "1"), MAIL, small.before_dot
        )
        assert sent.outcome == "accepted"

    for number in range(1, 6):
        await to(number)
    assert [b"QUIT" in server.commands for server in servers] == [False, False, True, True, True]
    await to(1)
    assert servers[0].connections == 1, "a kept one is used again, and kept again"
    assert b"QUIT" not in servers[0].commands
    monkeypatch.setattr("sealpost.mail.direct.IDLE_SECONDS", 0)
    await to(5)
    await to(4)
    assert (servers[4].connections, servers[4].commands.count(b"QUIT")) == (2, 2)
    assert b"QUIT" in servers[0].commands, "idle for long: ended"
    assert servers[3].commands.count(b"QUIT") == 1, "there is room again"


async def test_one_that_cannot_be_reached_is_left_alone_for_a_while(net):
    world = await net(one(("other.test", {"A": ["127.0.0.2"]})))
    await world.server("127.0.0.2")
    direct = world.direct()
    envelope = Envelope("b-x@sealpost.test", "bob@example.com", smtputf8=False, envid="1")
    assert await direct.book("bob@example.com") == 0
    assert (await direct.hand_over(envelope, MAIL, world.before_dot)).outcome == "delayed"
    assert await direct.book("bob@EXAMPLE.com") > 0
    assert await direct.book("bob@other.test") == 0
    got = await direct.hand_over(replace(envelope, rcpt_to="bob@other.test"), MAIL, world.before_dot)
    assert got.outcome == "accepted"


async def test_an_address_beyond_ascii_goes_where_it_can_be_taken(net):
    world = await net(two())
    await world.server("127.0.0.1")
    utf8 = {"ehlo": b"250-mx.test\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"}
    backup = await world.server("127.0.0.2", utf8)
    got = await world.send("bøb@example.com")
    assert (got.outcome, got.host, len(backup.mails)) == ("accepted", "backup.test", 1)
    assert (got.earlier[0].stage, got.earlier[0].enhanced) == ("mail", "5.6.7")
    backup.script = {}
    got = await world.send("bøb@example.com")
    assert (got.outcome, got.enhanced) == ("failed", "5.6.7")


async def test_a_dead_host_is_left_alone_for_every_domain_that_names_it(net):
    many = {f"d{number}.test": {"MX": ["10 dead.test.", "20 mx.test."]} for number in range(3)}
    world = await net({"dead.test": {"A": ["127.0.0.2"]}, "mx.test": {"A": ["127.0.0.1"]}, **many})
    await world.server("127.0.0.1")
    dead = await world.server("127.0.0.2", {"greeting": "silence"})
    way = world.direct()
    for number in range(3):
        envelope = Envelope("b-x@sealpost.test", f"bob@d{number}.test", smtputf8=False, envid="1")
        got = await way.hand_over(envelope, MAIL, world.before_dot)
        assert (got.outcome, got.host) == ("accepted", "mx.test")
        assert [one.host for one in got.earlier] == ["dead.test"]
        assert got.earlier[0].outcome == "delayed"
        assert (dead.connections, bool(got.earlier[0].why.text.startswith("left alone"))) == (1, number > 0)
        assert await way.book(envelope.rcpt_to) == 0, "the domain itself was reached"


async def test_one_that_takes_connections_and_says_nothing_is_out_of_reach(net):
    world = await net(one())
    await world.server("127.0.0.1", {"greeting": "silence"})
    way = world.direct()
    envelope = Envelope("b-x@sealpost.test", "bob@example.com", smtputf8=False, envid="1")
    assert (await way.hand_over(envelope, MAIL, world.before_dot)).outcome == "delayed"
    assert await way.book("bob@example.com") > 0


async def test_the_limit_of_a_host_holds_for_all_domains_together(net, server_tls, certificate):
    """Domains by the thousand have the same host, and each may bring another policy."""
    names = [f"d{number}.test" for number in range(6)]
    world = await net({name: {"MX": ["10 mx.test."]} for name in names} | {"mx.test": {"A": ["127.0.0.1"]}}, "*")
    server = await world.server("127.0.0.1", {"ehlo": TLS}, server_tls)
    world.dns.zones[f"_{world.port}._tcp.mx.test"] = {"TLSA": [tlsa(certificate)]}

    async def to_all(way: Direct, *demands: bool) -> set[str]:
        envelopes = [
            Envelope("b-x@sealpost.test", f"bob@{name}", smtputf8=False, envid="1", tls_verified=demanded)
            for name in names
            for demanded in demands
        ]
        got = await asyncio.gather(*(way.hand_over(one, MAIL, world.before_dot) for one in envelopes))
        return {f"{one.outcome} {one.policy.kind}" for one in got}

    assert await to_all(world.direct(max_connections=1), False, True) == {"accepted dane"}
    assert server.connections == 1


async def test_connections_are_kept_for_an_address_and_not_for_each_way_to_it(net):
    """The same address under five names: one server, one limit, one room for idle connections."""
    zones = {f"d{number}.test": {"MX": [f"10 mx{number}.test."]} for number in range(5)}
    world = await net(zones | {f"mx{number}.test": {"A": ["127.0.0.1"]} for number in range(5)})
    server = await world.server("127.0.0.1")
    way = world.direct(max_connections=2)
    for number in range(5):
        envelope = Envelope("b-x@sealpost.test", f"bob@d{number}.test", smtputf8=False, envid="1")
        assert (await way.hand_over(envelope, MAIL, world.before_dot)).outcome == "accepted"
    assert server.connections == 5
    assert server.commands.count(b"QUIT") == 3


async def test_a_connection_is_used_again_whatever_other_addresses_the_host_has(net):
    world = await net({f"d{number}.test": {"MX": ["10 mx.test."]} for number in range(5)})
    world.dns.ttl = 0
    server = await world.server("127.0.0.1")
    way = world.direct()
    for number in range(5):
        world.dns.zones["mx.test"] = {"A": ["127.0.0.1", f"127.0.0.{20 + number}"]}
        envelope = Envelope("b-x@sealpost.test", f"bob@d{number}.test", smtputf8=False, envid="1")
        assert (await way.hand_over(envelope, MAIL, world.before_dot)).outcome == "accepted"
    assert (server.connections, len(server.mails)) == (1, 5)
