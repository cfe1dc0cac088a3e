"""The queue, as the store sees it: jobs are enqueued on the caller's own connection, so in its transaction.

The entry points and what their payload names are here; what runs them is the worker's. A job is only a hint to look:
each one first reads the state, and the timers enqueue again what is due, so a lost job row loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

Name = Literal["announce", "remind", "deliver", "notify", "plan_reminder", "expire"]
Job = tuple[Name, str]
"""Entry point, and the id of the mail (``plan_reminder``, ``expire``: of the ticket) in text form."""


def for_mail(purpose: str) -> Name:
    """The job that hands over a mail of this purpose."""
    match purpose:
        case "announcement":
            return "announce"
        case "reminder":
            return "remind"
        case "content":
            return "deliver"
        case _:
            return "notify"


async def enqueue(connection: Any, jobs: Sequence[Job]) -> None:
    """Adds jobs; they exist when, and only when, the caller's transaction commits."""
    if jobs:
        await Queries(AsyncpgDriver(connection)).enqueue(
            [name for name, _ in jobs], [subject.encode() for _, subject in jobs], [0] * len(jobs)
        )
