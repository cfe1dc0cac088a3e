"""What only the demo has: the caught mails and the clock's shift."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sealpost.store.pool import Runner


async def keep(
    runner: Runner, mail_id: UUID, mail_from: str, rcpt_to: str, received_at: datetime, octets: bytes
) -> None:
    await runner.execute(
        "insert into inbox_mails (id, mail_from, rcpt_to, received_at, octets) values ($1, $2, $3, $4, $5)",
        mail_id,
        mail_from,
        rcpt_to,
        received_at,
        octets,
    )


async def inbox(runner: Runner, to: str | None, limit: int) -> list[Any]:
    """The newest ``limit`` mails (to one address), oldest first."""
    rows = await runner.fetch(
        "select * from inbox_mails where ($1::text is null or lower(rcpt_to) = lower($1)) order by id desc limit $2",
        to,
        limit,
    )
    return rows[::-1]


async def inbox_mail(runner: Runner, mail_id: UUID) -> Any:
    return await runner.fetchrow("select * from inbox_mails where id = $1", mail_id)


async def clock_shift(runner: Runner) -> int:
    """Seconds by which the demo's clock runs ahead."""
    return await runner.fetchval("select coalesce((select shift_seconds from demo_clock), 0)")


async def set_clock_shift(runner: Runner, seconds: int) -> None:
    await runner.execute(
        """insert into demo_clock (shift_seconds) values ($1)
           on conflict (only_row) do update set shift_seconds = excluded.shift_seconds""",
        seconds,
    )
