"""The ticket's state machine, by properties: one decision ever, facts always taken, nothing reverted."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.domain.errors import Conflict
from sealpost.domain.records import ADOPTED, EVENTS
from sealpost.domain.status import BY_CODE, TABLE, status_of
from sealpost.domain.ticket import (
    AFTER_ACCEPTANCE,
    DECISIONS,
    FACTS,
    KINDS,
    AlreadyDecided,
    TermOver,
    TicketState,
    apply,
)

START = datetime(2026, 11, 23, tzinfo=UTC)
END = START + timedelta(days=12)
events = st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.integers(0, 20 * 86_400)), max_size=25)


@given(events)
def test_any_history(history: list[tuple[str, int]]) -> None:
    state = TicketState(END)
    decisions: list[str] = []
    for kind, second in sorted(history, key=lambda event: event[1]):
        at = START + timedelta(seconds=second)
        try:
            after = apply(state, kind, at)
        except Conflict:
            assert kind not in FACTS, "a fact about transport is always taken"
            continue
        if kind in DECISIONS:
            decisions.append(kind)
            assert (at >= END) == (kind == "expired")
        assert after.decision in {state.decision, kind}
        assert after.reached_at == state.reached_at or state.reached_at is None
        assert after.decided_at == state.decided_at or state.decided_at is None
        assert after.could_know_at == state.could_know_at or state.could_know_at is None
        if state.decision and kind in FACTS | {"announcement_opened"}:
            assert after.status == state.status, "a late fact does not replace the decision"
        state = after
    assert len(decisions) <= 1
    assert state.decision == (decisions[0] if decisions else None)
    assert state.status in BY_CODE


@pytest.mark.parametrize("first", DECISIONS)
@pytest.mark.parametrize("second", DECISIONS)
def test_no_second_decision(first: str, second: str) -> None:
    at = END if first == "expired" else START
    state = apply(TicketState(END), first, at)
    with pytest.raises(AlreadyDecided):
        apply(state, second, END if second == "expired" else START)


@pytest.mark.parametrize("kind", ["accepted", "refused", "withdrawn"])
def test_at_the_very_instant_the_term_is_over(kind: str) -> None:
    assert apply(TicketState(END), kind, END - timedelta(microseconds=1)).decision == kind
    with pytest.raises(TermOver):
        apply(TicketState(END), kind, END)


@pytest.mark.parametrize("kind", sorted(AFTER_ACCEPTANCE))
def test_content_only_after_acceptance(kind: str) -> None:
    with pytest.raises(Conflict):
        apply(TicketState(END), kind, START)
    assert apply(TicketState(END, decision="accepted"), kind, START).status == status_of(kind).code


def test_every_kind_has_a_status_and_an_event() -> None:
    assert set(EVENTS) == KINDS - {ADOPTED}, "which is about records, and no status shows it"
    for kind in EVENTS:
        assert status_of(kind) in TABLE


def test_released_numbers_never_change() -> None:
    released = {
        "submitted": 10, "announcement_offered": 20, "announcement_uncertain": 25, "announcement_accepted": 30,
        "announcement_delayed": 35, "announcement_failed": 40, "announcement_opened": 50, "recipient_identified": 60,
        "identification_failed": 65, "accepted": 70, "content_offered": 75, "content_delayed": 76,
        "content_delivered": 80, "content_failed": 81, "signed": 85, "refused": 90, "expired": 92, "withdrawn": 93,
        "reminder_offered": 95, "reminder_accepted": 96, "reminder_failed": 97, "content_erased": 98,
    }  # fmt: skip
    assert {status.name: status.code for status in TABLE} == released
