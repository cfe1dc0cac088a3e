"""The sweep: one life again and again, each time with one fault one act later, until a run ends before its fault."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.breaking import Faults, Mode
from tests.faults.invariants import check
from tests.faults.lives import Course, Life
from tests.faults.site import Site, Violation
from tests.world import START

Chosen = Callable[[int, Mode], bool]
_numbers = itertools.count(1)


@dataclass
class Swept:
    """What a sweep did: the acts of a life without a fault, and the broken cells."""

    cells: int = 0
    acts: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


async def sweep(site: Site, life: Life, chosen: Chosen) -> Swept:
    """Breaks every act of a life in every way that is chosen by its number and mode."""
    swept = Swept()
    await run(site, life, Faults())
    swept.acts = list(site.faults.acts)
    for at in itertools.count(1):
        struck = 0
        for mode in Mode:
            if at <= len(swept.acts) and not (_differs(swept.acts[at - 1], mode) and chosen(at, mode)):
                continue
            struck += await _cell(site, life, at, mode, swept)
        if not struck and at > len(swept.acts):
            return swept
    raise AssertionError


def _differs(act: str, mode: Mode) -> bool:
    """Half an act exists on a disk only; what only reads cannot be stored."""
    if mode is Mode.torn:
        return act == "append"
    return not (mode.done and act == "commit: reads")


async def _cell(site: Site, life: Life, at: int, mode: Mode, swept: Swept) -> bool:
    try:
        await run(site, life, Faults(at, mode))
    except Violation as violation:
        swept.violations.append(f"{life.name}, act {at} ({site.faults.struck}) {mode}: {violation}")
        await site.bury()
        await site.open()
    struck = bool(site.faults.struck)
    swept.cells += struck
    return struck


async def run(site: Site, life: Life, faults: Faults) -> None:
    """One course of a life with one fault.

    Raises:
        Violation: what was promised does not hold.
    """
    site.world.clock.at = START
    site.world.mailbox.mails.clear()
    await site.world.service.pool.execute("delete from pgqueuer")
    site.begin(faults)
    course = Course(site, f"{life.name}{next(_numbers)}")
    await life.live(course)
    await check(course, life)
