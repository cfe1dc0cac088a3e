"""Broken framing on raw sockets: 4xx or a closed connection, within the time-out, whatever stops or lies; nothing stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sealpost.access import middleware
from sealpost.api import upload
from sealpost.cli import heads
from tests.hostile.conftest import Quiet
from tests.hostile.framing_table import Broken, framing_cases, taken_cases
from tests.hostile.values import MARK
from tests.hostile.wire import Answered, raw

AT_ONCE = 8
SECONDS = 0.2
LONGEST = 2.0
REFUSALS = {0, 400, 408, 411, 413, 414, 431}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All time-outs are short."""
    for module, name in ((upload, "SMALL_SECONDS"), (upload, "IDLE_SECONDS"), (middleware, "DRAIN_SECONDS"), (middleware, "BODY_SECONDS"), (heads, "SECONDS")):  # fmt: skip
        monkeypatch.setattr(module, name, SECONDS)


async def run(port: int, cases: list[Broken], judge: Callable[[Broken, Answered], bool]) -> list[str]:
    waiting, failures = iter(cases), list[str]()

    async def work() -> None:
        for case in waiting:
            got = await raw(port, *case.pieces, end=case.end)
            if not judge(case, got):
                failures.append(f"{case.name}: {got.status} after {got.seconds:.1f} s: {got.body[:200]!r}")

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return failures


def refused(case: Broken, got: Answered) -> bool:
    # 412 would say that the request was read to its end, and only the sender's address was wrong.
    right = got.status in case.statuses if case.statuses else got.status in REFUSALS
    return right and MARK.encode() not in got.body and got.seconds < LONGEST


def taken(_: Broken, got: Answered) -> bool:
    return got.status == 412 and got.seconds < LONGEST


@pytest.mark.usefixtures("impatient")
async def test_broken_requests_are_refused(quiet: Quiet) -> None:
    async with quiet.unchanged():
        failures = await run(quiet.port, framing_cases(quiet.known), refused)
        assert not failures, f"{len(failures)}:\n" + "\n".join(failures)


@pytest.mark.usefixtures("impatient")
async def test_odd_requests_are_taken(quiet: Quiet) -> None:
    async with quiet.unchanged():
        failures = await run(quiet.port, taken_cases(quiet.known), taken)
        assert not failures, "\n".join(failures)
