"""Without a sound clock, a log that goes on and time stamps nothing new is taken in; what has happened is stored."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from sealpost import bootstrap
from sealpost.domain.errors import Unavailable
from sealpost.seal.timestamps.client import TimestampClient
from sealpost.seal.timestamps.guard import ClockGuard, Reading
from sealpost.settings import read_settings
from sealpost.store import logs
from sealpost.store.embedded import EmbeddedServer
from sealpost.usecases.decide import decide
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.readiness import LOG, TIME, Readiness
from sealpost.usecases.seals import seal_pending
from sealpost.usecases.stamp import stamp_pending
from sealpost.usecases.submit import Submitter
from tests.conftest import with_database
from tests.world import ACT, World

HOUR = timedelta(hours=1)


class Source:
    """A second source that says what the test wants."""

    name = "ntp:test"

    def __init__(self, world: World) -> None:
        self.world, self.offset = world, timedelta(0)

    async def read(self) -> Reading:
        return Reading(self.offset, timedelta(0), self.world.clock.real(), 0.0)


@asynccontextmanager
async def guarded(world: World, source: Source) -> AsyncGenerator[World]:
    """The world with a guarded clock."""
    guard = ClockGuard(world.clock, source, monotonic=lambda: 0.0)
    evidence = dataclasses.replace(world.service.evidence, guard=guard)
    readiness = Readiness(world.service.pool, world.clock, evidence)
    service = dataclasses.replace(world.service, evidence=evidence, readiness=readiness)
    submitter = Submitter(service)
    yield dataclasses.replace(world, service=service, submitter=submitter)
    await submitter.close()


async def test_a_clock_that_is_off(world: World) -> None:
    source = Source(world)
    async with guarded(world, source) as at:
        with pytest.raises(Unavailable, match="clock"):
            await at.submitter.submit(at.message())  # no reading yet
        assert await at.service.evidence.guard.poll()
        token = await at.submitter.submit(at.message())
        source.offset = timedelta(seconds=2)
        assert not await at.service.evidence.guard.poll()
        with pytest.raises(Unavailable, match="clock"):
            await at.submitter.submit(at.message())
        await at.work_off()
        assert await at.kinds(token) == ["submitted"], "the announcement waits"
        source.offset = timedelta(0)
        await at.service.evidence.guard.poll()
        at.clock.advance(minutes=6)
        await at.work_off()
        assert (await at.kinds(token))[1:] == ["announcement_offered", "announcement_accepted"]
        source.offset = timedelta(seconds=-2)
        await at.service.evidence.guard.poll()
        await decide(at.service, token, [at.secret()], "accepted", "", ACT)
    assert '"clock":{"offsetMs":-2000,"source":"ntp:test"}' in (await world.records(token))[-1].decode()


@pytest.mark.parametrize("part", [LOG, TIME])
async def test_a_part_that_is_out_of_order(world: World, part: str) -> None:
    await world.service.readiness.say(part, "away")
    await world.submitter.submit(world.message())  # within the grace
    world.clock.real_at += HOUR - timedelta(seconds=1)
    await world.submitter.submit(world.message())
    world.clock.real_at += timedelta(seconds=6)
    with capture_logs() as lines, pytest.raises(Unavailable, match=f"{part}: away"):
        await world.submitter.submit(world.message())
    assert [line["why"] for line in lines] == [f"{part}: away"]
    await world.service.readiness.say(part, "")
    world.clock.real_at += timedelta(seconds=6)
    await world.submitter.submit(world.message())


async def test_a_worker_that_is_gone(world: World) -> None:
    await world.service.readiness.say(LOG, "")
    await world.submitter.submit(world.message())
    world.clock.real_at += HOUR + timedelta(seconds=1)
    with pytest.raises(Unavailable, match="no worker has looked since"):
        await world.submitter.submit(world.message())


async def test_what_is_said_lasts_from_its_beginning(world: World) -> None:
    began = world.clock.real()
    with capture_logs() as lines:
        await world.service.readiness.say(LOG, "away")
        world.clock.real_at += HOUR
        await world.service.readiness.say(LOG, "away")
        await world.service.readiness.say(LOG, "stopped: forked")
        assert (await logs.said(world.service.pool))[LOG] == logs.Said(began, began + HOUR, "stopped: forked")
        await world.service.readiness.say(LOG, "")
    assert [line["event"] for line in lines] == [
        "evidence is incomplete", "evidence is incomplete", "evidence is complete again",
    ]  # fmt: skip


async def test_an_authority_that_is_away(world: World) -> None:
    await world.send()
    await extend_log(world.service)
    async with TimestampClient("http://127.0.0.1:9/", world.service.evidence.tsa_roots) as away:
        evidence = dataclasses.replace(world.service.evidence, stamper=away)
        with pytest.raises(Unavailable, match="away"):
            await stamp_pending(dataclasses.replace(world.service, evidence=evidence))
    assert await stamp_pending(world.service) == 1


async def test_doctor_says_it_in_one_line(world: World, dsn: str) -> None:
    settings = read_settings({}, environment="test", tsa_url="own")
    assert await bootstrap.examine_evidence(settings, dsn) == "no log yet"
    await world.send()
    await extend_log(world.service)
    assert await bootstrap.examine_evidence(settings, dsn) == "log 2026 with 4 entries, 0 wait"
    with pytest.raises(RuntimeError, match=r"^no time stamp authority: set SEALPOST_TSA_URL[^\n]*$"):
        await bootstrap.examine_evidence(read_settings({}), dsn)
    await world.service.readiness.say(LOG, "stopped: forked")
    with pytest.raises(RuntimeError, match=r"^the log: stopped: forked$"):
        await bootstrap.examine_evidence(settings, dsn)
    await world.service.readiness.say(LOG, "")
    await world.submitter.submit(world.message())
    earlier = datetime.now(UTC) - HOUR
    await world.service.pool.execute("update records set at = $1 where log_index is null", earlier)
    with pytest.raises(RuntimeError, match=r"^1 records wait for the log since [^\n]*: does a worker run\?$"):
        await bootstrap.examine_evidence(settings, dsn)


async def test_doctor_says_that_the_database_is_not_migrated(server: EmbeddedServer) -> None:
    settings = read_settings({}, environment="test", tsa_url="own")
    empty = with_database(server.dsn, "postgres")
    for examined in (bootstrap.examine_database(empty), bootstrap.examine_evidence(settings, empty)):
        with pytest.raises(
            bootstrap.NotCurrent, match=r"^the database is of an earlier version, or empty: run sealpost migrate[^\n]*$"
        ):
            await examined


async def test_doctor_counts_what_the_service_did_not_store(world: World, dsn: str) -> None:
    data = world.service.adoptions.path.parents[1]
    settings = read_settings({}, data=data, environment="test", tsa_url="own")
    await world.send()
    await world.service.pool.execute("update records set seal = null, salt = sha256(salt) where seq = 2")
    await seal_pending(world.service)
    await extend_log(world.service)
    with pytest.raises(RuntimeError, match=r"^1 records are not this service's own: [^\n]*$"):
        await bootstrap.examine_evidence(settings, dsn)
