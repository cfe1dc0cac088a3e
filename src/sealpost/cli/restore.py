"""``sealpost restore``: a backup into a new installation, or into one that lost its database.

Nothing is changed before every file of the backup is found whole and nothing that is there would be overwritten. A mark
in the data folder says from then on that a restore is under way: after a crash the same command goes on, and no other
one touches the database, whose log must not sign anything before `usecases/restore` has ended it.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sealpost import bootstrap
from sealpost.bootstrap import RESTORING
from sealpost.cli.backup import DUMP
from sealpost.cli.backup_files import (
    DATA,
    KEYS,
    MANIFEST,
    BackupRefused,
    Manifest,
    copied,
    dated,
    read_manifest,
    require_whole,
    sync,
)
from sealpost.cli.restored_keys import require_known, require_purposes
from sealpost.cli.running import run, set_up_logs
from sealpost.clock import Clock
from sealpost.content.erasure_list import NAME as ERASURES
from sealpost.content.erasure_list import ErasureList, read_erasures
from sealpost.domain.checkpoint import read_checkpoint
from sealpost.domain.note import NoNote, read
from sealpost.seal.adoption_list import NAME as ADOPTIONS
from sealpost.seal.log.folder import CHECKPOINT
from sealpost.settings import Settings, read_settings
from sealpost.store import dump, logs
from sealpost.store.embedded_place import make_folder, server_account, write_file
from sealpost.store.pool import Connection, connector
from sealpost.usecases.restore import Restored
from sealpost.usecases.restore import restore as settle

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Chosen:
    """A backup that was found whole, and its keys."""

    folder: Path
    manifest: Manifest
    keys: Path
    keys_manifest: Manifest


def restore(
    folder: Annotated[Path, typer.Argument(help="a backup, or a folder of backups, whose newest is taken")],
    keys: Annotated[Path, typer.Option(help="its keys, or the folder of all keys' backups")],
    erasures: Annotated[
        Path | None, typer.Option(help="another erasure list, as the newest backup has it; read beside the others")
    ] = None,
    log: Annotated[
        str, typer.Option(help="name of the log that begins, as 2026-7; empty: the year's next free number")
    ] = "",
    new_keys: Annotated[bool, typer.Option("--new-keys", help="make new keys for seals whose key is lost")] = False,
) -> None:
    """Restore a backup into an empty installation (SEALPOST_DATA, DATABASE_URL); stop every other process first."""
    set_up_logs(pretty=sys.stderr.isatty())
    done = run(put_back(read_settings(), folder, keys, erasures, log, new_keys=new_keys))
    print(f"restored; erased again: {done.erased}; the log goes on as {done.log}")


async def put_back(
    settings: Settings,
    folder: Path,
    keys: Path,
    erasures: Path | None = None,
    log: str = "",
    *,
    new_keys: bool = False,
    clock: Clock | None = None,
) -> Restored:
    """Restores a backup; after a crash the same call goes on.

    Args:
        settings: of the installation that it goes into.
        folder: a backup, or a folder of backups.
        keys: its keys, or the folder that has them.
        erasures: another erasure list.
        log: name of the log that begins.
        new_keys: keys of seals that are nowhere any more are made new.
        clock: another clock than the system's (tests).

    Raises:
        BackupRefused: not a whole backup, a key is missing, or the installation is not empty.
        DumpFailed: the database could not be read in; it is still empty.
        ErasuresDamaged: a file that is no erasure list.
        InvalidInput, Unavailable: see `usecases.restore`.
    """
    chosen = await asyncio.to_thread(choose, folder, keys)
    copied_keys = set(chosen.keys_manifest.files)
    require_purposes(settings, copied_keys, has_log=bool(_logs(chosen)), new_keys=new_keys)
    listed = await asyncio.to_thread(_all_erasures, settings, chosen, erasures)
    if not settings.database_url:
        make_folder(settings.data.absolute(), server_account())
    async with bootstrap.database(settings, restoring=True) as dsn:
        connection = await connector(dsn)()
        try:
            await _restore_parts(settings, chosen, listed, dsn, connection)
            await bootstrap.migrate(dsn)
            # Before the service opens, which would make what is missing; the mark stays, so the command can be repeated.
            await require_known(settings, connection)
            async with bootstrap.opened(settings, dsn, clock=clock) as service:
                done = await settle(service, chosen.manifest.made, log)
        finally:
            await connection.close()
    (settings.data / RESTORING).unlink()
    sync(settings.data)
    return done


def choose(folder: Path, keys: Path) -> Chosen:
    """The backup that is meant, whole, with the keys that belong to it.

    Raises:
        BackupRefused: there is none.
    """
    if not (folder / MANIFEST).exists() and folder.is_dir() and (found := dated(folder)):
        folder = found[-1][0]
    manifest = read_manifest(folder)
    if not (keys / MANIFEST).exists():
        keys /= manifest.name
    keys_manifest = read_manifest(keys)
    if (manifest.kind, keys_manifest.kind, keys_manifest.of) != (DATA, KEYS, manifest.sha256):
        raise BackupRefused(f"{folder} was changed, or {keys} does not belong to it")
    require_whole(folder, manifest)
    require_whole(keys, keys_manifest)
    return Chosen(folder, manifest, keys, keys_manifest)


def _all_erasures(settings: Settings, chosen: Chosen, other: Path | None) -> str:
    """The lines of every list there is, each id once: a list that knows more than another only adds to it."""
    found = ErasureList(settings.data / ERASURES).read() + ErasureList(chosen.folder / ERASURES).read()
    if other is not None:
        found += read_erasures(other.read_bytes())
    return "".join(f"{one}\n" for one in dict.fromkeys(found))


async def _restore_parts(settings: Settings, chosen: Chosen, erasures: str, dsn: str, connection: Connection) -> None:
    begun = await asyncio.to_thread(_begun, settings, chosen)
    empty = await dump.is_empty(connection)
    if not empty and not begun:
        raise BackupRefused("the database has tables of ours: restore into a new installation only")
    # For as long as the connection lives: a worker that was not stopped waits with the log, which is to end here.
    if not await logs.take_lock(connection):
        raise BackupRefused("another process writes the log: stop everything that works on this database")
    files = await asyncio.to_thread(_missing, settings, chosen)
    await asyncio.to_thread(_place, settings, chosen, files, erasures)
    if empty:
        await dump.restore(dsn, chosen.folder / DUMP, await dump.major(connection))


def _begun(settings: Settings, chosen: Chosen) -> bool:
    """Whether this very restore was interrupted here.

    Raises:
        BackupRefused: another one was.
    """
    with suppress(FileNotFoundError):
        if (settings.data / RESTORING).read_text() != chosen.manifest.sha256:
            raise BackupRefused(
                f"the restore of another backup into {settings.data} was interrupted: finish that first"
            )
        return True
    return False


def _missing(settings: Settings, chosen: Chosen) -> list[tuple[Path, Path]]:
    """What is to be copied, from where to where; what stands there already must be the same, or more of the same.

    Raises:
        BackupRefused: other content, keys or tiles are in the data folder.
    """
    files = [(chosen.keys / path, settings.keys / path) for path in chosen.keys_manifest.files]
    further = {name for name in _logs(chosen) if _size(settings.logs / name) >= _size(chosen.folder / "log" / name)}
    for path in chosen.manifest.files:
        top, _, rest = path.partition("/")
        if top == "content" or (top == "log" and rest.partition("/")[0] not in further):
            files.append((chosen.folder / path, (settings.content if top == "content" else settings.logs) / rest))
    return [(source, target) for source, target in files if not _is_kept(source, target)]


def _is_kept(source: Path, target: Path) -> bool:
    """Whether a file stands already; a segment may have grown since the backup, a checkpoint is replaced."""
    if not target.exists() or target.name == CHECKPOINT:
        return False
    if target.name == ADOPTIONS:  # the operator may have spoken since; the list itself is made once
        return True
    size = source.stat().st_size
    longer = target.stat().st_size != size and target.suffix != ".seg"
    if longer or _digest(source, size) != _digest(target, size):
        raise BackupRefused(f"{target} is there and differs from the backup: restore into a new data folder")
    return True


def _digest(path: Path, size: int) -> bytes:
    """SHA-256 of the first octets of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size and (piece := file.read(min(size, _PIECE))):
            digest.update(piece)
            size -= len(piece)
    return digest.digest()


def _logs(chosen: Chosen) -> set[str]:
    return {path.split("/")[1] for path in chosen.manifest.files if path.startswith("log/")}


def _size(log: Path) -> int:
    """How far a log's folder is; -1 without a checkpoint, which a copy gets last."""
    try:
        return read_checkpoint(read((log / CHECKPOINT).read_bytes()).text).size
    except FileNotFoundError:
        return -1
    except (NoNote, ValueError) as error:
        raise BackupRefused(f"{log / CHECKPOINT} is no checkpoint") from error


def _place(settings: Settings, chosen: Chosen, files: list[tuple[Path, Path]], erasures: str) -> None:
    """Copies what is missing, each file whole or not at all; a crash leaves some of them, which the next run keeps."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_file(settings.data / RESTORING, chosen.manifest.sha256, 0o600)
    for source, target in sorted(files, key=lambda one: one[1].name == CHECKPOINT):
        mode = 0o755 if settings.logs in target.parents else 0o700
        for folder in reversed([one for one in target.parents if not one.exists()]):
            folder.mkdir(mode=mode)
        draft = target.with_name(f".restored-{target.name}")
        draft.unlink(missing_ok=True)
        copied(source, draft)
        draft.replace(target)
    for folder in {one for _, target in files for one in target.parents if settings.data in one.parents}:
        sync(folder)
    if erasures:
        write_file(settings.data / ERASURES, erasures, 0o600)
    sync(settings.data)
