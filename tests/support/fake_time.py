"""An event loop whose time goes on only when nothing else is to be done: hours pass in a moment, and always alike."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """For tasks that wait for each other and for the time alone, not for sockets."""

    def __init__(self) -> None:
        super().__init__()
        self._at = 1000.0

    def time(self) -> float:
        return self._at

    def _run_once(self) -> None:
        loop: Any = self
        if not loop._ready and loop._scheduled:
            self._at = max(self._at, loop._scheduled[0]._when)
        super()._run_once()  # type: ignore[misc] - asyncio's own step


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end in fake time."""
    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        return runner.run(main)
