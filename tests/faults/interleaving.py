"""Several writers step by step: at each touch of database or disk the next one to go on is drawn by lot."""

from __future__ import annotations

import asyncio
import io
import os
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from tests.faults.disk import PLACES

BLOCKED = 0.03
"""Seconds after which one that does not come to its next step waits for a row that another one holds."""
BURSTS = (1, 1, 2, 5, 15, 60)
"""Steps that one goes on for."""
_me: ContextVar[str] = ContextVar("_me", default="")


class Lots:
    """Lets one writer go on at a time.

    Args:
        seed: of the lots.
    """

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._running: set[str] = set()
        self._patience: asyncio.TimerHandle | None = None
        self._last, self._left = "", 0
        self.steps = 0

    async def run(self, acts: dict[str, Callable[[], Awaitable[Any]]]) -> dict[str, Any]:
        """Runs all of them; what each returned or raised."""
        self._running = set(acts)
        results = await asyncio.gather(*(self._one(name, act) for name, act in acts.items()), return_exceptions=True)
        if self._patience:
            self._patience.cancel()
        return dict(zip(acts, results, strict=True))

    async def _one(self, name: str, act: Callable[[], Awaitable[Any]]) -> Any:
        _me.set(name)
        try:
            await self.turn()
            return await act()
        finally:
            self._running.discard(name)
            self._draw()

    async def turn(self) -> None:
        """Waits until it is this writer's turn."""
        if not (name := _me.get()):
            return
        self.steps += 1
        future = self._waiting[name] = self._loop.create_future()
        self._running.discard(name)
        self._draw()
        await future

    def turn_in_thread(self) -> None:
        if _me.get():
            asyncio.run_coroutine_threadsafe(self._named(_me.get()), self._loop).result()

    async def _named(self, name: str) -> None:
        _me.set(name)
        await self.turn()

    def _draw(self, *, force: bool = False) -> None:
        if self._patience:
            self._patience.cancel()
            self._patience = None
        if self._waiting and (force or not self._running):
            name = self._drawn()
            self._running.add(name)
            self._waiting.pop(name).set_result(None)
        if self._waiting:
            self._patience = self._loop.call_later(BLOCKED, lambda: self._draw(force=True))

    def _drawn(self) -> str:
        """Whoever is drawn goes on for a while: one may come to its end between two steps of the other."""
        self._left -= 1
        if self._left <= 0 or self._last not in self._waiting:
            self._left = self._chance.choice(BURSTS)
            self._last = self._chance.choice(sorted(self._waiting))
        return self._last


class Cut(Lots):
    """One goes some steps, then the other one goes to its end, then the first one goes on.

    Args:
        steps: of the first one before it.
        first: its name.
    """

    def __init__(self, steps: int, first: str) -> None:
        super().__init__(0)
        self._before, self._first = steps, first
        self.reached = False

    def _drawn(self) -> str:
        others = sorted(self._waiting.keys() - {self._first})
        if self._first in self._waiting and (self._before > 0 or not others):
            self._before -= 1
            return self._first
        self.reached = self.reached or self._first in self._waiting
        return others[0]


class LotPool:
    """A pool where each statement, and each begin and end of a transaction, is a step."""

    def __init__(self, pool: Any, lots: Lots) -> None:
        self.pool, self.lots = pool, lots

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.pool, name)
        if name not in {"fetch", "fetchrow", "fetchval", "execute"}:
            return found

        async def step(*args: Any) -> Any:
            await self.lots.turn()
            return await found(*args)

        return step

    @asynccontextmanager
    async def acquire(self) -> AsyncGenerator[Any]:
        async with self.pool.acquire() as connection:
            yield _LotConnection(connection, self.lots)


class _LotConnection(LotPool):
    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None]:
        async with self.pool.transaction():
            yield
            await self.lots.turn()


def watch_disk(patch: pytest.MonkeyPatch, lots: Callable[[], Lots | None]) -> None:
    """Each call that changes or opens a file in a writer's thread is a step."""
    for name in (*PLACES, "fsync"):
        _patched(patch, os, name, lots)
    _patched(patch, io, "open", lots)


def _patched(patch: pytest.MonkeyPatch, module: Any, name: str, lots: Callable[[], Lots | None]) -> None:
    real = getattr(module, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        drawn = lots()
        if drawn is not None and _me.get() and not _in_loop():
            drawn.turn_in_thread()
        return real(*args, **kwargs)

    patch.setattr(module, name, call)


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
