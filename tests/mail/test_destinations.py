"""Windows and rests: who takes mail quickly gets more, who hangs is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.mail import destinations
from sealpost.mail.destinations import FIRST, LATEST, LONGEST_REST, MOST, QUICK, REST, SOON, Destinations


class Watch:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def ended(known: Destinations, name: str, *, reached: bool) -> None:
    """A mail in a booked place has ended at this moment."""
    known.told(name, known._now(), reached=reached)
    known.unbook(name)


def test_a_quick_destination_gets_more_and_a_slow_one_less():
    watch = Watch()
    known = Destinations(watch)
    for _ in range(MOST * 2):
        assert known.book("quick.test") == 0
        ended(known, "quick.test", reached=True)
    assert [known.book("quick.test") for _ in range(MOST)] == [0] * MOST
    assert known.book("quick.test") == SOON
    assert [known.book("new.test") for _ in range(FIRST)] == [0] * FIRST
    assert known.book("new.test") == SOON
    assert known.book("slow.test") == 0
    since = watch.now
    watch.now += QUICK + 1
    known.told("slow.test", since, reached=True)
    assert known.book("slow.test") >= SOON, "one place, and it is taken"
    known.unbook("slow.test")
    assert known.book("slow.test") == 0


def test_one_that_cannot_be_reached_rests_longer_each_time_and_is_tried_one_by_one():
    watch = Watch()
    known = Destinations(watch)
    rests: list[float] = []
    for _ in range(8):
        assert known.book("away.test") == 0
        if not rests:
            assert known.book("away.test") == 0
            ended(known, "away.test", reached=False)
        else:
            assert known.book("away.test") >= SOON, "a probe, and no second one beside it"
        ended(known, "away.test", reached=False)  # those that were under way together are one miss
        assert known.rests("away.test")
        rests.append(known.book("away.test"))
        watch.now += rests[-1]
        assert not known.rests("away.test")
    assert rests[:3] == [REST, 2 * REST, 4 * REST]
    assert rests == sorted(rests)
    assert rests[-1] == LONGEST_REST
    assert known.book("away.test") == 0
    ended(known, "away.test", reached=True)
    assert [known.book("away.test") for _ in range(FIRST)] == [0] * FIRST
    assert known.book("another.test") == 0


def test_a_pressing_mail_is_tried_beside_a_rest_but_not_beside_another():
    watch = Watch()
    known = Destinations(watch)
    known.told("away.test", watch.now, reached=False)
    assert known.book("away.test") == REST
    assert known.book("away.test", pressing=True) == 0
    assert known.book("away.test", pressing=True) >= SOON


def test_those_that_find_no_place_come_back_one_after_the_other():
    watch = Watch()
    known = Destinations(watch)
    since = watch.now
    watch.now += 1.2
    known.told("busy.test", since, reached=True)
    for _ in range(FIRST + 1):
        assert known.book("busy.test") == 0
    waits = [known.book("busy.test") for _ in range(1000)]
    pace = 0.6 / (FIRST + 1)
    assert waits[:3] == pytest.approx([SOON + pace, SOON + 2 * pace, SOON + 3 * pace])
    assert waits == sorted(waits)
    assert max(waits) == LATEST
    watch.now += 2 * LATEST
    assert known.book("busy.test") == pytest.approx(SOON + pace)


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(destinations, "REMEMBERED", 50)
    watch = Watch()
    known = Destinations(watch)
    known.told("away.test", watch.now, reached=False)
    assert known.book("busy.test") == 0
    for number in range(500):
        assert known.book(f"d{number}.test") == 0
        ended(known, f"d{number}.test", reached=True)
    assert len(known._known) <= 52
    assert known.book("away.test") == REST
    known.unbook("busy.test")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["book", "good", "bad"]), st.floats(0, 5))))
def test_never_stuck(acts: list[tuple[str, str, float]]):
    """Whatever happens, a destination with nothing under way is tried again within the longest rest."""
    watch = Watch()
    known = Destinations(watch)
    under_way: dict[str, list[float]] = {}
    for name, act, later in acts:
        since = under_way.setdefault(name, [])
        if act == "book":
            if known.book(name) == 0:
                since.append(watch.now)
        elif since:
            known.told(name, since.pop(), reached=act == "good")
            known.unbook(name)
        watch.now += later
    for name, left in under_way.items():
        for one in left:
            known.told(name, one, reached=False)
            known.unbook(name)
    watch.now += LONGEST_REST
    for name in under_way:
        assert known.book(name) == 0
