"""Questions over real sockets on loopback, to servers that answer well and badly."""

import asyncio
from dataclasses import replace
from typing import get_args

import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.mail import dns as ours
from sealpost.mail.dns import Answer, Kind, Resolver, covers, is_name, on_this_machine
from tests.mail.dns_server import DnsServer, Zones, running

CHAIN: Zones = {f"c{n}.test": {"CNAME": [f"c{n + 1}.test."]} for n in range(20)}
ZONES: Zones = {
    "example.com": {
        "MX": ["20 B.Example.com.", "10 mx.example.com."],
        "A": ["192.0.2.1", "192.0.2.2"],
        "AAAA": ["2001:db8::1"],
        "TXT": ['"v=spf1 " "-all"', '"caf\\233"'],
    },
    "_25._tcp.mx.example.com": {"TLSA": ["3 1 1 " + "AB" * 32, "2 0 2 " + "01" * 64]},
    "null.test": {"MX": ["0 ."]},
    "alias.test": {"CNAME": ["Other.test."]},
    "other.test": {"A": ["192.0.2.3"]},
    "nowhere.test": {"CNAME": ["gone.invalid."]},
    "hollow.test": {"CNAME": ["other.test."]},
    "loop.test": {"CNAME": ["pool.test."]},
    "pool.test": {"CNAME": ["loop.test."]},
    "c10.end.test": {"A": ["192.0.2.9"]},
    "many.test": {"A": [f"192.0.{n // 250}.{n % 250}" for n in range(150)]},
    "strange.test": {"CNAME": ["a\\032b.test."]},
    "servfail.test": {"A": "servfail"},
    "refused.test": {"A": "refused"},
    "lame.test": {"A": "lame"},
    "referral.test": {"A": "referral"},
    "deaf.test": {"A": "deaf"},
    "lie.test": {"A": "nxdomain_with_records"},
    "silence.test": {"A": "silence"},
    "garbage.test": {"A": "garbage"},
    "stranger.test": {"A": "stranger"},
    **CHAIN,
}


def resolver(server: DnsServer, timeout: float = 0.3, lifetime: float = 5) -> Resolver:
    return Resolver(["127.0.0.1"], port=server.port, timeout=timeout, lifetime=lifetime)


FOUND: list[tuple[str, Kind, tuple[str, ...]]] = [
    ("example.com", "MX", ("10 mx.example.com", "20 b.example.com")),
    ("Example.COM.", "A", ("192.0.2.1", "192.0.2.2")),
    ("example.com", "AAAA", ("2001:db8::1",)),
    ("example.com", "TXT", ("caf\xe9", "v=spf1 -all")),
    ("_25._tcp.mx.example.com", "TLSA", ("2 0 2 " + "01" * 64, "3 1 1 " + "ab" * 32)),
    ("null.test", "MX", ("0 .",)),
    ("alias.test", "CNAME", ("other.test",)),
    ("alias.test", "A", ("192.0.2.3",)),
]


@pytest.mark.parametrize(("name", "kind", "values"), FOUND)
@pytest.mark.parametrize("truncated", [False, True])
async def test_records_as_texts(name: str, kind: Kind, values: tuple[str, ...], *, truncated: bool) -> None:
    plain = name.lower().removesuffix(".")
    async with running(DnsServer(ZONES, truncated={plain} if truncated else set())) as server:
        answer = await resolver(server).look_up(name, kind)
    assert (answer.status, tuple(sorted(answer.values))) == ("found", values)
    assert [way for _, _, way in server.asked] == (["udp", "tcp"] if truncated else ["udp"])


NOT_FOUND = [
    ("mx.example.com", "A", "empty", "mx.example.com"),  # only a name below it has records
    ("other.test", "MX", "empty", "other.test"),
    ("gone.test", "A", "nxdomain", "gone.test"),
    ("nowhere.test", "A", "nxdomain", "gone.invalid"),
    ("hollow.test", "MX", "empty", "other.test"),
    *((f"{what}.test", "A", "failed", f"{what}.test") for what in ("servfail", "refused", "lame", "lie", "loop")),
    *(
        (f"{what}.test", "A", "failed", f"{what}.test")
        for what in ("silence", "garbage", "stranger", "referral", "deaf")
    ),
    ("c0.test", "A", "failed", "c0.test"),
]


@pytest.mark.parametrize(("name", "kind", "status", "end"), NOT_FOUND)
@pytest.mark.parametrize("one_by_one", [False, True])
async def test_what_is_not_there_or_goes_wrong(
    name: str, kind: Kind, status: ours.Status, end: str, *, one_by_one: bool
) -> None:
    async with running(DnsServer(ZONES, one_by_one=one_by_one, secure={"*"})) as server:
        answer = await resolver(server, timeout=0.05).look_up(name, kind)
    assert answer == Answer(status, (), secure=status != "failed", name=end)


async def test_an_alias_that_is_no_name_is_not_asked_for() -> None:
    async with running(DnsServer(ZONES, one_by_one=True)) as server:
        assert (await resolver(server).look_up("strange.test", "A")).status == "failed"
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("kind", "records", "status", "values"),
    [
        ("TLSA", ["\\# 0301"], "found", ("malformed",)),
        ("TLSA", ["\\# 030101ab"], "found", ("malformed",)),
        ("TLSA", ["\\# 030101ab", "3 1 1 " + "ab" * 32], "found", ("3 1 1 " + "ab" * 32,)),
        ("TXT", ["\\# ff61"], "failed", ()),
        ("MX", ["\\# 00"], "failed", ()),
        ("MX", ["10 mx.test.", "\\# 00"], "failed", ()),
        ("A", ["\\# 7f0000"], "failed", ()),
    ],
)
@pytest.mark.parametrize("way", ["udp", "tcp"])
async def test_malformed_records(
    kind: Kind, records: list[str], status: ours.Status, values: tuple[str, ...], way: str
) -> None:
    truncated = {"bad.test"} if way == "tcp" else set[str]()
    async with running(DnsServer({"bad.test": {kind: records}}, secure={"*"}, truncated=truncated)) as server:
        answer = await resolver(server, timeout=0.05).look_up("bad.test", kind)
    assert answer == Answer(status, values, secure=status != "failed", name="bad.test")


IMPOSSIBLE = ["", ".", "a..b", "a b.test", "münchen.test", "x" * 64, "a." * 130 + "a", "a\\.b", "a/b", "*.test", "a\0b"]


@pytest.mark.parametrize("name", IMPOSSIBLE)
async def test_names_that_cannot_be_are_not_asked_for(name: str) -> None:
    async with running(DnsServer(ZONES)) as server:
        answer = await resolver(server).look_up(name, "A")
    assert answer.status == "nxdomain"
    assert not server.asked


async def test_a_loop_is_seen_when_it_closes() -> None:
    async with running(DnsServer(ZONES, one_by_one=True)) as server:
        assert (await resolver(server).look_up("loop.test", "A")).status == "failed"
    assert len(server.asked) == 2


@pytest.mark.parametrize("one_by_one", [False, True])
async def test_ten_aliases_are_followed_and_no_more(*, one_by_one: bool) -> None:
    zones = {**CHAIN, "c11.test": {"A": ["192.0.2.9"]}}
    async with running(DnsServer(zones, one_by_one=one_by_one)) as server:
        asks = resolver(server)
        assert (await asks.look_up("c1.test", "A")) == Answer("found", ("192.0.2.9",), secure=False, name="c11.test")
        assert (await asks.look_up("c0.test", "A")).status == "failed"


async def test_at_most_a_hundred_values() -> None:
    async with running(DnsServer(ZONES)) as server:
        assert len((await resolver(server).look_up("many.test", "A")).values) == 100
    assert [way for _, _, way in server.asked] == ["udp", "tcp"] or len(server.asked) == 1


async def test_the_question_asks_for_validation_in_a_small_answer() -> None:
    async with running(DnsServer(ZONES)) as server:
        await resolver(server).look_up("example.com", "MX")
    (query,) = server.queries
    assert query.flags & dns.flags.AD
    assert query.flags & dns.flags.RD
    assert query.ednsflags & dns.flags.DO
    assert query.payload == 1232


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize(
    ("secure", "expected"),
    [(set[str](), False), ({"alias.test", "other.test"}, True), ({"alias.test"}, False), ({"other.test"}, False)],
)
async def test_secure_is_the_whole_chain(secure: set[str], expected: bool, *, one_by_one: bool) -> None:
    async with running(DnsServer(ZONES, secure=secure, one_by_one=one_by_one)) as server:
        assert (await resolver(server).look_up("alias.test", "A")).secure == expected


async def test_only_a_resolver_on_this_machine_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(DnsServer(ZONES, secure={"*"})) as server:
        assert (await resolver(server).look_up("example.com", "A")).secure
        monkeypatch.setattr(ours, "on_this_machine", lambda _: False)
        assert not (await resolver(server).look_up("example.com", "A")).secure


@pytest.mark.parametrize(
    ("server", "local"),
    [
        ("127.0.0.1", True),
        ("127.0.0.53", True),
        ("::1", True),
        ("192.168.1.1", False),
        ("9.9.9.9", False),
        ("::ffff:127.0.0.1", False),
        ("fe80::1%lo", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_on_this_machine(server: str, *, local: bool) -> None:
    assert on_this_machine(server) is local


def test_where_one_is_on_this_machine_no_other_is_asked() -> None:
    assert Resolver(["9.9.9.9", "::1", "192.0.2.1"])._servers == ["::1"]
    assert Resolver(["9.9.9.9", "192.0.2.1"])._servers == ["9.9.9.9", "192.0.2.1"]
    assert Resolver()._servers


async def test_the_next_server_is_asked_when_one_fails() -> None:
    async with running(DnsServer(ZONES)) as server:
        asks = Resolver(["::1", "127.0.0.1"], port=server.port, timeout=0.1)  # nobody listens at the first
        assert (await asks.look_up("other.test", "A")).values == ("192.0.2.3",)


async def test_a_lost_question_is_asked_again() -> None:
    async with running(DnsServer({"a.test": {"A": "silence"}})) as server:
        asks = resolver(server, timeout=0.2)
        asking = asyncio.create_task(asks.look_up("a.test", "A"))
        while not server.asked:
            await asyncio.sleep(0)
        server.zones = {"a.test": {"A": ["192.0.2.1"]}}
        assert (await asking).values == ("192.0.2.1",)


async def test_a_question_has_an_end() -> None:
    async with running(DnsServer(ZONES)) as server:
        before = asyncio.get_running_loop().time()
        answer = await resolver(server, timeout=60, lifetime=0.2).look_up("silence.test", "A")
    assert answer.status == "failed"
    assert asyncio.get_running_loop().time() - before < 5


async def test_equal_questions_share_one() -> None:
    async with running(DnsServer(ZONES, hold=asyncio.Event())) as server:
        asks = resolver(server, timeout=5)
        asking = [asyncio.create_task(asks.look_up(name, "A")) for name in ("example.com", "Example.com.") * 10]
        while not server.asked:
            await asyncio.sleep(0)
        asking[0].cancel()  # who gives up does not take the answer from the others
        assert server.hold
        server.hold.set()
        answers = await asyncio.gather(*asking[1:])
    assert len(server.asked) == 1
    assert {answer.status for answer in answers} == {"found"}


@pytest.mark.parametrize(
    ("name", "ttl", "kept"),
    [
        ("example.com", 60, 60),
        ("example.com", 86400, 300),
        ("example.com", 0, 0),
        ("gone.test", 86400, 60),
        ("gone.test", 20, 20),
        ("mx.example.com", 600, 60),
        ("servfail.test", 60, 0),
        ("alias.test", 60, 60),
    ],
)
async def test_how_long_an_answer_is_kept(name: str, ttl: int, kept: int) -> None:
    now = 1000.0
    async with running(DnsServer(ZONES, ttl=ttl)) as server:
        asks = Resolver(["127.0.0.1"], port=server.port, monotonic=lambda: now)
        first = await asks.look_up(name, "A")
        times = [len(server.asked)]
        for age in (kept - 1, kept):
            now = 1000.0 + age
            again = await asks.look_up(name, "A")
            assert replace(again, values=()) == replace(first, values=())
            assert sorted(again.values) == sorted(first.values)
            times.append(len(server.asked))
    assert times == ([1, 1, 2] if kept else [1, 2, 3])


async def test_what_is_kept_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "MOST_KNOWN", 3)
    async with running(DnsServer({f"n{n}.test": {"A": ["192.0.2.1"]} for n in range(6)})) as server:
        asks = resolver(server)
        for n in range(6):
            await asks.look_up(f"n{n}.test", "A")
        assert [name for name, _ in asks._known] == ["n3.test", "n4.test", "n5.test"]


_QUERY = dns.message.make_query("example.com.", "A", want_dnssec=True)
_ANSWER = dns.message.make_response(_QUERY, recursion_available=True)
for _records in (("example.com.", "CNAME", "mx.example.com."), ("mx.example.com.", "A", "192.0.2.1")):
    _ANSWER.answer.append(dns.rrset.from_text(_records[0], 60, "IN", *_records[1:]))
_WIRE = _ANSWER.to_wire()


class _Replaying(DnsServer):
    """Answers with the same octets, but for the number of the question, and over TCP too."""

    wire = b""

    async def answer(self, wire: bytes, way: str) -> bytes | None:
        return wire[:2] + self.wire[2:]


@given(st.lists(st.tuples(st.integers(2, len(_WIRE) - 1), st.integers(0, 255)), max_size=6), st.integers(2, len(_WIRE)))
async def test_mangled_answers_never_raise(changes: list[tuple[int, int]], end: int) -> None:
    octets = bytearray(_WIRE)
    for place, octet in changes:
        octets[place] = octet
    replaying = _Replaying({})
    replaying.wire = bytes(octets[:end])
    async with running(replaying) as server:
        answer = await resolver(server, timeout=0.01).look_up("example.com", "A")
    assert answer.status in get_args(ours.Status)
    assert replace(answer, secure=True, name="") == Answer(answer.status, answer.values, secure=True, name="")


@given(st.text(max_size=300))
def test_names_that_are_asked_for_are_harmless(text: str) -> None:
    if is_name(text):
        assert text.isascii()
        assert not set(text) & set(" \t\r\n\0\\/@:")
        assert text == text.lower()


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("mx.example.com", "MX.example.com.", True),
        ("*.example.com", "mx.example.com", True),
        ("*.EXAMPLE.com", "mx.example.com", True),
        ("*.example.com", "a.mx.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.example.com", ".example.com", False),
        ("*", "example", False),
        ("m*.example.com", "mx.example.com", False),
        ("mx.*.com", "mx.example.com", False),
        ("*.*.com", "mx.example.com", False),
        ("example.com", "mx.example.com", False),
    ],
)
def test_a_wildcard_is_one_whole_label(pattern: str, name: str, *, expected: bool) -> None:
    assert covers(pattern, name) is expected
