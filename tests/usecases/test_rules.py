"""Rules that hold when several act at once: one decision, one chain, one claim, one tenant."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from sealpost.content.placement import ContentDamaged
from sealpost.domain.canonical import digest, sha256
from sealpost.domain.errors import Conflict, Fenced, InvalidInput, NotFound, PreconditionFailed, Unavailable
from sealpost.domain.ticket import AlreadyDecided
from sealpost.store import mails, workers
from sealpost.usecases import submission_group
from sealpost.usecases.database import transaction
from sealpost.usecases.decide import decide
from sealpost.usecases.enlist import stay_enlisted
from sealpost.usecases.enqueue_due import give_up_dead
from sealpost.usecases.follow_link import follow_link
from sealpost.usecases.hand_out import hand_out
from sealpost.usecases.reads.pickup import pickup
from sealpost.usecases.reads.ticket import ticket
from sealpost.usecases.reads.tickets import Visible, Wanted, tickets
from sealpost.usecases.service import Service
from sealpost.usecases.withdraw import withdraw
from tests.world import ACT, World


async def test_of_many_decisions_at_once_one_counts(world: World) -> None:
    token = await world.send()
    secret = world.secret()

    async def one(number: int) -> str:
        decision = "accepted" if number % 2 else "refused"
        try:
            await decide(world.service, token, [secret], decision, "", ACT)
        except AlreadyDecided as refused:
            return f"too late: {refused.decision}"
        return decision

    results = await asyncio.gather(*(one(number) for number in range(20)))
    won = [result for result in results if not result.startswith("too late")]
    assert len(won) == 1
    assert results.count(f"too late: {won[0]}") == 19
    kinds = await world.kinds(token)
    assert [kind for kind in kinds if kind in {"accepted", "refused"}] == won


async def test_the_database_refuses_a_second_decision_by_itself(world: World) -> None:
    token = await world.send()
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    with pytest.raises(asyncpg.UniqueViolationError):
        await world.service.pool.execute(
            """insert into records select ticket_id, 99, 'refused', evidence_id, at, octets, sha256, salt
               from records where kind = 'accepted'"""
        )


async def test_submissions_at_once_each_have_their_own_chain(world: World) -> None:
    messages = [world.message(recipient_email=f"bob{number}@example.com") for number in range(60)]
    tokens = await asyncio.gather(*(world.submitter.submit(message) for message in messages))
    assert len(set(tokens)) == 60
    await world.work_off()
    for token in tokens:
        previous = None
        for octets in await world.records(token):
            assert json.loads(octets)["Extensions"][0]["sealpost/1"]["prev"] == (digest(previous) if previous else None)
            previous = sha256(octets)
    assert len(world.mailbox.mails) == 120  # announcement and confirmation each


async def test_one_bad_submission_does_not_spoil_its_group(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket_row = submission_group._ticket

    def spoiled(one):
        row = ticket_row(one)
        return (*row[:-3], None, *row[-2:]) if one.subject.recipient_email.startswith("bad") else row

    monkeypatch.setattr(submission_group, "_ticket", spoiled)
    addresses = ["bob1@example.com", "bad@example.com", "bob2@example.com"]
    results = await asyncio.gather(
        *(world.submitter.submit(world.message(recipient_email=address)) for address in addresses),
        return_exceptions=True,
    )
    assert [isinstance(result, str) for result in results] == [True, False, True]
    assert await world.service.pool.fetchval("select count(*) from messages") == 2


async def test_two_workers_at_one_mail(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "RESTARTED", "0 seconds")  # this test's database may have started just now
    await world.submitter.submit(world.message())
    mail_id = await world.service.pool.fetchval("select id from mails")
    later = world.clock.now() + timedelta(minutes=5)
    other = uuid4()
    async with transaction(world.service) as connection:
        first = (await mails.claim(connection, [mail_id], world.service.worker, later)).get(mail_id)
    async with transaction(world.service) as connection:
        assert await mails.claim(connection, [mail_id], other, later) == {}
    assert first
    # The first freezes: no beat for long. Another takes over; the first thaws and may not write.
    await world.service.pool.execute("update workers set beat_at = now() - interval '1 minute'")
    assert await give_up_dead(world.service) == 1
    async with transaction(world.service) as connection:
        second = (await mails.claim(connection, [mail_id], other, later)).get(mail_id)
    assert second
    assert second.epoch == first.epoch + 1
    async with transaction(world.service) as connection:
        with pytest.raises(Fenced):
            await mails.fence_one(connection, first)
    async with transaction(world.service) as connection:
        await mails.fence_one(connection, second)


async def test_a_live_worker_keeps_its_claims(world: World) -> None:
    await world.submitter.submit(world.message())
    mail_id = await world.service.pool.fetchval("select id from mails")
    async with transaction(world.service) as connection:
        await mails.claim(connection, [mail_id], world.service.worker, world.clock.now())
    await world.service.pool.execute("update workers set beat_at = now() - interval '20 seconds'")
    assert await give_up_dead(world.service) == 0, "it still holds its lock"
    dead = uuid4()
    await world.service.pool.execute(
        "insert into workers values ($1, $2, now() - interval '20 seconds')", dead, workers.lock_key(dead)
    )
    await world.service.pool.execute("update mails set claimed_by = $1", dead)
    started = await world.service.pool.fetchval(f"select {workers.READY} < now() - interval '8 seconds'")
    assert await give_up_dead(world.service) == (1 if started else 0)


async def test_what_a_forgotten_worker_had_claimed_is_free_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given up while its claim was on the way to the database: the claim came after its row had gone."""
    await world.submitter.submit(world.message())
    mail_id = await world.service.pool.fetchval("select id from mails")
    async with transaction(world.service) as connection:
        assert await mails.claim(connection, [mail_id], uuid4(), world.clock.now())
    monkeypatch.setattr(workers, "RESTARTED", "1 day")
    assert await give_up_dead(world.service) == 0, "after a restart of the database nobody is judged at once"
    monkeypatch.setattr(workers, "RESTARTED", "0 seconds")
    assert await give_up_dead(world.service) == 1
    row = await world.service.pool.fetchrow("select claimed_by, due_at from mails")
    assert (row["claimed_by"], row["due_at"]) == (None, world.clock.now())


async def test_what_another_transaction_holds_is_freed_by_the_next_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for it could end in a deadlock, and with it the look after others."""
    monkeypatch.setattr(workers, "RESTARTED", "0 seconds")
    await world.submitter.submit(world.message())
    dead = uuid4()
    await world.service.pool.execute("update mails set claimed_by = $1", dead)
    await world.service.pool.execute("insert into workers values ($1, $2, now() - interval '1 day')", dead, 1)
    async with transaction(world.service) as connection:
        await connection.execute("select from mails for update")
        assert await asyncio.wait_for(give_up_dead(world.service), 10) == 0
    assert await give_up_dead(world.service) == 1


async def test_lost_jobs_delay_and_lose_nothing(world: World) -> None:
    token = await world.submitter.submit(world.message())
    await world.service.pool.execute("delete from pgqueuer")
    world.clock.advance(minutes=4)
    await world.work_off()
    assert await world.kinds(token) == ["submitted"]
    world.clock.advance(minutes=2)
    await world.work_off()
    assert (await world.kinds(token))[-1] == "announcement_accepted"
    await world.service.pool.execute("delete from pgqueuer")
    world.clock.advance(days=12)
    await world.work_off()
    assert (await world.kinds(token))[-1] == "expired"


async def test_links_open_their_ticket_and_no_other(world: World) -> None:
    mine = await world.send()
    secret = world.secret()
    other = await world.send(recipient_email="ben@example.com")
    assert await follow_link(world.service, secret) == mine
    assert await pickup(world.service, other, [secret]) is None
    with pytest.raises(NotFound):
        await decide(world.service, other, [secret], "accepted", "", ACT)
    for wrong in ("", "x", secret[:-1], secret + "A", secret.swapcase(), "\ud800"):
        assert await pickup(world.service, mine, [wrong]) is None
    with pytest.raises(NotFound):
        await hand_out(world.service, mine, ["wrong"], 0, ACT)
    with pytest.raises(Conflict):
        await hand_out(world.service, mine, [secret], 0, ACT)
    world.clock.advance(days=43)
    assert await follow_link(world.service, secret) is None


async def test_accounts_do_not_see_each_other(world: World) -> None:
    token = await world.send()
    assert await ticket(world.service, Visible(world.charlie), token) is None
    assert (await tickets(world.service, Visible(world.charlie), Wanted(), None)).rows == ()
    with pytest.raises(NotFound):
        await withdraw(world.service, Visible(world.charlie), 1, token)
    with pytest.raises(PreconditionFailed):
        await world.submitter.submit(world.message(sender_email="charlie@example.net"))


async def test_the_list_goes_page_by_page(world: World) -> None:
    sent: list[str] = []
    for number in range(7):
        world.clock.advance(seconds=1)
        sent.append(await world.submitter.submit(world.message(subject=str(number))))
    seen, cursor = [], None
    while True:
        page = await tickets(world.service, Visible(world.alice), Wanted(), cursor, limit=3)
        seen += [row.token for row in page.rows]
        cursor = page.next
        if cursor is None:
            break
    assert seen == sent[::-1]
    with pytest.raises(InvalidInput):
        await tickets(world.service, Visible(world.alice), Wanted(), "no cursor")


async def test_damaged_content_is_never_handed_out(world: World) -> None:
    token = await world.send()
    secret = world.secret()
    await decide(world.service, token, [secret], "accepted", "", ACT)
    (path,) = (world.service.spool_folder.parent / "content").glob("*.seg")
    octets = bytearray(path.read_bytes())
    row = await world.service.pool.fetchrow('select "offset", length from messages')
    octets[row["offset"] + row["length"] // 2] ^= 1
    path.write_bytes(octets)
    with pytest.raises(ContentDamaged):
        await hand_out(world.service, token, [secret], 1, ACT)
    await world.work_off()
    kinds = await world.kinds(token)
    assert kinds[-1] == "content_failed", "and it is not sent either"
    assert "content_downloaded" not in kinds


async def test_days_of_the_account_and_of_the_ticket(world: World) -> None:
    token = await world.submitter.submit(world.message(reminder_days=2, expiry_days=4))
    shown = await ticket(world.service, Visible(world.alice), token)
    assert shown
    assert shown.remind_at
    assert (shown.remind_at.day, shown.expire_at.day) == (25, 27)
    token = await world.submitter.submit(world.message(expiry_days=3))
    shown = await ticket(world.service, Visible(world.alice), token)
    assert shown
    assert shown.remind_at
    assert (shown.remind_at.day, shown.expire_at.day) == (25, 26)
    message = dataclasses.replace(world.message(), reminder_days=5, expiry_days=5)
    with pytest.raises(InvalidInput):
        await world.submitter.submit(message)


async def test_a_worker_outlives_whatever_happens_while_it_looks_after_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database that goes away, a deadlock, a fault of ours: without its sign of life nobody would take over any more."""
    faults: list[Exception] = [Unavailable("the database is away"), RuntimeError("a fault of ours")]
    looked, lived = 0, asyncio.Event()

    async def look(_: Service) -> int:
        nonlocal looked
        looked += 1
        if faults:
            raise faults.pop()
        if looked > 4:
            lived.set()
        return 0

    monkeypatch.setattr("sealpost.usecases.enlist.give_up_dead", look)
    monkeypatch.setattr("sealpost.usecases.enlist.BEAT", 0.01)
    enlisted, stop = asyncio.Event(), asyncio.Event()
    service = dataclasses.replace(world.service, worker=uuid4())
    living = asyncio.create_task(stay_enlisted(service, enlisted, stop))
    await asyncio.wait_for(lived.wait(), 30)
    assert enlisted.is_set()
    assert await world.service.pool.fetchval("select count(*) from workers where id = $1", service.worker) == 1
    stop.set()
    await living
    assert await world.service.pool.fetchval("select count(*) from workers where id = $1", service.worker) == 0
