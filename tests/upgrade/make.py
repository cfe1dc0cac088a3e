"""Makes the fixtures of this folder: small installations of past states, made by those states' own code.

    .venv/bin/python -m tests.upgrade.make [NAME ...]

A name is one of `STATES`; or ``adopted``, for bundles as today's code makes them of what it adopts.

Each state's commit is taken from this repository (`git archive`) into a temporary folder, and `past.py` runs under its
code, with today's libraries, on an embedded PostgreSQL and a data folder of its own. Kept is what matters: a dump of the
database, keys, content and log. The keys are of nobody: they were made for this, and are published here.
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import asyncpg

from sealpost.store.dump import _program, _run, major
from sealpost.store.embedded import EmbeddedServer
from sealpost.store.tickets import Visible
from sealpost.usecases.adopt import settle
from sealpost.usecases.gather import for_sender
from sealpost.usecases.reads.trust import trust_folder
from tests.upgrade.brought import brought, loaded

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUNDLES = ROOT / "tests/vectors/bundles"
STATES = {
    "400116c": ("400116c",),
    "c38db5d": ("c38db5d",),
    "05965eb": ("05965eb",),
    "3952481": ("3952481",),
    # Installations of the first two, which a later state set records aside of.
    "400116c-3952481": ("400116c", "3952481"),
    "c38db5d-05965eb": ("c38db5d", "05965eb"),
}
KEPT = ("database.dump", "keys", "content", "log", "erasures")

OPTIONS = ("--format=custom", "--compress=none", "--no-owner", "--no-privileges")


async def make(name: str, folder: Path) -> None:
    """One fixture, through its states one after the other."""
    data, told, bundles = folder / "data", folder / "tickets.json", folder / "bundles"
    async with EmbeddedServer(folder / "server") as server:
        for number, commit in enumerate(STATES[name]):
            life = "born" if number == 0 else "grown"
            live(commit, folder / commit, [server.dsn, str(data), life, str(told), str(bundles)])
        connection = await asyncpg.connect(server.dsn)
        program = await _program("pg_dump", await major(connection))
        await connection.close()
        # As `store.dump` does, but uncompressed: the archive does that better.
        await _run(program, server.dsn, *OPTIONS, f"--file={data / 'database.dump'}")
    keep(name, data, told, bundles)


def live(commit: str, folder: Path, arguments: list[str]) -> None:
    """Runs `past.py` under a commit's code."""
    archive = subprocess.run(["git", "archive", commit, "src"], cwd=ROOT, check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    shutil.copy(HERE / "past.py", folder)
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    subprocess.run([sys.executable, folder / "past.py", *arguments], cwd=folder, env=environment, check=True)


def keep(name: str, data: Path, told: Path, bundles: Path) -> None:
    """The compact form: one archive, what the tickets are, and bundles for the verifier's tests."""
    target = HERE / name
    target.mkdir(exist_ok=True)
    shutil.copy(told, target / "tickets.json")
    with tarfile.open(target / "data.tar.xz", "w:xz", preset=9) as archive:
        for kept in KEPT:
            if (data / kept).exists():
                archive.add(data / kept, kept, filter=anonymous)
    if (bundles / "accepted.asice").exists():
        shutil.rmtree(BUNDLES / name, ignore_errors=True)
        shutil.copytree(bundles, BUNDLES / name)


def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Without the maker's name and time."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member if member.isdir() or member.isfile() else None


async def adopt(folder: Path) -> None:
    """A bundle of a ticket of the first release, set aside by a later state, accepted under it, and adopted today."""
    state, target = "400116c-3952481", BUNDLES / "adopted"
    async with (
        EmbeddedServer(folder / "server") as server,
        loaded(server, state, folder / "data") as dsn,
        brought(dsn, folder / "data", state) as one,
    ):
        await settle(one.service, adopted=True)
        await one.turn()
        token, visible = one.said["tickets"]["delayed"]["token"], Visible(one.said["account"])
        async with for_sender(one.service, visible, token, "en") as made:
            files = {"delayed.asice": b"".join([piece async for piece in made.chunks()])}
        files |= {f"trust/{name}": octets for name, octets in (await trust_folder(one.service)).items()}
        for name, octets in files.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(octets)


def main(names: list[str]) -> None:
    for name in names or STATES:
        with tempfile.TemporaryDirectory(prefix="sealpost-past-") as folder:
            Path(folder).chmod(0o711)  # root's embedded server runs under another account
            asyncio.run(make(name, Path(folder)) if name in STATES else adopt(Path(folder)))
        print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
