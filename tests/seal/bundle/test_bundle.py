"""A whole bundle, checked by openssl, unzip, pdfsig and qpdf with the very commands of its README."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import zipfile
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from asn1crypto import cms

from sealpost.seal.bundle.bundle import BundleParts, File, SealedRecord, StampedCheckpoint, prepared, written
from sealpost.seal.certificate.certificate import certificate
from sealpost.seal.certificate.pades import sealed
from sealpost.seal.signer import SigningFailed
from sealpost.seal.timestamps.token import TimestampUnavailable
from sealpost.verifier.der import STAMP, require_der
from sealpost.verifier.timestamps import check_token
from sealpost.verifier.trust import trust_of
from sealpost.verifier.verify import verify
from tests.mail.test_dane import LEAF
from tests.seal.bundle.lives import BODY, MAIL, NOTICE, NOW, Office, chunks
from tests.seal.bundle.tools import need, run

Ticket = tuple[list[SealedRecord], list[StampedCheckpoint]]
_cms: Any = cms


async def parts(at: Office, ticket: Ticket) -> BundleParts:
    records, checkpoints = ticket
    url, zone = "https://sealpost.example/verify", ZoneInfo("UTC")
    pdf = certificate(records, (), language="en", verify_url=url, zone=zone, trust="5f" * 32)
    pdf = await sealed(pdf, at.keys.signer("pdf-seal"), at.client.stamp, NOW)
    contents = [File(1, "message.txt", chunks(BODY)), File(2, "notice.pdf", chunks(NOTICE))]
    mails = [File(3, "announcement.eml", chunks(MAIL))]
    return BundleParts("K.Zk3vQ9pR7mX2sL8tYb4wHd", records, checkpoints, mails, contents, at.trust, pdf)


async def made(at: Office, given: BundleParts) -> bytes:
    return b"".join([one async for one in written(given, at.keys.signer("pdf-seal"), at.client.stamp, NOW)])


@pytest.fixture(scope="session")
async def bundle(alices: Office, ticket: Ticket) -> bytes:
    return await made(alices, await parts(alices, ticket))


@pytest.fixture
def unpacked(bundle: bytes, tmp_path: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(bundle)) as found:
        found.extractall(tmp_path / "evidence")
    return tmp_path / "evidence"


def commands(folder: Path) -> list[str]:
    readme = (folder / "README.txt").read_text()
    return [line.strip() for line in readme.splitlines() if re.match("  [a-zA-Z]", line)]


def test_the_members(bundle: bytes, ticket: Ticket) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle)) as found:
        listed = found.namelist()
        octets = {name: found.read(name) for name in listed}
    assert bundle[:4] == b"PK\3\4"
    assert bundle[26:73] == b"\x08\0\0\0mimetypeapplication/vnd.etsi.asic-e+zipPK\3\4"
    assert listed[0] == "mimetype"
    assert listed[-2:] == ["META-INF/ASiCManifest001.xml", "META-INF/signature001.p7s"]
    for one in ticket[0]:
        assert octets[f"records/{one.seq:03}.json"] == one.octets
        assert octets[f"records/{one.seq:03}.jades.json"] == one.seal
        assert octets[f"records/{one.seq:03}.salt"] == one.salt
        assert octets.get(f"proofs/{one.seq:03}.tlog-proof") == one.proof
    (stamped,) = ticket[1]
    assert octets[f"checkpoints/2026-{stamped.size}.txt"] == stamped.text
    assert octets[f"checkpoints/2026-{stamped.size}.tsr"] == stamped.tokens[0]
    assert octets["content/01-message.txt"] == BODY
    assert octets["content/02-notice.pdf"] == NOTICE
    assert octets["mail/3-announcement.eml"] == MAIL
    assert "Referenz K.Zk3vQ9pR7mX2sL8tYb4wHd" in octets["README.txt"].decode()


def test_the_manifest_lists_every_file_once(bundle: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle)) as found:
        listed = ET.fromstring(found.read("META-INF/ASiCManifest001.xml"))
        space = {"asic": "http://uri.etsi.org/02918/v1.2.1#", "ds": "http://www.w3.org/2000/09/xmldsig#"}
        assert listed[0].attrib == {"URI": "META-INF/signature001.p7s", "MimeType": "application/pkcs7-signature"}
        hashes = {
            one.attrib["URI"]: b64decode(one.findtext("ds:DigestValue", namespaces=space) or "")
            for one in listed.findall("asic:DataObjectReference", space)
        }
        wanted = [one for one in found.namelist() if one != "mimetype" and not one.startswith("META-INF/")]
        assert hashes == {one: hashlib.sha256(found.read(one)).digest() for one in wanted}
        assert len(listed) == len(wanted) + 1


def test_the_signature_holds_only_what_is_used(bundle: bytes, alices: Office) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle)) as found:
        octets = found.read("META-INF/signature001.p7s")
    require_der(octets, STAMP)
    signed = _cms.ContentInfo.load(octets, strict=True)["content"]
    (signer,) = signed["signer_infos"]
    assert [one.dump() for one in signed["certificates"]] == list(alices.keys.signer("pdf-seal").certificates)
    names = {one["type"].dotted for one in signer["signed_attrs"]}
    content_type, digest, time, certificate_v2 = (f"1.2.840.113549.1.9.{one}" for one in ("3", "4", "5", "16.2.47"))
    assert names == {content_type, digest, time, certificate_v2}
    (said,) = [one for one in signer["signed_attrs"] if one["type"].native == "signing_time"]
    assert said["values"][0].native == NOW.replace(microsecond=0)
    (stamp,) = signer["unsigned_attrs"]
    assert stamp["type"].native == "signature_time_stamp_token"
    assert check_token(stamp["values"][0].dump(), signer["signature"].native).at == NOW


def own_trust(unpacked: Path) -> str:
    """A trust folder of one's own, as a command of the shell; its octets may be the same."""
    place = unpacked.parent / "my own trust"
    shutil.copytree(unpacked / "trust", place, dirs_exist_ok=True)
    return f"TRUST='{place}'"


def test_the_readmes_commands_find_all_good(unpacked: Path) -> None:
    need("openssl", "pdfsig", "qpdf")
    told = commands(unpacked)
    assert [one.split()[0] for one in told] == [
        "TRUST=$(cd",
        "sealpost",
        "openssl",
        "sed",
        "for",
        "pdfsig",
        "qpdf",
        "for",
        "for",
    ]
    script = "\n".join(["set -e", own_trust(unpacked), *(one for one in told if not one.startswith("sealpost"))])
    said = run("sh", "-c", script, at=unpacked)
    assert "CAdES Verification successful" in said
    assert "Verification: OK" in said
    assert "DIFFERS" not in said
    assert "Signature is Valid" in said
    assert "No syntax or stream encoding errors" in said
    assert hashlib.sha256(NOTICE).hexdigest() in said


@pytest.mark.parametrize(
    ("member", "command", "complaint"),
    [
        ("META-INF/ASiCManifest001.xml", "openssl", "failure"),
        ("records/003.json", "sed", "DIFFERS: records/003.json"),
        ("content/02-notice.pdf", "sed", "DIFFERS: content/02-notice.pdf"),
        ("checkpoints/2026-47.txt", "for text", "Verification: FAILED"),
    ],
)
def test_the_readmes_commands_find_a_changed_bit(unpacked: Path, member: str, command: str, complaint: str) -> None:
    need("openssl")
    changed = bytearray((unpacked / member).read_bytes())
    changed[len(changed) // 2] ^= 1
    (unpacked / member).write_bytes(changed)
    (told,) = [one for one in commands(unpacked) if one.startswith(command)]
    assert complaint in run("sh", "-c", f"{own_trust(unpacked)}; {told}", at=unpacked, ok=None)


@pytest.mark.parametrize("given", ["", "TRUST=trust", "TRUST=./trust/", "TRUST=$PWD/trust", "TRUST=nowhere", "TRUST="])
def test_the_readmes_commands_take_no_keys_out_of_the_file(unpacked: Path, given: str) -> None:
    need("openssl")
    told = commands(unpacked)
    for one in [one for one in told if "$TRUST/" not in one and "TRUST" in one]:
        assert "TRUST" in run("sh", "-c", "\n".join([given, told[0], one]), at=unpacked, ok=False)


def test_the_readmes_command_shows_certificates_of_mail_servers(unpacked: Path) -> None:
    need("openssl")
    (told,) = [one for one in commands(unpacked) if "trust/tls" in one]
    assert run("sh", "-ec", told, at=unpacked) == ""  # there were none
    folder = unpacked / "trust" / "tls"
    folder.mkdir()
    (folder / f"{hashlib.sha256(LEAF.der).hexdigest()}.der").write_bytes(LEAF.der)
    assert "subject=CN = mx" in run("sh", "-ec", told, at=unpacked).replace("CN=", "CN = ")
    (folder / "unreadable.der").write_bytes(b"\x30\x03\x02\x01\x05")
    assert "INTEGER           :05" in run("sh", "-ec", told, at=unpacked)


async def test_without_a_time_token_nothing_goes_out(alices: Office, ticket: Ticket) -> None:
    async def away(_: bytes) -> bytes:
        raise TimestampUnavailable("the time stamp authority is away")

    given: list[bytes] = []
    with pytest.raises(TimestampUnavailable):
        pieces = written(await parts(alices, ticket), alices.keys.signer("pdf-seal"), away, NOW)
        given.extend([one async for one in pieces])
    assert given == []


async def test_a_content_that_breaks_off_gives_nothing_out(alices: Office, ticket: Ticket) -> None:
    async def torn() -> AsyncIterator[bytes]:
        yield b"half"
        raise OSError("the disk is gone")

    given = replace(await parts(alices, ticket), contents=[File(1, "message.txt", torn())])
    with pytest.raises(OSError, match="the disk is gone"):
        await made(alices, given)


async def test_a_certificate_that_has_ended_signs_nothing(alices: Office, ticket: Ticket) -> None:
    later = NOW + timedelta(days=4_000)
    with pytest.raises(SigningFailed, match="not valid"):
        async with prepared(await parts(alices, ticket), alices.keys.signer("pdf-seal"), alices.client.stamp, later):
            pass
    with pytest.raises(SigningFailed, match="cannot seal documents"):
        async with prepared(await parts(alices, ticket), alices.keys.signer("log-ed25519"), alices.client.stamp, NOW):
            pass


async def test_large_contents_stay_out_of_memory(alices: Office, ticket: Ticket) -> None:
    import tracemalloc  # noqa: PLC0415 - costs time, here alone

    async def large() -> AsyncIterator[bytes]:
        for _ in range(250):
            yield bytes(100_000)

    given = replace(await parts(alices, ticket), contents=[File(1, "message.txt", large())])
    tracemalloc.start()
    try:
        async with prepared(given, alices.keys.signer("pdf-seal"), alices.client.stamp, NOW) as whole:
            size = sum([len(one) async for one in whole.chunks()])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == whole.size > 25_000_000
    assert peak < 6_000_000


def test_the_stand_alone_verifier_finds_nothing_wrong(bundle: bytes, alices: Office) -> None:
    """With the file: its records tell their life in brief, and whole lives are the verifier's own tests."""
    report = verify(bundle, trust_of(alices.trust))
    assert {one.check for one in report.claims if one.verdict == "FAIL"} <= {"agreement", "content", "mail", "order"}
    passed = {one.check for one in report.claims if one.verdict == "PASS"}
    assert {"structure", "seal", "inclusion", "log", "agreement", "container", "pdf"} <= passed


async def test_the_readmes_commands_know_renewed_times(alices: Office, ticket: Ticket, tmp_path: Path) -> None:
    need("openssl")
    records, (stamped,) = ticket
    renewal = await alices.client.stamp(stamped.text + stamped.tokens[0])
    renewed = replace(stamped, tokens=(*stamped.tokens, renewal))
    octets = await made(alices, await parts(alices, (records, [renewed])))
    with zipfile.ZipFile(io.BytesIO(octets)) as found:
        found.extractall(tmp_path)
        assert found.read("checkpoints/2026-47.2.tsr") == renewal
    (told,) = [one for one in commands(tmp_path) if one.startswith("for text")]
    assert run("sh", "-c", f"{own_trust(tmp_path)}; {told}", at=tmp_path).count("Verification: OK") == 2
