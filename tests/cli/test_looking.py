"""Commands that look change nothing, whoever calls them; root acts as the owner of the installation."""

from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path

import pytest

from sealpost.store.embedded import EmbeddedServer
from sealpost.store.migrate import standing
from sealpost.store.pool import connector
from tests.cli.test_commands import SOURCE, environment, sealpost
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
        [python, *words], user=user, group=pwd.getpwuid(user).pw_gid, extra_groups=[], cwd="/", timeout=90,
        env=environment(**settings) | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip


NOBODY = pwd.getpwnam("nobody").pw_uid
PYTHON = reachable_python()
needs_both = pytest.mark.skipif(not PYTHON, reason="needs root, and an interpreter that an ordinary account can run")


def as_ordinary(*words: str, **settings: object) -> subprocess.CompletedProcess[str]:
    return call(PYTHON, "-m", "sealpost", *words, user=NOBODY, **settings)


def as_root(*words: str, **settings: object) -> subprocess.CompletedProcess[str]:
    return call(PYTHON, "-m", "sealpost", *words, **settings)


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
    given = {"data": data, "environment": "test", "tsa_url": "own"}
    made = as_ordinary("account", "add", "Alice Incasso N.V.", **given)
    assert (made.returncode, made.stdout) == (0, "account 100001\n"), made.stderr
    assert as_ordinary("client", "add", "100001", **given).returncode == 0
    before = tree(data)
    for words in LOOKING:
        done = as_root(*words, **given)
        assert done.returncode == 0 or words == ("doctor",), done.stderr
        assert "ok    database  PostgreSQL" in done.stdout or words != ("doctor",), done.stdout
        assert tree(data) == before, words
    again = as_ordinary("account", "add", "Alice again", **given)
    assert (again.returncode, again.stdout) == (0, "account 100002\n"), again.stderr
    # What changes something is done as the owner, too; what goes on running is the owner's to start.
    assert as_root("account", "add", "By root", **given).stdout == "account 100003\n"
    assert {path.lstat().st_uid for path in data.rglob("*")} == {NOBODY}
    for words in (("serve",), ("worker",), ("backup", str(tmp_path / "b"), "--keys", str(tmp_path / "k"))):
        done = as_root(*words, **given)
        assert done.returncode == 1
        assert "belongs to nobody: run this as that account" in done.stderr
    assert {path.lstat().st_uid for path in data.rglob("*")} == {NOBODY}
    assert as_ordinary("client", "list", "100001", **given).returncode == 0


@needs_both
def test_root_says_so_where_the_owner_cannot_run_this_program(tmp_path: Path) -> None:
    """Root's own interpreter often lies where nobody else comes."""
    if sys.executable == PYTHON:
        pytest.skip("every account reaches this interpreter")
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, NOBODY, NOBODY)
    for words in LOOKING:
        done = sealpost(*words, data=data)
        assert done.returncode == 1
        assert "belongs to nobody, who cannot reach this program" in done.stderr
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("words", LOOKING, ids=lambda words: words[0])
def test_where_nothing_is_nothing_is_made(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = sealpost(*words, data=tmp_path / "data")
    assert done.returncode == 1
    assert "there is no database in" in done.stdout + done.stderr
    assert not (tmp_path / "data").exists()


async def test_an_older_database_is_told_and_left(server: EmbeddedServer, tmp_path: Path) -> None:
    async with loaded(server, "400116c", tmp_path, 40) as dsn:
        before = tree(tmp_path)
        for words in LOOKING[:4]:
            done = await asyncio.to_thread(sealpost, *words, data=tmp_path, database_url=dsn)
            assert done.returncode == 1
            assert "the database is of an earlier version, or empty: run sealpost migrate" in done.stdout + done.stderr
        assert await standing(connector(dsn)) == "older"
        assert tree(tmp_path) == before


async def test_a_newer_database_is_told(dsn: str, tmp_path: Path) -> None:
    connection = await connector(dsn)()
    await connection.execute("update alembic_version set version_num = '9999'")
    await connection.close()
    done = await asyncio.to_thread(sealpost, "client", "list", "100001", data=tmp_path, database_url=dsn)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the database is of a later version than this program" in done.stderr
