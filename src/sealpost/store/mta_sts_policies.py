"""What recipients' domains published about encryption (MTA-STS), remembered beyond a restart (RFC 8461 5.1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sealpost.store.pool import Runner


async def read(runner: Runner, domain: str) -> Any:
    """The domain's row, or None."""
    return await runner.fetchrow("select * from mta_sts_policies where domain = $1", domain)


async def save(runner: Runner, domain: str, policy_id: str, mode: str, hosts: list[str], until: datetime) -> None:
    """The newest policy replaces the one before; one that ends later is not shortened by a slower worker's."""
    await runner.execute(
        """insert into mta_sts_policies (domain, id, mode, hosts, until) values ($1, $2, $3, $4, $5)
           on conflict (domain) do update set id = $2, mode = $3, hosts = $4, until = $5
           where mta_sts_policies.until <= $5 or mta_sts_policies.id <> $2""",
        domain,
        policy_id,
        mode,
        hosts,
        until,
    )
