"""``sealpost witness`` as an operator runs it: a process of its own, asked over HTTP, killed and started again."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sealpost.domain.note import read, read_verifier_key
from sealpost.seal.notes import signers
from tests.cli.test_commands import environment, sealpost
from tests.seal.witness.conftest import NAME, Log

LOG = Log()


def words(data: Path, *more: str) -> list[str]:
    logs = [word for key in LOG.vkeys for word in ("--log", key)]
    return ["witness", "--name", NAME, "--data", str(data), *logs, *more]


@contextmanager
def witness(data: Path, *more: str) -> Generator[tuple[subprocess.Popen[str], str, list[str]]]:
    """The process, its address, and the keys that it printed."""
    command = [sys.executable, "-m", "sealpost", *words(data, "--port", "0", *more)]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stderr
        keys = [process.stdout.readline().rstrip("\n") for _ in range(2)]
        said = json.loads(process.stderr.readline())
        assert (said["event"], said["name"]) == ("witness_serves", NAME)
        yield process, f"http://127.0.0.1:{said['port']}", keys
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def post(url: str, body: bytes) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_it_cosigns_is_killed_and_remembers(tmp_path: Path) -> None:
    data = tmp_path / "witness"
    with witness(data) as (process, url, vkeys):
        status, lines = post(f"{url}/add-checkpoint", LOG.body(0, 4))
        assert status == 200
        note, keys = LOG.note(4), [read_verifier_key(one) for one in vkeys]
        assert signers(read(note + lines), keys) == keys
        process.kill()
        process.wait(60)
    with witness(data, "--prefix", "/w/") as (process, url, again):
        assert again == vkeys
        assert post(f"{url}/w/add-checkpoint", LOG.body(0, 4)) == (409, b"4\n")
        assert post(f"{url}/w/add-checkpoint", LOG.body(4, 4, "b")) == (409, b"4\n")
        assert post(f"{url}/w/add-checkpoint", LOG.body(4, 6))[0] == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_keys_are_printed_and_nothing_is_served(tmp_path: Path) -> None:
    first = sealpost(*words(tmp_path / "w", "--keys"))
    assert (first.returncode, first.stderr) == (0, "")
    assert re.fullmatch(rf"({re.escape(NAME)}\+[0-9a-f]{{8}}\+[A-Za-z0-9+/=]+\n){{2}}", first.stdout)
    again = sealpost(*words(tmp_path / "w", "--keys"), keys_passphrase="")
    assert again.stdout == first.stdout


def test_what_is_refused_is_told_in_one_line(tmp_path: Path) -> None:
    other = sealpost("witness", "--name", "a b", "--data", str(tmp_path / "w"), "--log", LOG.vkeys[0], "--keys")
    assert (other.returncode, other.stdout) == (1, "")
    assert re.fullmatch(r"sealpost: .+ no spaces.+\n", other.stderr)
    no_key = sealpost("witness", "--name", NAME, "--data", str(tmp_path / "w"), "--log", "nonsense", "--keys")
    assert (no_key.returncode, no_key.stderr) == (1, "sealpost: witness: 'nonsense' is not a verifier key\n")
    assert not (tmp_path / "w").exists()
    short = sealpost(*words(tmp_path / "w", "--keys"), keys_passphrase="short")
    assert (short.returncode, "at least 20" in short.stderr) == (1, True)
