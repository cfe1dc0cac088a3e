"""``sealpost backup``: everything of an installation into a dated folder, while it runs; the keys into another one.

The order makes a restore consistent: the erasure list and the log first, then one snapshot of the database, then the
content, which is only ever appended, so that every row of the snapshot finds its octets; keys last, for the same reason.
What the log lacks is made again from the database (`usecases/restore`).
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from sealpost import bootstrap
from sealpost.cli.backup_files import DATA, KEYS, BackupRefused, Draft, alone, dated, files_in, free_name, remove
from sealpost.cli.running import run
from sealpost.content.erasure_list import NAME as ERASURES
from sealpost.content.frames import FRAME_TRAILER
from sealpost.seal.log.folder import CHECKPOINT
from sealpost.settings import Settings, read_settings
from sealpost.store import dump
from sealpost.store.pool import connector

DUMP = "database.dump"


@dataclass(frozen=True, slots=True)
class Made:
    """A backup: its folder, that of its keys, and how many older ones were removed."""

    folder: Path
    keys: Path
    removed: int


def backup(
    folder: Annotated[Path, typer.Argument(help="folder for the backups, each in a dated folder of its own")],
    keys: Annotated[Path, typer.Option(help="another folder, for the keys alone; keep it elsewhere")],
    keep_days: Annotated[
        int | None, typer.Option(min=1, help="remove backups that are older, from both folders")
    ] = None,
) -> None:
    """Back up database, content, log and keys; the service may run meanwhile."""
    settings = read_settings()
    made = run(back_up(settings, folder, keys, keep_days))
    print(f"{made.folder}\n{made.keys}")
    if made.removed:
        print(f"{made.removed} older removed")
    before = datetime.now(UTC) - timedelta(days=settings.backup_days)
    if late := [path for path, manifest in dated(folder) if manifest.made < before]:
        print(
            f"sealpost: {len(late)} backups are older than SEALPOST_BACKUP_DAYS ({settings.backup_days}) allows: "
            "what was erased is still in them",
            file=sys.stderr,
        )


async def back_up(settings: Settings, folder: Path, keys: Path, keep_days: int | None = None) -> Made:
    """Makes one backup; it exists whole or not at all.

    Args:
        settings: of the installation.
        folder: gets the backup, in a dated folder.
        keys: gets the keys, in a folder of the same name.
        keep_days: backups older than that are removed from both.

    Raises:
        BackupRefused: folders that are not apart, another backup under way, or damaged content.
        DumpFailed: the database could not be dumped.
        OSError: a disk is full, or a file cannot be read.
    """
    _require_apart(settings, folder, keys)
    with alone(folder), alone(keys):
        at = datetime.now(UTC)
        name = free_name(at, (folder, keys))
        draft = Draft(folder, name, DATA)
        await asyncio.to_thread(_before, settings, draft)
        ends = await _database(settings, draft)
        await asyncio.to_thread(_contents, settings, draft, ends)
        beside = Draft(keys, name, KEYS)
        await asyncio.to_thread(_keys, settings, beside)
        beside.finish(at, draft.finish(at))
        # The keys first: a crash between the two leaves keys that open nothing.
        made = beside.publish(), draft.publish()
        return Made(made[1], made[0], _removed(at, keep_days, folder, keys))


def _require_apart(settings: Settings, folder: Path, keys: Path) -> None:
    data, one, other = settings.data.resolve(), folder.resolve(), keys.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise BackupRefused("the keys must be kept apart: give --keys a folder outside the backup's")
    for path in (one, other):
        if path == data or data in path.parents:
            raise BackupRefused(f"{path} is in the data folder {data}: back up to elsewhere")
    if not settings.keys.is_dir():
        raise BackupRefused(f"{settings.keys} is missing: there is no installation to back up")


def _before(settings: Settings, draft: Draft) -> None:
    if (settings.data / ERASURES).exists():
        draft.take(settings.data / ERASURES, ERASURES)
    for _ in range(2):  # a full tile takes the place of its parts while we look; then it is there the second time
        found = files_in(settings.logs)
        # Checkpoints first: the tiles of each are older than it.
        for path in sorted(found, key=lambda one: (Path(one).name != CHECKPOINT, one)):
            with suppress(FileNotFoundError):
                draft.take(settings.logs / path, f"log/{path}")


async def _database(settings: Settings, draft: Draft) -> dict[UUID, int]:
    async with bootstrap.database(settings) as dsn:
        connection = await connector(dsn)()
        try:
            if await dump.is_empty(connection):
                raise BackupRefused("the database has no tables of ours: there is no installation to back up")
            await dump.dump(dsn, draft.folder / DUMP, await dump.major(connection))
            draft.made(DUMP)
            return await dump.ends(connection)
        finally:
            await connection.close()


def _contents(settings: Settings, draft: Draft, ends: dict[UUID, int]) -> None:
    sizes = dict[str, int]()
    for path in sorted(settings.content.glob("*.seg")):
        if not path.is_symlink():
            sizes[path.stem] = draft.take(path, f"content/{path.name}")
    for segment, end in ends.items():
        if sizes.get(str(segment), 0) < end + FRAME_TRAILER:
            raise BackupRefused(f"content/{segment}.seg has less than the database names: content is damaged or lost")


def _keys(settings: Settings, draft: Draft) -> None:
    for path in files_in(settings.keys):
        draft.take(settings.keys / path, path)


def _removed(at: datetime, keep_days: int | None, *parents: Path) -> int:
    """Removes what is older, of folders that are backups of ours; never the one that was just made."""
    if keep_days is None:
        return 0
    old = [
        path for parent in parents for path, manifest in dated(parent) if manifest.made < at - timedelta(days=keep_days)
    ]
    for path in old:
        remove(path)
    return len({path.name for path in old})
