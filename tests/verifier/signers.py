"""Bundles whose seals are somebody else's, or by certificates for something else; each with what it must get.

For the command's tests and for the page's. Everything else in them is right: the records are logged and stamped, and every
certificate leads to the operator's own root.
"""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from sealpost.domain.canonical import digest
from sealpost.domain.suites import EVIDENCE_PURPOSE
from sealpost.seal.bundle import names
from sealpost.seal.bundle.cms import detached
from sealpost.seal.bundle.manifest import Listed, manifest
from sealpost.seal.key_files import FileSigner
from sealpost.seal.signer import ES256, Signer
from sealpost.verifier.report import Unusable
from sealpost.verifier.trust import Trust, Unfit, trust_of
from tests.verifier.lives import START, World, bundled, certified, entries, plan
from tests.verifier.tampering import members_of, zipped

_tsp: Any = tsp
_asn1: Any = asn1_x509
NAME, NUMBER = "Voorbeeld Post B.V.", "NTRNL-12345678"
EVIDENCE = (EVIDENCE_PURPOSE,)
SERVER, MAIL = (ExtendedKeyUsageOID.SERVER_AUTH.dotted_string,), (ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string,)
Change = Callable[[int, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Forged:
    """A bundle, and what it must get.

    Args:
        name: for people.
        octets: of the bundle.
        trust: the trust folder's files.
        expected: codes that are not PASS; none, and it must be exit 0.
        remarks: codes that must be among the remarks.
    """

    name: str
    octets: bytes
    trust: dict[str, bytes]
    expected: frozenset[str] = frozenset()
    remarks: frozenset[str] = field(default_factory=frozenset[str])


def chosen(files: dict[str, bytes] | None) -> Trust | Unfit | None:
    """A trust folder's files as the command takes them."""
    try:
        return None if files is None else trust_of(files)
    except Unusable as error:
        return Unfit("trust.malformed", error.values)


def certify(
    world: World,
    *,
    common: str = NAME,
    organisation: str | Sequence[str] = NAME,
    number: str = NUMBER,
    purposes: Sequence[str] = EVIDENCE,
    host: str = "",
    is_issuer: bool = False,
) -> FileSigner:
    """A key with a certificate of the operator's own root, for whomever and whatever."""
    key, issuing = generate_private_key(SECP256R1()), world.keys.key("root", 1)
    organisations = [organisation] if isinstance(organisation, str) else organisation
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organisations]
    subject += [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    subject += [x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, number)] if number else []
    usage = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(world.keys.certificates("root", 1)[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START - timedelta(days=1))
        .not_valid_after(START + timedelta(days=1000))
        .add_extension(x509.BasicConstraints(ca=is_issuer, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, content_commitment=True, key_cert_sign=is_issuer, crl_sign=is_issuer, **usage
            ),
            critical=True,
        )
    )
    if purposes:
        given = x509.ExtendedKeyUsage([ObjectIdentifier(one) for one in purposes])
        builder = builder.add_extension(given, critical=False)
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    certificate = builder.sign(issuing, SHA256())  # pyright: ignore[reportArgumentType] - a root's key is on P-256
    valid = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return FileSigner("pdf-seal", 1, ES256, public, (certificate.public_bytes(Encoding.DER),), valid, key)


def sealed_by(
    world: World,
    *,
    records: Signer | None = None,
    later: Signer | None = None,
    container: Signer | None = None,
    pdf: Signer | None = None,
    change: Change | None = None,
    suite: str = "2026-2",
) -> bytes:
    """A bundle of which parts are sealed by others; ``later``: the records from the fourth on."""
    first, second, third, fourth = (copy(world) for _ in range(4))
    first.record_seal, second.record_seal = records or world.record_seal, later or records or world.record_seal
    third.pdf_seal, fourth.pdf_seal = pdf or world.pdf_seal, container or world.pdf_seal
    made = entries(first, suite=suite, change=change)
    if later:
        made = [*made[:3], *entries(second, suite=suite, change=change)[3:]]
    what = plan(world, made)
    return bundled(fourth, replace(what, certificate=certified(third, what.records)))


def stamped_at(world: World, octets: bytes, signer: Signer, at: datetime) -> bytes:
    """The same bundle, its container sealed anew at a time."""

    async def stamp(signature: bytes) -> bytes:
        return world.stamp(signature, at)

    plain = [(name, one) for name, one in members_of(octets) if not name.startswith("META-INF/")]
    listed = manifest([Listed(name, hashlib.sha256(one).digest()) for name, one in plain[1:]])
    seal = asyncio.run(detached(listed, signer, stamp, at - timedelta(days=60)))
    return zipped([*plain, (names.MANIFEST, listed), (names.SIGNATURE, seal)])


def _issuer(change: Callable[[dict[str, Any]], Any]) -> Change:
    return lambda _seq, value: change(value["EvidenceIssuerDetails"])


def _attribute(details: dict[str, Any], number: int, value: Any) -> None:
    details["Identity"]["Attribute"][number]["AttributeValue"] = value


def _cert_id(der: bytes, **more: str) -> dict[str, Any]:
    return {"CertID": {"CertDigest": digest(hashlib.sha256(der).digest()), **more}}


def _issuer_serial(der: bytes, number: int = 0) -> str:
    certificate = x509.load_der_x509_certificate(der)
    name = _asn1.GeneralName("directory_name", _asn1.Name.load(certificate.issuer.public_bytes()))
    made = _tsp.IssuerSerial({"issuer": [name], "serial_number": certificate.serial_number + number})
    return b64encode(made.dump()).decode()


def _named(*entries_: dict[str, Any]) -> Change:
    return _issuer(lambda details: details.update(CertificateDetails=list(entries_)))


def forged(world: World) -> Iterator[Forged]:
    """All of them, and their twins, with which nothing is wrong."""
    yield from _for_something_else(world)
    yield from _of_somebody_else(world)
    yield from _naming_others(world)
    yield from _of_an_earlier_release(world)
    yield from _of_former_times(world)
    yield from _with_lists(world)


def _for_something_else(world: World) -> Iterator[Forged]:
    trust = world.trust_files()
    others = {
        "a web server's": certify(world, purposes=SERVER, host="www.sealpost.example"),
        "a web server's by its name": certify(world, purposes=(), host="www.sealpost.example"),
        "a server's that is for evidence, too": certify(world, purposes=EVIDENCE + SERVER),
        "a mail user's": certify(world, purposes=MAIL),
        "an authority's": certify(world, is_issuer=True),
        "a time stamp authority's": certify(world, purposes=(ExtendedKeyUsageOID.TIME_STAMPING.dotted_string,)),
    }
    for name, signer in others.items():
        yield Forged(
            f"{name} certificate seals the container",
            sealed_by(world, container=signer),
            trust,
            _fail("container.usage"),
        )
    server = others["a web server's"]
    yield Forged("a web server's certificate seals the PDF", sealed_by(world, pdf=server), trust, _fail("pdf.usage"))
    for name in ("a web server's", "a mail user's"):
        octets = sealed_by(world, records=others[name])
        yield Forged(f"{name} certificate seals the records", octets, trust, _fail("seal.usage"))
    own = certify(world, common=f"{NAME} e-seal")
    octets = sealed_by(world, records=own, container=own, pdf=own)
    yield Forged("an operator's own certificate for evidence", octets, trust)


def _fail(*codes: str) -> frozenset[str]:
    return frozenset(codes)


def _of_somebody_else(world: World) -> Iterator[Forged]:
    trust = world.trust_files()
    strangers = {
        "the same common name of another organisation": certify(world, organisation="Charlie Post B.V."),
        "another name of the same organisation": certify(world, common="Charlie"),
        "the same names under another number": certify(world, number="NTRNL-87654321"),
        "a name that begins alike": certify(world, organisation=f"{NAME} Holding", common=f"{NAME} Holding", number=""),
    }
    for name, signer in strangers.items():
        yield Forged(f"{name} seals the container", sealed_by(world, container=signer), trust, _fail("signer.differs"))
        yield Forged(f"{name} seals the PDF", sealed_by(world, pdf=signer), trust, _fail("signer.differs"))
    twice = certify(world, organisation=[NAME, "Charlie Post B.V."])
    yield Forged("two organisations in one name", sealed_by(world, container=twice), trust, _fail("signer.malformed"))
    charlie = certify(world, organisation="Charlie Post B.V.", common="Charlie Post B.V.", number="")
    octets = sealed_by(world, later=charlie, change=_from(4, "Charlie Post B.V."))
    yield Forged("another operator goes on with a ticket", octets, trust, _fail("signer.differs"))
    rotated = certify(world, common=f"{NAME} record seal 7 (test)")
    yield Forged("a key is rotated within a ticket", sealed_by(world, later=rotated), trust)
    renamed = certify(world, organisation="Nieuwe Naam B.V.", common="Nieuwe Naam B.V. document seal 2 (test)")
    octets = sealed_by(world, later=renamed, container=renamed, pdf=renamed, change=_from(4, "Nieuwe Naam B.V."))
    yield Forged("the operator has another name, and its number", octets, trust, remarks=_fail("remark.renamed"))
    yield from _renamed_without_number(world)


def _renamed_without_number(world: World) -> Iterator[Forged]:
    """Only the trust folder can say then that it is the same one."""
    old = certify(world, number="")
    new = certify(world, organisation="Nieuwe Naam B.V.", common="Nieuwe Naam B.V.", number="")
    octets = sealed_by(world, records=old, container=new, pdf=new)
    yield Forged("another name without a number", octets, world.trust_files(), _fail("signer.differs"))
    listed = {
        f"certificates/record-seal-{number}.pem": x509.load_der_x509_certificate(one.certificates[0]).public_bytes(
            Encoding.PEM
        )
        for number, one in ((8, old), (9, new))
    }
    trust = {**world.trust_files(), **listed}
    yield Forged("another name that the trust folder lists", octets, trust, remarks=_fail("remark.renamed"))


def _from(first: int, name: str) -> Change:
    def change(seq: int, value: dict[str, Any]) -> None:
        if seq >= first:
            _attribute(value["EvidenceIssuerDetails"], 0, [name])

    return change


def _naming_others(world: World) -> Iterator[Forged]:
    trust, own = world.trust_files(), world.record_seal.certificates[0]
    other = world.pdf_seal.certificates[0]
    issuers: dict[str, Callable[[dict[str, Any]], Any]] = {
        "another legal name": lambda one: _attribute(one, 0, ["Charlie Post B.V."]),
        "another legal number": lambda one: _attribute(one, 1, ["NTRNL-87654321"]),
        "two legal names": lambda one: _attribute(one, 0, [NAME, "Charlie Post B.V."]),
        "a legal name twice": lambda one: one["Identity"]["Attribute"].append(one["Identity"]["Attribute"][0]),
        "no legal name": lambda one: one["Identity"]["Attribute"].pop(0),
        "a name in other letters": lambda one: _attribute(one, 0, [NAME.upper()]),
    }
    for name, change in issuers.items():
        yield Forged(f"{name} in the records", sealed_by(world, change=_issuer(change)), trust, _fail("signer.issuer"))
    wrong: dict[str, Change] = {
        "the CertID of another": _named(_cert_id(other)),
        "the CertID of another beside the right one": _named(_cert_id(own), _cert_id(other)),
        "the number of another": _named(_cert_id(own, IssuerSerialV2=_issuer_serial(own, 1))),
        "the issuer of nobody": _named(_cert_id(own, IssuerSerialV2="MAA=")),
        "the certificate of another": _named({"X509Certificate": b64encode(other).decode()}),
        "the CertID of another, elsewhere": _issuer(lambda details: details.update(_cert_id(other))),
    }
    for name, change in wrong.items():
        yield Forged(f"{name} in the records", sealed_by(world, change=change), trust, _fail("signer.certificate"))
    right = _named(
        _cert_id(own), _cert_id(own, IssuerSerialV2=_issuer_serial(own)), {"X509Certificate": b64encode(own).decode()}
    )
    yield Forged("the right certificate in three ways", sealed_by(world, change=right), trust)


def _of_an_earlier_release(world: World) -> Iterator[Forged]:
    """It kept its certificates where the operator gave itself another name: nothing says that it is the same one."""
    trust, code = world.trust_files(), _fail("signer.earlier")
    old = certify(world, number="")
    new = certify(world, organisation="Nieuwe Naam B.V.", common="Nieuwe Naam B.V.", number="")
    charlie = certify(world, organisation="Charlie Post B.V.", common="Charlie Post B.V.", number="")
    octets = sealed_by(world, change=_from(1, "Nieuwe Naam B.V."), suite="2026-1")
    yield Forged("an earlier release under another name", octets, trust, code)
    octets = sealed_by(world, records=old, container=new, pdf=new, change=_from(1, "Nieuwe Naam B.V."), suite="2026-1")
    yield Forged("an earlier release under another name, renewed since", octets, trust, code)
    octets = sealed_by(world, container=charlie, change=_from(1, "Nieuwe Naam B.V."), suite="2026-1")
    yield Forged("an earlier release, its container by a stranger", octets, trust, code | {"signer.differs"})


def _of_former_times(world: World) -> Iterator[Forged]:
    """Certificates that do not say what they are for count before a day, by a token."""
    trust, old, new = world.trust_files(), certify(world, purposes=()), certify(world)
    whole = sealed_by(world, records=old, container=old, pdf=old)
    yield Forged("all seals of former times", whole, trust)
    before, after = datetime(2027, 2, 28, 23, 59, 59, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)
    yield Forged("a container of the day before", stamped_at(world, whole, old, before), trust)
    octets = stamped_at(world, whole, old, after)
    yield Forged("a container of the day", octets, trust, _fail("signer.purpose"))
    yield Forged("a container of the day, for evidence", stamped_at(world, whole, new, after), trust)
    documents = certify(world, purposes=("1.3.6.1.5.5.7.3.36",))
    octets = stamped_at(world, whole, documents, after)
    yield Forged("a container of the day, for documents", octets, trust, _fail("signer.purpose"))


def _with_lists(world: World) -> Iterator[Forged]:
    octets, trust = sealed_by(world), world.trust_files()
    for days, expected in ((-400, "signer.stale"), (-366, "signer.stale"), (-364, ""), (-1, ""), (300, "")):
        files = {**trust, **world.lists(START + timedelta(days=days))}
        yield Forged(f"a list of day {days}", octets, files, _fail(expected) if expected else frozenset())
    made = {
        "a list for a hundred years": (
            _list(world, START - timedelta(days=500), START + timedelta(days=36500)),
            "signer.stale",
        ),
        "a list of some only": (_list(world, START, START + timedelta(days=90), partial=True), "signer.unlisted"),
        "a list by another key": (_list(world, START, START + timedelta(days=90), foreign=True), "signer.unlisted"),
    }
    for name, (one, code) in made.items():
        yield Forged(name, octets, {**trust, "revoked/root-1.crl": one}, _fail(code))
    stale = world.lists(START - timedelta(days=400))["revoked/root-1.crl"]
    yield Forged("a stale list beside a fresh one", octets, {**trust, "revoked/old.crl": stale})
    yield Forged(
        "no list", octets, {name: one for name, one in trust.items() if "revoked" not in name}, _fail("signer.unlisted")
    )


def _list(world: World, at: datetime, until: datetime, *, partial: bool = False, foreign: bool = False) -> bytes:
    root = world.keys.certificates("root", 1)[0]
    builder = x509.CertificateRevocationListBuilder(root.subject, at, until)
    if partial:
        point = x509.IssuingDistributionPoint(
            full_name=None,
            relative_name=None,
            only_contains_user_certs=False,
            only_contains_ca_certs=True,
            only_some_reasons=None,
            indirect_crl=False,
            only_contains_attribute_certs=False,
        )
        builder = builder.add_extension(point, critical=True)
    key = generate_private_key(SECP256R1()) if foreign else world.keys.key("root", 1)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)  # pyright: ignore[reportArgumentType] - on P-256
