"""One fault at the n-th durable act: every commit, every append of content, every stage of an SMTP dialogue.

An act is broken both ways: it fails, or it is done and the answer is lost; and the process is killed before it or
after it. "Killed" is an exception that no code of the product knows; after it nothing of that process gets through.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from sealpost.content.placement import Blob, ContentStore, ContentUnavailable, Placement

T = TypeVar("T")


class Mode(StrEnum):
    """How an act is broken. ``torn``: killed with half of the bytes on the disk; files only, else as killed before."""

    failed = "failed"
    lost = "failed but stored"
    killed_before = "killed before"
    killed_after = "killed after"
    torn = "torn"

    @property
    def done(self) -> bool:
        return self in {Mode.lost, Mode.killed_after}

    @property
    def kills(self) -> bool:
        return self in {Mode.killed_before, Mode.killed_after, Mode.torn}


class Killed(BaseException):
    """The process is dead; like a kill -9, nothing of the product catches it."""


@dataclass
class Faults:
    """Counts the acts of one process after another, and breaks the ``at``-th, or the first ``named`` one, or none."""

    at: int = 0
    mode: Mode = Mode.failed
    named: str = ""
    acts: list[str] = field(default_factory=list)
    struck: str = ""
    killed: bool = False
    dead: asyncio.Event = field(default_factory=asyncio.Event)

    def next(self, name: str) -> Mode | None:
        """Counts an act; how it is to be broken, if it is."""
        self.check_alive()
        self.acts.append(name)
        if self.struck or (name != self.named if self.named else len(self.acts) != self.at):
            return None
        self.struck = name
        return self.mode

    def check_alive(self) -> None:
        if self.killed:
            raise Killed

    async def act(
        self, name: str, store: Callable[[], Awaitable[T]], drop: Callable[[], Awaitable[None]], refusal: Exception
    ) -> T:
        """Does an act, or breaks it: ``drop`` undoes what was begun, ``refusal`` is what its layer would raise."""
        mode = self.next(name)
        if mode is None:
            return await store()
        await (store() if mode.done else drop())
        if mode.kills:
            self.killed = True
            self.dead.set()
            raise Killed
        raise refusal

    def strike(self, name: str, store: Callable[[], T], drop: Callable[[], None], refusal: Exception) -> T:
        """The same for what blocks, maybe in a thread: whoever runs it sets ``dead`` in its loop."""
        mode = self.next(name)
        if mode is None:
            return store()
        if mode.done:
            store()
        else:
            drop()
        if mode.kills:
            self.killed = True
            raise Killed
        raise refusal


async def nothing() -> None:
    """There is nothing to undo."""


def cut_off(at: int) -> Exception:
    """The two things that asyncpg says of a lost connection, in turns."""
    if at % 2:
        return asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")
    return asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


class FaultyPool:
    """A pool of which each commit, and each statement that is a transaction of its own, is an act."""

    def __init__(self, pool: Any, faults: Faults) -> None:
        self.pool = pool
        self.faults = faults

    @asynccontextmanager
    async def acquire(self) -> AsyncGenerator[FaultyConnection]:
        self.faults.check_alive()
        async with self.pool.acquire() as raw:
            yield FaultyConnection(raw, self.faults)

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        return await self._single(query, lambda: self.pool.fetch(query, *args))

    async def fetchrow(self, query: str, *args: Any) -> Any:
        return await self._single(query, lambda: self.pool.fetchrow(query, *args))

    async def fetchval(self, query: str, *args: Any) -> Any:
        return await self._single(query, lambda: self.pool.fetchval(query, *args))

    async def execute(self, query: str, *args: Any) -> str:
        return await self._single(query, lambda: self.pool.execute(query, *args))

    async def _single(self, query: str, store: Callable[[], Awaitable[T]]) -> T:
        return await self.faults.act(
            f"statement: {' '.join(query.split()[:3])}", store, nothing, cut_off(self.faults.at)
        )

    async def close(self) -> None:
        await self.pool.close()

    def terminate(self) -> None:
        self.pool.terminate()


class FaultyConnection:
    """A connection whose transactions' commits are acts; it is lost with a broken one, as a real one is."""

    def __init__(self, raw: Any, faults: Faults) -> None:
        self._raw = raw
        self._faults = faults
        self._wrote: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    async def execute(self, query: str, *args: Any) -> str:
        self._note(query)
        return await self._raw.execute(query, *args)

    async def fetchrow(self, query: str, *args: Any) -> Any:
        self._note(query)
        return await self._raw.fetchrow(query, *args)

    async def executemany(self, command: str, args: Sequence[Any]) -> None:
        self._note(command)
        await self._raw.executemany(command, args)

    def _note(self, query: str) -> None:
        words = query.split()
        if words[0].lower() in {"insert", "update"}:
            self._wrote.append(words[1] if words[0] == "update" else words[2])

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None]:
        transaction = self._raw.transaction()
        await transaction.start()
        self._wrote.clear()
        try:
            yield
        except BaseException:
            if not self._raw.is_closed():
                await transaction.rollback()
            raise
        name = f"commit: {', '.join(dict.fromkeys(self._wrote)) or 'reads'}"
        try:
            await self._faults.act(name, transaction.commit, transaction.rollback, cut_off(self._faults.at))
        except BaseException:
            self._raw.terminate()
            raise


class FaultyContent:
    """A content store whose appends are acts."""

    def __init__(self, store: ContentStore, faults: Faults, folder: Path) -> None:
        self._store = store
        self.faults = faults
        self._folder = folder

    async def append(self, blob: Blob) -> Placement:
        return (await self.append_all([blob]))[0]

    async def append_all(self, blobs: Sequence[Blob]) -> list[Placement]:
        async def store() -> list[Placement]:
            return await self._store.append_all(blobs)

        async def drop() -> None:
            if self.faults.mode is Mode.torn:
                last = (await store())[-1]
                os.truncate(self._folder / f"{last.segment}.seg", last.offset + last.length // 2)

        return await self.faults.act("append", store, drop, ContentUnavailable("content cannot be stored now"))

    async def read(self, placement: Placement) -> bytes:
        self.faults.check_alive()
        return await self._store.read(placement)

    async def close(self) -> None:
        await self._store.close()
