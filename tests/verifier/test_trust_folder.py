"""Which trust folder counts: one's own, itself, a level too deep or zipped; never one out of a bundle, whatever it holds."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sealpost.cli.verify import run
from sealpost.verifier.tables import LIMITS, said
from sealpost.verifier.trust import Trust, Unfit, choose_trust
from tests.verifier.lives import World

BUNDLED, UNUSABLE = "trust.bundled", "trust.malformed"


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, octets in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(octets)
    return folder


def pack(files: Mapping[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packing) as archive:
        for name, octets in files.items():
            archive.writestr(name, octets)
    return made.getvalue()


@pytest.fixture(scope="module")
def files(world: World) -> dict[str, bytes]:
    return world.trust_files()


@pytest.fixture
def unpacked(good: bytes, tmp_path: Path) -> Path:
    """A bundle as people unpack it; its trust folder is the operator's own, octet by octet."""
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        archive.extractall(tmp_path / "evidence")
    return tmp_path / "evidence"


def why(path: Path) -> str:
    found = choose_trust(path)
    return found.why if isinstance(found, Unfit) else ""


def test_folders_that_count(files: dict[str, bytes], tmp_path: Path, unpacked: Path) -> None:
    own = put(tmp_path / "own", files)
    put(tmp_path / "export" / "trust", files)
    put(tmp_path / "download" / "sealpost-trust", files)
    beside = put(unpacked.parent / "trust", files)  # beside an unpacked bundle, not in it
    (tmp_path / "link").symlink_to(own)
    for place in (
        own,
        tmp_path / "export",
        tmp_path / "download",
        beside,
        tmp_path / "link",
        own / "." / "revoked" / "..",
    ):
        assert why(place) == "", place
    zips = {
        "flat.zip": pack(files),
        "stored.zip": pack(files, zipfile.ZIP_STORED),
        "deep.zip": pack({f"trust/{name}": octets for name, octets in files.items()}),
        "mac.zip": pack(
            {"trust/": b"", **{f"trust/{name}": one for name, one in files.items()}, "__MACOSX/._trust": b"x"}
        ),
    }
    for name, octets in zips.items():
        (tmp_path / name).write_bytes(octets)
        assert choose_trust(tmp_path / name) == choose_trust(own), name


def test_a_folder_out_of_a_bundle_does_not(
    files: dict[str, bytes], tmp_path: Path, unpacked: Path, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By where it lies, not by its octets: they are the right ones in all of these."""
    assert (unpacked / "trust" / "roots.pem").read_bytes() == files["roots.pem"]
    for link, target in (("into", unpacked / "trust"), ("around", unpacked)):
        (tmp_path / link).symlink_to(target)
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "trust").symlink_to(unpacked / "trust")
    own = put(tmp_path / "own", files)
    (unpacked / "elsewhere").symlink_to(own)
    put(unpacked / "content" / "my own trust folder", files)
    put(tmp_path / "half" / "trust", files)
    put(tmp_path / "half", {"META-INF/ASiCManifest001.xml": b""})
    put(tmp_path / "poor" / "x" / "trust", files)
    put(tmp_path / "poor", {"records/001.json": b"", "checkpoints/2026-1.txt": b""})
    put(tmp_path / "marked" / "trust", files)
    put(tmp_path / "marked", {"mimetype": b"application/vnd.etsi.asic-e+zip\n"})
    places = [
        unpacked / "trust",
        unpacked,
        unpacked / "trust" / "revoked" / "..",
        tmp_path / "into",
        tmp_path / "outer",
        tmp_path / "around" / "trust",
        tmp_path / "around",
        unpacked / "elsewhere",
        unpacked / "content" / "my own trust folder",
        tmp_path / "half" / "trust",
        tmp_path / "half",
        tmp_path / "poor" / "x",
        tmp_path / "marked" / "trust",
    ]
    for place in places:
        assert why(place) == BUNDLED, place
    monkeypatch.chdir(unpacked)
    assert why(Path("trust")) == BUNDLED
    (unpacked / "trust.zip").write_bytes(pack(files))
    (tmp_path / "bundle.asice").write_bytes(good)
    around = {f"evidence/{name}": b"" for name in ("mimetype", "records/001.json")}
    (tmp_path / "all.zip").write_bytes(pack({**around, **{f"evidence/trust/{n}": one for n, one in files.items()}}))
    for place in (unpacked / "trust.zip", tmp_path / "bundle.asice", tmp_path / "all.zip"):
        assert why(place) == BUNDLED, place


def _broken(name: str, octets: bytes | None) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda files: {one: found for one, found in {**files, name: octets}.items() if found is not None}


BROKEN: dict[str, tuple[Callable[[dict[str, bytes]], dict[str, bytes]], str]] = {
    "no roots": (_broken("roots.pem", None), "missing"),
    "no policy": (_broken("policy", None), "missing"),
    "roots that are none": (_broken("roots.pem", b"rubbish"), "roots.pem has no certificates"),
    "a policy that is none": (_broken("policy", b"\xff"), "policy is no policy"),
    "a list that is none": (_broken("revoked/x.crl", b"rubbish"), "revoked/x.crl is no list"),
    "certificates that are none": (_broken("certificates/pdf-seal-9.pem", b"x"), "pdf-seal-9.pem has no certificates"),
    "a file that is too large": (_broken("policy", bytes(LIMITS["trustOctets"] + 1)), "too large"),
    "too many files": (
        lambda files: {**files, **{f"revoked/{n}.crl": b"" for n in range(LIMITS["trustFiles"] + 1)}},
        "too many",
    ),
    "nothing": (lambda _: {"notes.txt": b""}, "missing"),
    "two of them": (lambda files: {f"{a}/{name}": one for a in "ab" for name, one in files.items()}, "missing"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_that_cannot_be_used_is_told(
    name: str, files: dict[str, bytes], good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest is checked all the same, as without any: never a word against the evidence."""
    change, reason = BROKEN[name]
    (tmp_path / "evidence.asice").write_bytes(good)
    place = put(tmp_path / "trust", change(files))
    (tmp_path / "trust.zip").write_bytes(pack(change(files)))
    for one in (place, tmp_path / "trust.zip"):
        found = choose_trust(one)
        assert isinstance(found, Unfit)
        assert found.why == UNUSABLE
        assert reason in said("trust.malformed", "en", found.values)
    assert run([str(tmp_path / "evidence.asice"), "--trust", str(place), "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert [one["why"] for one in report["claims"] if one["check"] == "trust"] == [UNUSABLE]
    assert report["checks"]["chain"] == "PASS"
    assert "FAIL" not in report["checks"].values()


def test_what_is_neither_folder_nor_zip(tmp_path: Path, files: dict[str, bytes]) -> None:
    whole = pack(files)
    made = {
        "text": b"hello",
        "empty": b"",
        "cut.zip": whole[: len(whole) // 2],
        "bomb.zip": pack({**files, "policy": bytes(LIMITS["trustOctets"] + 1)}),
        "locked.zip": _flagged(whole),
        "large.zip": bytes(LIMITS["trustOctets"] + 1),
    }
    for name, octets in made.items():
        (tmp_path / name).write_bytes(octets)
        assert why(tmp_path / name) == UNUSABLE, name
    (tmp_path / "round").symlink_to(tmp_path / "round")
    for name in ("round", "nowhere", "nowhere/trust"):
        assert why(tmp_path / name) == UNUSABLE, name


def _flagged(octets: bytes) -> bytes:
    """Every member is said to be encrypted."""
    made = bytearray(octets)
    at = made.find(b"PK\x01\x02")
    while at >= 0:
        made[at + 8] |= 1
        at = made.find(b"PK\x01\x02", at + 4)
    return bytes(made)


def test_the_command_with_a_bundles_own_folder(
    unpacked: Path, good: bytes, tmp_path: Path, files: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "evidence.asice"
    file.write_bytes(good)
    assert run([str(file), "--trust", str(unpacked / "trust"), "--language", "en"]) == 2
    printed = capsys.readouterr().out
    assert "lies in an unpacked bundle" in printed
    assert "Everything is right" not in printed
    assert run([str(file), "--trust", str(put(tmp_path / "own", files))]) == 0
    assert isinstance(choose_trust(tmp_path / "own"), Trust)
