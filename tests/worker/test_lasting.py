"""Jobs that last hold no place of the queue: hanging servers, however many, do not use up a worker."""

from __future__ import annotations

import asyncio

import pytest

from sealpost.worker.lasting import LASTING, Lasting, lasting_jobs
from tests.support.fake_time import run


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_job_that_lasts_gives_its_place_away_and_goes_on() -> None:
    async def main() -> None:
        ended = list[float]()

        async def job(seconds: float) -> None:
            await asyncio.sleep(seconds)
            ended.append(seconds)

        began = now()
        async with lasting_jobs(10) as lasting:
            await lasting.run(job(1))
            assert (now() - began, ended) == (1, [1])
            await lasting.run(job(300))
            assert (now() - began, ended) == (1 + LASTING, [1])
        assert (now() - began, ended) == (301, [1, 300]), "who stops waits for those that go on"

    run(main())


def test_a_hundred_hanging_servers_leave_the_places_to_others() -> None:
    """Each of a hundred places has a mail to a server that hangs for half an hour; the next ones have theirs at once."""

    async def main() -> None:
        lasting, places = Lasting(400), asyncio.Semaphore(100)

        async def work(seconds: float) -> float:
            began = now()
            async with places:
                await lasting.run(asyncio.sleep(seconds))
            return now() - began

        stuck = [asyncio.ensure_future(work(1800)) for _ in range(300)]
        await asyncio.sleep(0)
        assert await work(0.1) < 3 * LASTING + 1
        await asyncio.gather(*stuck)
        await lasting.cut_off()

    run(main())


def test_beyond_the_bound_a_job_keeps_its_place() -> None:
    async def main() -> None:
        lasting, began = Lasting(1), now()
        await lasting.run(asyncio.sleep(300))
        assert now() - began == LASTING
        await lasting.run(asyncio.sleep(100))
        assert now() - began == LASTING + 100
        await lasting.cut_off()

    run(main())


@pytest.mark.parametrize("seconds", [LASTING / 2, 2 * LASTING])
def test_what_is_cut_off_ends(seconds: float) -> None:
    """While somebody waits for it, and when it goes on by itself."""

    async def main() -> None:
        cut = list[str]()

        async def job() -> None:
            try:
                await asyncio.sleep(300)
            except asyncio.CancelledError:
                cut.append("cut off")
                raise

        async def worker() -> None:
            async with lasting_jobs(10) as lasting:
                await lasting.run(job())
                await asyncio.sleep(300)

        running = asyncio.ensure_future(worker())
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await asyncio.sleep(0)
        assert cut == ["cut off"]

    run(main())
