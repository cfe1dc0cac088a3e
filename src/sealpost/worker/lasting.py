"""Jobs that go on for long hold none of the queue's places: servers may take the minutes that RFC 5321 gives them.

For ``worker/run``. A job is only a hint, so the queue may take it for done: the claim of its mail is what counts, and stands.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

LASTING = 2.0
"""Seconds after which a job goes on without its place."""


class Lasting:
    """Runs jobs; how many go on for long is bounded, beyond that they keep their places."""

    def __init__(self, most: int) -> None:
        """``most``: so many go on for long."""
        self._most = most
        self._tasks = set[asyncio.Task[None]]()

    async def run(self, job: Coroutine[Any, Any, None]) -> None:
        """Returns when the job has ended, or goes on without its place.

        A caller that is cancelled cancels the job that it waits for.
        """
        task = asyncio.create_task(job)
        try:
            await asyncio.wait([task], timeout=LASTING)
            if not task.done() and len(self._tasks) < self._most:
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            else:
                await task
        except asyncio.CancelledError:
            task.cancel()
            raise

    async def end(self) -> None:
        """Waits for those that go on."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cut_off(self) -> None:
        """Ends them where they stand; the marks of their attempts say what is known."""
        for task in self._tasks:
            task.cancel()
        await self.end()


@asynccontextmanager
async def lasting_jobs(most: int) -> AsyncGenerator[Lasting]:
    """For the block; then it waits for those that go on, or cuts them off if it is cancelled itself."""
    lasting = Lasting(most)
    try:
        yield lasting
        await lasting.end()
    finally:
        await lasting.cut_off()
