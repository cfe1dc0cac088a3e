"""Which servers, in which order, or why none: over a real DNS server; and what must never come out, over a dict."""

from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.mail.dns import Answer, Kind, Resolver
from sealpost.mail.route import Exchange, Host, Route, find_route, is_host_name, is_public
from tests.mail.dns_server import DnsServer, Zones, running

OURS = frozenset({"sealpost.test", "mx.sealpost.test"})
ONE: Zones = {"mx1.test": {"A": ["192.0.2.1"]}, "mx2.test": {"A": ["192.0.2.2"]}, "mx3.test": {"AAAA": ["2001:db8::3"]}}


def unchanged(_: list[Exchange]) -> None:
    """Leaves the order by name."""


async def route(
    zones: Zones, secure: set[str] | None = None, *, private: bool = True, most: int = 5
) -> tuple[Route, DnsServer]:
    async with running(DnsServer(zones, secure=secure or set())) as server:
        dns = Resolver(["127.0.0.1"], port=server.port, timeout=0.05)
        found = await find_route(dns, "example.com", OURS, private=private, shuffle=unchanged, most=most)
    return found, server


def names(found: Route) -> list[str]:
    assert found.none is None
    return [host.name for host in found.hosts]


ORDERS: list[tuple[list[str], list[str]]] = [
    (["20 mx2.test.", "10 mx1.test.", "15 MX3.test."], ["mx1.test", "mx3.test", "mx2.test"]),
    (["10 mx2.test.", "10 mx1.test."], ["mx1.test", "mx2.test"]),
    (["10 mx1.test.", "20 mx1.test.", "30 mx2.test."], ["mx1.test", "mx2.test"]),
    (["10 gone.test.", "20 mx2.test."], ["mx2.test"]),
    (["10 hollow.test.", "20 mx2.test."], ["mx2.test"]),
    (["10 servfail.test.", "20 mx2.test."], ["mx2.test"]),
    (["10 alias.test."], ["alias.test"]),
    (["10 under_score.test."], ["under_score.test"]),
    (["10 192.0.2.1.", "20 mx2.test."], ["mx2.test"]),
    (["10 a\\032b.test.", "20 mx2.test."], ["mx2.test"]),
    (["0 .", "20 mx2.test."], ["mx2.test"]),  # a null MX stands alone, or is none
    (["10 mx1.test.", "20 mx.sealpost.test.", "20 mx2.test.", "30 mx3.test."], ["mx1.test"]),
    (["10 mx1.test.", "20 SEALPOST.test."], ["mx1.test"]),
]
OTHERS: Zones = {
    **ONE,
    "hollow.test": {"TXT": ["x"]},
    "192.0.2.1": {"A": ["192.0.2.6"]},
    "servfail.test": {"A": "servfail", "AAAA": "servfail"},
    "alias.test": {"CNAME": ["mx1.test."]},
    "under_score.test": {"A": ["192.0.2.4"]},
    "sealpost.test": {"A": ["192.0.2.5"]},
    "mx.sealpost.test": {"A": ["192.0.2.5"]},
    "inside.test": {"A": ["10.0.0.1", "127.0.0.1"], "AAAA": ["::1"]},
    "loop.test": {"CNAME": ["loop.test."]},
}


@pytest.mark.parametrize(("published", "expected"), ORDERS)
async def test_hosts_in_order(published: list[str], expected: list[str]) -> None:
    found, _ = await route({**OTHERS, "example.com": {"MX": published}})
    assert names(found) == expected


NONE: list[tuple[Zones, tuple[str, str, str]]] = [
    ({}, ("failed", "unknown", "5.1.2")),
    ({"example.com": {"MX": ["0 ."]}}, ("failed", "unreachable", "5.1.10")),
    ({"example.com": {"MX": ["10 ."]}}, ("failed", "unreachable", "5.1.10")),
    ({"example.com": {"MX": "servfail", "A": ["192.0.2.1"]}}, ("delayed", "unreachable", "4.4.3")),
    ({"example.com": {"MX": "silence", "A": ["192.0.2.1"]}}, ("delayed", "unreachable", "4.4.3")),
    ({"example.com": {"MX": "lame"}}, ("delayed", "unreachable", "4.4.3")),
    ({"example.com": {"CNAME": ["example.com."]}}, ("delayed", "unreachable", "4.4.3")),
    ({"example.com": {"TXT": ["x"]}}, ("failed", "unknown", "5.1.2")),
    ({"example.com": {"A": "servfail"}}, ("delayed", "unreachable", "4.4.3")),
    ({"example.com": {"A": ["10.0.0.1"]}}, ("failed", "unreachable", "5.4.4")),
    ({"example.com": {"MX": ["10 gone.test.", "20 hollow.test."]}}, ("failed", "unreachable", "5.4.4")),
    ({"example.com": {"MX": ["10 gone.test.", "20 servfail.test."]}}, ("delayed", "unreachable", "4.4.3")),
    ({"example.com": {"MX": ["10 gone.test.", "20 loop.test."]}}, ("delayed", "unreachable", "4.4.3")),
    ({"example.com": {"MX": ["10 inside.test.", "20 gone.test."]}}, ("failed", "unreachable", "5.4.4")),
    ({"example.com": {"MX": ["10 192.0.2.1.", "20 a\\032b.test."]}}, ("failed", "unreachable", "5.4.4")),
    ({"example.com": {"MX": ["10 mx.sealpost.test.", "20 mx1.test."]}}, ("failed", "other", "5.4.6")),
    ({"example.com": {"MX": ["10 mx.sealpost.test.", "10 mx1.test."]}}, ("failed", "other", "5.4.6")),
]


@pytest.mark.parametrize(("zones", "expected"), NONE)
async def test_why_there_is_no_host(zones: Zones, expected: tuple[str, str, str]) -> None:
    found, _ = await route({**OTHERS, **zones}, private=False)
    assert found.hosts == ()
    assert found.none is not None
    assert (found.none.outcome, found.none.reason, found.none.enhanced) == expected
    assert "example.com" in found.none.why.text


async def test_the_domain_itself_where_there_is_no_mx() -> None:
    found, _ = await route({"example.com": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]}}, {"example.com"})
    assert found.hosts == (Host("example.com", ("2001:db8::1", "192.0.2.1"), 0, secure=True),)
    assert found.mx.implicit
    assert found.mx.status == "empty"


async def test_our_own_domain_without_mx_is_a_loop() -> None:
    async with running(DnsServer({"sealpost.test": {"A": ["192.0.2.5"]}})) as server:
        dns = Resolver(["127.0.0.1"], port=server.port)
        found = await find_route(dns, "sealpost.test", OURS, private=True, shuffle=unchanged)
    assert found.none is not None
    assert found.none.enhanced == "5.4.6"


async def test_the_answer_is_kept_as_it_was_published() -> None:
    found, _ = await route({**ONE, "example.com": {"MX": ["10 mx1.test.", "5 a\\032b.test.", "7 Mx.Sealpost.test."]}})
    expected = (Exchange(5, "a\\032b.test"), Exchange(7, "mx.sealpost.test"), Exchange(10, "mx1.test"))
    assert found.mx.exchanges == expected
    assert (found.mx.domain, found.mx.implicit, found.mx.secure, found.mx.status) == (
        "example.com",
        False,
        False,
        "found",
    )


async def test_equal_preferences_are_shuffled_and_no_others() -> None:
    def turned(group: list[Exchange]) -> None:
        group.reverse()

    published = ["10 mx1.test.", "10 mx2.test.", "20 mx3.test.", "20 alias.test."]
    async with running(DnsServer({**OTHERS, "example.com": {"MX": published}})) as server:
        dns = Resolver(["127.0.0.1"], port=server.port)
        found = await find_route(dns, "example.com", OURS, private=True, shuffle=turned)
    assert names(found) == ["mx2.test", "mx1.test", "mx3.test", "alias.test"]


async def test_a_name_that_is_listed_twice_counts_once_where_it_is_best() -> None:
    found, _ = await route({**ONE, "example.com": {"MX": ["30 mx1.test.", "10 mx1.test.", "20 mx2.test."]}})
    assert [(host.name, host.preference) for host in found.hosts] == [("mx1.test", 10), ("mx2.test", 20)]


async def test_both_families_take_turns_up_to_eight() -> None:
    four, six = [f"192.0.2.{n}" for n in range(1, 10)], [f"2001:db8::{n}" for n in range(1, 4)]
    found, _ = await route({"example.com": {"MX": ["10 mx.test."]}, "mx.test": {"A": four, "AAAA": six}})
    families = [ip_address(address).version for address in found.hosts[0].addresses]
    assert families == [6, 4, 6, 4, 6, 4, 4, 4]
    assert set(found.hosts[0].addresses) <= {*four, *six}


@pytest.mark.parametrize(
    ("secure", "expected"),
    [
        ({"*"}, True),
        (set[str](), False),
        ({"example.com"}, False),
        ({"mx.test"}, False),
        ({"example.com", "mx.test"}, True),
    ],
)
async def test_secure_is_mx_and_addresses(secure: set[str], *, expected: bool) -> None:
    zones: Zones = {"example.com": {"MX": ["10 mx.test."]}, "mx.test": {"A": ["192.0.2.1"]}}
    found, _ = await route(zones, secure)
    assert [host.secure for host in found.hosts] == [expected]


async def test_one_family_that_fails_does_not_switch_validation_off() -> None:
    zones: Zones = {"example.com": {"MX": ["10 mx.test."]}, "mx.test": {"A": ["192.0.2.1"], "AAAA": "servfail"}}
    found, _ = await route(zones, {"*"})
    assert found.hosts == (Host("mx.test", ("192.0.2.1",), 10, secure=True),)


@pytest.mark.parametrize(
    ("good", "hosts", "asked"),
    [
        (range(60), 3, 3),  # enough at once
        (range(2, 60), 3, 5),
        (range(5, 60), 1, 6),
        (range(6, 60), 0, 6),  # twice as many as wanted, then the next attempt's turn
    ],
)
async def test_thirty_servers_and_more_are_bounded(good: range, hosts: int, asked: int) -> None:
    zones: Zones = {f"mx{n:02}.test": {"A": ["192.0.2.1"]} for n in good}
    published = [f"{n} mx{n:02}.test." for n in range(60)]
    found, server = await route({**zones, "example.com": {"MX": published}}, most=3)
    assert len(found.mx.exchanges) == 50
    assert len(found.hosts) == hosts
    assert len({name for name, kind, _ in server.asked if kind == "A"}) == asked
    assert found.none is None or found.none.outcome == "delayed"


@dataclass
class Written:
    """A ``Dns`` that says what a test writes."""

    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)

    async def look_up(self, name: str, kind: Kind) -> Answer:
        return self.answers.get((name, kind), Answer("nxdomain", (), secure=False, name=name))


HOSTILE_MX = [
    "",
    "mx1.test",
    "10",
    "x mx1.test",
    "-1 mx1.test",
    "65536 mx1.test",
    "999999 mx1.test",
    "10  mx1.test",
    "10 mx1.test extra",
    "10 ",
    "10 mx1..test",
    "10 127.0.0.1",
    "10 [127.0.0.1]",
    "10 a@b",
    "10 " + "a." * 200,
    "\u0661 mx1.test",
    "10 mx1.test\r\nRCPT TO:<x>",
    "10 \u2028",
    "1e1 mx1.test",
    "10 mx1.test.",
]


@pytest.mark.parametrize("value", HOSTILE_MX)
async def test_strange_mx_values_lead_nowhere(value: str) -> None:
    dns = Written({("example.com", "MX"): Answer("found", (value,), secure=True, name="example.com")})
    found = await find_route(dns, "example.com", OURS, private=True, shuffle=unchanged)
    assert found.none is not None
    assert found.none.enhanced == "5.4.4"


_hosts = st.sampled_from(["mx1.test", "mx2.test", "mx3.test", "sealpost.test", "mx.sealpost.test", ".", "", "a b"])
_mx = st.lists(st.tuples(st.integers(0, 4), _hosts), max_size=12)
_addresses = st.lists(
    st.ip_addresses().map(str)
    | st.sampled_from(["127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "rubbish", "8.8.8.8"]),
    max_size=12,
)
_answers = st.dictionaries(
    st.tuples(st.sampled_from(["mx1.test", "mx2.test", "mx3.test", "sealpost.test", "example.com"]),
              st.sampled_from(["A", "AAAA"])),
    st.tuples(st.sampled_from(["found", "empty", "nxdomain", "failed"]), _addresses, st.booleans()),
)  # fmt: skip


@given(_mx, st.sampled_from(["found", "empty", "nxdomain", "failed"]), _answers, st.booleans(), st.randoms())
async def test_never_ourselves_and_never_inside(mx, status, answers, private, random) -> None:
    values = tuple(f"{preference} {name}" for preference, name in mx) if status == "found" else ()
    dns = Written({("example.com", "MX"): Answer(status, values, secure=True, name="example.com")})
    for (name, kind), (state, addresses, secure) in answers.items():
        given_values = tuple(addresses) if state == "found" else ()
        dns.answers[name, kind] = Answer(state, given_values, secure=secure, name=name)
    found = await find_route(dns, "example.com", OURS, private=private, shuffle=random.shuffle, most=3)
    assert bool(found.hosts) != (found.none is not None)
    assert len(found.hosts) <= 3
    ours = min((preference for preference, name in mx if name in OURS), default=99) if status == "found" else 99
    for host in found.hosts:
        assert host.name not in OURS
        assert host.preference < ours
        assert 0 < len(host.addresses) <= 8
        assert private or all(is_public(ip_address(address)) for address in host.addresses)
    assert [host.preference for host in found.hosts] == sorted(host.preference for host in found.hosts)


NOT_PUBLIC = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "240.0.0.1",
    "255.255.255.255",
    "224.0.0.1",
    "239.1.1.1",
    "192.0.2.1",
    "198.18.0.1",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd12::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "2001::1",
    "100::1",
    "4000::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "64:ff9b:1::808:808",
    "5f00::1",
]
PUBLIC = ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]


@pytest.mark.parametrize(("address", "expected"), [*((a, False) for a in NOT_PUBLIC), *((a, True) for a in PUBLIC)])
def test_public_addresses(address: str, *, expected: bool) -> None:
    assert is_public(ip_address(address)) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mx.test", True), ("a_b.test", True), ("localhost", True), ("192.0.2.1", False), ("1", False), ("::1", False)],
)
def test_host_names(name: str, *, expected: bool) -> None:
    assert is_host_name(name) is expected
