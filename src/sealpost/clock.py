"""Time. Everything legal asks a Clock; the demo's can be shifted so that reminder and expiry can be seen.

``now`` moves timetable and records; ``real`` never moves and serves sessions, tokens, leases and heartbeats
(design, section 4, row "Demo clock").
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Protocol


class Clock(Protocol):
    """Aware UTC times, and what a record says about their source."""

    def now(self) -> datetime:
        """The service's time: deadlines, records, mails."""
        ...

    def real(self) -> datetime:
        """The machine's time: sessions, tokens, leases."""
        ...

    def statement(self) -> dict[str, Any]:
        """The record's ``clock`` member: second source and offset (evidence format, section 1)."""
        ...


class SystemClock:
    """The system's UTC clock, without a second source yet; records say so. Never steps back within a process."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        self._last = max(self._last, datetime.now(UTC))
        return self._last

    def real(self) -> datetime:
        return datetime.now(UTC)

    def statement(self) -> dict[str, Any]:
        return {"source": "none"}


class ShiftedClock(SystemClock):
    """The demo's clock: the system's, moved forward by an offset that is kept in the database."""

    def __init__(self, shift: timedelta = timedelta(0)) -> None:
        super().__init__()
        self.shift = shift

    def now(self) -> datetime:
        return super().now() + self.shift

    def statement(self) -> dict[str, Any]:
        return {"source": "none", "demoShiftSeconds": int(self.shift.total_seconds())}
