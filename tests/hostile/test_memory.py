"""What is large and refused leaves nothing in memory: a second round of the same takes no more than the first."""

from __future__ import annotations

import gc
import tracemalloc

from tests.hostile.conftest import Quiet
from tests.hostile.counted import TABLES
from tests.hostile.test_tables import run

LARGE = 900_000
FLAT = 5_000_000


async def test_memory_is_flat(quiet: Quiet) -> None:
    large = [case for table in TABLES.values() for case in table(quiet.known) if len(case.octets) > LARGE]
    assert len(large) > 40
    async with quiet.unchanged():
        tracemalloc.start()
        try:
            grown: list[int] = []
            for _ in range(3):
                before = tracemalloc.get_traced_memory()[0]
                failures = await run(quiet.port, large)
                assert not failures, failures
                gc.collect()
                grown.append(tracemalloc.get_traced_memory()[0] - before)
        finally:
            tracemalloc.stop()
    assert max(grown[1:]) < FLAT, grown
