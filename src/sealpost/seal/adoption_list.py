"""The list of records that an upgrade adopts, in a file beside the keys, under a MAC of this installation.

For ``usecases/adopt`` (docs/decisions, *Old records are adopted once*). Whoever rules over the database alone can neither
write this file nor have it written a second time: it is made once, when a version that knows it first starts, and its
hashes never change. It lies in the folder of the keys, so that it is in their backup. Everything here blocks.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import re
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from sealpost.domain.errors import SealpostError

NAME = "adopted-records"
OFFERED, CONFIRMED, CLOSED = "offered", "confirmed", "closed"
State = Literal["offered", "confirmed", "closed"]
_FORMAT = "sealpost-adopted-records/1"
_STAMP = "%Y-%m-%dT%H:%M:%SZ"
_FILE = re.compile(
    rf"{_FORMAT}\n(offered|confirmed|closed) (\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\n((?:[0-9a-f]{{64}}\n)*)mac ([0-9a-f]{{64}})\n",
    re.ASCII,
)


class ListRefused(SealpostError):
    """The list cannot be used, or not for this; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What the list says.

    Args:
        state: ``offered`` until the operator has spoken; ``closed``: nothing is adopted, for good.
        at: since when it is in that state.
        hashes: SHA-256 of each record.
    """

    state: State
    at: datetime
    hashes: frozenset[bytes]


class AdoptionList:
    """The list of one installation.

    Args:
        path: the file.
        key: of the MAC; from the installation's keys, outside the database.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self.path, self._key = path, key
        self.finished = False
        """Whether this process has found that nothing of the list is left to adopt."""

    def read(self) -> Listed | None:
        """What it says, or None where there is no list yet.

        Raises:
            ListRefused: it is not as this installation wrote it.
            OSError: it cannot be read.
        """
        try:
            text = self.path.read_bytes().decode("ascii", "replace")
        except FileNotFoundError:
            return None
        found = _FILE.fullmatch(text)
        if found is None or not hmac.compare_digest(found[4], self._mac(text.removesuffix(f"mac {found[4]}\n"))):
            raise ListRefused(f"{self.path} is not as this installation wrote it: put it back from the keys' backup")
        state: State = "offered" if found[1] == OFFERED else "confirmed" if found[1] == CONFIRMED else "closed"
        at = datetime.strptime(found[2], _STAMP).replace(tzinfo=UTC)
        return Listed(state, at, frozenset(bytes.fromhex(line) for line in found[3].split()))

    def hashes(self) -> frozenset[bytes]:
        """What waits for the operator's word or has it; nothing where the list is missing, closed or cannot be read."""
        with suppress(ListRefused, OSError):
            found = self.read()
            if found is not None and found.state != CLOSED:
                return found.hashes
        return frozenset()

    def offer(self, hashes: Iterable[bytes], at: datetime) -> Listed:
        """Makes the list, unless there is one; with nothing in it, it is closed. Durable on return.

        Raises:
            ListRefused, OSError: as `read`.
        """
        listed = frozenset(hashes)
        with self._hold_folder():
            before = self.read()
            if before is None:
                self._write(Listed("offered" if listed else "closed", at, listed))
        return before or self._read_back()

    def settle(self, state: Literal["confirmed", "closed"], at: datetime) -> Listed:
        """Writes down what the operator says of an offered list; the same again changes nothing. Durable on return.

        Raises:
            ListRefused: there is no list, or the other was said before.
            OSError: the list is as before.
        """
        with self._hold_folder():
            before = self.read()
            if before is None:
                raise ListRefused("there is no list of records to adopt; it is made when the service first starts")
            if before.state not in {OFFERED, state}:
                raise ListRefused(f"this was decided on {before.at:%Y-%m-%d}: an installation adopts records once")
            if before.state == OFFERED:
                self._write(Listed(state, at, before.hashes))
        return self._read_back()

    def _read_back(self) -> Listed:
        found = self.read()
        if found is None:
            raise ListRefused(f"{self.path} is gone")
        return found

    def _write(self, listed: Listed) -> None:
        """A crash leaves the file as it was, or the new one, whole; a leftover draft is used by nothing."""
        lines = "".join(f"{one.hex()}\n" for one in sorted(listed.hashes))
        text = f"{_FORMAT}\n{listed.state} {listed.at.astimezone(UTC):{_STAMP}}\n{lines}"
        fd, draft = tempfile.mkstemp(prefix=f".{NAME}.", suffix=".new", dir=self.path.parent)
        try:
            with os.fdopen(fd, "w") as file:
                file.write(f"{text}mac {self._mac(text)}\n")
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(self.path)
        finally:
            with suppress(FileNotFoundError):
                Path(draft).unlink()
        _sync(self.path.parent)

    def _mac(self, text: str) -> str:
        return hmac.digest(self._key, text.encode("ascii", "replace"), "sha256").hex()

    @contextmanager
    def _hold_folder(self) -> Generator[None]:
        """One process at a time: the lock is on the folder, and ends with whoever holds it."""
        fd = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
