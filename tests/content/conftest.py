"""A store on a real folder, and a way to make one system call fail once."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from sealpost.content.placement import Placement
from sealpost.content.segments import LocalSegments


@dataclass
class Rows:
    """Stands for the committed rows: what was acknowledged and committed."""

    placed: list[Placement] = field(default_factory=list)

    async def committed_end(self, segment: UUID) -> int:
        return max((row.offset + row.length for row in self.placed if row.segment == segment), default=0)


@dataclass
class Faults:
    """Makes the next matching call of a function in `os` fail, with or without its effect."""

    monkeypatch: pytest.MonkeyPatch
    fired: int = 0

    def once(
        self,
        name: str,
        number: int,
        *,
        stored: bool,
        only: Callable[..., bool] = lambda *_a, **_k: True,
        times: int = 1,
    ) -> None:
        real: Callable[..., Any] = getattr(os, name)
        left = times

        def failing(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if not left or not only(*args, **kwargs):
                return real(*args, **kwargs)
            left -= 1
            self.fired += 1
            if stored:
                result = real(*args, **kwargs)
                if name == "open":
                    os.close(result)
            raise OSError(number, os.strerror(number))

        self.monkeypatch.setattr(os, name, failing)


ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # another process finds what this one imports


class Gate:
    """Holds the writing thread at its fdatasync until opened, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.reached = threading.Event()
        self.open = threading.Event()
        real = os.fdatasync

        def held(fd: int) -> None:
            self.calls += 1
            self.reached.set()
            self.open.wait(60)
            real(fd)

        monkeypatch.setattr(os, "fdatasync", held)

    async def wait_reached(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, 60)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def names(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    return Faults(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "content"


@pytest_asyncio.fixture
async def store(folder: Path, rows: Rows) -> AsyncIterator[LocalSegments]:
    segments = LocalSegments(folder, rows.committed_end)
    await segments.open()
    yield segments
    await segments.close()
