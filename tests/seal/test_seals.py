"""The form of a seal: what is read, and the many ways in which something is none."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.domain import seals
from sealpost.domain.seals import NoSeal

ders = st.binary(max_size=80).map(lambda octets: b"\x30" + octets)
instants = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
CERTIFICATE, SIGNATURE, TOKEN = b"\x30certificate!", bytes(range(64)), b"\x30token"
AT = datetime(2026, 11, 23, 12, 0, 0, 987_654, tzinfo=UTC)


def encoded(octets: bytes | str) -> str:
    return urlsafe_b64encode(octets.encode() if isinstance(octets, str) else octets).rstrip(b"=").decode()


def header(**changed: Any) -> dict[str, Any]:
    """A right header; a member that is changed to None is left out."""
    right = {
        "alg": "ES256",
        "typ": "JOSE+JSON",
        "iat": 1_795_435_200,
        "x5t#S256": encoded(sha256(CERTIFICATE).digest()),
        "x5c": [b64encode(CERTIFICATE).decode()],
    }
    return {name: value for name, value in (right | changed).items() if value is not None}


def members(protected: object = None, **changed: Any) -> dict[str, Any]:
    right = {"protected": encoded(json.dumps(protected or header())), "signature": encoded(SIGNATURE)}
    return {name: value for name, value in (right | changed).items() if value is not None}


def etsi_u(value: object) -> dict[str, Any]:
    return {"etsiU": [encoded(json.dumps(value))]}


def stamp(**changed: Any) -> dict[str, Any]:
    return {"sigTst": {"tstTokens": [{"val": b64encode(TOKEN).decode()} | changed]}}


def test_a_seal_is_what_its_parts_say() -> None:
    found = seals.read(json.dumps(members(header=etsi_u(stamp())), indent=2).encode())
    at = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    assert found == seals.Seal(encoded(json.dumps(header())), at, (CERTIFICATE,), SIGNATURE, TOKEN)
    assert seals.read(json.dumps(members()).encode()).time_token is None


def test_the_protected_header_has_exactly_five_members() -> None:
    written = seals.written(seals.protected_header(AT, [CERTIFICATE, b"\x30issuer"]), SIGNATURE)
    assert set(json.loads(written)) == {"protected", "signature"}
    protected = json.loads(written)["protected"]
    found = json.loads(seals._octets(protected))
    assert found == header(x5c=[b64encode(CERTIFICATE).decode(), b64encode(b"\x30issuer").decode()])
    assert "=" not in protected


@given(
    at=instants,
    chain=st.lists(ders, min_size=1, max_size=5),
    signature=st.binary(min_size=64, max_size=64),
    token=st.none() | ders,
)
def test_what_is_written_is_read(at: datetime, chain: list[bytes], signature: bytes, token: bytes | None) -> None:
    protected = seals.protected_header(at, chain)
    octets = seals.written(protected, signature, token)
    assert octets == seals.written(protected, signature, token)
    assert seals.read(octets) == seals.Seal(protected, at.replace(microsecond=0), tuple(chain), signature, token)


@given(st.binary(max_size=300))
def test_octets_of_any_kind_are_refused_in_one_way(octets: bytes) -> None:
    with pytest.raises(NoSeal):
        seals.read(octets)


HEADERS: list[tuple[str, object]] = [
    ("no alg", header(alg=None)),
    ("alg none", header(alg="none")),
    ("alg as a list", header(alg=["ES256"])),
    ("another curve", header(alg="ES384")),
    ("alg in small letters", header(alg="es256")),
    ("a symmetric alg", header(alg="HS256")),
    ("no typ", header(typ=None)),
    ("typ of the compact form", header(typ="JOSE")),
    ("no iat", header(iat=None)),
    ("iat as a float", header(iat=1.5)),
    ("iat as a whole float", header(iat=1795435200.0)),
    ("iat as text", header(iat="1795435200")),
    ("iat true", header(iat=True)),
    ("iat zero", header(iat=0)),
    ("iat before 1970", header(iat=-1)),
    ("iat after 9999", header(iat=253_402_300_800)),
    ("iat not a number", header(iat=float("nan"))),
    ("iat without end", header(iat=float("inf"))),
    ("no x5c", header(x5c=None)),
    ("x5c empty", header(x5c=[])),
    ("x5c as text", header(x5c=b64encode(CERTIFICATE).decode())),
    ("x5c of numbers", header(x5c=[1])),
    ("x5c of six", header(x5c=[b64encode(CERTIFICATE).decode()] * 6)),
    ("x5c in base64url", header(x5c=[encoded(b"\x30\xfb\xff\xfe")])),
    ("x5c without padding", header(x5c=[b64encode(CERTIFICATE).decode().rstrip("=")])),
    ("x5c with a newline", header(x5c=[b64encode(CERTIFICATE).decode() + "\n"])),
    (
        "x5c not DER",
        header(x5c=[b64encode(b"-----BEGIN").decode()], **{"x5t#S256": encoded(sha256(b"-----BEGIN").digest())}),
    ),
    ("x5c of another certificate", header(x5c=[b64encode(b"\x30another").decode()])),
    ("the signer second", header(x5c=[b64encode(b"\x30root").decode(), b64encode(CERTIFICATE).decode()])),
    ("no x5t", header(**{"x5t#S256": None})),
    ("x5t with padding", header(**{"x5t#S256": encoded(sha256(CERTIFICATE).digest()) + "="})),
    ("x5t of SHA-1 instead", header(**{"x5t#S256": None, "x5t": "AAAA"})),
    ("sigT", header(sigT="2026-11-23T12:00:00Z")),
    ("crit", header(crit=["b64"])),
    ("b64", header(b64=False)),
    ("sigD", header(sigD={"mId": "x"})),
    ("a key of its own", header(jwk={"kty": "EC"})),
    ("a place of its own", header(x5u="https://charlie.example/")),
    ("kid", header(kid="1")),
    ("not an object", []),
    ("a text", "ES256"),
    ("too deep", json.loads("[" * 900 + "]" * 900)),
]
RAW_HEADERS: list[tuple[str, bytes]] = [
    ("alg twice", json.dumps(header()).replace("{", '{"alg":"none",', 1).encode()),
    ("alg twice, once escaped", json.dumps(header()).replace("{", '{"\\u0061lg":"none",', 1).encode()),
    ("the same alg twice", json.dumps(header()).replace("{", '{"alg":"ES256",', 1).encode()),
    ("text after it", json.dumps(header()).encode() + b"{}"),
    ("a byte order mark", b"\xef\xbb\xbf" + json.dumps(header()).encode()),
    ("UTF-16", json.dumps(header()).encode("utf-16")),
    ("not UTF-8", b"\xff\xfe"),
    ("a lone surrogate as name", json.dumps(header()).replace("{", '{"\\ud800":1,', 1).encode()),
    ("a number of 5,000 digits", json.dumps(header()).replace("1795435200", "1" * 5_000).encode()),
    ("nested without end", b"[" * 100_000),
    ("nothing", b""),
]
SEALS: list[tuple[str, object]] = [
    ("no protected", members(protected=None) | {"protected": None}),
    ("protected missing", {"signature": encoded(SIGNATURE)}),
    ("no signature", members(signature=None)),
    ("signature empty", members(signature="")),
    ("signature with padding", members(signature=encoded(SIGNATURE) + "==")),
    ("signature in base64", members(signature=b64encode(b"\xfb" * 64).decode().rstrip("="))),
    ("signature with stray bits", members(signature=encoded(SIGNATURE)[:-1] + "x")),
    ("signature with a space", members(signature=" " + encoded(SIGNATURE))),
    ("signature with a foreign letter", members(signature=encoded(SIGNATURE) + "é")),
    ("signature as DER, longer", members(signature=encoded(SIGNATURE + b"123456"))),
    ("signature too short", members(signature=encoded(SIGNATURE[:63]))),
    ("signature as a number", members(signature=1)),
    ("protected with padding", {"protected": members()["protected"] + "=", "signature": encoded(SIGNATURE)}),
    ("a payload", members(payload="e30")),
    ("an empty payload", members(payload="")),
    ("the general form", {"signatures": [members()]}),
    ("both forms", members(signatures=[members()])),
    ("alg in the unprotected header", members(header={"alg": "none"})),
    ("an empty unprotected header", members(header={})),
    ("more in the unprotected header", members(header=etsi_u(stamp()) | {"kid": "1"})),
    ("an unprotected header that is a list", members(header=[])),
    ("etsiU empty", members(header={"etsiU": []})),
    ("etsiU in clear", members(header={"etsiU": [stamp()]})),
    ("etsiU with padding", members(header={"etsiU": [etsi_u(stamp())["etsiU"][0] + "="]})),
    ("two items in etsiU", members(header={"etsiU": etsi_u(stamp())["etsiU"] * 2})),
    ("another item in etsiU", members(header=etsi_u({"xVals": []}))),
    ("an item more beside the token", members(header=etsi_u(stamp() | {"xVals": []}))),
    ("no tokens", members(header=etsi_u({"sigTst": {"tstTokens": []}}))),
    ("two tokens", members(header=etsi_u({"sigTst": {"tstTokens": [{"val": "MAA="}] * 2}}))),
    ("a canonicalization", members(header=etsi_u({"sigTst": {"canonAlg": "x", "tstTokens": [{"val": "MAA="}]}}))),
    ("a token with a type", members(header=etsi_u(stamp(type="x")))),
    ("a token without padding", members(header=etsi_u(stamp(val="MAA")))),
    ("a token that is not DER", members(header=etsi_u(stamp(val="AAAA")))),
    ("a token that is null", members(header=etsi_u(stamp(val=None)))),
    ("a list", [members()]),
    ("null", None),
]
RAW_SEALS: list[tuple[str, bytes]] = [
    ("a member twice", json.dumps(members()).replace("{", '{"signature":"AA",', 1).encode()),
    ("too long", json.dumps(members()).encode() + b" " * seals.LONGEST),
    ("the compact form", f"{members()['protected']}..{members()['signature']}".encode()),
    ("nested without end", b'{"protected":' * 10_000),
    ("etsiU with a member twice", json.dumps(members(header={"etsiU": [encoded('{"sigTst":1,"sigTst":2}')]})).encode()),
]
CASES = (
    [(name, json.dumps(members(one)).encode()) for name, one in HEADERS if one]
    + [("an empty list as header", json.dumps(members() | {"protected": encoded("[]")}).encode())]
    + [(name, json.dumps(members() | {"protected": encoded(one)}).encode()) for name, one in RAW_HEADERS]
    + [(name, json.dumps(one).encode()) for name, one in SEALS]
    + RAW_SEALS
)


@pytest.mark.parametrize("octets", [octets for _, octets in CASES], ids=[name for name, _ in CASES])
def test_what_is_no_seal_is_refused(octets: bytes) -> None:
    with pytest.raises(NoSeal):
        seals.read(octets)


@pytest.mark.parametrize(
    "make",
    [
        lambda: seals.protected_header(AT, []),
        lambda: seals.protected_header(AT, [CERTIFICATE] * 6),
        lambda: seals.protected_header(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), [CERTIFICATE]),
    ],
)
def test_what_could_not_be_read_is_not_written(make: Callable[[], str]) -> None:
    with pytest.raises(NoSeal):
        make()


def test_the_time_is_cut_not_rounded_in_any_zone() -> None:
    elsewhere = AT.astimezone(tz=datetime.fromisoformat("2026-11-23T12:00:00+05:30").tzinfo)
    assert seals.protected_header(elsewhere, [CERTIFICATE]) == seals.protected_header(AT, [CERTIFICATE])
    later = seals.protected_header(AT + timedelta(seconds=1), [CERTIFICATE])
    assert later != seals.protected_header(AT, [CERTIFICATE])


def test_what_is_signed_and_what_is_imprinted() -> None:
    assert seals.signing_input("aGVhZA", b"\xff\xfe?") == b"aGVhZA.__4_"
    assert seals.imprinted(b"\xff\xfe?") == b"__4_"


def test_a_commitment_is_what_the_format_says() -> None:
    salt, record = b"s" * 32, b"{}"
    stated = b"sealpost-record/2\n" + salt + sha256(record).digest() + sha256(SIGNATURE).digest()
    right = seals.commitment(salt, record, SIGNATURE)
    assert right == sha256(stated).digest()
    others = {
        seals.commitment(b"t" * 32, record, SIGNATURE),
        seals.commitment(salt, b"[]", SIGNATURE),
        seals.commitment(salt, record, SIGNATURE[::-1]),
    }
    assert len(others | {right}) == 4


@pytest.mark.parametrize(("salt", "signature"), [(31, 64), (33, 64), (0, 64), (32, 63), (32, 65), (33, 63)])
def test_a_commitment_has_parts_of_fixed_lengths(salt: int, signature: int) -> None:
    with pytest.raises(ValueError, match="32 octets"):
        seals.commitment(bytes(salt), b"{}", bytes(signature))
