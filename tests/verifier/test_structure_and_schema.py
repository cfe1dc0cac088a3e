"""Whatever the published schema of EN 319 522-3 refuses in a record, the verifier's own check of the form refuses too.

Records of every kind, and one with all that the schema knows beyond them, are made wrong at every place. There is no
exception. Where the verifier asks for more than the schema, the run only prints it (``pytest -s``).
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from itertools import count, islice
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema.validators import validator_for
from playwright.async_api import async_playwright

from sealpost.domain.canonical import canonical, digest, instant
from sealpost.domain.records import EVENTS, Event, Link, evidence, has_reasons
from sealpost.verifier.case import parsed
from sealpost.verifier.report import Findings
from sealpost.verifier.structure import _require_form
from sealpost.verifier.tables import MEMBERS
from sealpost.verifier.verify import verify
from tests.verifier.lives import SMTP, START, issuer, subject
from tests.verifier.page.conftest import CHROMIUM, FLAGS, Verifier, opened
from tests.verifier.tampering import zipped

SCHEMA = Path(__file__).parents[3] / "shared" / "schemas" / "erds-evidence-en319522-3.schema.json"
SHA256 = digest(hashlib.sha256(b"Alice").digest())
IDENTITY = {
    "Attribute": [{"Name": "urn:oid:2.5.4.3", "FriendlyName": "cn", "NameFormat": "a:b", "AttributeValue": ["Bob"]}]
}
PLAIN = {"AssuranceLevel": "http://eidas.europa.eu/LoA/high"}
LEVEL = {
    **PLAIN,
    "PolicyID": "urn:oid:1.2.3",
    "PolicyIDDetails": "a policy",
    "PolicyIDDetailsResources": [{"value": "https://bob.example/policy?v=1#a", "lang": "en"}],
}
CERT_ID = {"URI": "https://[2001:db8::1]:8025/c", "CertDigest": SHA256, "IssuerSerialV2": "MAA="}
SIGNED = {"SignatureMethod": {"Algorithm": "urn:a:b", "HMACOutputLength": 256}, "SignatureValue": "AAAA"}
# Of the schema's members those that no record of ours may have; within `Any` anything may stand.
NEVER = {"Id", "RecipientsDelegateDetails", "ExternalERDSDetails", "jadesSignature", "DelegatingRecipients", "Any"}

FREE = ("sealpost/1", "lines")  # below these, the schema asks for nothing
REFUSED_SAMPLE, PAGE_SAMPLE = 10, 8  # every tenth refused one is held against the schema; every eighth goes to the page

Change = tuple[str, Any]
Place = tuple[str | int, ...]


@pytest.fixture(scope="module")
def schema() -> Any:
    if not SCHEMA.exists():
        pytest.skip("the published schema does not lie beside this checkout")
    return json.loads(SCHEMA.read_text("utf-8"))


@pytest.fixture(scope="module")
def validator(schema: Any) -> Any:
    kind = validator_for(schema)
    checked = {"$ref": "#/definitions/Evidence", "definitions": schema["definitions"]}
    return kind(checked, format_checker=kind.FORMAT_CHECKER)


def of_kind(seq: int, kind: str) -> dict[str, Any]:
    """A record of a kind, with more in it than most of that kind have."""
    at = START + timedelta(minutes=seq)
    lines = [{"by": "s", "at": instant(at), "line": "250 Ok"}, {"by": "s", "at": instant(at), "lineB64": "/w=="}]
    web = {
        "act": "opened",
        "link": SHA256,
        "address": "192.0.2.0/24",
        "userAgent": "",
        "automation": [],
        "page": SHA256,
    }
    extension = {
        "request": {**SHA256, "face": "api"},
        "addressBasis": "He said so.",
        "smtp": deepcopy(SMTP),
        "web": web,
    }
    reasons = (("policy", "Too long."), ("full", "")) if has_reasons(kind) or seq == 1 else ()
    mail = ("announcement", 1) if kind.startswith("announcement_") else None
    transcripts = ({"type": "smtp", "lines": lines},)
    event = Event(kind, at, at, reasons, "mx.example.com", transcripts, deepcopy(extension), mail)
    link = Link(seq, None if seq == 1 else bytes(range(32)))
    identifier = UUID(int=(7 << 76) | (2 << 62) | seq)
    return deepcopy(evidence(issuer(), subject(), link, event, identifier, {"source": "none"}))


def with_all_that_may_stand() -> dict[str, Any]:
    """A record as none of ours is, but as the schema and the verifier allow one."""
    value = of_kind(1, "submitted")
    details: list[Any] = [{"X509Certificate": "MAA="}, {"CertID": CERT_ID}]
    details.append({"CertIDAndSignature": {"CertID": CERT_ID, "CertSignatureDetails": SIGNED}})
    value["EvidenceIssuerDetails"]["CertificateDetails"] = details
    passed = {"AuthenticationTime": instant(START), "AuthenticationMethod": "urn:method:b"}
    value["SenderDelegateDetails"] |= {
        "Identity": IDENTITY,
        "AssuranceLevelsDetails": {
            "AuthenticationDetsAndAssuranceLevel": {"AssuranceLevel": PLAIN, "AuthenticationDetails": passed},
            "IdentityProofAssuranceLevel": LEVEL,
            "FederationAssuranceLevel": PLAIN,
        },
    }
    first = value["RecipientDetails"][0]
    for other in ({"Assertion": {}}, {"OAuth2": {"sub": "bob"}}, {"other": "by letter"}):
        levels = {"GlobalAssuranceLevel": PLAIN, "AuthenticationDetails": other}
        value["RecipientDetails"].append({**first, "AssuranceLevelsDetails": levels})
    return deepcopy(value)


RIGHT = {
    **{kind: of_kind(seq, kind) for seq, kind in enumerate(EVENTS, 1)},
    "all that may stand": with_all_that_may_stand(),
}
URIS = [
    *(
        "x",
        "a:",
        "a:b c",
        "a:é",
        "a:\u00a0",
        "a:%",
        "a:%4",
        "a:b#c#d",
        "a:b[",
        "a:\\",
        "a:b|c",
        "a:<b>",
        "//b/c",
        "A:b",
    ),
    *("1:b", "http://a b", "http://[::1", "http://[:::1]", "http://[1::2::3]", "http://[12345::]", "http://a:b/c"),
    *("http://[1:2:3:4:5:6:7]/", "http://[1:2:3:4:5:6:7:8:9]/", "http://a:1:2/", "a:b\n", "a:b\x00", "a:b^", 'a:"b"'),
]
TIMES = [
    *("2026-03-04", "2026-03-04T09:00:00Z", "2026-03-04T09:00:00.120", "2026-03-04T09:00:00.120+00:00"),
    *("2026-02-30T09:00:00.120Z", "2026-03-04T24:00:00.120Z", "2026-03-04T09:60:00.120Z", "2026-06-30T23:59:60.120Z"),
    *("0000-03-04T09:00:00.120Z", "2026-13-04T09:00:00.120Z", "2026-03-04 09:00:00.120Z", "20260304T090000.120Z"),
    *("٢٠٢٦-03-04T09:00:00.120Z", "2026-03-04T09:00:00.120z", "2026-03-04T09:00:00.120Z\n"),
]
ANYTHING: list[Any] = [
    *(None, True, False, 0, 1, -1, 1.0, 1.5, 2**53, "", " ", "x", "é"),
    *([], {}, [None], [[]], [{}], [""], {"x": 1}),
]


def instead_of(value: Any) -> Iterator[Change]:
    """What may stand wrongly where a value stood."""
    for other in (*ANYTHING, [value], {"value": value}, str(value)):
        yield f"becomes {str(other)[:40]!r}", other
    if isinstance(value, dict):
        yield "a member more", {**value, "Surprise": 1}
        yield "a member without a name", {**value, "": 1}
        yield "its values only", list(value.values())
    elif isinstance(value, list):
        for more in (None, 1, "x", {}, []):
            yield f"and {more!r}", [*value, more]
        yield "four times", value * 4
    elif isinstance(value, str):
        yield from instead_of_text(value)
    elif type(value) is int:
        yield "one more", value + 1


def instead_of_text(text: str) -> Iterator[Change]:
    behind = [text + more for more in (" ", "\n", "=", "é", "#a#b", "%")]
    cut = [text[:-1], text[1:], " " + text, "é" + text]
    turned = [text.upper(), text.lower(), text.replace("+", "-").replace("/", "_"), text.rstrip("=")]
    lengths = [b64encode(bytes(length)).decode() for length in (0, 1, 20, 31, 33, 64)]
    formats = TIMES if text[:4] == "2026" else URIS if ":" in text else lengths
    for other in (*behind, *cut, *turned, *formats):
        yield f"becomes the text {other[:60]!r}", other


def places(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every place of a record, outermost first, and what stands there."""
    if place:
        yield place, value
    if isinstance(value, dict):
        for name, member in value.items():
            yield from places(member, (*place, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*place, number))


def changed(value: dict[str, Any], place: Place, change: Callable[[Any, Any], Any]) -> dict[str, Any]:
    """A copy in which one place is another: only what leads to it is copied."""
    made = dict(value)
    inner: Any = made
    for step in place[:-1]:
        inner[step] = inner[step].copy()
        inner = inner[step]
    change(inner, place[-1])
    return made


def ways(value: dict[str, Any], place: Place, there: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """All ways in which one place of a record can be wrong."""
    yield "left out", changed(value, place, lambda inner, step: inner.pop(step))
    if isinstance(step := place[-1], str):
        for name in (f"{step}s", step.swapcase()):
            yield (
                f"renamed {name}",
                changed(value, place, lambda inner, one, name=name: inner.update({name: inner.pop(one)})),
            )
    for what, other in instead_of(there):
        yield what, changed(value, place, lambda inner, one, other=other: inner.__setitem__(one, other))


def at_every_place() -> Iterator[tuple[str, dict[str, Any]]]:
    """Records made wrong at every place: in all ways where something stands that no earlier record had, else in one."""
    seen, turn = set[tuple[Place, Any]](), count()
    for kind, value in RIGHT.items():
        for place, there in places(value):
            what = frozenset(there) if isinstance(there, dict) else type(there)
            alike = (tuple("*" if isinstance(step, int) else step for step in place), what)
            found = ways(value, place, there)
            if alike in seen:
                begin = next(turn) % 22  # so many ways there are for every value
                found = islice(found, begin, begin + 1)
            elif any(step in place for step in FREE):
                found = islice(found, 0, None, 4)
            seen.add(alike)
            yield from ((f"{kind}: {'/'.join(map(str, place))} {way}", made) for way, made in found)


@pytest.fixture(scope="module")
def wrong() -> list[tuple[str, bytes]]:
    return [(name, json.dumps(value).encode()) for name, value in at_every_place()]


def refusal(octets: bytes) -> str:
    """Why the verifier refuses a record that stands alone, or empty; only the form, as canonical bytes cost more time."""
    findings = Findings()
    with findings.about("structure", record=1):
        _require_form(parsed(octets))
    return findings.claims[0].why if findings.claims else ""


def test_both_take_what_is_right(validator: Any) -> None:
    for kind, value in RIGHT.items():
        validator.validate(value)
        assert refusal(canonical(value)) == "", kind


@pytest.mark.slow
def test_never_more_lenient(validator: Any, wrong: list[tuple[str, bytes]]) -> None:
    """What the verifier takes, the schema takes; a part of what it refuses shows where it is the stricter of the two."""
    judged = [(name, refusal(octets), octets) for name, octets in wrong]
    lenient = [name for name, why, octets in judged if not why and not validator.is_valid(json.loads(octets))]
    assert lenient == []
    some = [one for one in judged if one[1]][::REFUSED_SAMPLE]
    stricter = [(name, why) for name, why, octets in some if validator.is_valid(json.loads(octets))]
    assert len(some) - len(stricter) > 200  # the schema does refuse
    counted = Counter(f"{name.split(': ')[1].split(' ')[0]} {why}" for name, why in stricter)
    print(f"{len(judged)} wrong records; the verifier is stricter in {len(stricter)} of {len(some)} that it refuses:")
    print("\n".join(f"{number:4} {place}" for place, number in sorted(counted.items())))


def named_in(schema: Any, shape: Any, seen: set[str]) -> set[str]:
    """All names of members that a shape of the schema speaks of."""
    if isinstance(shape, list):
        return set[str]().union(*(named_in(schema, one, seen) for one in shape))
    if not isinstance(shape, dict):
        return set()
    found = set(shape["properties"]) - NEVER if isinstance(shape.get("properties"), dict) else set[str]()
    inner = [member for name, member in shape.items() if name != "properties"]
    inner += [shape["properties"][name] for name in found]
    if (name := str(shape.get("$ref", "")).removeprefix("#/definitions/")) and name not in seen:
        seen.add(name)
        inner.append(schema["definitions"][name])
    return found.union(*(named_in(schema, one, seen) for one in inner))


def test_every_member_of_the_schema_is_tried(schema: Any) -> None:
    tried = {step for value in RIGHT.values() for place, _ in places(value) for step in place}
    named = named_in(schema, schema["definitions"]["Evidence"], set())
    assert len(named) > 50
    assert named - tried == set()
    for name in NEVER - {"DelegatingRecipients", "Any"}:
        for other in ("x", None, [], {}):
            assert refusal(canonical({**RIGHT["submitted"], name: other})) == "structure.member", name


def of_policy(uri: str) -> bool:
    """Whether the verifier takes a text as a URI."""
    value = {**RIGHT["submitted"], "EvidenceIssuerPolicyID": {"PolicyID": [uri]}}
    return refusal(json.dumps(value).encode()) == ""


HEADS = ["", "a:", "https://", "https://["]
PIECES = [
    *("a", "A", "1", "https", ":", "//", "/", "?", "#", "[", "]", "::", "[::1]", "ffff:", "%", "%4f", "@", "."),
    *("é", " ", "\n", "v1.a"),
]


@given(st.sampled_from(HEADS), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_uris(validator: Any, head: str, rest: str) -> None:
    if of_policy(head + rest):
        assert validator.format_checker.conforms(head + rest, "uri")


HOSTS = ["sealpost.example", "127.0.0.1:8025", "localhost", "[::1]:8025", "[2001:db8::1]", "[1:2:3:4:5:6:7:8]"]


@pytest.mark.parametrize(
    "uri", [f"https://{one}/evidence/reason#x" for one in HOSTS] + ["urn:oid:1.2.3", "http://a", "a:/b?c"]
)
def test_uris_that_are_right(validator: Any, uri: str) -> None:
    assert validator.format_checker.conforms(uri, "uri")
    assert of_policy(uri)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM IS MISSING: the page is not tested in a browser")
async def test_the_page_says_the_same(wrong: list[tuple[str, bytes]]) -> None:
    """A part of them as one bundle's records, after a right one."""
    some = wrong[::PAGE_SAMPLE]
    records = [canonical(RIGHT["submitted"]), *(octets for _, octets in some)]
    members = [(f"records/{number:03}.json", octets) for number, octets in enumerate(records, 1)]
    bundle = zipped([("mimetype", MEMBERS["mimetype"].encode()), *members])
    async with async_playwright() as started:
        browser = await started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        async with opened(browser) as page:
            theirs = said_of(await Verifier(page, able=False).verify(bundle))
        await browser.close()
    ours = said_of(verify(bundle).as_json())
    assert len(ours) == 2 * len(records)
    named = {member: what for (member, _), (what, _) in zip(members[1:], some, strict=True)}
    unlike = [(named.get(one[0]), one, other) for one, other in zip(ours, theirs, strict=True) if one != other]
    assert unlike == []


def said_of(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["about"], one["why"]) for one in report["claims"] if one["check"] in {"structure", "canonical"}]
