"""Backup folders: dated, whole or not there at all, with a manifest of every file's size and SHA-256.

For `backup`, which makes them, and `restore`, which takes nothing else. A backup stands under its final name only when
each of its files is durable. The keys' folder, which is kept elsewhere, names the manifest that it belongs to: whoever
can change a backup cannot make it pass without the keys' folder. Source: design, section 4, *Erasure*; docs/backup.md.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sealpost import __version__
from sealpost.domain.errors import SealpostError

MANIFEST, FORMAT = "manifest.json", "sealpost-backup/1"
DATA, KEYS = "data", "keys"
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z", re.ASCII)
_DRAFT = re.compile(r"\.(new|old)-[0-9]{8}T[0-9]{6}Z", re.ASCII)
_STAMP = "%Y%m%dT%H%M%SZ"
_PIECE = 1 << 20
_LARGEST = 64 << 20  # octets of a manifest


class BackupRefused(SealpostError):
    """No backup can be made or taken from there; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup folder says of itself.

    Args:
        kind: ``data`` or ``keys``.
        name: of the folder.
        made: when.
        of: for keys, the SHA-256 of the manifest of the data that they open, hexadecimal; else empty.
        files: path in the folder → (size in octets, SHA-256 in hexadecimal).
        sha256: of the manifest itself, hexadecimal.
    """

    kind: str
    name: str
    made: datetime
    of: str
    files: dict[str, tuple[int, str]]
    sha256: str


def copied(source: Path, target: Path) -> tuple[int, str]:
    """Copies a regular file as long as it is now; durable, with its mode, and never through a link.

    Returns:
        Size, and SHA-256 in hexadecimal.

    Raises:
        FileExistsError: the target is there.
        OSError: as usual.
    """
    digest, fd = hashlib.sha256(), os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(fd, "rb") as file:
        state = os.fstat(fd)
        left = state.st_size
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
            while left and (piece := file.read(min(left, _PIECE))):
                digest.update(piece)
                copy.write(piece)
                left -= len(piece)
            os.fchmod(copy.fileno(), stat.S_IMODE(state.st_mode) & 0o755)
            copy.flush()
            os.fsync(copy.fileno())
    return state.st_size - left, digest.hexdigest()


def files_in(folder: Path) -> list[str]:
    """Paths of the regular files below a folder, in order; drafts (names with a dot before) are left out."""
    found = list[str]()

    def gone(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for place, _, names in os.walk(folder, onerror=gone):
        for name in names:
            path = Path(place, name)
            if name.startswith("."):
                continue
            if path.is_symlink():
                raise BackupRefused(f"{path} is a link: put the file itself there, or the backup would lack it")
            if path.is_file():
                found.append(str(path.relative_to(folder)))
    return sorted(found)


class Draft:
    """A backup folder that is being made beside its final name.

    Args:
        parent: where it will stand.
        name: its final name.
        kind: ``data`` or ``keys``.
    """

    def __init__(self, parent: Path, name: str, kind: str) -> None:
        self.parent, self.name, self.kind = parent, name, kind
        self.folder = parent / f".new-{name}"
        self.folder.mkdir(mode=0o700)
        self._files = dict[str, tuple[int, str]]()

    def take(self, source: Path, path: str) -> int:
        """Copies a file, unless it was taken before; its size."""
        if path not in self._files:
            target = self.folder / path
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._files[path] = copied(source, target)
        return self._files[path][0]

    def made(self, path: str) -> None:
        """Counts a file in that another program wrote, and makes it durable."""
        with (self.folder / path).open("rb") as file:
            os.fsync(file.fileno())
            self._files[path] = os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()

    def finish(self, at: datetime, of: str = "") -> str:
        """Writes the manifest, durably; its SHA-256."""
        said = {"format": FORMAT, "kind": self.kind, "name": self.name, "made": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
        listed = {path: {"size": size, "sha256": digest} for path, (size, digest) in sorted(self._files.items())}
        octets = json.dumps({**said, "version": __version__, "of": of, "files": listed}, indent=1).encode() + b"\n"
        with (self.folder / MANIFEST).open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        for place, _, _ in os.walk(self.folder):
            sync(Path(place))
        return hashlib.sha256(octets).hexdigest()

    def publish(self) -> Path:
        """Gives the folder its name. A crash before leaves a draft, which nothing takes for a backup."""
        final = self.parent / self.name
        self.folder.rename(final)
        sync(self.parent)
        return final


def read_manifest(folder: Path) -> Manifest:
    """What a folder says of itself.

    Raises:
        BackupRefused: it is no backup folder.
    """
    try:
        fd = os.open(folder / MANIFEST, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(fd, "rb") as file:
            octets = file.read(_LARGEST)
        said = json.loads(octets)
        if said["format"] != FORMAT or said["kind"] not in {DATA, KEYS}:
            raise BackupRefused(f"{folder} is no backup of this version")
        made = datetime.strptime(said["made"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        files = {str(path): (int(one["size"]), str(one["sha256"])) for path, one in said["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BackupRefused(f"{folder} is no backup: {MANIFEST} is missing or malformed") from error
    return Manifest(said["kind"], str(said["name"]), made, str(said["of"]), files, hashlib.sha256(octets).hexdigest())


def require_whole(folder: Path, manifest: Manifest) -> None:
    """Each file is there as the manifest has it, and none beside.

    Raises:
        BackupRefused: it is not so.
    """
    there = set(files_in(folder)) - {MANIFEST}
    if odd := sorted(there ^ manifest.files.keys()):
        raise BackupRefused(f"{folder / odd[0]} is {'not in the manifest' if odd[0] in there else 'missing'}")
    for path, (size, digest) in manifest.files.items():
        with (folder / path).open("rb") as file:
            if os.fstat(file.fileno()).st_size != size or hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise BackupRefused(f"{folder / path} is not as it was when the backup was made")


def dated(parent: Path) -> list[tuple[Path, Manifest]]:
    """The backup folders in a folder, oldest first: ours by name and manifest; links are none."""
    found = list[tuple[Path, Manifest]]()
    for path in sorted(parent.iterdir()):
        if _NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            with suppress(BackupRefused):
                found.append((path, read_manifest(path)))
    return found


@contextmanager
def alone(parent: Path) -> Generator[None]:
    """Holds a folder of backups for one process, and clears away what a dead one left unfinished.

    Raises:
        BackupRefused: another backup is being made.
    """
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupRefused(f"another backup into {parent} is under way") from None
        _clear(parent)
        try:
            yield
        finally:
            _clear(parent)
    finally:
        os.close(fd)


def _clear(parent: Path) -> None:
    for path in parent.iterdir():
        if _DRAFT.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


def free_name(at: datetime, parents: tuple[Path, ...]) -> str:
    """The name for a backup of a time, a second or more later where it is taken."""
    while any((parent / at.strftime(_STAMP)).exists() for parent in parents):
        at += timedelta(seconds=1)
    return at.strftime(_STAMP)


def remove(path: Path) -> None:
    """Removes a backup folder. A crash leaves a name that nothing takes for one, removed the next time."""
    gone = path.with_name(f".old-{path.name}")
    path.rename(gone)
    shutil.rmtree(gone)


def sync(folder: Path) -> None:
    """Makes the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
