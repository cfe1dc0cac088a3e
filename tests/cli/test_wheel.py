"""The built wheel without extras: `sealpost verify` works with the base dependencies and nothing else to be found."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.verifier.lives import World, whole_bundle

ROOT = Path(__file__).parents[2]
BASE = {"cryptography", "asn1crypto", "rfc8785"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


def closure(names: set[str]) -> set[str]:
    """These packages and what they need without extras."""
    found, left = set[str](), set(names)
    while left:
        name = left.pop()
        found.add(name)
        for one in importlib.metadata.requires(name) or []:
            needed = re.split(r"[^A-Za-z0-9._-]", one, maxsplit=1)[0].lower()
            if ";" not in one and needed not in found:
                left.add(needed)
    return found | {"cffi", "pycparser"}  # of cryptography, behind a marker for other interpreters


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's files, and the base dependencies beside them."""
    place = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    for name in closure(BASE):
        for file in importlib.metadata.files(name) or []:
            source, target = Path(str(file.locate())), place / str(file)
            if source.is_file() and ".." not in target.parts and source.suffix != ".pyc":
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(source)
    return place


def run(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`sealpost …` by an interpreter that finds nothing but the folder and the standard library."""
    code = f"import sys; sys.path.insert(0, {str(place)!r}); from sealpost.cli.main import main; main()"
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


def test_the_wheel_asks_for_the_base_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith("/METADATA"))
        needs = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", archive.read(name).decode(), re.MULTILINE)
        names = set(archive.namelist())
    assert set(needs) == BASE
    assert {
        "sealpost/verifier/words.json",
        "sealpost/verifier/rules.json",
        "sealpost/verifier/reasons.json",
        "sealpost/verifier/page/verify.html",
    } <= names


def test_it_verifies(installed: Path, tmp_path: Path) -> None:
    world = World(tmp_path / "keys")
    bundle = tmp_path / "evidence.asice"
    bundle.write_bytes(whole_bundle(world))
    told = run(installed, "verify", str(bundle))
    assert told.returncode == 2, told.stderr
    assert "NOT PROVEN" in told.stdout
    bundle.write_bytes(bundle.read_bytes().replace(b"bob@example.com", b"bud@example.com"))
    assert run(installed, "verify", str(bundle)).returncode == 1


def test_the_other_commands_say_what_is_missing(installed: Path) -> None:
    told = run(installed, "serve")
    assert told.returncode == 1
    assert "sealpost[server]" in told.stderr
