"""The demo's clock: move it, and enqueue at once what is due then."""

from __future__ import annotations

from datetime import timedelta

from sealpost.clock import ShiftedClock
from sealpost.domain.errors import InvalidInput, NotAllowed
from sealpost.store import demo
from sealpost.usecases.database import transaction
from sealpost.usecases.enqueue_due import enqueue_due
from sealpost.usecases.service import Service

LONGEST = 10 * 366 * 86_400


async def shift_clock(service: Service, seconds: int) -> None:
    """Moves the service's time forward; answers when everything then due is enqueued.

    Args:
        service: with a ShiftedClock.
        seconds: 0 to ten years; time never goes back.

    Raises:
        NotAllowed: this is not the demo's clock.
        InvalidInput: out of range.
    """
    if not isinstance(service.clock, ShiftedClock):
        raise NotAllowed("the clock of a real service is not moved")
    if not 0 <= seconds <= LONGEST:
        raise InvalidInput("advance_seconds", f"must be 0 to {LONGEST}")
    async with transaction(service) as connection:
        shift = await demo.clock_shift(connection) + seconds
        await demo.set_clock_shift(connection, shift)
    service.clock.shift = timedelta(seconds=shift)
    while await enqueue_due(service):
        pass
