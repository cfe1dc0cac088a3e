"""Two writers at one log, without the lock that keeps them apart: never two roots, never a stop without need."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sealpost.domain.checkpoint import read_checkpoint
from sealpost.domain.errors import Unavailable
from sealpost.domain.note import read
from sealpost.seal.log import folder
from sealpost.seal.log.folder import LogFolder
from sealpost.store import logs
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.service import Service
from sealpost.usecases.stamp import stamp_pending
from sealpost.verifier.earlier import Receipt
from sealpost.verifier.verify import verify
from tests.faults.interleaving import Cut, LotPool, Lots, watch_disk
from tests.faults.log_life import EMPTIED, FILLING, Signed, check_log, given_out, trust_now
from tests.world import START, World

COMPLETE = bool(os.environ.get("SEALPOST_FAULTS_COMPLETE"))
SEEDS, SAMPLE = 51, 5


@dataclasses.dataclass
class Pair:
    """Two writers, each with what a process of its own would remember; ``lots`` says who goes on."""

    world: World
    folder: Path
    signed: Signed
    lots: Lots | None = None

    def writer(self, lots: Lots) -> Service:
        pool: Any = LotPool(self.world.service.pool, lots)
        evidence = dataclasses.replace(self.world.service.evidence, folders={})
        return dataclasses.replace(self.world.service, pool=pool, evidence=evidence)

    async def extend(self, lots: Lots, more: int = 0) -> list[Any]:
        """Both extend the log at once, the other one with so many records that come meanwhile; what came of it."""
        self.lots = lots
        one, other = self.writer(self.lots), self.writer(self.lots)

        async def later() -> int | None:
            if more:
                await self.world.service.pool.execute(FILLING, more)
            return await extend_log(other)

        found = await self.lots.run({"one": lambda: extend_log(one), "other": later})
        self.lots = None
        await self.require_newest()
        return list(found.values())

    async def require_newest(self) -> None:
        """What the database knows as signed, the folder has: it never goes back to a shorter tree."""
        tree = await logs.newest(self.world.service.pool)
        newest = await logs.newest_signed(self.world.service.pool, tree.id) if tree else None
        if tree is None or newest is None:
            return
        octets = LogFolder(self.folder / tree.name).checkpoint()
        assert octets is not None
        assert read_checkpoint(read(octets).text).size >= newest.size, "the folder has a shorter tree"

    async def begin(self) -> str:
        """Nothing was sent and there is no log; then Alice sends."""
        await self.world.service.pool.execute(EMPTIED)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.signed.roots.clear()
        self.world.service.evidence.folders.clear()
        return await self.world.send()

    async def check(self, token: str, receipts: list[bytes]) -> bytes:
        """What is left is logged by one alone; then everything holds, and the token's bundle agrees with those before."""
        service = dataclasses.replace(
            self.world.service, evidence=dataclasses.replace(self.world.service.evidence, folders={})
        )
        while await extend_log(service):
            pass
        await stamp_pending(service)
        await check_log(service.pool, self.folder, self.signed)
        if not token:
            return b""
        bundle = await given_out(service, self.world.alice, token)
        given = [Receipt(f"receipt {number}", one) for number, one in enumerate(receipts)]
        report = verify(bundle, await trust_now(service), given, log=self.folder / "2026")
        assert not [one for one in report.claims if one.verdict == "FAIL"]
        return bundle


@pytest.fixture
async def pair(world: World, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    await world.service.pool.execute(f"alter database {urlsplit(dsn).path[1:]} set synchronous_commit = off")

    async def always(_: Any, _lock: int = 0) -> bool:
        return True

    monkeypatch.setattr(logs, "take_lock", always)
    made = Pair(world, tmp_path / "log", Signed())
    made.signed.watch(monkeypatch)
    watch_disk(monkeypatch, lambda: made.lots)
    return made


def counted(result: Any, outcomes: Counter[str], where: str) -> None:
    """Done, or yielded to the other one; nothing else."""
    outcomes[type(result).__name__ if isinstance(result, BaseException) else "done"] += 1
    if isinstance(result, BaseException) and not isinstance(result, Unavailable):
        raise AssertionError(f"{where}: {result!r}") from result


async def played(pair: Pair, seed: int, outcomes: Counter[str]) -> None:
    """Both at once, three times; what is neither done nor yielded is wrong."""
    for number in range(3):
        await pair.world.service.pool.execute(FILLING, 3)
        for result in await pair.extend(Lots(seed * 10 + number)):
            counted(result, outcomes, f"seed {seed}, round {number}")


@pytest.mark.slow
@pytest.mark.timeout(3000)
async def test_two_begin_a_log(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = Counter[str]()
    for seed in range(SEEDS if COMPLETE else SAMPLE):
        token = await pair.begin()
        await played(pair, seed, outcomes)
        await pair.check(token, [])
    with capsys.disabled():
        print(f"\ntwo begin a log: {dict(outcomes)}")
    assert outcomes["done"]


@pytest.mark.slow
@pytest.mark.timeout(3000)
async def test_two_fill_tiles(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """One log that grows through all orders, over the ends of tiles."""
    outcomes, receipts = Counter[str](), list[bytes]()
    token = await pair.begin()
    await pair.world.service.pool.execute(FILLING, 245)
    for seed in range(SEEDS if COMPLETE else SAMPLE):
        await played(pair, seed, outcomes)
        receipts = [*receipts[-2:], await pair.check(token, receipts)]
    with capsys.disabled():
        print(f"\ntwo fill tiles: {dict(outcomes)}")
    assert outcomes["done"]


@pytest.mark.slow
async def test_two_begin_the_next_year(pair: Pair) -> None:
    for seed in range(SEEDS if COMPLETE else SAMPLE):
        await pair.begin()
        await extend_log(pair.world.service)
        pair.world.clock.advance(days=60)
        await played(pair, seed, Counter())
        await extend_log(pair.world.service)
        await check_log(pair.world.service.pool, pair.folder, pair.signed)
        pair.world.clock.at = START


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("life", ["begins", "grows", "fills a tile", "next year"])
async def test_one_is_overtaken(pair: Pair, life: str, capsys: pytest.CaptureFixture[str]) -> None:
    """At each of its steps one writer stands still until the other one has done everything."""
    outcomes, wrong, pool = Counter[str](), list[str](), pair.world.service.pool
    steps = 0
    for steps in range(0, 1000, 1 if COMPLETE else 7):
        token = await pair.begin()
        if life != "begins":
            await pool.execute(FILLING, 245 if life == "fills a tile" else 3)
            await extend_log(pair.world.service)
            await pool.execute(FILLING, 12)
        if life == "next year":
            pair.world.clock.advance(days=60)
        lots = Cut(steps, "one")
        for result in await pair.extend(lots, more=2):
            try:
                counted(result, outcomes, f"after {steps} steps")
            except AssertionError as error:
                wrong.append(str(error))
        if not wrong:
            await pair.check(token if COMPLETE or steps % 35 == 0 else "", [])
        pair.world.clock.at = START
        if not lots.reached:
            break
    with capsys.disabled():
        print(f"\none is overtaken, {life}: {steps} steps, {dict(outcomes)}")
    assert not wrong, "\n".join(wrong)


async def test_without_its_guard_the_folder_goes_back(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: somebody who is overtaken just before publishing would put the shorter tree in the longer one's place."""
    monkeypatch.setattr(folder, "_size", lambda _: 0)
    with pytest.raises(AssertionError, match="shorter"):
        for steps in range(20, 60):
            await pair.begin()
            await pair.extend(Cut(steps, "one"), more=2)
