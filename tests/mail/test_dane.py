"""What a signed DNS says of certificates, against certificates made here with elliptic-curve keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256, sha512

import asn1crypto.x509
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from sealpost.mail.dane import DaneAnswer, Tlsa, tlsa_of, verify
from sealpost.mail.dns import Resolver
from tests.mail.dns_server import DnsServer, Zones, running

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = frozenset({"mx.example.com", "example.com"})
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Made:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign,
        crl_sign=sign,
        encipher_only=False,
        decipher_only=False,
    )


CA = (x509.BasicConstraints(ca=True, path_length=None), True), (usage(sign=True), True)


def make(
    name: str,
    issuer: Made | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    *,
    begins: datetime = NOW - DAY,
    ends: datetime = NOW + DAY,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Made:
    """A certificate; without an issuer it signs itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Made(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def named(*names: str) -> tuple[x509.ExtensionType, bool]:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False


def tlsa(numbers: str, made: Made) -> Tlsa:
    use, selector, matching = (int(number) for number in numbers.split())
    chosen = made.public if selector else made.der
    return Tlsa(use, selector, matching, [chosen, sha256(chosen).digest(), sha512(chosen).digest()][matching])


ROOT = make("Root", extensions=CA)
MIDDLE = make("Middle", ROOT, CA)
LEAF = make("mx", MIDDLE, [named("mx.example.com")])
OTHER = make("Other", extensions=CA)
CHAIN = [LEAF.der, MIDDLE.der, ROOT.der]
KINDS = [f"{selector} {matching}" for selector in (0, 1) for matching in (0, 1, 2)]
CHAIN_WHY = "no chain of valid certificates leads to an authority in the TLSA records"
NAME_WHY = "the certificate is for another name"
DATE_WHY = "the certificate is not valid now, or not for servers"


@pytest.mark.parametrize("kind", KINDS)
def test_this_very_server(kind: str) -> None:
    stale = make("whoever", ends=NOW - DAY / 2)
    assert verify([tlsa(f"3 {kind}", stale)], [stale.der], NAMES, NOW) is None  # neither name nor dates count
    assert verify([tlsa(f"3 {kind}", LEAF)], CHAIN, NAMES, NOW) is None
    for wrong in (OTHER, MIDDLE, ROOT):
        assert verify([tlsa(f"3 {kind}", wrong)], CHAIN, NAMES, NOW) is not None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("anchor", [MIDDLE, ROOT])
def test_an_authority_in_the_chain(kind: str, anchor: Made) -> None:
    assert verify([tlsa(f"2 {kind}", anchor)], CHAIN, NAMES, NOW) is None
    assert verify([tlsa(f"2 {kind}", anchor)], [LEAF.der, OTHER.der, ROOT.der, MIDDLE.der], NAMES, NOW) is None
    assert verify([tlsa(f"2 {kind}", OTHER)], CHAIN, NAMES, NOW) == CHAIN_WHY
    assert verify([tlsa(f"2 {kind}", OTHER)], [*CHAIN, OTHER.der], NAMES, NOW) == CHAIN_WHY  # shown, but issued nothing


def test_one_record_of_several_is_enough() -> None:
    assert verify([tlsa("3 1 1", OTHER), tlsa("2 0 1", OTHER), tlsa("2 0 1", ROOT)], CHAIN, NAMES, NOW) is None
    assert verify([tlsa("2 0 1", OTHER), tlsa("3 1 2", LEAF)], CHAIN, frozenset({"else"}), NOW) is None


def test_an_authority_that_was_not_shown() -> None:
    assert verify([tlsa("2 0 0", ROOT)], CHAIN[:2], NAMES, NOW) is None
    assert verify([tlsa("2 0 0", MIDDLE)], CHAIN[:1], NAMES, NOW) is None
    assert verify([tlsa("2 0 1", ROOT)], CHAIN[:2], NAMES, NOW) == CHAIN_WHY
    assert verify([tlsa("2 0 0", ROOT)], CHAIN[:1], NAMES, NOW) == CHAIN_WHY


def test_an_issuer_of_the_same_name_with_another_key() -> None:
    namesake = make("Middle", extensions=CA)
    assert verify([tlsa("2 0 1", namesake)], [LEAF.der, namesake.der], NAMES, NOW) == CHAIN_WHY
    assert verify([tlsa("2 0 0", namesake)], [LEAF.der], NAMES, NOW) == CHAIN_WHY
    crossed = make("Middle", OTHER, CA, key=MIDDLE.key)  # one key, two issuers
    assert verify([tlsa("2 0 1", ROOT)], [LEAF.der, crossed.der, MIDDLE.der, ROOT.der], NAMES, NOW) is None
    assert verify([tlsa("2 0 1", OTHER)], [LEAF.der, crossed.der, MIDDLE.der, OTHER.der], NAMES, NOW) is None


def chained(
    *extensions: tuple[x509.ExtensionType, bool], leaf: Sequence[tuple[x509.ExtensionType, bool]] = ()
) -> list[Made]:
    """Leaf, an authority with these extensions, root."""
    middle = make("Middle", ROOT, extensions)
    return [make("mx", middle, [named("mx.example.com"), *leaf]), middle, ROOT]


NOT_CA = x509.BasicConstraints(ca=False, path_length=None), True
LIMITS = x509.NameConstraints([x509.DNSName("example.com")], None)
STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
CODE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
RULES: list[tuple[list[Made], str | None]] = [
    (chained(*CA), None),
    (chained(CA[0]), None),
    (chained(), CHAIN_WHY),
    (chained(NOT_CA), CHAIN_WHY),
    (chained(CA[0], (usage(sign=False), True)), CHAIN_WHY),
    (chained(CA[0], (LIMITS, True)), CHAIN_WHY),
    (chained(CA[0], (STRANGE, True)), CHAIN_WHY),
    (chained(CA[0], (STRANGE, False)), None),
    (chained(CA[0], (CODE, False)), CHAIN_WHY),
    (chained(CA[0], (SERVER, False)), None),
    (chained(*CA, leaf=[(STRANGE, True)]), DATE_WHY),
    (chained(*CA, leaf=[(CODE, False)]), DATE_WHY),
    (chained(*CA, leaf=[(SERVER, True)]), None),
]


@pytest.mark.parametrize(("chain", "why"), RULES)
def test_rules_for_chains(chain: list[Made], why: str | None) -> None:
    shown = [made.der for made in chain]
    assert verify([tlsa("2 0 1", ROOT)], shown, NAMES, NOW) == why
    assert verify([tlsa("2 1 1", chain[1])], shown, NAMES, NOW) == why
    assert verify([tlsa("2 0 0", chain[1])], shown[:1], NAMES, NOW) == why


@pytest.mark.parametrize(("length", "why"), [(None, None), (1, None), (0, CHAIN_WHY)])
def test_how_many_authorities_may_stand_below(length: int | None, why: str | None) -> None:
    root = make("Short", extensions=[(x509.BasicConstraints(ca=True, path_length=length), True)])
    middle = make("Middle", root, CA)
    leaf = make("mx", middle, [named("mx.example.com")])
    assert verify([tlsa("2 0 1", root)], [leaf.der, middle.der, root.der], NAMES, NOW) == why


@pytest.mark.parametrize(
    ("which", "begins", "ends"),
    [(which, *dates) for which in range(3) for dates in ((NOW + DAY, NOW + 2 * DAY), (NOW - 2 * DAY, NOW - DAY))],
)
def test_every_certificate_must_be_valid_now(which: int, begins: datetime, ends: datetime) -> None:
    dates = [(NOW - 9 * DAY, NOW + 9 * DAY)] * 3
    dates[which] = (begins, ends)
    root = make("R", extensions=CA, begins=dates[0][0], ends=dates[0][1])
    middle = make("M", root, CA, begins=dates[1][0], ends=dates[1][1])
    leaf = make("L", middle, [named("mx.example.com")], begins=dates[2][0], ends=dates[2][1])
    chain = [leaf.der, middle.der, root.der]
    assert verify([tlsa("2 0 1", root)], chain, NAMES, NOW) == (DATE_WHY if which == 2 else CHAIN_WHY)
    assert verify([tlsa("2 0 1", root)], chain, NAMES, begins + DAY / 2) is None
    assert verify([tlsa("3 0 1", leaf)], chain, NAMES, NOW) is None


@pytest.mark.parametrize(
    ("shown", "good"),
    [
        (["mx.example.com"], True),
        (["MX.Example.COM"], True),
        (["else.test", "example.com"], True),
        (["*.example.com"], True),
        (["*.com"], True),  # example.com is one of the names
        (["*.mx.example.com"], False),
        (["mx.example.com.evil.test"], False),
        (["m*.example.com"], False),
        (["*"], False),
        (["else.test"], False),
    ],
)
def test_names(shown: list[str], *, good: bool) -> None:
    leaf = make("mx.example.com", MIDDLE, [named(*shown)])  # the common name does not count beside others
    assert verify([tlsa("2 0 1", ROOT)], [leaf.der, *CHAIN[1:]], NAMES, NOW) == (None if good else NAME_WHY)
    assert verify([tlsa("3 0 1", leaf)], [leaf.der], NAMES, NOW) is None


@pytest.mark.parametrize(("name", "why"), [("mx.example.com", None), ("else.test", NAME_WHY)])
def test_the_common_name_where_there_are_no_others(name: str, why: str | None) -> None:
    leaf = make(name, MIDDLE)
    assert verify([tlsa("2 0 1", ROOT)], [leaf.der, *CHAIN[1:]], NAMES, NOW) == why


def test_the_server_itself_is_no_authority() -> None:
    alone = make("mx", extensions=[*CA, named("mx.example.com")])
    assert verify([tlsa("2 0 1", alone)], [alone.der], NAMES, NOW) == CHAIN_WHY
    assert verify([tlsa("2 1 1", LEAF)], CHAIN, NAMES, NOW) == CHAIN_WHY


def signed_again(
    made: Made, key: rsa.RSAPrivateKey, digest: hashes.MD5 | hashes.SHA1 | hashes.SHA384, name: str
) -> bytes:
    """The certificate with another kind of signature, which the library would not make."""
    whole = asn1crypto.x509.Certificate.load(made.der)
    whole["tbs_certificate"]["signature"] = {"algorithm": name}
    whole["signature_algorithm"] = {"algorithm": name}
    whole["signature_value"] = key.sign(whole["tbs_certificate"].dump(force=True), padding.PKCS1v15(), digest)
    return whole.dump(force=True)


@pytest.mark.parametrize(
    ("digest", "why"), [(hashes.MD5(), CHAIN_WHY), (hashes.SHA1(), CHAIN_WHY), (hashes.SHA384(), None)]
)
def test_a_signature_over_a_broken_digest_does_not_count(
    digest: hashes.MD5 | hashes.SHA1 | hashes.SHA384, why: str | None
) -> None:
    key = rsa.generate_private_key(65537, 2048)
    builder = x509.CertificateBuilder(MIDDLE.certificate.subject, MIDDLE.certificate.subject, key.public_key(), 1)
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY).add_extension(*CA[0])
    anchor = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    leaf = signed_again(LEAF, key, digest, f"{digest.name}_rsa")
    assert verify([Tlsa(2, 0, 0, anchor)], [leaf], NAMES, NOW) == why


def test_only_the_first_ten_certificates_count() -> None:
    fillers = [make(f"F{n}", extensions=CA).der for n in range(9)]
    assert verify([tlsa("2 0 1", MIDDLE)], [LEAF.der, *fillers[:8], MIDDLE.der], NAMES, NOW) is None
    assert verify([tlsa("2 0 1", MIDDLE)], [LEAF.der, *fillers, MIDDLE.der], NAMES, NOW) == CHAIN_WHY


@pytest.mark.parametrize(
    "chain", [[], [b""], [b"\x30"], [b"rubbish"], [LEAF.der[:-1]], [b"", *CHAIN], [LEAF.der + b"x"]]
)
@pytest.mark.parametrize("kind", ["2 0 1", "2 1 1", "2 0 0", "2 1 0", "3 0 1", "3 1 1", "3 0 0", "3 1 0"])
def test_rubbish_is_refused(chain: list[bytes], kind: str) -> None:
    assert verify([tlsa(kind, LEAF), tlsa(kind, ROOT)], chain, NAMES, NOW) is not None
    use, selector, matching = (int(number) for number in kind.split())
    empty = [Tlsa(use, selector, matching, octets) for octets in (b"", sha256(b"").digest())]
    assert verify(empty, chain, NAMES, NOW) is not None


def test_no_records_no_match() -> None:
    assert verify([], CHAIN, NAMES, NOW) is not None


@pytest.mark.filterwarnings("ignore")  # of the library, about strange lengths and numbers
@given(
    st.sampled_from([0, 1, 2]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 255)), min_size=1, max_size=4),
    st.sampled_from(["2 0 1", "2 1 1", "2 0 0"]),
)
def test_mangled_certificates_never_raise(which: int, changes: list[tuple[int, int]], kind: str) -> None:
    octets = bytearray(CHAIN[which])
    for place, change in changes:
        octets[place % len(octets)] ^= change
    chain = [*CHAIN[:which], bytes(octets), *CHAIN[which + 1 :]]
    why = verify([tlsa(kind, ROOT)], chain, NAMES, NOW)
    if which == 0 and bytes(octets) != CHAIN[0]:
        assert why is not None
    assert verify([tlsa("3 0 1", LEAF)], chain, NAMES, NOW) is None or bytes(octets) != CHAIN[which]


# The records


HEX = "ab" * 32
NEVER: list[str] = [
    *(f"{use} {rest}" for use in (0, 1, 4, 255) for rest in (f"1 1 {HEX}", f"0 2 {HEX * 2}")),
    f"3 2 1 {HEX}",
    f"3 255 1 {HEX}",
    f"3 1 3 {HEX}",
    f"3 1 255 {HEX}",
    f"\\# 030101{HEX}00",
    f"\\# 030101{HEX[2:]}",
    f"\\# 030102{HEX}",
    f"\\# 020001{HEX * 2}",
    "\\# 03",
    "3 0 0 00",
    "3 1 0 00",
    f"2 0 0 {HEX}",
    "3 1 0 " + "30" * 70,
]


async def ask(zones: Zones, secure: set[str], host: str = "mx.test") -> DaneAnswer:
    async with running(DnsServer(zones, secure=secure)) as server:
        return await tlsa_of(Resolver(["127.0.0.1"], port=server.port, timeout=0.05), host, 25)


@pytest.mark.parametrize("value", NEVER)
async def test_records_that_cannot_be_used(value: str) -> None:
    zones: Zones = {"_25._tcp.mx.test": {"TLSA": [value]}}
    assert await ask(zones, {"*"}) == DaneAnswer("unusable", (), "mx.test")
    good = Tlsa(3, 1, 1, bytes.fromhex(HEX))
    both: Zones = {"_25._tcp.mx.test": {"TLSA": [value, f"3 1 1 {HEX}"]}}
    assert await ask(both, {"*"}) == DaneAnswer("usable", (good,), "mx.test")


@pytest.mark.parametrize("kind", [f"{use} {kind}" for use in (2, 3) for kind in KINDS])
async def test_records_that_can_be_used(kind: str) -> None:
    record = tlsa(kind, ROOT)
    zones: Zones = {"_25._tcp.mx.test": {"TLSA": [f"{kind} {record.association.hex()}"]}}
    assert await ask(zones, {"*"}) == DaneAnswer("usable", (record,), "mx.test")


@pytest.mark.parametrize(
    ("zones", "secure", "status"),
    [
        ({"_25._tcp.mx.test": {"TLSA": [f"3 1 1 {HEX}"]}}, set[str](), "none"),
        ({"_25._tcp.mx.test": {"TLSA": [f"0 1 1 {HEX}"]}}, set[str](), "none"),
        ({"_24._tcp.mx.test": {"TLSA": [f"3 1 1 {HEX}"]}}, {"*"}, "none"),
        ({"_25._tcp.mx.test": {"TXT": ["x"]}}, {"*"}, "none"),
        ({"_25._tcp.mx.test": {"TLSA": "servfail"}}, {"*"}, "failed"),
        ({"_25._tcp.mx.test": {"TLSA": "silence"}}, {"*"}, "failed"),
        ({"_25._tcp.mx.test": {"TLSA": "lame"}}, {"*"}, "failed"),
    ],
)
async def test_whether_there_is_dane(zones: Zones, secure: set[str], status: str) -> None:
    answer = await ask(zones, secure)
    assert (answer.status, answer.records) == (status, ())


ALIASED: Zones = {"mx.test": {"CNAME": ["real.test."]}, "real.test": {"A": ["192.0.2.1"]}}
AT_REAL: Zones = {"_25._tcp.real.test": {"TLSA": [f"3 1 1 {HEX}"]}}
AT_ALIAS: Zones = {"_25._tcp.mx.test": {"TLSA": [f"3 1 1 {HEX}"]}}
BROKEN: Zones = {"_25._tcp.real.test": {"TLSA": "servfail"}}


@pytest.mark.parametrize(
    ("zones", "secure", "status", "name"),
    [
        ({**AT_REAL, **AT_ALIAS}, {"*"}, "usable", "real.test"),
        (AT_REAL, {"*"}, "usable", "real.test"),
        (AT_ALIAS, {"*"}, "usable", "mx.test"),
        ({**BROKEN, **AT_ALIAS}, {"*"}, "failed", "real.test"),
        ({**AT_REAL, **AT_ALIAS}, {"mx.test", "_25._tcp.real.test", "_25._tcp.mx.test"}, "usable", "mx.test"),
    ],
)
async def test_a_host_that_is_an_alias(zones: Zones, secure: set[str], status: str, name: str) -> None:
    answer = await ask({**ALIASED, **zones}, secure)
    assert (answer.status, answer.name) == (status, name)
