"""What random kills have brought to light, each as small as it can be told."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest

from sealpost.domain.errors import Fenced
from sealpost.store import workers
from sealpost.store.tickets import Visible
from sealpost.usecases.announce import announce
from sealpost.usecases.enqueue_due import give_up_dead
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.open_pickup import open_pickup
from sealpost.usecases.withdraw import withdraw
from tests.faults.test_outage import Frozen
from tests.world import ACT, World


async def test_a_cancelled_mail_has_no_open_attempt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker dies over an announcement that it has prepared, and the sender withdraws before another one takes it."""
    monkeypatch.setattr(workers, "RESTARTED", "0 seconds")  # this test's database may have started just now
    token = await world.submitter.submit(world.message())
    pool = world.service.pool
    mail_id: UUID = await pool.fetchval("delete from pgqueuer returning convert_from(payload, 'utf8')::uuid")
    transport = Frozen(world.service.transport, marked=False)
    dead: Any = dataclasses.replace(world.service, transport=transport)
    dying = asyncio.create_task(announce(dead, mail_id))
    await transport.still.wait()
    second = dataclasses.replace(world.service, worker=uuid4())
    async with pool.acquire() as session:
        await workers.enlist(session, second.worker)
        await pool.execute("update workers set beat_at = now() - interval '1 minute' where id = $1", dead.worker)
        assert await give_up_dead(second) == 1
    await withdraw(world.service, Visible(world.alice), world.alice_user, token)
    transport.thawed.set()
    with suppress(Fenced):
        await dying
    await world.work_off()
    states = await pool.fetch(
        "select m.state, a.state as attempt from mails m join attempts a on a.mail_id = m.id where m.id = $1", mail_id
    )
    assert [tuple(row) for row in states] == [("cancelled", "abandoned")]


async def test_places_rise_behind_a_fact_that_was_told_late(world: World) -> None:
    """The third record's event is earlier than the second's: it waits for that one, and so must the fourth.

    So it comes about: a server's 250 waits for the database while another record of the ticket is made, and one follows.
    """
    token = await world.send()
    await open_pickup(world.service, token, [world.secret()], ACT)
    pool = world.service.pool
    await pool.execute(
        """update records set at = at + (array[0, 12, 10, 13])[seq] * interval '1 second'
           where ticket_id = (select id from tickets where token = $1)""",
        token,
    )
    while await extend_log(world.service):
        pass
    places = await pool.fetch(
        "select log_index from records r join tickets t on t.id = r.ticket_id where token = $1 order by seq", token
    )
    found = [row["log_index"] for row in places]
    assert len(found) == 4
    assert found == sorted(found)
