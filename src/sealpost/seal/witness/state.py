"""What a witness must never forget: of each log the largest tree that it cosigned (C2SP tlog-witness, add-checkpoint).

One SQLite file (decision in docs/decisions): a witness stands on a machine of its own, without our database. For `app`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock

from sealpost.domain.errors import SealpostError
from sealpost.domain.merkle import EMPTY, is_consistent
from sealpost.seal.witness.request import Request

FILE = "state.db"
WAIT_SECONDS = 5.0  # for another transaction, each of which takes a few milliseconds
_TABLES = """
CREATE TABLE IF NOT EXISTS witness (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS cosigned (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL CHECK (size >= 0), root BLOB NOT NULL CHECK (length(root) = 32)
) STRICT;
"""
_KEEP = """
INSERT INTO cosigned (origin, size, root) VALUES (?, ?, ?)
ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root
"""


class StateRefused(SealpostError):
    """The file is another witness's, or no file of a witness."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a checkpoint is not cosigned.

    Args:
        status: of the answer: 400, 409 or 422.
        size: what the witness cosigned last, 0 if nothing.
        why: a code for the log line.
    """

    status: int
    size: int
    why: str


def refusal(size: int, root: bytes, request: Request) -> Refusal | None:
    """Whether a witness that knows a tree may cosign another one: the whole rule, without any state.

    Args:
        size: leaves of the tree that it cosigned last; 0, with the root of the empty tree, if it never did.
        root: its root hash.
        request: what is asked.

    Returns:
        None if it may; else what to answer.
    """
    old, new = request.old, request.checkpoint
    if old > new.size:
        return Refusal(400, size, "old_above_new")
    if old != size:
        return Refusal(409, size, "another_old")
    if old == new.size and not request.path:
        return None if new.root == root else Refusal(409, size, "another_root")
    if old == 0:
        return Refusal(422, size, "wrong_proof") if request.path else None
    return None if is_consistent(old, new.size, root, new.root, request.path) else Refusal(422, size, "wrong_proof")


class State:
    """The file of one witness. Its calls block, for milliseconds; any thread may make them.

    Args:
        folder: of the witness; exists.
        name: of the witness: its state belongs to that name and its keys, and to no other.

    Raises:
        StateRefused: the file is not this witness's.
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path, self._turn = folder / FILE, Lock()
        try:
            with self._transaction() as base:
                base.executescript("BEGIN IMMEDIATE;" + _TABLES)
                base.execute("INSERT OR IGNORE INTO witness VALUES (1, ?)", (name,))
                (found,) = base.execute("SELECT name FROM witness").fetchone()
        except sqlite3.DatabaseError as error:
            raise StateRefused(f"{self._path} cannot be used: {error}") from error
        if found != name:
            raise StateRefused(f"{self._path} is of the witness {found}; another name needs another folder and keys")
        _sync(folder)

    def size(self, origin: str) -> int:
        """Leaves of the tree that was cosigned last, 0 if none was."""
        with self._transaction() as base:
            return _known(base, origin)[0]

    def take(self, request: Request, now: Callable[[], datetime]) -> Refusal | datetime:
        """Check a checkpoint against what is known, and keep it as the latest.

        On return it is durable. A crash before the commit leaves the state as it was; a crash after it, before the
        answer, leaves the state ahead of what the log has seen, which learns the size from a 409 and goes on: the
        same checkpoint can be asked for again.

        Args:
            request: its signatures are checked already.
            now: gives the time, asked while nobody else can keep a larger tree: the cosignature says of this moment
                that the tree is the largest one seen.

        Returns:
            The time to cosign with, or why it must not be cosigned.

        Raises:
            sqlite3.Error: the state cannot be read or written; nothing may be cosigned.
        """
        new = request.checkpoint
        with self._transaction() as base:
            base.execute("BEGIN IMMEDIATE")
            if found := refusal(*_known(base, new.origin), request):
                return found
            at = now()
            base.execute(_KEEP, (new.origin, new.size, new.root))
            return at

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        """A connection for one use, one at a time: other processes are held off by the file's lock, which is polled.

        EXTRA is FULL and, with a rollback journal, syncs the folder after the journal is gone; without it a power cut
        could bring the journal back and undo a commit whose cosignature is out (sqlite.org/pragma.html#pragma_synchronous).
        """
        with self._turn, closing(sqlite3.connect(self._path, timeout=WAIT_SECONDS, isolation_level=None)) as base:
            base.execute("PRAGMA journal_mode = DELETE")
            base.execute("PRAGMA synchronous = EXTRA")
            try:
                yield base
            except BaseException:
                if base.in_transaction:
                    base.rollback()
                raise
            if base.in_transaction:
                base.commit()


def _known(base: sqlite3.Connection, origin: str) -> tuple[int, bytes]:
    found = base.execute("SELECT size, root FROM cosigned WHERE origin = ?", (origin,)).fetchone()
    return (found[0], found[1]) if found else (0, EMPTY)


def _sync(folder: Path) -> None:
    """Makes the file's name durable, before anything is cosigned."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
