"""Key files: made once, kept private, numbered."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sealpost.content.keys import KeysRefused, load_or_create
from tests.content.conftest import ENVIRONMENT  # pyright: ignore[reportMissingImports] - pytest adds the root


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    rings = load_or_create(folder)
    assert load_or_create(folder) == rings
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "content-1.key": 0o600,
        "mail-1.key": 0o600,
    }
    assert rings["content"].keys[1] != rings["mail"].keys[1]
    assert [(len(ring.keys[1]), ring.current) for ring in rings.values()] == [(32, 1), (32, 1)]


def test_a_ring_does_not_show_its_keys(tmp_path: Path) -> None:
    ring = load_or_create(tmp_path)["content"]
    assert repr(ring) == "Keyring(current=1)"


def test_the_highest_number_wraps(tmp_path: Path) -> None:
    old = load_or_create(tmp_path)
    for number in (2, 10):
        path = tmp_path / f"content-{number}.key"
        path.touch(0o600)
        path.write_text(f"{number:064x}\n")
    new = load_or_create(tmp_path)
    assert new["content"].current == 10
    assert new["content"].keys == {1: old["content"].keys[1], 2: (2).to_bytes(32), 10: (10).to_bytes(32)}
    assert new["mail"] == old["mail"]


def test_other_files_are_not_keys(tmp_path: Path) -> None:
    for name in ("content-0.key", "content-01.key", ".content-1.key.x.new", "content-1.key.bak", "other-1.key"):
        (tmp_path / name).write_text("no key")
    assert load_or_create(tmp_path)["content"].current == 1


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o610, 0o602])
def test_a_key_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    load_or_create(tmp_path)
    (tmp_path / "mail-1.key").chmod(mode)
    with pytest.raises(KeysRefused, match="mail-1"):
        load_or_create(tmp_path)


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(KeysRefused):
        load_or_create(folder)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "text", ["", "\n", "0" * 63 + "\n", "0" * 64, "0" * 65 + "\n", "g" * 64 + "\n", "A" * 64 + "\n"]
)
def test_what_is_no_key_is_refused_and_not_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "content-1.key"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(KeysRefused):
        load_or_create(tmp_path)
    assert path.read_text() == text


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from sealpost.content.keys import load_or_create; sys.stdin.read();"
        " print({name: ring.keys for name, ring in load_or_create(Path(sys.argv[1])).items()})"
    )
    folder = str(tmp_path / "keys")
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdin
        racer.stdin.close()
        racer.stdin = None
    assert len({racer.communicate()[0] for racer in racers}) == 1
    assert all(racer.returncode == 0 for racer in racers)
    assert len(list((tmp_path / "keys").iterdir())) == 2


def test_the_key_of_a_faster_process_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faster = tmp_path / "content-1.key"
    real = os.link

    def overtaken(source: Path, target: Path, **kwargs: bool) -> None:
        if target == faster:
            faster.touch(0o600)
            faster.write_text("ab" * 32 + "\n")
        real(source, target, **kwargs)

    monkeypatch.setattr(os, "link", overtaken)
    assert load_or_create(tmp_path)["content"].keys == {1: bytes.fromhex("ab" * 32)}
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_key_that_is_not_durable_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def failing(*_args: object, **_kwargs: object) -> None:
        raise OSError(5, "I/O")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        with pytest.raises(OSError, match="I/O"):
            load_or_create(tmp_path)
    assert not list(tmp_path.iterdir())
