"""Deadlines at 08:00 local time, right across every change of the clocks."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.domain.errors import InvalidInput
from sealpost.domain.timetable import check_days, due_at, local_instant, retry_delay

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
ZONES = [ZoneInfo(name) for name in ("Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")]


@pytest.mark.parametrize(
    ("submitted", "days", "expected"),
    [
        ("2026-11-23T10:15:00Z", 6, "2026-11-29T07:00:00Z"),
        ("2026-11-23T10:15:00Z", 12, "2026-12-05T07:00:00Z"),
        ("2026-03-25T10:00:00Z", 6, "2026-03-31T06:00:00Z"),  # to summer time on the 29th: 08:00 is 06:00 UTC
        ("2026-10-22T10:00:00Z", 6, "2026-10-28T07:00:00Z"),  # back from it on the 25th
        ("2026-11-23T23:30:00Z", 6, "2026-11-30T07:00:00Z"),  # already the 24th in Amsterdam: day 0 is local
        ("2026-11-23T22:59:59Z", 6, "2026-11-29T07:00:00Z"),
    ],
)
def test_due_at(submitted: str, days: int, expected: str) -> None:
    assert due_at(datetime.fromisoformat(submitted), days, AMSTERDAM) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("day", "at", "zone", "expected"),
    [
        # The hour that does not exist: the next valid instant is the change itself.
        (date(2026, 3, 29), time(2, 30), "Europe/Amsterdam", "2026-03-29T01:00:00Z"),
        (date(2026, 3, 29), time(2, 0), "Europe/Amsterdam", "2026-03-29T01:00:00Z"),
        (date(2026, 3, 29), time(3, 0), "Europe/Amsterdam", "2026-03-29T01:00:00Z"),
        # The hour that comes twice: the first.
        (date(2026, 10, 25), time(2, 30), "Europe/Amsterdam", "2026-10-25T00:30:00Z"),
        # A whole day that does not exist.
        (date(2011, 12, 30), time(8, 0), "Pacific/Apia", "2011-12-30T10:00:00Z"),
    ],
)
def test_odd_local_times(day: date, at: time, zone: str, expected: str) -> None:
    assert local_instant(day, at, ZoneInfo(zone)) == datetime.fromisoformat(expected)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),
    st.integers(1, 90),
    st.sampled_from(ZONES),
)
def test_eight_in_the_morning_on_the_right_day(submitted: datetime, days: int, zone: ZoneInfo) -> None:
    local = due_at(submitted, days, zone).astimezone(zone)
    assert local.time() == time(8, 0)
    assert local.date() == submitted.astimezone(zone).date() + timedelta(days=days)


@pytest.mark.parametrize(("reminder", "expiry"), [(0, 5), (5, 5), (6, 5), (1, 91), (-1, 3)])
def test_days_refused(reminder: int, expiry: int) -> None:
    with pytest.raises(InvalidInput):
        check_days(reminder, expiry)


def test_retries_grow_and_stay_bounded() -> None:
    delays = [retry_delay(tries, 0) for tries in range(1, 20)]
    assert delays == sorted(delays)
    assert delays[0] == timedelta(minutes=1)
    assert retry_delay(100, 1) == timedelta(hours=5)
