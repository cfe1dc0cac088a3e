"""What happens at the same time is stored in the same transaction: one flush of the log, one round trip, for all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from sealpost.domain.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")
MOST = 64


class Group(Generic[T, R]):
    """Collects while a transaction is under way; the next takes all that wait, up to ``MOST``."""

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]]) -> None:
        """Writes nothing yet.

        Args:
            write: one transaction for all that it is given; a result or an exception for each, in their order.
        """
        self._write_group = write
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, one: T) -> R:
        """Returns when the transaction that holds it is committed.

        Raises:
            Unavailable: for all of a group.
            Exception: what ``write`` raised, or gave for this one. A group whose transaction failed is tried one by one,
                so that the one at fault fails alone.
        """
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        # The caller may be gone; the group goes on.
        return await asyncio.shield(done)

    async def close(self) -> None:
        """Waits for the transactions under way."""
        while self._writing:
            await asyncio.wait([self._writing])

    async def _write(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._end(group)
        finally:
            self._writing = None

    async def _end(self, group: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._write_group([one for one, _ in group])
        except Unavailable as error:
            for _, done in group:
                _tell(done, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller at fault must hear of it, and nobody else
            if len(group) == 1:
                _tell(group[0][1], error)
                return
            for one in group:
                await self._end([one])
        else:
            for (_, done), result in zip(group, results, strict=True):
                _tell(done, result)


class Groups:
    """The groups of a process: one for each writing function and service."""

    def __init__(self) -> None:
        self._known: dict[Any, Group[Any, Any]] = {}

    async def add(self, service: S, write: Callable[[S, Sequence[T]], Awaitable[Sequence[R | Exception]]], one: T) -> R:
        """As ``Group.add``; ``write`` is called with the service.

        Raises:
            Exception: as there.
        """
        # The partial keeps the service, so that its id stays its own.
        known = self._known.get((write, id(service)))
        if known is None:
            known = self._known[write, id(service)] = Group(partial(write, service))
        return await known.add(one)


def _tell(done: asyncio.Future[R], result: R | Exception) -> None:
    if done.done():
        return
    if isinstance(result, Exception):
        done.set_exception(result)
        done.exception()  # a caller that has gone away reads it no more
    else:
        done.set_result(result)
