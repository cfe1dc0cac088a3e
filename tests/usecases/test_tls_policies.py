"""What recipients' domains demand is remembered in the database: over restarts, by all processes, not longer than it may."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from sealpost.mail.mta_sts import MtaSts, StsPolicy
from sealpost.store.pool import Pool, open_pool
from sealpost.usecases.tls_policies import TlsPolicies
from tests.world import START, World
from tests.zones import Zones

WEEK = timedelta(days=7)
TEXT = b"version: STSv1\r\nmode: enforce\r\nmx: mx.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"


def policy(until: timedelta = WEEK, policy_id: str = "1", **changes: str | tuple[str, ...]) -> StsPolicy:
    given = {"domain": "example.com", "mode": "enforce", "hosts": ("mx.example.com", "*.example.net"), **changes}
    return StsPolicy(id=policy_id, until=START + until, **given)  # type: ignore[arg-type] - by name


@pytest.mark.parametrize(
    "one",
    [
        policy(), policy(mode="testing"), policy(mode="none", hosts=()), policy(policy_id="Z" * 32),
        policy(hosts=tuple(f"mx{number}.example.com" for number in range(1000))), policy(timedelta(days=366)),
        policy(domain="xn--bcher-kva.example"), policy(timedelta(seconds=-1)),
    ],
)  # fmt: skip
async def test_what_is_remembered_is_recalled(world: World, one: StsPolicy) -> None:
    policies = TlsPolicies(world.service.pool)
    assert await policies.recall(one.domain) is None
    await policies.remember(one)
    assert await policies.recall(one.domain) == one, "also when it has ended: that is for the caller to see"
    assert await policies.recall(f"sub.{one.domain}") is None
    assert await policies.recall(one.domain.upper()) is None
    assert await TlsPolicies(world.service.pool).recall(one.domain) == one


@pytest.mark.parametrize(
    ("second", "counts"),
    [
        (policy(WEEK * 2), True), (policy(), True),
        (policy(WEEK / 2), False),  # of a worker that fetched earlier and was slow to say so
        (policy(WEEK / 2, "2"), True), (policy(WEEK / 2, "2", mode="none", hosts=()), True),
        (policy(WEEK * 2, mode="testing"), True), (policy(WEEK / 2, mode="testing"), False),
    ],
)  # fmt: skip
async def test_the_newest_counts(world: World, second: StsPolicy, counts: bool) -> None:
    policies, first = TlsPolicies(world.service.pool), policy()
    await policies.remember(first)
    await policies.remember(policy(domain="example.org"))
    await policies.remember(second)
    assert await policies.recall("example.com") == (second if counts else first)
    assert await policies.recall("example.org") == policy(domain="example.org"), "another domain's is its own"
    assert await world.service.pool.fetchval("select count(*) from mta_sts_policies") == 2


async def closed(dsn: str) -> Pool:
    pool = await open_pool(dsn, 1)
    await pool.close()
    return pool


async def test_without_the_database_nothing_is_known_and_nothing_kept(world: World, dsn: str) -> None:
    await TlsPolicies(world.service.pool).remember(policy())
    away = TlsPolicies(await closed(dsn))
    with capture_logs() as logs:
        assert await away.recall("example.com") is None
        await away.remember(policy(policy_id="2"))
    assert [(line["event"], line["log_level"], line["domain"]) for line in logs] == [
        ("a domain's TLS policy was not kept", "warning", "example.com")
    ]
    assert await TlsPolicies(world.service.pool).recall("example.com") == policy()


class Web:
    """The web servers of domains; counts what is fetched."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.away = False

    async def fetch(self, domain: str) -> bytes:
        self.fetched.append(domain)
        if self.away:
            raise ConnectionError("suppressed")
        return TEXT


async def test_a_restart_does_not_forget_to_enforce(world: World, dsn: str) -> None:
    """Whoever suppresses record and web server after it must not be able to switch encryption off (RFC 8461 10.2)."""
    zones, web, now = Zones(), Web(), [START]

    def clock() -> datetime:
        return now[0]

    def process(pool: Pool) -> MtaSts:
        return MtaSts(zones, web.fetch, TlsPolicies(pool), clock)

    zones.records["_mta-sts.example.com", "TXT"] = ("v=STSv1; id=1;",)
    found = await process(world.service.pool).policy("example.com")
    assert found == policy()
    zones.records.clear()
    web.away = True
    restarted = process(world.service.pool)
    assert await restarted.policy("example.com") == policy()
    zones.away = True
    assert await process(world.service.pool).policy("example.com") == policy()
    now[0] += WEEK - timedelta(seconds=1)
    assert await process(world.service.pool).policy("example.com") == policy()
    now[0] += timedelta(seconds=1)
    assert await process(world.service.pool).policy("example.com") is None, "it has ended"
    assert web.fetched == ["example.com"]
    # Without the database a process enforces what the domain publishes all the same.
    zones.away, web.away = False, False
    zones.records["_mta-sts.example.com", "TXT"] = ("v=STSv1; id=2;",)
    with capture_logs() as logs:
        found = await process(await closed(dsn)).policy("example.com")
    assert found == policy(WEEK * 2, "2")
    assert len(logs) == 1
