"""Backup and restore, with real databases: what comes back, what must not, and what is refused."""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import json
import os
import re
import shutil
import zipfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from sealpost import bootstrap
from sealpost.cli import restore as restoring
from sealpost.cli.backup import Made, back_up
from sealpost.cli.backup_files import BackupRefused, dated
from sealpost.cli.restore import put_back
from sealpost.content.erasure_list import ErasureList
from sealpost.domain.errors import InvalidInput
from sealpost.settings import Settings, read_settings
from sealpost.store import dump, logs, tickets
from sealpost.store.dump import DumpFailed, without_password
from sealpost.store.embedded import EmbeddedServer
from sealpost.usecases.decide import decide
from sealpost.usecases.erase import erase
from sealpost.usecases.extend_log import LogStopped, extend_log
from sealpost.usecases.gather import for_sender
from sealpost.usecases.mail_bytes import opened
from sealpost.usecases.reads.tickets import Visible
from sealpost.usecases.reads.trust import trust_folder
from sealpost.usecases.restore import Restored
from sealpost.usecases.rotate import rotate_key
from sealpost.usecases.service import Service
from sealpost.usecases.stamp import stamp_pending
from sealpost.usecases.submit import Submitter
from sealpost.usecases.take_returned import reply_of
from sealpost.verifier.earlier import Receipt
from sealpost.verifier.report import Report
from sealpost.verifier.trust import trust_of
from sealpost.verifier.verify import verify
from tests.cli.test_commands import sealpost
from tests.conftest import reachable, with_database
from tests.usecases.test_returned import TAKEN, answer, bounce, give, message_id, planned
from tests.usecases.test_returned import path as return_path
from tests.world import ACT, MovableClock, World, new_world

_numbers = itertools.count(1)


@dataclass
class Site:
    """An installation that is backed up, and where to."""

    world: World
    settings: Settings
    backups: Path
    keys: Path

    async def back_up(self, **changes: Any) -> Made:
        return await back_up(self.settings, self.backups, self.keys, **changes)

    async def put_back(self, settings: Settings, made: Made, *more: Any) -> Restored:
        return await put_back(settings, made.folder, made.keys, *more, clock=self.world.clock)

    async def accepted(self, recipient: str = "bob@example.com") -> str:
        token = await self.world.send(recipient_email=recipient)
        await decide(self.world.service, token, [self.world.secret(recipient)], "accepted", "", ACT)
        await self.world.work_off()
        await self.log()
        return token

    async def log(self) -> None:
        await extend_log(self.world.service)
        await stamp_pending(self.world.service)


def settings_of(data: Path, dsn: str) -> Settings:
    return read_settings(
        {}, data=data, database_url=dsn, mail_domain="sealpost.example", our_name="out1.sealpost.example", pool=4,
        legal_name="Sealpost Test B.V.", environment="test", tsa_url="own",
    )  # fmt: skip


@pytest_asyncio.fixture
async def site(dsn: str, tmp_path: Path) -> AsyncGenerator[Site]:
    async with new_world(dsn, tmp_path / "first") as world:
        yield Site(world, settings_of(tmp_path / "first", dsn), tmp_path / "backups", tmp_path / "keys")


@pytest_asyncio.fixture
async def empty(server: EmbeddedServer, tmp_path: Path) -> AsyncGenerator[Settings]:
    """A new installation: an empty database and no data folder."""
    name = f"empty_{next(_numbers)}"
    admin = await asyncpg.connect(server.dsn)
    await admin.execute(f"create database {name}")
    yield settings_of(tmp_path / "second", with_database(server.dsn, name))
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


@asynccontextmanager
async def reopened(settings: Settings, at: datetime) -> AsyncGenerator[Service]:
    """The restored installation at work."""
    async with bootstrap.database(settings) as dsn, bootstrap.opened(settings, dsn, clock=MovableClock(at)) as service:
        yield service


async def bundle(service: Service, account: int, token: str) -> bytes:
    async with for_sender(service, Visible(account), token, "en") as made:
        return b"".join([piece async for piece in made.chunks()])


async def content_of(service: Service, account: int, token: str) -> bytes:
    found = await tickets.by_token(service.pool, token, Visible(account))
    assert found is not None
    return await opened(service, service.content_vault.open, found.content)


def not_passed(report: Report) -> set[tuple[str, str]]:
    return {(claim.verdict, claim.why) for claim in report.claims if claim.verdict != "PASS"}


async def snapshot(pool: Any) -> dict[str, list[Any]]:
    tables = ("accounts", "users", "clients", "messages", "tickets", "records", "mails", "attempts", "link_tokens")
    return {table: sorted(map(repr, await pool.fetch(f"select * from {table}"))) for table in tables}


async def test_a_whole_round_trip(site: Site, tmp_path: Path) -> None:
    """Into a second data folder with an embedded database of its own."""
    world, token = site.world, await site.accepted()
    waiting = await world.submitter.submit(world.message(recipient_email="bob2@example.com"))
    before = await bundle(world.service, world.alice, token)
    trust = trust_of(await trust_folder(world.service))
    verdicts = not_passed(verify(before, trust))
    kept = await snapshot(world.service.pool)
    words = await content_of(world.service, world.alice, token)
    made = await site.back_up()

    # What the backup does not know: another ticket, and a log that goes on.
    lost = await site.accepted("bob3@example.com")
    between = await bundle(world.service, world.alice, token)

    second = settings_of(tmp_path / "second", "")
    done = await site.put_back(second, made)
    assert (done.erased, done.log) == (0, "2026-2")
    assert not (second.data / "restoring").exists()
    for path in (second.keys, *second.keys.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0 or ".cert." in path.name, path
    async with reopened(second, world.clock.at + timedelta(hours=1)) as service:
        now = await snapshot(service.pool)
        assert set(kept["records"]) < set(now["records"]), "those of the installation itself are added"
        assert {**now, "records": []} == {**kept, "records": []}
        assert await content_of(service, world.alice, token) == words
        assert await tickets.by_token(service.pool, lost, Visible(world.alice)) is None
        old, new = await logs.all_of(service.pool)
        assert (old.name, new.name, new.stopped) == ("2026", "2026-2", None)
        assert old.stopped is not None
        assert await world_goes_on(service, world, waiting)
        again = await bundle(service, world.alice, token)
        trust = trust_of(await trust_folder(service))
        receipts = [Receipt("before", before), Receipt("between", between)]
        assert not_passed(verify(before, trust)) == verdicts, "what was given out stays good"
        assert not_passed(verify(between, trust)) == verdicts
        assert not_passed(verify(again, trust, receipts)) == verdicts
        fresh = await bundle(service, world.alice, waiting)
        assert b"log/2026-2" in zipfile.ZipFile(io.BytesIO(fresh)).read("proofs/001.tlog-proof")
        assert not [one for one in not_passed(verify(fresh, trust)) if one[0] == "FAIL"]


async def world_goes_on(service: Service, world: World, waiting: str) -> int:
    """New records, and those that had waited, get into the new log; the installation's chain says what happened."""
    submitter = Submitter(service)
    await submitter.submit(world.message(recipient_email="bob4@example.com"))
    await submitter.close()
    added = await extend_log(service)
    await stamp_pending(service)
    rows = await service.pool.fetch(
        "select kind, log_id from records where ticket_id = '00000000-0000-0000-0000-000000000000' order by seq"
    )
    assert [row["kind"] for row in rows] == ["log_begun", "key_rotated", "key_rotated", "log_begun", "restored"]
    place = await service.pool.fetchval(
        """select l.name from records r join tickets t on t.id = r.ticket_id join logs l on l.id = r.log_id
           where t.token = $1""",
        waiting,
    )
    assert place == "2026-2"
    return added or 0


async def test_what_was_erased_stays_erased(site: Site, empty: Settings, tmp_path: Path) -> None:
    """One before the backup, one after it (which a surviving list knows), one that only a newer list knows."""
    world = site.world
    first = await site.accepted()
    world.clock.advance(days=30)
    assert await erase(world.service) == 1
    second, third = await site.accepted("bob2@example.com"), await site.accepted("bob3@example.com")
    made = await site.back_up()
    world.clock.advance(days=30)
    assert await erase(world.service) == 2
    before, rest = world.service.erasures.read()[:1], world.service.erasures.read()[1:]
    assert ErasureList(made.folder / "erasures").read() == before
    empty.data.mkdir()
    ErasureList(empty.data / "erasures").add(rest[:1])
    newer = tmp_path / "newer"
    ErasureList(newer).add(rest[1:])
    done = await site.put_back(empty, made, newer)
    assert done.erased == 2
    async with reopened(empty, world.clock.at) as service:
        assert set(service.erasures.read()) == {*before, *rest}
        assert await service.pool.fetchval("select count(*) from messages where wrapped_key is not null") == 0
        left = "select count(*) from mails where wrapped_key is not null and purpose = 'content'"
        assert await service.pool.fetchval(left) == 0
        assert await service.pool.fetchval("select count(*) from mails where wrapped_key is not null") > 0
        assert await erase(service) == 2, "the restored chains say so as well"
        for token in (first, second, third):
            kinds = await service.pool.fetch(
                "select kind from records r join tickets t on t.id = r.ticket_id where t.token = $1", token
            )
            assert [row["kind"] for row in kinds].count("content_erased") == 1


async def test_what_came_back_is_in_it_and_goes_with_the_content(site: Site, empty: Settings, tmp_path: Path) -> None:
    """Its octets are the last ones in the segments, and it was erased after the backup, which the newer list says."""
    world = site.world
    await site.accepted()
    assert await give(world, return_path(world), bounce()) == TAKEN
    assert await give(world, "post@sealpost.example", answer(message_id(world)), "bob@example.com") == TAKEN
    [mail] = await planned(world)
    async with world.service.pool.acquire() as connection:
        ends = await dump.ends(connection)
    newest = await world.service.pool.fetchrow(
        'select segment, "offset" + length as "end" from inbound_mails where kind = \'reply\''
    )
    assert ends[newest["segment"]] == newest["end"]
    made = await site.back_up()
    await site.put_back(empty, made)
    async with reopened(empty, world.clock.at) as service:
        passed_on = await reply_of(service, mail["ticket_id"], mail["purpose"])
        assert passed_on is not None
        assert passed_on.text == "What is this?"
    world.clock.advance(days=30)
    assert await erase(world.service) == 1
    third = settings_of(tmp_path / "third", "")
    await site.put_back(third, made, site.settings.data / "erasures")
    async with reopened(third, world.clock.at) as service:
        assert await reply_of(service, mail["ticket_id"], mail["purpose"]) is None
        rows = await service.pool.fetch("select kind from inbound_mails where wrapped_key is not null")
        assert [row["kind"] for row in rows] == ["failed"]
        state = await service.pool.fetchval("select state from mails where purpose = $1", mail["purpose"])
        assert state == "cancelled", "it was not passed on yet when the backup was made"


async def test_without_any_list_the_backup_is_the_truth(site: Site, empty: Settings) -> None:
    token = await site.accepted()
    made = await site.back_up()
    done = await site.put_back(empty, made)
    assert done.erased == 0
    async with reopened(empty, site.world.clock.at) as service:
        assert await content_of(service, site.world.alice, token)


async def test_the_old_log_never_goes_on(site: Site, empty: Settings) -> None:
    """Where the data folder survived with a log that is further than the backup's, that one is kept as it is."""
    await site.accepted()
    made = await site.back_up()
    await site.accepted("bob2@example.com")
    shutil.copytree(site.settings.data, empty.data, ignore=shutil.ignore_patterns("spool"))
    (empty.logs / "2026-5").mkdir()
    checkpoint = (empty.logs / "2026" / "checkpoint").read_bytes()
    assert checkpoint != (made.folder / "log/2026/checkpoint").read_bytes()
    done = await site.put_back(empty, made)
    assert done.log == "2026-6", "a name that nobody has signed with"
    assert (empty.logs / "2026" / "checkpoint").read_bytes() == checkpoint
    async with reopened(empty, site.world.clock.at) as service:
        assert await extend_log(service)
        assert (empty.logs / "2026" / "checkpoint").read_bytes() == checkpoint
        service.evidence.log("2026").check(11)


async def test_tiles_that_the_copy_lacks_are_made_again(site: Site, empty: Settings) -> None:
    """The log is copied before the database, which may know of checkpoints that were signed in between."""
    token = await site.accepted()
    at = site.backups / "early"
    shutil.copytree(site.settings.logs, at)
    await site.accepted("bob2@example.com")
    known = await site.world.service.pool.fetchval("select max(size) from checkpoints where note is not null")
    root = site.world.service.evidence.log("2026").root(known)
    moved = site.settings.data / "moved"
    site.settings.logs.rename(moved)
    at.rename(site.settings.logs)
    made = await site.back_up()
    await site.put_back(empty, made)
    async with reopened(empty, site.world.clock.at) as service:
        assert service.evidence.log("2026").root(known) == root
        assert await bundle(service, site.world.alice, token)


@pytest.mark.parametrize("name", ["2026", "2026-1000", "2027-2", "x", "2026-02"])
async def test_a_log_has_a_name_of_its_own(site: Site, empty: Settings, name: str) -> None:
    await site.accepted()
    made = await site.back_up()
    with pytest.raises(InvalidInput):
        await site.put_back(empty, made, None, name)
    with pytest.raises(bootstrap.RestoreUnfinished):
        async with bootstrap.database(empty):
            pass
    year = "2026-77"
    assert (await site.put_back(empty, made, None, year)).log == year


def changed(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)


def one(folder: Path, pattern: str) -> Path:
    return next(path for path in sorted(folder.glob(pattern)) if path.is_file())


def other_hash(made: Made) -> None:
    """A file is changed, and the manifest's hash of it with it: only the keys' folder can tell."""
    changed(made.folder / "database.dump")
    path = made.folder / "manifest.json"
    said = json.loads(path.read_text())
    said["files"]["database.dump"]["sha256"] = hashlib.sha256((made.folder / "database.dump").read_bytes()).hexdigest()
    path.write_text(json.dumps(said))


TAMPERED: dict[str, Callable[[Made], object]] = {
    "dump": lambda made: changed(made.folder / "database.dump"),
    "segment": lambda made: changed(one(made.folder, "content/*.seg")),
    "tile": lambda made: changed(one(made.folder, "log/2026/tile/0/**/*")),
    "checkpoint": lambda made: changed(made.folder / "log/2026/checkpoint"),
    "key": lambda made: changed(made.keys / "content-1.key"),
    "shorter": lambda made: os.truncate(made.folder / "database.dump", 100),
    "missing": lambda made: one(made.folder, "content/*.seg").unlink(),
    "more": lambda made: (made.folder / "content/extra.seg").write_bytes(b"x"),
    "link": lambda made: (made.folder / "content/link.seg").symlink_to("/etc/passwd") or (made.folder / "database.dump").unlink(),
    "manifest": other_hash,
    "no manifest": lambda made: (made.folder / "manifest.json").unlink(),
    "no json": lambda made: (made.folder / "manifest.json").write_bytes(b"{"),
    "no object": lambda made: (made.folder / "manifest.json").write_bytes(b"[]"),
    "other format": lambda made: (made.folder / "manifest.json").write_bytes(b'{"format": "other"}'),
    "no keys": lambda made: shutil.rmtree(made.keys),
    "keys of another": lambda made: changed(made.keys / "manifest.json"),
}  # fmt: skip


async def test_what_is_not_whole_is_refused(site: Site, empty: Settings, tmp_path: Path) -> None:
    await site.accepted()
    whole = await site.back_up()
    for case, tamper in TAMPERED.items():
        copy = Made(tmp_path / case / "backup", tmp_path / case / "keys", whole.removed)
        shutil.copytree(whole.folder, copy.folder)
        shutil.copytree(whole.keys, copy.keys)
        tamper(copy)
        with pytest.raises(BackupRefused):
            await site.put_back(empty, copy)
        assert not empty.data.exists(), f"{case}: nothing was touched"
    assert await site.put_back(empty, whole), "its unharmed twin"


async def test_keys_of_another_backup_are_refused(site: Site, empty: Settings) -> None:
    first, second = await site.back_up(), await site.back_up()
    with pytest.raises(BackupRefused, match="does not belong"):
        await site.put_back(empty, Made(first.folder, second.keys, 0))
    assert restoring.choose(first.folder, site.keys).keys == first.keys
    with pytest.raises(BackupRefused, match="does not belong"):
        await site.put_back(empty, Made(first.keys, first.keys, 0))


@pytest.mark.parametrize(
    ("name", "is_early"),
    [
        ("content-1.key", True),
        ("mail-1.key", True),
        ("evidence/pdf-seal-1.key.pem", True),
        ("evidence/log-mldsa44-1.key.pem", True),
        ("evidence/root-1.key.pem", False),
        ("evidence/root-1.cert.pem", False),
    ],
)
async def test_no_key_is_made_in_the_place_of_a_missing_one(
    site: Site, empty: Settings, name: str, *, is_early: bool
) -> None:
    token = await site.accepted()
    before = await bundle(site.world.service, site.world.alice, token)
    lost = (site.settings.keys / name).read_bytes()
    (site.settings.keys / name).unlink()
    made = await site.back_up()
    for _ in range(2):
        with pytest.raises(BackupRefused, match=f"the key file {re.escape(name)} is missing"):
            await site.put_back(empty, made)
        assert empty.data.exists() != is_early, "nothing was touched, or only what the same command goes on with"
        assert not (empty.keys / name).exists()
    put(empty.keys / name, lost)
    await site.put_back(empty, made)
    async with reopened(empty, site.world.clock.at) as service:
        assert await content_of(service, site.world.alice, token)
        trust = trust_of(await trust_folder(service))
        again = await bundle(service, site.world.alice, token)
        for one_bundle in (before, again):
            assert not [one for one in not_passed(verify(one_bundle, trust)) if one[0] == "FAIL"]


def put(path: Path, octets: bytes) -> None:
    """A key, as an operator puts one into a data folder."""
    for folder in (path.parents[1], path.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(octets)


async def test_the_keys_of_every_log_are_needed(site: Site, empty: Settings) -> None:
    """Those of an ended one, too: the trust folder has them."""
    await site.accepted()
    await rotate_key(site.world.service, "log-ed25519")
    for number in (1, 2):
        path = site.settings.keys / f"evidence/log-ed25519-{number}.key.pem"
        away = path.rename(site.settings.data / "away")
        made = await site.back_up()
        away.rename(path)
        for new_keys in (False, True):
            with pytest.raises(BackupRefused, match=path.name):
                await put_back(empty, made.folder, made.keys, new_keys=new_keys)
        (empty.data / "restoring").unlink()
        shutil.rmtree(empty.data)
        await dropped(empty)


async def dropped(settings: Settings) -> None:
    """The database as it was before the restore."""
    connection = await asyncpg.connect(settings.database_url)
    await connection.execute("drop schema public cascade; create schema public")
    await connection.close()


async def test_keys_of_seals_can_be_given_up(site: Site, empty: Settings) -> None:
    token = await site.accepted()
    before = await bundle(site.world.service, site.world.alice, token)
    for path in (site.settings.keys / "evidence").glob("*-seal-1.*"):
        path.unlink()
    made = await site.back_up()
    with pytest.raises(BackupRefused, match="give --new-keys"):
        await site.put_back(empty, made)
    await put_back(empty, made.folder, made.keys, new_keys=True, clock=site.world.clock)
    async with reopened(empty, site.world.clock.at) as service:
        trust = trust_of(await trust_folder(service))
        again = await bundle(service, site.world.alice, token)
        for one_bundle in (before, again):
            assert not [one for one in not_passed(verify(one_bundle, trust)) if one[0] == "FAIL"]


async def test_only_into_what_is_empty(site: Site, empty: Settings, tmp_path: Path) -> None:
    await site.accepted()
    made = await site.back_up()
    full = settings_of(tmp_path / "third", site.settings.database_url)
    with pytest.raises(BackupRefused, match="tables"):
        await site.put_back(full, made)
    assert not full.data.exists()
    empty.keys.mkdir(parents=True)
    (empty.keys / "content-1.key").write_text("0" * 64 + "\n")
    with pytest.raises(BackupRefused, match="differs"):
        await site.put_back(empty, made)
    assert sorted(path.name for path in empty.data.iterdir()) == ["keys"], "nothing was written"


async def test_a_restore_that_broke_off_is_finished(
    site: Site, empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await site.accepted()
    made = await site.back_up()
    other = await site.back_up()

    async def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    for name, place in (("restore", dump), ("settle", restoring)):
        with monkeypatch.context() as patched:
            patched.setattr(place, name, fails)
            with pytest.raises(OSError, match="Input"):
                await site.put_back(empty, made)
        with pytest.raises(bootstrap.RestoreUnfinished):
            async with bootstrap.database(empty):
                pass
        with pytest.raises(BackupRefused, match="another backup"):
            await site.put_back(empty, other)
    await site.put_back(empty, made)
    async with reopened(empty, site.world.clock.at) as service:
        assert await content_of(service, site.world.alice, token)


async def test_a_backup_that_broke_off_is_none(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.accepted()

    async def fails(*_: object) -> None:
        raise DumpFailed("pg_dump failed")

    with monkeypatch.context() as patched:
        patched.setattr(dump, "dump", fails)
        with pytest.raises(DumpFailed):
            await site.back_up()
    assert list(site.backups.iterdir()) == list(site.keys.iterdir()) == []
    # Killed: the draft stays, and the next one clears it away.
    draft = site.backups / ".new-20260101T000000Z"
    (draft / "content").mkdir(parents=True)
    with pytest.raises(BackupRefused):
        restoring.choose(site.backups, site.keys)
    made = await site.back_up()
    assert sorted(site.backups.iterdir()) == [made.folder]


async def test_content_that_is_missing_is_told(site: Site) -> None:
    await site.accepted()
    one(site.settings.content, "*.seg").rename(site.settings.data / "away")
    with pytest.raises(BackupRefused, match="damaged or lost"):
        await site.back_up()
    assert list(site.backups.iterdir()) == []


async def test_folders_must_be_apart(site: Site, tmp_path: Path) -> None:
    folder, data = tmp_path / "b", site.settings.data
    (tmp_path / "link").symlink_to(folder)
    for one_folder, keys in (
        (folder, folder), (folder, folder / "k"), (folder / "k", folder), (folder, tmp_path / "link"),
        (data / "b", folder), (folder, data / "k"), (data, folder),
    ):  # fmt: skip
        with pytest.raises(BackupRefused):
            await back_up(site.settings, one_folder, keys)
    assert not folder.exists()


async def test_keys_go_only_to_their_folder(site: Site) -> None:
    await site.accepted()
    made = await site.back_up()
    secrets = [path.read_bytes() for path in site.settings.keys.rglob("*") if path.is_file()]
    for path in made.folder.rglob("*"):
        assert path.is_dir() or path.read_bytes() not in secrets
        assert ".key" not in path.name
    for folder in (made.folder, made.keys):
        assert folder.stat().st_mode & 0o777 == 0o700
    for path in made.keys.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0 or ".cert." in path.name
    assert (made.folder / "database.dump").stat().st_mode & 0o777 == 0o600


async def test_older_ones_are_removed(site: Site, tmp_path: Path) -> None:
    first = await site.back_up()
    second = await site.back_up()
    assert [path for path, _ in dated(site.backups)] == [first.folder, second.folder]
    for folder in (first.folder, first.keys):
        path = folder / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "made": "2020-01-01T00:00:00Z"}))
    stranger, link = site.backups / "20200101T000000Z", site.backups / "20200101T000001Z"
    stranger.mkdir()
    (stranger / "mine").write_text("mine")
    outside = tmp_path / "20200101T000002Z"
    shutil.copytree(first.folder, outside)
    link.symlink_to(outside)
    kept = await site.back_up()
    assert kept.removed == 0
    third = await site.back_up(keep_days=1)
    assert third.removed == 1
    assert sorted(site.backups.iterdir()) == sorted([stranger, link, second.folder, kept.folder, third.folder])
    assert first.keys not in site.keys.iterdir()
    assert (stranger / "mine").exists()
    assert (outside / "database.dump").exists()
    assert restoring.choose(site.backups, site.keys).folder == third.folder


async def test_a_backup_of_a_busy_installation(site: Site, empty: Settings) -> None:
    """Tickets come in and checkpoints are written all the time; every row of the copy has its octets and its proof."""
    stop = asyncio.Event()

    async def busy() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await site.accepted(f"bob{number}@example.com")

    working = asyncio.create_task(busy())
    try:
        made = await site.back_up()
    finally:
        stop.set()
        await working
    await site.put_back(empty, made)
    async with reopened(empty, site.world.clock.at) as service:
        assert await extend_log(service)
        for row in await service.pool.fetch("select token from tickets"):
            assert await content_of(service, site.world.alice, row["token"])
            found = not_passed(verify(await bundle(service, site.world.alice, row["token"])))
            assert not [one for one in found if one[0] == "FAIL"]


async def test_a_log_that_was_not_stopped_waits(site: Site, empty: Settings) -> None:
    """A worker that is still at work on the database that is restored must not sign for the old log."""
    await site.accepted()
    made = await site.back_up()
    other = await asyncpg.connect(empty.database_url)
    await other.execute("select pg_advisory_lock($1)", logs.LOCK)
    with pytest.raises(BackupRefused, match="stop everything"):
        await site.put_back(empty, made)
    await other.close()
    await site.put_back(empty, made)


async def test_the_commands(tmp_path: Path) -> None:
    """As an operator types them, on embedded databases; also without one, and from nothing."""

    async def typed(*words: object, **settings: Any) -> tuple[int, str, str]:
        done = await asyncio.to_thread(sealpost, *map(str, words), environment="test", tsa_url="own", **settings)
        return done.returncode, done.stdout, done.stderr

    first, second = reachable(tmp_path) / "first", tmp_path / "second"
    backups, keys = tmp_path / "backups", tmp_path / "keys"
    code, _, told = await typed("backup", backups, "--keys", keys, data=first)
    assert (code, "no installation" in told) == (1, True)
    code, out, told = await typed("account", "add", "Alice Incasso N.V.", data=first)
    assert code == 0, told
    code, out, told = await typed("backup", backups, "--keys", keys, "--keep-days", "30", data=first)
    assert (code, told) == (0, ""), told
    made, made_keys = map(Path, out.split())
    assert (made.parent, made_keys.parent) == (backups, keys)
    code, out, told = await typed("restore", backups, "--keys", keys, data=second)
    assert code == 0, told
    assert out.startswith("restored; erased again: 0; the log goes on as 20")
    code, out, told = await typed("account", "set", "100001", "--keep-days", "40", data=second)
    assert "kept 40 days" in out, told
    code, _, told = await typed("restore", made, "--keys", made_keys, data=second)
    assert code == 1
    assert told == "sealpost: the database has tables of ours: restore into a new installation only\n"
    code, _, told = await typed("restore", tmp_path / "nothing", "--keys", keys, data=tmp_path / "third")
    assert (code, told.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    ("dsn", "url", "password"),
    [
        ("postgresql://alice@host/db", "postgresql://alice@host/db", ""),
        ("postgresql://alice:se%40cret+x@host:5433/db?sslmode=require", "postgresql://alice@host:5433/db?sslmode=require", "se@cret+x"),
        ("postgresql:///db?host=/run/a%20b&password=p%26q", "postgresql:///db?host=%2Frun%2Fa%20b", "p&q"),
        ("postgres://host", "postgres://host", ""),
    ],
)  # fmt: skip
def test_a_password_is_in_no_argument(dsn: str, url: str, password: str) -> None:
    assert without_password(dsn) == (url, password)


async def test_a_program_that_is_too_old_is_told(site: Site) -> None:
    with pytest.raises(DumpFailed, match=r"pg_dump of PostgreSQL 99 or newer is needed: .* is of version"):
        await dump.dump(site.settings.database_url, site.settings.data / "x", 99)


async def test_what_pg_dump_says_is_told(site: Site) -> None:
    with pytest.raises(DumpFailed, match=r"pg_dump failed: .*does not exist"):
        await dump.dump(
            with_database(site.settings.database_url, "nothing").replace("test_", "x"), site.settings.data / "x", 18
        )


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
async def test_half_a_dump_leaves_nothing(site: Site, empty: Settings, tmp_path: Path, kept: float) -> None:
    for number in range(3):
        await site.accepted(f"bob{number}@example.com")
    file, connection = tmp_path / "dump", await asyncpg.connect(empty.database_url)
    await dump.dump(site.settings.database_url, file, 18)
    os.truncate(file, int(file.stat().st_size * kept))
    with pytest.raises(DumpFailed, match="pg_restore failed: "):
        await dump.restore(empty.database_url, file, 18)
    assert await dump.is_empty(connection)
    await connection.close()


async def test_what_does_not_fit_leaves_nothing(site: Site, empty: Settings, tmp_path: Path) -> None:
    file, connection = tmp_path / "dump", await asyncpg.connect(empty.database_url)
    await dump.dump(site.settings.database_url, file, 18)
    await connection.execute("create table quotas (other int)")
    with pytest.raises(DumpFailed, match=r'psql failed: .*"quotas" already exists'):
        await dump.restore(empty.database_url, file, 18)
    assert await dump.is_empty(connection)
    await connection.execute("drop table quotas")
    await dump.restore(empty.database_url, file, 16)
    assert not await dump.is_empty(connection)
    await connection.close()


async def test_a_stopped_log_says_why(site: Site, empty: Settings) -> None:
    await site.accepted()
    made = await site.back_up()
    await site.put_back(empty, made)
    async with reopened(empty, site.world.clock.at) as service:
        await service.pool.execute("update logs set stopped = 'told to' where name = '2026-2'")
        with pytest.raises(LogStopped):
            await extend_log(service)
