"""Return paths: what was made is read again, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.mail.return_path import LIFE, Expired, NotOurs, Returned, ReturnPaths, is_return_path

PATHS = ReturnPaths(b"k" * 32)
MAIL = UUID("019dab50-0000-7000-8000-00000000b0b0")
NOW = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
ENDS = NOW + LIFE
TOKEN = PATHS.local_part(MAIL, 3, ENDS)
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
TIMES = st.datetimes(datetime(2020, 1, 2), datetime(2199, 1, 1), timezones=st.just(UTC))


@given(st.uuids(), st.integers(1, 100_000), TIMES, st.sampled_from([str.lower, str.upper, str.title, str.swapcase]))
def test_what_was_made_is_read(mail_id, attempt, ends, spelt):
    made = PATHS.local_part(mail_id, attempt, ends)
    assert len(made.encode()) <= 64
    assert made == made.lower()
    assert PATHS.read(spelt(made), ends) == Returned(mail_id, min(attempt, 255))
    with pytest.raises(Expired):
        PATHS.read(made, ends + timedelta(days=1))


def test_the_format_stays():
    assert TOKEN == "b-ago2wuaaabyabaaaaaaaaafqwabqt5fvmxq3wwxgvhcut63gsm"


def test_any_one_bit_changed_is_not_ours():
    for place in range(2, len(TOKEN)):
        for bit in range(5):
            other = TOKEN[:place] + LETTERS[LETTERS.index(TOKEN[place]) ^ (1 << bit)] + TOKEN[place + 1 :]
            with pytest.raises(NotOurs):
                PATHS.read(other, NOW)


@given(st.text(max_size=70) | st.text(LETTERS, min_size=50, max_size=50).map("b-".__add__) | st.just(TOKEN + "\n"))
def test_nothing_else_is_read(text):
    with pytest.raises(NotOurs):
        PATHS.read(text, NOW)


@pytest.mark.parametrize(
    "text",
    ["", "b-", "bob", "post", TOKEN[2:], TOKEN + "a", TOKEN[:-1], TOKEN + "=", "b_" + TOKEN[2:], TOKEN.replace("a", "\u212a", 1),
     TOKEN.replace("a", "\uff41"), " " + TOKEN, TOKEN + " ", TOKEN + "\0", TOKEN.replace("b-", "b-b-"), "B\u2010" + TOKEN[2:]],
)  # fmt: skip
def test_others(text):
    with pytest.raises(NotOurs):
        PATHS.read(text, NOW)


def test_another_key_another_installation():
    with pytest.raises(NotOurs):
        ReturnPaths(b"x" * 32).read(TOKEN, NOW)
    assert is_return_path(TOKEN)
    assert is_return_path(TOKEN.upper())
    assert not is_return_path("bob")


def test_the_last_day_counts_in_full():
    assert PATHS.read(TOKEN, ENDS.replace(hour=23, minute=59)).attempt == 3
    with pytest.raises(Expired):
        PATHS.read(TOKEN, (ENDS + timedelta(days=1)).replace(hour=0, minute=0))


def test_what_cannot_be_made():
    for attempt, ends in (
        (0, ENDS),
        (-1, ENDS),
        (1, datetime(2019, 12, 31, tzinfo=UTC)),
        (1, datetime(2300, 1, 1, tzinfo=UTC)),
    ):
        with pytest.raises(ValueError):
            PATHS.local_part(MAIL, attempt, ends)
    with pytest.raises(ValueError):
        ReturnPaths(b"short")
