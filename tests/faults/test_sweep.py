"""Every durable act of a registered e-mail's life is broken, one at a time, in each way in which it can break."""

from __future__ import annotations

import os
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.faults.breaking import Mode
from tests.faults.lives import LIVES, Life
from tests.faults.site import Site, new_site
from tests.faults.sweeping import sweep
from tests.world import World

COMPLETE = bool(os.environ.get("SEALPOST_FAULTS_COMPLETE"))
SAMPLE = 24


@pytest.fixture
async def site(world: World, dsn: str, tmp_path: Path) -> AsyncGenerator[Site]:
    # No test here kills the database, so its log need not be flushed: twice as many cells in the same time.
    await world.service.pool.execute(f"alter database {urlsplit(dsn).path[1:]} set synchronous_commit = off")
    async with new_site(world, dsn, tmp_path) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
async def test_sweep(site: Site, life: Life, capsys: pytest.CaptureFixture[str]) -> None:
    """The first life whole; of the others a sample, unless all is asked for."""

    def chosen(at: int, mode: Mode) -> bool:
        one_in = 4 if life is LIVES[0] else SAMPLE
        return COMPLETE or zlib.crc32(f"{at} {mode}".encode()) % one_in == 0

    swept = await sweep(site, life, chosen)
    with capsys.disabled():
        print(f"\n{life.name}: {len(swept.acts)} acts, {swept.cells} cells, {len(swept.violations)} violations")
    assert swept.cells
    assert not swept.violations, "\n".join(swept.violations)
