"""Windows and rests: who takes mail gets more however slow it is, who defers gets less, who hangs is left alone."""

import asyncio
from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.mail import destinations
from sealpost.mail.destinations import FIRST, LATEST, LONGEST_REST, MOST, REST, SOON, WAIT, Destinations, End
from tests.support.fake_time import run

ENDS: Sequence[End] = ("taken", "answered", "refused", "silent")


def in_fake_time() -> Destinations:
    return Destinations(asyncio.get_running_loop().time)


def now() -> float:
    return asyncio.get_running_loop().time()


def ended(known: Destinations, name: str, end: End, *, took: float = 0.0) -> None:
    """A mail in a booked place has ended at this moment."""
    known.told(name, now() - took, end)
    known.unbook(name)


async def booked(known: Destinations, name: str) -> int:
    """How many places there are, all of which are taken then."""
    got = [one for one in await asyncio.gather(*(known.book(name) for _ in range(MOST + 5))) if not one]
    return len(got)


async def opened(known: Destinations, name: str) -> None:
    """Takes mails until its window is as wide as can be."""
    for _ in range(MOST):
        assert await known.book(name) == 0
        ended(known, name, "taken", took=8)


@pytest.mark.parametrize("took", [0.05, 8, 290])
def test_a_window_opens_with_each_mail_that_is_taken_however_long_that_takes(took: float) -> None:
    async def main() -> None:
        known = in_fake_time()
        for number in range(4):
            assert known._at("mx.test").window == FIRST + number
            assert await known.book("mx.test") == 0
            ended(known, "mx.test", "taken", took=took)
        await opened(known, "mx.test")
        assert await booked(known, "mx.test") == MOST

    run(main())


@pytest.mark.parametrize(("end", "window"), [("refused", MOST // 2), ("answered", MOST), ("silent", FIRST)])
def test_it_narrows_with_what_is_deferred_refused_or_unanswered(end: End, window: int) -> None:
    """And not with a mailbox that does not exist, which says nothing of how much a server takes."""

    async def main() -> None:
        known = in_fake_time()
        await opened(known, "mx.test")
        assert await known.book("mx.test") == 0
        ended(known, "mx.test", end)
        assert known._at("mx.test").window == window
        for _ in range(9):
            known.told("mx.test", now(), "refused")
        assert known._at("mx.test").window == 1, "one always may be tried"

    run(main())


def test_a_place_that_comes_free_is_given_to_a_mail_that_waits() -> None:
    async def main() -> None:
        known = in_fake_time()
        assert [await known.book("mx.test") for _ in range(FIRST)] == [0] * FIRST
        began, waiting = now(), asyncio.ensure_future(known.book("mx.test"))
        await asyncio.sleep(4)
        ended(known, "mx.test", "answered", took=4)
        assert (await waiting, now() - began) == (0, 4)
        assert known._at("mx.test").under_way == FIRST

    run(main())


def test_a_mail_waits_for_a_bounded_time_and_in_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        known = in_fake_time()
        assert [await known.book("mx.test") for _ in range(FIRST)] == [0] * FIRST
        began = now()
        waits = await asyncio.gather(*(known.book("mx.test") for _ in range(9)))
        assert min(waits) == SOON
        assert now() - began == WAIT
        monkeypatch.setattr(destinations, "WAITING", 0)
        assert await known.book("mx.test") >= SOON
        assert now() - began == WAIT, "of all together there are enough: this one does not wait"

    run(main())


def test_who_gives_up_waiting_loses_no_place() -> None:
    """Cancelled before it has the place, and in the moment in which it gets it."""

    async def main(*, granted: bool) -> None:
        known = in_fake_time()
        assert [await known.book("mx.test") for _ in range(FIRST)] == [0] * FIRST
        waiting = asyncio.ensure_future(known.book("mx.test"))
        await asyncio.sleep(1)
        if granted:
            known.unbook("mx.test")
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        if not granted:
            known.unbook("mx.test")
        at = known._at("mx.test")
        assert (at.under_way, len(at.waiting), known._waiting) == (FIRST - 1, 0, 0)

    run(main(granted=True))
    run(main(granted=False))


def test_who_waits_for_one_that_turns_out_to_be_away_is_sent_off() -> None:
    async def main() -> None:
        known = in_fake_time()
        assert [await known.book("away.test") for _ in range(FIRST)] == [0] * FIRST
        waiting = asyncio.ensure_future(known.book("away.test"))
        await asyncio.sleep(1)
        ended(known, "away.test", "silent", took=1)
        assert await waiting == REST

    run(main())


@pytest.mark.parametrize("answer", [2.0, 8.0, 20.0])
def test_a_slow_server_gets_as_much_as_its_window_holds(answer: float) -> None:
    """A thousand letters, looked at once a second as the timers do: at least 90 % of window / answer time."""

    async def main() -> float:
        known, due, sent, busy, room = in_fake_time(), [now()] * 1000, 0, 0.0, 0.0

        async def mail() -> None:
            nonlocal sent
            if wait := await known.book("slow.test"):
                due.append(now() + wait)
                return
            sent += 1
            await asyncio.sleep(answer)
            ended(known, "slow.test", "taken", took=answer)

        tasks = set[asyncio.Task[None]]()
        while sent < 1000:
            ready, due[:] = [one for one in due if one <= now()], [one for one in due if one > now()]
            tasks |= {asyncio.ensure_future(mail()) for _ in ready}
            for _ in range(4):
                await asyncio.sleep(0.25)
                busy, room = busy + known._at("slow.test").under_way, room + known._at("slow.test").window
        await asyncio.gather(*tasks)
        return busy / room

    share = run(main())
    assert share >= 0.9


def test_one_that_cannot_be_reached_rests_longer_each_time_and_is_tried_one_by_one() -> None:
    async def main() -> None:
        known, rests = in_fake_time(), list[float]()
        for _ in range(8):
            assert await known.book("away.test") == 0
            if not rests:
                assert await known.book("away.test") == 0
                ended(known, "away.test", "silent")
            else:
                assert await known.book("away.test") >= SOON, "a probe, and no second one beside it"
            ended(known, "away.test", "silent")  # those that were under way together are one miss
            assert known.rests("away.test")
            rests.append(await known.book("away.test"))
            await asyncio.sleep(rests[-1])
            assert not known.rests("away.test")
        assert rests[:3] == [REST, 2 * REST, 4 * REST]
        assert rests == sorted(rests)
        assert rests[-1] == LONGEST_REST
        assert await known.book("away.test") == 0
        ended(known, "away.test", "refused")
        assert await known.book("away.test") == 0
        assert await known.book("another.test") == 0

    run(main())


def test_a_pressing_mail_is_tried_beside_a_rest_but_not_beside_another() -> None:
    async def main() -> None:
        known = in_fake_time()
        known.told("away.test", now(), "silent")
        assert await known.book("away.test") == REST
        assert await known.book("away.test", pressing=True) == 0
        assert await known.book("away.test", pressing=True) >= SOON

    run(main())


def test_those_that_find_no_place_come_back_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destinations, "WAITING", 0)

    async def main() -> None:
        known = in_fake_time()
        known.told("busy.test", now() - 1.2, "answered")
        assert [await known.book("busy.test") for _ in range(FIRST)] == [0] * FIRST
        waits = [await known.book("busy.test") for _ in range(1000)]
        pace = 1.2 / FIRST / 2
        assert waits[:3] == pytest.approx([SOON + pace, SOON + 2 * pace, SOON + 3 * pace])
        assert waits == sorted(waits)
        assert max(waits) == LATEST
        await asyncio.sleep(2 * LATEST)
        assert await known.book("busy.test") == pytest.approx(SOON + pace)

    run(main())


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destinations, "REMEMBERED", 50)

    async def main() -> None:
        known = in_fake_time()
        known.told("away.test", now(), "silent")
        assert await known.book("busy.test") == 0
        for number in range(500):
            assert await known.book(f"d{number}.test") == 0
            ended(known, f"d{number}.test", "taken")
        assert len(known._known) <= 52
        assert await known.book("away.test") == REST
        known.unbook("busy.test")

    run(main())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["book", *ENDS]), st.floats(0, 5))))
def test_never_stuck(acts: list[tuple[str, Literal["book"] | End, float]]) -> None:
    """Whatever happens, a destination with nothing under way is tried again within the longest rest."""

    async def main() -> None:
        known, under_way = in_fake_time(), dict[str, list[float]]()
        for name, act, later in acts:
            since = under_way.setdefault(name, [])
            if act == "book":
                if await known.book(name) == 0:
                    since.append(now())
            elif since:
                known.told(name, since.pop(), act)
                known.unbook(name)
            await asyncio.sleep(later)
        for name, left in under_way.items():
            for one in left:
                known.told(name, one, "silent")
                known.unbook(name)
        await asyncio.sleep(LONGEST_REST)
        for name in under_way:
            assert await known.book(name) == 0
        assert known._waiting == 0

    run(main())
