"""What is due when: reminder, expiry and retries (design, section 4; contract, section 8.4)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sealpost.domain.errors import InvalidInput

MORNING = time(8, 0)
MAX_EXPIRY_DAYS = 90
RETRY_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 240)
GREYLIST_MINUTES = (1, 2, 3, 5, 5, 10, 15, 30, 60, 120, 240)
"""A greylisting server takes the mail after some minutes, five as a rule (RFC 6647 5), and forgets after some hours."""
FIRST_TRY = timedelta(minutes=15)
"""After so long a mail is tried itself, also if its destination rests because others could not reach it."""
MOST_UNCERTAIN = 3
"""Attempts at one mail whose outcome is unknown: each may be a copy at the recipient's (decision 0014)."""
QUEUE_LIFETIME = timedelta(days=5)


def check_days(reminder_days: int, expiry_days: int) -> None:
    """Raises InvalidInput unless 1 ≤ reminder_days < expiry_days ≤ 90."""
    if reminder_days < 1:
        raise InvalidInput("reminder_days", "must be at least 1")
    if expiry_days > MAX_EXPIRY_DAYS:
        raise InvalidInput("expiry_days", f"must be at most {MAX_EXPIRY_DAYS}")
    if expiry_days < 1:
        raise InvalidInput("expiry_days", "must be larger than reminder_days")
    if reminder_days >= expiry_days:
        raise InvalidInput("reminder_days", "must be smaller than expiry_days")


def due_at(submitted_at: datetime, days: int, zone: ZoneInfo, at: time = MORNING) -> datetime:
    """The instant, in UTC, of a deadline.

    Args:
        submitted_at: aware; its local date in ``zone`` is day 0.
        days: how many days later.
        zone: the account's time zone.
        at: the local time of day.
    """
    day = submitted_at.astimezone(zone).date() + timedelta(days=days)
    return local_instant(day, at, zone)


def local_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A local date and time as UTC; one that does not exist becomes the next valid instant, a double one the first."""
    wall = datetime.combine(day, at, tzinfo=zone)
    instant = wall.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return instant
    before, after = wall.replace(fold=1).astimezone(UTC), instant
    return _transition(before, after, zone)


def _transition(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first whole second after ``before`` whose offset is the one of ``after`` (bisection)."""
    new = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == new:
            after = middle
        else:
            before = middle
    return after


def retry_delay(tries: int, jitter: float, *, greylisted: bool = False) -> timedelta:
    """How long to wait after the ``tries``-th failed try.

    Args:
        tries: 1 or more; of a greylisted mail, how often it was greylisted.
        jitter: 0 to 1, spreads retries over a quarter of the delay.
        greylisted: the server asked to come back soon.
    """
    table = GREYLIST_MINUTES if greylisted else RETRY_MINUTES
    minutes = table[min(tries, len(table)) - 1]
    return timedelta(minutes=minutes) * (1 + jitter / 4)
