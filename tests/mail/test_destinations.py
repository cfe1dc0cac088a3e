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


def test_a_quick_destination_gets_more_and_a_slow_one_less():
    watch = Watch()
    known = Destinations(watch)
    for _ in range(MOST * 2):
        known.leave("quick.test", known.enter("quick.test"), reached=True)
    for _ in range(MOST):
        assert known.wait("quick.test") == 0
        known.enter("quick.test")
    assert known.wait("quick.test") == SOON
    for taken in range(FIRST):
        assert known.wait("new.test") == 0, taken
        known.enter("new.test")
    assert known.wait("new.test") == SOON
    since = known.enter("slow.test")
    watch.now += QUICK + 1
    known.leave("slow.test", since, reached=True)
    known.enter("slow.test")
    assert known.wait("slow.test") >= SOON


def test_one_that_cannot_be_reached_rests_longer_each_time_and_is_tried_one_by_one():
    watch = Watch()
    known = Destinations(watch)
    rests = []
    for _ in range(8):
        together = [known.enter("away.test"), known.enter("away.test")]
        for since in together:
            known.leave("away.test", since, reached=False)
        rests.append(known.wait("away.test"))
        watch.now += rests[-1]
        assert known.wait("away.test") == 0
        since = known.enter("away.test")
        assert known.wait("away.test") == SOON  # a probe, and no second one beside it
        known.leave("away.test", since, reached=False)
        watch.now += known.wait("away.test")
    assert rests[0] == REST
    assert rests == sorted(rests)
    assert rests[-1] == LONGEST_REST
    known.leave("away.test", known.enter("away.test"), reached=True)
    assert known.wait("away.test") == 0
    assert known.wait("another.test") == 0


def test_a_pressing_mail_is_tried_beside_a_rest_but_not_beside_another():
    watch = Watch()
    known = Destinations(watch)
    known.leave("away.test", known.enter("away.test"), reached=False)
    assert known.wait("away.test") == REST
    assert known.wait("away.test", pressing=True) == 0
    known.enter("away.test")
    assert known.wait("away.test", pressing=True) >= SOON


def test_those_that_find_no_place_come_back_one_after_the_other():
    watch = Watch()
    known = Destinations(watch)
    under_way = [known.enter("busy.test") for _ in range(FIRST)]
    watch.now += 1.2
    known.leave("busy.test", under_way.pop(), reached=True)
    for _ in range(FIRST + 1 - len(under_way)):
        known.enter("busy.test")
    waits = [known.wait("busy.test") for _ in range(1000)]
    pace = 0.6 / (FIRST + 1)
    assert waits[:3] == pytest.approx([SOON + pace, SOON + 2 * pace, SOON + 3 * pace])
    assert waits == sorted(waits)
    assert max(waits) == LATEST
    watch.now += 2 * LATEST
    assert known.wait("busy.test") == pytest.approx(SOON + pace)


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(destinations, "REMEMBERED", 50)
    watch = Watch()
    known = Destinations(watch)
    known.leave("away.test", known.enter("away.test"), reached=False)
    under_way = known.enter("busy.test")
    for number in range(500):
        name = f"d{number}.test"
        known.leave(name, known.enter(name), reached=True)
    assert len(known._known) <= 52
    assert known.wait("away.test") == REST
    known.leave("busy.test", under_way, reached=True)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["enter", "good", "bad"]), st.floats(0, 5))))
def test_never_stuck(acts: list[tuple[str, str, float]]):
    """Whatever happens, a destination with nothing under way is tried again within the longest rest."""
    watch = Watch()
    known = Destinations(watch)
    under_way: dict[str, list[float]] = {}
    for name, act, later in acts:
        watch.now += later
        if act == "enter":
            under_way.setdefault(name, []).append(known.enter(name))
        elif under_way.get(name):
            known.leave(name, under_way[name].pop(), reached=act == "good")
    for name, since in under_way.items():
        for one in since:
            known.leave(name, one, reached=False)
        watch.now += LONGEST_REST
        assert known.wait(name) == 0
