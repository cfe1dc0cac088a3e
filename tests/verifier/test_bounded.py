"""What a bundle states, and how much it brings of a kind, does not multiply the work: many names, remarks, certificates."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from sealpost.verifier.paths import is_searchable
from sealpost.verifier.report import Findings
from sealpost.verifier.trust import Trust
from sealpost.verifier.verify import verify
from tests.verifier.lives import World
from tests.verifier.page.node import verify_in_node
from tests.verifier.tampering import Members, members_of, zipped

SECONDS = 20  # of processor, on a slow machine; each took minutes


def named(name: str) -> x509.Certificate:
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    return builder.not_valid_after(now + timedelta(days=1)).sign(key, SHA256())


@pytest.mark.parametrize(
    ("names", "few"), [("abcdefghij", True), ("abcdefghijk", False), ("aabbccddee", True), ("aaab", False), ("", True)]
)
def test_certificates_that_can_be_tried(names: str, *, few: bool) -> None:
    assert is_searchable([named(one) for one in names]) == few


def crowded(good: bytes, count: int) -> Members:
    """Empty members that no bundle has, and a list of contents of as many files that it has not."""
    digest = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    line = (
        '<asic:DataObjectReference URI="{}" MimeType="text/plain">'
        '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
        f"<ds:DigestValue>{digest}</ds:DigestValue></asic:DataObjectReference>\n"
    )
    made = dict(members_of(good))
    name = "META-INF/ASiCManifest001.xml"
    end = b"</asic:ASiCManifest>\n"
    lines = "".join(line.format(f"z/{number}") for number in range(count)).encode()
    made[name] = made[name].removesuffix(end) + lines + end
    return [*made.items(), *((f"y/{number}", b"") for number in range(count))]


def test_many_members_are_no_square(world: World, good: bytes, trust: Trust, tmp_path: Path) -> None:
    octets = zipped(crowded(good, 15_000))
    began = time.process_time()
    report = verify(octets, trust)
    assert time.process_time() - began < SECONDS
    assert {"container.member", "container.unlisted", "container.absent"} <= {one.why for one in report.claims}
    (shown,) = verify_in_node(tmp_path, [octets], world.trust_files())
    assert shown["seconds"] < SECONDS
    assert len(shown["report"]["claims"]) == len(report.claims)


def test_many_remarks_are_no_square() -> None:
    findings, began = Findings(), time.process_time()
    for number in range(20_000):
        findings.remark("remark.sealed_later", record=number, seconds=400)
        findings.remark("remark.later")
    assert len(findings.remarks) == 20_001
    assert time.process_time() - began < SECONDS / 4


def test_records_that_unpack_to_much(world: World, good: bytes, tmp_path: Path) -> None:
    """A file of 150 kB would take gigabytes once its records are read."""
    members = [
        *members_of(good)[:1],
        *((f"records/{one:03}.json", b'{"a":[' + b"[]," * 2_600_000 + b"0]}") for one in range(1, 4)),
    ]
    octets = zipped(members, packing=8)
    assert len(octets) < 32 << 10
    began = time.process_time()
    report = verify(octets)
    assert time.process_time() - began < 1
    (shown,) = verify_in_node(tmp_path, [octets], world.trust_files())
    assert shown["seconds"] < 1
    for found in (report.as_json(), shown["report"]):
        (claim,) = found["claims"]
        assert (claim["why"], claim["values"]["member"]) == ("container.zip", "records/001.json")
    assert verify(zipped(members_of(good), packing=8), world.trust()).exit_code == 0
