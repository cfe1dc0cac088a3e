"""Commands that look change nothing, whoever calls them; root acts as the owner of the installation."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import subprocess
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sealpost.store.embedded import EmbeddedServer
from sealpost.store.migrate import standing
from sealpost.store.pool import connector
from tests.cli.test_commands import SOURCE, environment
from tests.upgrade.brought import loaded

LOOKING = (
    ("doctor",),
    ("client", "list", "100001"),
    ("domain", "list", "100001"),
    ("account", "set", "100001"),
    ("keys", "list"),
    ("log", "list"),
)
BUSY = {"postgres.log", "postgres.log.1", "embedded.lock", "embedded.users"}
"""Written at each start of the embedded server, by its owner."""


def reachable_python() -> str:
    """An interpreter that an ordinary account can run this program with; empty: there is none, or we are not root."""
    for python in (sys.executable, "/usr/bin/python3") if os.geteuid() == 0 else ():
        with suppress(OSError):
            if call(python, "-c", "import sealpost.cli.commands", user=NOBODY).returncode == 0:
                return python
    return ""


def call(python: str, *words: str, user: int = 0, **settings: object) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([SOURCE, sysconfig.get_path("purelib")])
    return subprocess.run(
        [python, *words], user=user, group=pwd.getpwuid(user).pw_gid, extra_groups=[], cwd="/", timeout=300,
        env=environment(**settings) | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip


NOBODY = pwd.getpwnam("nobody").pw_uid
PYTHON = reachable_python()
needs_both = pytest.mark.skipif(not PYTHON, reason="needs root, and an interpreter that an ordinary account can run")
IN_ONE = """
import contextlib, io, json, sys
from sealpost.cli import commands
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    sys.argv, code = ["sealpost", *words], 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            commands.call()
        except SystemExit as end:
            code = end.code or 0
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""
"""Commands one after the other in one process: each import of the program takes seconds."""

Said = tuple[int, str, str]


def told(*commands: tuple[str, ...], python: str = sys.executable, user: int = -1, **settings: object) -> list[Said]:
    """Exit code and both outputs of each command."""
    done = call(python, "-c", IN_ONE, json.dumps(commands), user=os.geteuid() if user < 0 else user, **settings)
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def tree(folder: Path) -> dict[str, tuple[int, ...]]:
    """Owner, group and mode of everything; and the time of its last change, where no server is at work."""
    found = dict[str, tuple[int, ...]]()
    for path in (folder, *folder.rglob("*")):
        name, stat = str(path.relative_to(folder)), path.lstat()
        if name.startswith("postgres/") or name in {*BUSY, ".", "postgres"}:
            found[name] = (stat.st_uid, stat.st_gid, stat.st_mode)
        else:
            found[name] = (stat.st_uid, stat.st_gid, stat.st_mode, stat.st_mtime_ns)
    # PostgreSQL makes and removes files of its own at each start and end.
    return {
        name: one
        for name, one in found.items()
        if not name.startswith(("postgres/pg_wal", "postgres/pg_", "postgres/base"))
    }


@needs_both
def test_root_leaves_an_installation_to_its_owner(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, NOBODY, pwd.getpwuid(NOBODY).pw_gid)
    given: dict[str, Any] = {"python": PYTHON, "data": data, "environment": "test", "tsa_url": "own"}
    add = ("account", "add", "Alice Incasso N.V.")
    made = told(add, ("client", "add", "100001"), user=NOBODY, **given)
    assert [code for code, _, _ in made] == [0, 0], made
    before = tree(data)
    looked = told(*LOOKING, user=0, **given)
    assert [code for code, _, _ in looked[1:]] == [0] * (len(LOOKING) - 1), looked
    assert "ok    database  PostgreSQL" in looked[0][1]
    assert tree(data) == before
    # What goes on running is the owner's to start; what changes something is done as the owner, too.
    started = ("serve",), ("worker",), ("backup", str(tmp_path / "b"), "--keys", str(tmp_path / "k"))
    *refused, by_root = told(*started, add, user=0, **given)
    for code, _, why in refused:
        assert code == 1
        assert "belongs to nobody: run this as that account" in why
    assert by_root[:2] == (0, "account 100002\n")
    assert {path.lstat().st_uid for path in data.rglob("*")} == {NOBODY}
    again = told(add, ("client", "list", "100001"), user=NOBODY, **given)
    assert [code for code, _, _ in again] == [0, 0], again


@needs_both
def test_root_says_so_where_the_owner_cannot_run_this_program(tmp_path: Path) -> None:
    """Root's own interpreter often lies where nobody else comes."""
    if sys.executable == PYTHON:
        pytest.skip("every account reaches this interpreter")
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, NOBODY, NOBODY)
    for code, _, why in told(*LOOKING, data=data):
        assert code == 1
        assert "belongs to nobody, who cannot reach this program" in why
    assert list(data.iterdir()) == []


def test_where_nothing_is_nothing_is_made(tmp_path: Path) -> None:
    for code, out, why in told(*LOOKING, data=tmp_path / "data"):
        assert code == 1
        assert "there is no database in" in out + why
    assert not (tmp_path / "data").exists()


async def test_an_older_database_is_told_and_left(server: EmbeddedServer, tmp_path: Path) -> None:
    async with loaded(server, "400116c", tmp_path, 40) as dsn:
        before = tree(tmp_path)
        for code, out, why in await asyncio.to_thread(told, *LOOKING, data=tmp_path, database_url=dsn):
            assert code == 1
            assert "the database is of an earlier version, or empty: run sealpost migrate" in out + why
        assert await standing(connector(dsn)) == "older"
        assert tree(tmp_path) == before


async def test_a_newer_database_is_told(dsn: str, tmp_path: Path) -> None:
    connection = await connector(dsn)()
    await connection.execute("update alembic_version set version_num = '9999'")
    await connection.close()
    [(code, out, why)] = await asyncio.to_thread(told, LOOKING[1], data=tmp_path, database_url=dsn)
    assert (code, out) == (1, "")
    assert "the database is of a later version than this program" in why
