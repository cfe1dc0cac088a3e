"""Key-encryption keys in files, outside the database: `content-1.key`, `mail-1.key`, and higher numbers when rotated.

For bootstrap, which hands each ring to its `vault.Vault`. The highest number wraps; all numbers open. Source: design D6
and section 4, row *Attempt* (mail bytes are encrypted with another key than content).
"""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sealpost.domain.errors import SealpostError

PURPOSES = ("content", "mail")

_KEY = 32
_NAME = re.compile(r"(content|mail)-([1-9][0-9]{0,4})\.key", re.ASCII)


class KeysRefused(SealpostError):
    """Key files are readable by others, or are not key files."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of one purpose, by number, 32 bytes each; `current` is the number that wraps."""

    keys: Mapping[int, bytes] = field(repr=False)
    current: int


def load_or_create(folder: Path) -> dict[str, Keyring]:
    """Load every key of every purpose; where a purpose has none, create its number 1.

    Args:
        folder: made with mode 0700 if missing.

    Returns:
        A ring per purpose of `PURPOSES`.

    Raises:
        KeysRefused: a file or the folder is open to others, or a file is not 64 hexadecimal digits.
        OSError: a file cannot be read or made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o022:
        raise KeysRefused(f"{folder} can be written by others")
    rings: dict[str, Keyring] = {}
    for purpose in PURPOSES:
        keys = _load(folder, purpose)
        if not keys:
            _create(folder / f"{purpose}-1.key")
            keys = _load(folder, purpose)  # ours, or that of a process which was faster
        rings[purpose] = Keyring(keys, max(keys))
    return rings


def load(folder: Path) -> dict[str, Keyring]:
    """Load every key of every purpose, and make none.

    Raises:
        KeysRefused: a purpose has no key, or as `load_or_create`.
        OSError: a file cannot be read.
    """
    if not folder.is_dir():
        raise KeysRefused(f"no keys in {folder} yet; the first start of the service makes them")
    rings = {purpose: _load(folder, purpose) for purpose in PURPOSES}
    for purpose, keys in rings.items():
        if not keys:
            raise KeysRefused(f"{folder} has no {purpose} key; the first start of the service makes it")
    return {purpose: Keyring(keys, max(keys)) for purpose, keys in rings.items()}


def _load(folder: Path, purpose: str) -> dict[int, bytes]:
    found = [match for path in folder.iterdir() if (match := _NAME.fullmatch(path.name)) and match[1] == purpose]
    return {int(match[2]): _read(folder / match[0]) for match in found}


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise KeysRefused(f"{path} is open to others; its mode must be 0600")
        text = file.read(_KEY * 2 + 2)
    if not re.fullmatch(rb"[0-9a-f]{64}\n", text):
        raise KeysRefused(f"{path} is not a key of 64 hexadecimal digits")
    return bytes.fromhex(text.decode("ascii"))


def _create(path: Path) -> None:
    """Make one key file, durable under its name before the key is used; an existing one is left as it is.

    A crash leaves nothing under the name, or the whole file; a leftover `.new` file holds a key that nothing uses.
    """
    fd, draft = tempfile.mkstemp(suffix=".new", prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(os.urandom(_KEY).hex().encode("ascii") + b"\n")
            file.flush()
            os.fsync(fd)
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return
    finally:
        Path(draft).unlink()
    _sync(path.parent)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
