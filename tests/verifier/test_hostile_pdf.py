"""The readers of PDF files, of command and page, do little work for a small file, whatever it says; and say the same."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sealpost.verifier.pdf_file import Pdf
from tests.verifier import tampering
from tests.verifier.hostile_pdf import LARGEST, hostile, random_files
from tests.verifier.page.node import run_module
from tests.verifier.read_pdf import outcome_of

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"
SECONDS, MEGABYTES = 1.0, 100  # of processor and memory for a file of 32 kB
GUARD = 2 << 30  # octets of address space; what asks for more is stopped before the machine is in trouble
COMPLETE = bool(os.environ.get("SEALPOST_FAULTS_COMPLETE"))
RANDOM = 5_000 if COMPLETE else 60

Said = dict[str, Any]


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (600, 600))
    resource.setrlimit(resource.RLIMIT_AS, (GUARD, GUARD))


def by_command(folder: Path) -> list[Said]:
    """What the command's reader says of all files of a folder, and what it took, in a process of its own."""
    program = [sys.executable, str(HERE / "read_pdf.py"), str(folder)]
    done = subprocess.run(program, capture_output=True, check=True, env={"PYTHONPATH": str(SOURCE)}, preexec_fn=_limit)
    return [json.loads(line) for line in done.stdout.splitlines()]


def by_page(folder: Path) -> list[Said]:
    """The same of the page's reader."""
    return run_module("read_pdf.mjs", folder)


def dropped(folder: Path, files: dict[str, bytes]) -> Path:
    for name, octets in files.items():
        (folder / name).write_bytes(octets)
    return folder


def test_small_files_cost_little(tmp_path: Path) -> None:
    table = dict(hostile())
    assert {name: len(octets) for name, octets in table.items() if len(octets) > LARGEST} == {}
    folder = dropped(tmp_path, {name.replace(" ", "_"): octets for name, octets in table.items()})
    command, page = by_command(folder), by_page(folder)
    for said in (command, page):
        assert len(said) == len(table) + 1
        assert {one["name"]: one for one in said[:-1] if one["seconds"] >= SECONDS} == {}
        assert said[-1]["megabytes"] < 3 * MEGABYTES  # of all: what a process has taken it does not give back at once
    assert [one["outcome"] for one in command[:-1]] == [one["outcome"] for one in page[:-1]]


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    """Those that unpack to most, each in a process of its own."""
    for number, (name, octets) in enumerate(hostile()):
        if name.endswith("2 MB") and (COMPLETE or number % 4 == 0):
            folder = tmp_path / str(number)
            folder.mkdir()
            dropped(folder, {"one": octets})
            assert by_command(folder)[-1]["megabytes"] < MEGABYTES, name
            assert by_page(folder)[-1]["megabytes"] < MEGABYTES, name


def test_random_changes(good: bytes, tmp_path: Path) -> None:
    """A genuine certificate, changed at random: read or refused, with our own words, in both alike."""
    certificate = dict(tampering.members_of(good))["certificate.pdf"]
    assert Pdf(certificate).trailer
    made = list(random_files(certificate, 20260304, RANDOM))
    folder = dropped(tmp_path, {f"{number:05}": octets for number, octets in enumerate([certificate, *made])})
    command, page = by_command(folder), by_page(folder)
    strange = [one for one in command[:-1] if ": " in one["outcome"] and not one["outcome"].startswith("Unreadable: ")]
    assert strange == []
    assert [one["outcome"] for one in command[:-1]] == [one["outcome"] for one in page[:-1]]
    assert len(command[0]["outcome"].split()) > 20
    slow = [one for said in (command, page) for one in said[:-1] if one["seconds"] >= 2 * SECONDS]
    assert slow == []


@pytest.mark.parametrize("name", ["many pairs in an index", "comments that end by a return"])
def test_they_are_refused_or_read_here_too(name: str) -> None:
    """What took half a minute before, without a process of its own, so that a debugger can be used."""
    assert outcome_of(dict(hostile())[name]).startswith("Unreadable: ")
