"""Records of a sender's domain: what is asked, and how what stands there is judged, whatever it is."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from sealpost.mail.dkim import new_key, public_der, public_txt
from sealpost.mail.domain_records import (
    DMARC_ABOVE,
    DMARC_MISSING,
    DMARC_RIGHT,
    DMARC_WRONG,
    KEY_MISSING,
    KEY_RIGHT,
    KEY_SEVERAL,
    KEY_TESTING,
    KEY_UNPUBLISHED,
    KEY_WRONG,
    NO_ANSWER,
    NOT_CHECKED,
    PATH_MISSING,
    PATH_RIGHT,
    PATH_WRONG,
    SPF_COVERED,
    SPF_HINT,
    SPF_NOT_CHECKED,
    SPF_RIGHT,
    SPF_SEVERAL,
    Finding,
    SenderKey,
    asked,
    check,
    key_target,
    organisational,
    return_domain,
)
from tests.zones import Zones

DOMAIN, OURS = "example.org", "post.sealpost.test"
PUBLIC, OTHER = public_der(new_key()), public_der(new_key())
KEYS = (SenderKey("sp1", PUBLIC, active=True), SenderKey("sp2", OTHER, active=False))
TXT = public_txt(PUBLIC)
POINT = TXT.partition("p=")[2]
AT = "sp1._domainkey.example.org"


async def found(zones: Zones, record: str, domain: str = DOMAIN) -> Finding:
    (one,) = [one for one in await check(zones, domain, OURS, KEYS) if one.record == record]
    return one


def with_key(*texts: str) -> Zones:
    zones = Zones()
    zones.records[AT, "TXT"] = texts
    return zones


def test_what_is_asked() -> None:
    assert [(one.record, one.type, one.name, one.expected, one.alternative) for one in asked(DOMAIN, OURS, KEYS)] == [
        ("dkim", "TXT", AT, TXT, f"sp1.example-org._domainkey.{OURS}"),
        (
            "dkim_next",
            "TXT",
            "sp2._domainkey.example.org",
            public_txt(OTHER),
            f"sp2.example-org._domainkey.{OURS}",
        ),
        ("return_path", "CNAME", "rp.example.org", OURS, ""),
        ("dmarc", "TXT", "_dmarc.example.org", "v=DMARC1; p=none", ""),
        ("spf", "TXT", DOMAIN, f"v=spf1 include:{OURS} ~all", ""),
    ]
    assert {(one.state, one.words, one.seen) for one in asked(DOMAIN, OURS, KEYS)} == {
        ("unknown", NOT_CHECKED, ()),
        ("unknown", SPF_NOT_CHECKED, ()),
    }


async def test_all_that_is_asked_is_right() -> None:
    zones = Zones()
    for one in asked(DOMAIN, OURS, KEYS):
        if one.type == "CNAME":
            zones.aliases[one.name] = one.expected
        else:
            zones.records[one.name, "TXT"] = (one.expected,)
    assert [one.state for one in await check(zones, DOMAIN, OURS, KEYS)] == ["right"] * 5


async def test_a_cname_does_as_well() -> None:
    zones = Zones()
    target = key_target("sp1", DOMAIN, OURS)
    zones.aliases[AT] = target
    assert (await found(zones, "dkim")).words == KEY_UNPUBLISHED
    zones.records[target, "TXT"] = (TXT,)
    one = await found(zones, "dkim")
    assert (one.state, one.words, one.seen) == ("right", KEY_RIGHT, (TXT[:300],))


@pytest.mark.parametrize(
    "text",
    [
        TXT,
        TXT + ";",
        TXT.replace("v=DKIM1; k=rsa; ", ""),
        TXT.replace("; ", ";"),
        f"v = DKIM1 ; k = rsa ; p = {POINT[:100]} {POINT[100:]} ",
        f"v=DKIM1; h=sha1:sha256; s=email; t=s; n=hello; p={POINT}",
        f"v=DKIM1; s=*; p={POINT}; unknown=1",
    ],
)
async def test_keys_that_are_right(text: str) -> None:
    one = await found(with_key(text), "dkim")
    assert (one.state, one.words) == ("right", KEY_RIGHT)


WRONG_KEYS = [
    "", " ", ";", ";;", "v=DKIM1", "v=DKIM1; p=", f"v=DKIM2; p={POINT}", f"p={POINT}; v=DKIM1", f"k=ed25519; p={POINT}",
    f"k=rsa; p={POINT}; p={POINT}", f"p={POINT[:-8]}", f"p={POINT}AA", f"p={POINT[:50]}!{POINT[50:]}",
    f"p={POINT[:-10]}AAAAAAAAAA", f"h=sha1; p={POINT}", f"s=other; p={POINT}", f"{TXT}; broken", f"{TXT}; 1=2",
    public_txt(OTHER), public_txt(Ed25519PrivateKey.generate()), "v=spf1 -all", "x" * 100_000, "a=1;" * 5000,
    TXT + " " * 5000, "=" * 500, f"p={'é' * 50}", "\0", "p" + " " * 4000 + "=x",
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(WRONG_KEYS)))
async def test_keys_that_are_wrong(number: int) -> None:
    one = await found(with_key(WRONG_KEYS[number]), "dkim")
    assert (one.state, one.words) == ("wrong", KEY_WRONG)
    assert all(value.isascii() and value.isprintable() and len(value) <= 300 for value in one.seen)


async def test_other_standings_of_a_key() -> None:
    zones = Zones()
    one = await found(zones, "dkim")
    assert (one.state, one.words, one.seen) == ("missing", KEY_MISSING, ())
    zones.records[AT, "TXT"] = "empty"
    assert (await found(zones, "dkim")).words == KEY_MISSING
    zones.records[AT, "TXT"] = "failed"
    one = await found(zones, "dkim")
    assert (one.state, one.words) == ("unknown", NO_ANSWER)
    one = await found(with_key(TXT, TXT), "dkim")
    assert (one.state, one.words) == ("wrong", KEY_SEVERAL)
    one = await found(with_key(f"v=DKIM1; t=y:s; p={POINT}"), "dkim")
    assert (one.state, one.words) == ("wrong", KEY_TESTING)


async def test_the_next_key_is_not_the_one_in_use() -> None:
    zones = with_key(public_txt(OTHER))
    assert (await found(zones, "dkim")).state == "wrong"
    assert (await found(zones, "dkim_next")).state == "missing"


async def test_a_curve_is_judged_by_its_own_form() -> None:
    key = SenderKey("sp1", public_der(Ed25519PrivateKey.generate()), active=True)
    zones = with_key(public_txt(key.public_key))
    assert (await check(zones, DOMAIN, OURS, [key]))[0].state == "right"
    assert (await check(zones, DOMAIN, OURS, KEYS))[0].state == "wrong"


@pytest.mark.parametrize(
    ("target", "state", "words"),
    [
        (OURS, "right", PATH_RIGHT), (OURS.upper() + ".", "right", PATH_RIGHT), ("", "missing", PATH_MISSING),
        ("x." + OURS, "wrong", PATH_WRONG), ("mail.example.org", "wrong", PATH_WRONG),
    ],
)  # fmt: skip
async def test_return_paths(target: str, state: str, words: str) -> None:
    zones = Zones()
    if target:
        zones.aliases[return_domain(DOMAIN)] = target
    one = await found(zones, "return_path")
    assert (one.state, one.words) == (state, words)


async def test_what_is_no_cname_is_no_return_path() -> None:
    zones = Zones()
    zones.records[return_domain(DOMAIN), "CNAME"] = (OURS, "other.example")
    assert (await found(zones, "return_path")).words == PATH_WRONG
    zones.records[return_domain(DOMAIN), "CNAME"] = "empty"  # an A record alone
    assert (await found(zones, "return_path")).words == PATH_MISSING


@pytest.mark.parametrize(
    ("texts", "state", "words"),
    [
        (("v=DMARC1; p=none",), "right", DMARC_RIGHT), (("v=DMARC1;p=reject;rua=mailto:d@example.org!10m",), "right", DMARC_RIGHT),
        (("v = DMARC1 ; p = Quarantine ;", "another text"), "right", DMARC_RIGHT),
        ((), "missing", DMARC_MISSING), (("v=spf1 -all",), "wrong", DMARC_WRONG), (("v=DMARC1",), "wrong", DMARC_WRONG),
        (("v=DMARC1; p=",), "wrong", DMARC_WRONG), (("v=DMARC1; p=all",), "wrong", DMARC_WRONG),
        (("v=DMARC1; p=none; p=none",), "wrong", DMARC_WRONG), (("v=DMARC1; p=none", "v=DMARC1; p=none"), "wrong", DMARC_WRONG),
        (("p=none; v=DMARC1",), "wrong", DMARC_WRONG), (("v=DMARC10; p=none",), "wrong", DMARC_WRONG),
        (("v=DMARC1; p=none" + ";x=1" * 9999,), "wrong", DMARC_WRONG), (("\x1b[2J\0",), "wrong", DMARC_WRONG),
    ],
)  # fmt: skip
async def test_dmarc(texts: tuple[str, ...], state: str, words: str) -> None:
    zones = Zones()
    zones.records["_dmarc.example.org", "TXT"] = texts or "nxdomain"
    one = await found(zones, "dmarc")
    assert (one.state, one.words) == (state, words)
    assert all(value.isascii() and value.isprintable() for value in one.seen)


async def test_dmarc_of_the_domain_above() -> None:
    zones = Zones()
    domain = "post.alice.example.co.uk"
    assert (await found(zones, "dmarc", domain)).words == DMARC_MISSING
    zones.records["_dmarc.example.co.uk", "TXT"] = ("v=DMARC1; p=reject",)
    one = await found(zones, "dmarc", domain)
    assert (one.state, one.words) == ("right", DMARC_ABOVE)
    zones.records["_dmarc.example.co.uk", "TXT"] = "failed"
    assert (await found(zones, "dmarc", domain)).state == "unknown"
    zones.records["_dmarc.example.co.uk", "TXT"] = ("v=DMARC1; p=oops",)
    assert (await found(zones, "dmarc", domain)).state == "missing"
    zones.records["_dmarc." + domain, "TXT"] = ("v=DMARC1; p=none",)
    assert (await found(zones, "dmarc", domain)).words == DMARC_RIGHT


@pytest.mark.parametrize(
    ("texts", "path", "state", "words"),
    [
        ((), False, "optional", SPF_HINT), (("v=spf1 mx -all",), False, "optional", SPF_HINT),
        ((f"v=spf1 mx +include:{OURS} -all", "other"), False, "right", SPF_RIGHT),
        ((f"V=SPF1 INCLUDE:{OURS.upper()} ~all",), False, "right", SPF_RIGHT),
        ((f"v=spf1 -include:{OURS}",), False, "optional", SPF_HINT), ((f"v=spf10 include:{OURS}",), False, "optional", SPF_HINT),
        ((f"v=spf1 include:x.{OURS}",), False, "optional", SPF_HINT), ((f"v=spf1 include:{OURS} ~all",), False, "right", SPF_RIGHT),
        (("v=spf1 -all", f"v=spf1 include:{OURS}"), False, "wrong", SPF_SEVERAL),
        ((), True, "right", SPF_COVERED), (("v=spf1 -all",), True, "right", SPF_COVERED),
        (("v=spf1 -all", "v=spf1 -all"), True, "wrong", SPF_SEVERAL),
    ],
)  # fmt: skip
async def test_spf(texts: tuple[str, ...], path: bool, state: str, words: str) -> None:
    zones = Zones()
    zones.records[DOMAIN, "TXT"] = texts or "empty"
    if path:
        zones.aliases[return_domain(DOMAIN)] = OURS
    one = await found(zones, "spf")
    assert (one.state, one.words) == (state, words)


async def test_a_dns_that_is_away_says_nothing() -> None:
    zones = Zones()
    zones.away = True
    assert {(one.state, one.words) for one in await check(zones, DOMAIN, OURS, KEYS)} == {("unknown", NO_ANSWER)}


@given(st.lists(st.text(max_size=80), max_size=4))
@settings(max_examples=200, deadline=None)
async def test_any_texts_are_judged(texts: list[str]) -> None:
    zones = Zones()
    for name in (AT, "_dmarc.example.org", DOMAIN):
        zones.records[name, "TXT"] = tuple(texts)
    zones.records[return_domain(DOMAIN), "CNAME"] = tuple(texts)
    for one in await check(zones, DOMAIN, OURS, KEYS):
        assert one.state != "right" or one.record in {"dmarc", "spf"}
        assert all(value.isascii() and value.isprintable() for value in one.seen)


@given(st.text(), st.text())
def test_two_domains_never_share_a_label(one: str, other: str) -> None:
    def domain(text: str) -> str:
        return ".".join(
            part
            for part in ("".join(c if c in "ab-" else "." for c in text).split("."))
            if part.strip("-") == part and part
        )

    names = domain(one), domain(other)
    if all(names) and names[0] != names[1]:
        assert key_target("s", names[0], OURS) != key_target("s", names[1], OURS)


def test_labels() -> None:
    assert key_target("s", "a-b.example.org", OURS) == f"s.a--b-example-org._domainkey.{OURS}"
    long = key_target("s", "x" * 60 + ".example.org", OURS)
    assert max(map(len, long.split("."))) <= 63
    assert long != key_target("s", "x" * 59 + ".example.org", OURS)


@pytest.mark.parametrize(
    ("domain", "registered"),
    [
        ("example.org", "example.org"), ("a.b.example.co.uk", "example.co.uk"), ("co.uk", None), ("org", None),
        ("github.io", None), ("alice.github.io", "alice.github.io"), ("xn--55qx5d.cn", None), ("example.test", "example.test"),
    ],
)  # fmt: skip
def test_public_suffixes(domain: str, registered: str | None) -> None:
    assert organisational(domain) == registered
