"""``from`` and ``to`` of the XML interface: times as people and programs write them, in the account's zone (contract 5)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sealpost.domain.errors import InvalidInput
from sealpost.domain.timetable import local_instant

# A date, or date and time as the interface itself prints them or as RFC 3339 does.
MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?)?", re.ASCII | re.IGNORECASE
)
UNESCAPED_PLUS = re.compile(r".*\d \d\d:\d\d", re.ASCII)


def moment(name: str, text: str, zone: ZoneInfo) -> datetime:
    """An instant.

    Args:
        name: of the parameter, for the error.
        text: ``2026-11-23``, ``2026-11-23 15:43:20``, ``2026-11-23T14:43:20Z``, ``2026-11-23T15:43:20+01:00``.
        zone: of times without an offset; one that does not exist becomes the next valid instant, a double one the first.

    Raises:
        InvalidInput: naming the parameter.
    """
    found = MOMENT.fullmatch(text)
    if found is None:
        # In a query string a plus sign that is not escaped means a blank.
        hint = "; a plus sign must be written as %2B" if UNESCAPED_PLUS.fullmatch(text[:100]) else ""
        raise InvalidInput(name, f"is not a date or a time such as 2026-11-23T15:43:20{hint}")
    day, minute, second, fraction, offset = found.groups()
    # Ours are whole microseconds, so that what lies between two of them bounds them as the next one does.
    beyond = timedelta(microseconds=-(-int((fraction or "0").ljust(9, "0")) // 1000))
    written = f"{day}T{minute or '00:00'}{second or ':00'}"
    try:
        if offset:
            return (datetime.fromisoformat(written + offset.upper()) + beyond).astimezone(UTC)
        wall = datetime.fromisoformat(written) + beyond
        return local_instant(wall.date(), wall.time(), zone)
    except (ValueError, OverflowError):
        raise InvalidInput(name, "is not a date or a time that exists") from None
