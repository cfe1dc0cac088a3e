"""Each change below a folder is an act that can be broken: drafts, what is flushed, links, renames, removals."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.faults.breaking import Faults, Killed, Mode

T = TypeVar("T")
PLACES = {"link": 1, "replace": 1, "unlink": 0, "mkdir": 0, "rmdir": 0}
"""Calls of the operating system, and which argument says where."""


class Disk:
    """Watches a folder through the calls that change it.

    Args:
        folder: the log's; what happens elsewhere is no act.
        published: gets the octets of every file that is about to be put in the place of ``checkpoint``.
    """

    def __init__(self, folder: Path, published: Callable[[bytes], None]) -> None:
        self.faults: Callable[[], Faults] = Faults
        self._folder, self._published = str(folder.resolve()), published
        self._loop = asyncio.get_running_loop()

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """From here on."""
        for name, place in PLACES.items():
            patch.setattr(os, name, self._broken(name, getattr(os, name), place))
        patch.setattr(os, "fsync", self._flushed(os.fsync))
        patch.setattr(tempfile, "mkstemp", self._drafted(tempfile.mkstemp))

    def _is_ours(self, path: Any) -> bool:
        return os.fspath(path).startswith(self._folder) if isinstance(path, str | os.PathLike) else False

    def _broken(self, name: str, real: Callable[..., Any], place: int) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._is_ours(args[place]):
                return real(*args, **kwargs)
            if name == "replace" and Path(args[1]).name == "checkpoint":
                self._published(Path(args[0]).read_bytes())
            return self._strike(name, lambda: real(*args, **kwargs))

        return call

    def _flushed(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def call(fd: int) -> None:
            path = str(Path(f"/proc/self/fd/{fd}").readlink())
            if not self._is_ours(path):
                real(fd)
            elif Path(path).is_dir():
                self._strike("flush of a folder", lambda: real(fd))
            else:
                self._strike("write", lambda: real(fd), fd)

        return call

    def _drafted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._is_ours(kwargs.get("dir")):
                return real(*args, **kwargs)
            return self._strike("draft", lambda: real(*args, **kwargs))

        return call

    def _strike(self, name: str, store: Callable[[], T], fd: int | None = None) -> T:
        faults = self.faults()

        def drop() -> None:
            if fd is not None and faults.mode is Mode.torn:
                os.ftruncate(fd, os.fstat(fd).st_size // 2)

        try:
            return faults.strike(f"file: {name}", store, drop, OSError(5, "broken by the test"))
        except Killed:
            self._loop.call_soon_threadsafe(faults.dead.set)
            raise
