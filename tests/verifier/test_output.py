"""``sealpost verify`` on any terminal: its answer is the same, whatever can be shown there, and a fault is one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sealpost.cli import verify as command
from sealpost.verifier.tables import LANGUAGES
from tests.verifier.lives import LIFE, World, make_bundle, write_life
from tests.verifier.story import Value

SOURCE = Path(__file__).parents[2] / "src"
MAIN = "from sealpost.cli.main import main; main()"
PAGES = ("cp1252", "cp437", "cp850", "latin-1", "ascii", "cp932", "utf-8", "utf-16")
HOSTILE = "Alice \u202eevil\u2066 \x9b31m \u00ad\u115f\u3164\U000e0041 漢字 é “x”"


class Folder:
    """A genuine bundle, one whose sender has a strange name, and the trust folder."""

    def __init__(self, world: World, folder: Path) -> None:
        self.trust = folder / "trust"
        for name, octets in world.trust_files().items():
            (self.trust / name).parent.mkdir(parents=True, exist_ok=True)
            (self.trust / name).write_bytes(octets)
        self.good, self.strange = folder / "good.asice", folder / "strange.asice"
        self.good.write_bytes(make_bundle(world, write_life(LIFE)))
        values = write_life(LIFE)
        for value in values:
            rename(value)
        self.strange.write_bytes(make_bundle(world, values))


def rename(value: Value) -> None:
    value["SenderDetails"]["Identity"]["Attribute"][0]["AttributeValue"] = [HOSTILE]


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(world, tmp_path_factory.mktemp("output"))


def run(*arguments: object, encoding: str = "utf-8", **options: Any) -> subprocess.CompletedProcess[bytes]:
    environment = {"PYTHONPATH": str(SOURCE), "PATH": os.environ["PATH"], "PYTHONIOENCODING": encoding, "LC_ALL": "C"}
    program = [sys.executable, "-c", MAIN, "verify", *map(str, arguments)]
    given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment}
    return subprocess.run(program, check=False, **(given | options))


@pytest.mark.parametrize("encoding", PAGES)
def test_any_code_page(folder: Folder, encoding: str) -> None:
    """Genuine bundles end with 0 in each language, hostile texts are shown in full or by number."""
    language = LANGUAGES[PAGES.index(encoding) % 4]
    done = run(folder.good, "--trust", folder.trust, "--language", language, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    done = run(folder.strange, "--trust", folder.trust, "--language", language, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode(encoding)
    assert "evil" in shown
    for one in "\u202e\u2066\x9b\u00ad\u115f\u3164\U000e0041":
        assert one not in shown
        assert f"U+{ord(one):04X}" in shown
    assert "漢字" in shown or "<U+6F22><U+5B57>" in shown
    assert " é " in shown or " <U+00E9> " in shown


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_json_is_ascii_and_literal(folder: Folder, encoding: str) -> None:
    done = run(folder.strange, "--trust", folder.trust, "--json", encoding=encoding)
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert not {one for one in done.stdout if one < 0x20 or one == 0x7F} - {0x0A}
    report = json.loads(done.stdout)
    assert HOSTILE in report["sender"]
    assert all("\u202e" not in one["words"] for one in [*report["claims"], *report["remarks"]])


def test_a_sentence_on_any_code_page(folder: Folder, tmp_path: Path) -> None:
    """Also where nothing can be verified, and the file has a name that is no text at all."""
    place = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xe2\x80\xae.asice")
    for encoding in PAGES[:5]:
        done = run(place, encoding=encoding)
        assert (done.returncode, done.stdout) == (3, b"")
        assert len(done.stderr.splitlines()) == 1
        assert b"U+202E" in done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_a_reader_that_had_enough(folder: Folder, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run(folder.good, "--trust", folder.trust, *arguments, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_no_output_at_all(folder: Folder) -> None:
    def close() -> None:
        os.close(1)
        os.close(2)

    assert run(folder.good, "--trust", folder.trust, preexec_fn=close).returncode == 0
    assert run(folder.trust, preexec_fn=close).returncode == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full here")
def test_a_full_disk(folder: Folder) -> None:
    """A report that is cut is none."""
    with Path("/dev/full").open("wb") as full:
        done = run(folder.good, "--trust", folder.trust, stdout=full)
        assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
        assert run(folder.good, "--trust", folder.trust, stdout=full, stderr=full).returncode == 3


class Panic(BaseException):
    """As libraries in Rust raise it."""


@pytest.mark.parametrize(
    "fault",
    [RuntimeError("secret \u202e words"), MemoryError(), Panic("oh"), KeyError("oh"), OSError(5, "Input/output error")],
    ids=lambda fault: type(fault).__name__,
)
def test_a_fault_is_one_sentence(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: BaseException
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(command, "verify", fail)
    for arguments in ([], ["--json"]):
        assert command.run([str(folder.good), "--language", "en", *arguments]) == 3
        said = capsys.readouterr()
        assert said.out == ""
        assert len(said.err.splitlines()) == 1
        assert not any(one in said.err for one in ("secret", "oh", "Traceback", "Input/output"))
    assert command.run([str(folder.good), "--debug"]) == 3
    assert type(fault).__name__ in capsys.readouterr().err


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_who_stops_it_is_obeyed(folder: Folder, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]) -> None:
    def fail(*_: object, **__: object) -> None:
        raise stop

    monkeypatch.setattr(command, "verify", fail)
    with pytest.raises(stop):
        command.run([str(folder.good)])


BROKEN = {"our own": AssertionError("oh"), "memory": MemoryError()}


@pytest.mark.parametrize("name", BROKEN)
def test_a_fault_within_a_check(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """It is not said of the evidence, and nothing of a report is shown."""

    def fail(*_: object, **__: object) -> None:
        raise BROKEN[name]

    monkeypatch.setattr("sealpost.verifier.order._require_events", fail)
    assert command.run([str(folder.good), "--trust", str(folder.trust)]) == 3
    assert capsys.readouterr().out == ""
