"""Every field and address with every hostile value (the tables beside this): the right refusal, in a second, and nothing stored."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.hostile.cases import Case, wrong
from tests.hostile.conftest import Quiet
from tests.hostile.counted import TABLES, counts, summary
from tests.hostile.wire import Line

LINES = 4
LONGEST = 1.0


@pytest.mark.parametrize("kind", TABLES)
async def test_every_case_is_answered_as_it_must_be(quiet: Quiet, kind: str) -> None:
    cases = TABLES[kind](quiet.known)
    async with quiet.unchanged():
        failures = await run(quiet.port, cases)
        assert not failures, f"{len(failures)} of {len(cases)}:\n" + "\n".join(failures[:60])


async def run(port: int, cases: list[Case]) -> list[str]:
    """What is wrong, case by case. One that took over a second among others is tried again alone."""
    waiting = iter(cases)
    failures: list[str] = []
    slow: list[Case] = []

    async def work() -> None:
        line = Line(port)
        for case in waiting:
            got = await line.ask(case.octets, head_only=case.method == "HEAD")
            if problem := wrong(case, got):
                failures.append(f"{case.name}: {problem}")
            if got.seconds > LONGEST:
                slow.append(case)
        await line.close()

    await asyncio.gather(*(work() for _ in range(LINES)))
    alone = Line(port)
    for case in slow:
        got = await alone.ask(case.octets, head_only=case.method == "HEAD")
        if got.seconds > LONGEST:
            failures.append(f"{case.name}: took {got.seconds:.1f} s")
    await alone.close()
    return failures


def test_there_are_at_least_five_thousand_cases() -> None:
    print(summary())
    assert sum(counts().values()) >= 5_000


@pytest.mark.parametrize("kind", TABLES)
def test_no_case_stands_twice(kind: str, quiet: Quiet) -> None:
    twice = [
        octets for octets, times in Counter(case.octets for case in TABLES[kind](quiet.known)).items() if times > 1
    ]
    assert not twice, twice[0]
