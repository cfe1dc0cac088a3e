"""Database, mail server, disk and a worker go away for a while: refused or retried, nothing lost, no help needed."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pybase64
import pytest

from sealpost import bootstrap
from sealpost.domain.errors import Unavailable
from sealpost.inbound.catcher import Catcher
from sealpost.mail.transport import Envelope, Handover, Transport
from sealpost.store import tickets, workers
from sealpost.store.embedded import EmbeddedServer
from sealpost.store.embedded_place import find_place, server_account
from sealpost.store.embedded_postmaster import _postmaster, stop
from sealpost.store.migrate import migrate
from sealpost.store.pool import connector
from sealpost.usecases.announce import announce
from sealpost.usecases.deliver import split
from sealpost.usecases.enqueue_due import give_up_dead
from sealpost.usecases.mail_bytes import opened
from sealpost.usecases.service import Service
from sealpost.worker.run import run
from tests.faults.invariants import check_chain, check_copies
from tests.faults.site import settings_of
from tests.site import new_site, request_body
from tests.world import World, new_world

Eventually = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
SEND = "/webservice/mailsender/send"
BOB = "bob@example.com"
ANNOUNCED = ["submitted", "announcement_offered", "announcement_accepted"]
HOLDS = ("messages", "tickets", "records", "mails", "pgqueuer")


async def rows(world: World) -> dict[str, int]:
    pool = world.service.pool
    return {table: await pool.fetchval(f"select count(*) from {table}") for table in HOLDS}


async def whole(world: World, token: str) -> tuple[bytes, ...]:
    """The content of a ticket, body first; its record chain is checked on the way."""
    pool, service = world.service.pool, world.service
    row = await pool.fetchrow("select * from tickets where token = $1", token)
    assert row, "a 200 was given for it"
    check_chain(row, await pool.fetch("select * from records where ticket_id = $1 order by seq", row["id"]))
    stored = await tickets.by_id(pool, row["id"])
    octets = await opened(service, service.content_vault.open, stored.content)
    return tuple(split(stored.evidence.parts, octets))


async def test_a_connection_that_ends_within_the_submission(world: World, dsn: str, eventually: Eventually) -> None:
    before = await rows(world)
    admin: Any = await asyncpg.connect(dsn)
    holding = admin.transaction()
    await holding.start()
    await admin.execute("lock table tickets in exclusive mode")
    submitting = asyncio.ensure_future(world.submitter.submit(world.message()))

    async def cut() -> bool:
        return await admin.fetchval(
            """select pg_terminate_backend(pid) from pg_locks
               where not granted and relation = 'tickets'::regclass"""
        )

    assert await eventually(cut)
    with pytest.raises(Unavailable):
        await submitting
    await holding.rollback()
    await admin.close()
    assert await rows(world) == before
    assert await world.kinds(await world.send()) == ANNOUNCED


async def test_a_database_that_only_reads_for_a_while(world: World, dsn: str) -> None:
    """A standby took over, or the operator keeps writers out: refused as if it were away."""
    admin: Any = await asyncpg.connect(dsn)
    name = await admin.fetchval("select current_database()")
    others = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()"
    causes = set[type]()
    for value, tries in (("on", 5), ("off", 0)):
        await admin.execute(f'alter database "{name}" set default_transaction_read_only = {value}')
        await admin.execute(others, name)
        for _ in range(tries):
            with pytest.raises(Unavailable) as refused:
                await world.submitter.submit(world.message())
            causes.add(type(refused.value.__cause__))
    assert asyncpg.ReadOnlySQLTransactionError in causes
    assert await admin.fetchval("select count(*) from tickets") == 0
    await admin.close()


async def test_the_database_restarts_under_a_working_service(tmp_path: Path, eventually: Eventually) -> None:
    """Web and worker stay; requests meanwhile get 503; afterwards everything goes on."""
    async with EmbeddedServer(tmp_path / "pg") as server:
        await migrate(connector(server.dsn))
        async with new_site(server.dsn, tmp_path / "data") as site, site.client() as client:
            world, ending = site.world, asyncio.Event()
            looping = dataclasses.replace(world.service, worker=uuid4())
            working = asyncio.create_task(run(looping, ending))

            async def send() -> int:
                return (await client.post(SEND, json=request_body(), headers=site.alice_basic)).status_code

            async def arrived(number: int) -> bool:
                return len(world.mailbox.to(BOB)) >= number

            assert await send() == 200
            await eventually(lambda: arrived(1))
            assert server._place
            await asyncio.to_thread(stop, server._place)
            assert [await send(), await send()] == [503, 503]
            assert not working.done()
            await server.ensure_running()

            async def taken() -> bool:
                return await send() == 200

            await eventually(taken)
            world.clock.advance(minutes=6)  # what was due when the database went
            await eventually(lambda: arrived(2))
            assert (await rows(world))["tickets"] == 2
            ending.set()
            await working
            assert await world.service.pool.fetchval("select count(*) from mails where claimed_by is not null") == 0


async def test_the_embedded_postmaster_is_killed_under_the_service(tmp_path: Path, eventually: Eventually) -> None:
    """Whatever was acknowledged is there when it runs again; its sessions may answer a moment longer than it."""
    async with EmbeddedServer(tmp_path / "pg") as server:
        await migrate(connector(server.dsn))
        async with new_world(server.dsn, tmp_path / "data") as world:
            acknowledged = [await world.submitter.submit(world.message())]
            assert server._place
            found = _postmaster(server._place.cluster)
            assert found
            os.kill(found[0], 9)

            async def refused() -> bool:
                try:
                    acknowledged.append(await world.submitter.submit(world.message()))
                except Unavailable:
                    return True
                return False

            await eventually(refused)
            assert await server.ensure_running()
            assert (await rows(world))["tickets"] == len(acknowledged)
            await world.work_off()
            for token in acknowledged:
                assert (await whole(world, token))[0] == world.message().body.encode()
                assert await world.kinds(token) == ANNOUNCED


async def test_a_dead_embedded_server_is_started_again(tmp_path: Path, eventually: Eventually) -> None:
    """Nobody has to: whoever uses it keeps it running."""
    async with bootstrap.database(settings_of(tmp_path / "data", 25)) as dsn:
        place = find_place((tmp_path / "data").resolve(), server_account())
        found = _postmaster(place.cluster)
        assert found
        os.kill(found[0], 9)

        async def answers() -> bool:
            try:
                connection = await asyncpg.connect(dsn)
            except (OSError, asyncpg.PostgresError):
                return False
            await connection.close()
            return True

        async def another() -> bool:
            again = _postmaster(place.cluster)
            return again is not None and again[0] != found[0] and await answers()

        await eventually(another)


async def test_the_mail_server_is_away(world: World) -> None:
    assert world.catcher._server
    port = world.catcher._server.sockets[0].getsockname()[1]
    await world.catcher.stop()
    token = await world.submitter.submit(world.message())
    for _ in range(3):
        await world.work_off()
        world.clock.advance(minutes=10)
    assert await world.kinds(token) == ["submitted", "announcement_delayed"]
    tried = await world.service.pool.fetch(
        "select a.state from attempts a join mails m on m.id = a.mail_id where m.purpose = 'announcement' order by number"
    )
    assert [one["state"] for one in tried] == ["delayed"] * 3

    back = Catcher(world.catcher._keep, port=port)
    await back.start()
    try:
        await world.work_off()
        assert await world.kinds(token) == [*ANNOUNCED[:1], "announcement_delayed", *ANNOUNCED[1:]]
        assert len(world.mailbox.to(BOB)) == 1
        assert await whole(world, token)
    finally:
        await back.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A data folder whose content lies on a disk of 4 MiB."""
    content = tmp_path / "small" / "content"
    content.mkdir(parents=True, mode=0o700)
    mount = shutil.which("mount")
    if sys.platform != "linux" or os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=4m", "small", content], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.decode()}")
    try:
        yield content.parent
    finally:
        subprocess.run(["umount", content], check=True)


async def test_the_disk_is_full(small_disk: Path, dsn: str) -> None:
    """503, earlier tickets are whole, nothing is half-stored; it recovers when there is room again."""
    (small_disk / "content" / "ballast").write_bytes(bytes(2_500_000))
    async with new_site(dsn, small_disk) as site, site.client() as client:
        taken: dict[str, bytes] = {}
        while True:
            pdf = b"%PDF-1.4\n" + os.urandom(300_000)
            attached = {
                "attachment": pybase64.b64encode(pdf).decode(),
                "attachment_name": "a.pdf",
                "attachment_type": "application/pdf",
            }
            answer = await client.post(SEND, json=request_body(attachments=[attached]), headers=site.alice_basic)
            if answer.status_code != 200:
                break
            taken[answer.json()["ticket_token"]] = pdf
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert taken
        assert (await rows(site.world))["tickets"] == len(taken)
        for token, pdf in taken.items():
            assert (await whole(site.world, token))[1] == pdf

        (small_disk / "content" / "ballast").unlink()
        assert (await client.post(SEND, json=request_body(), headers=site.alice_basic)).status_code == 200
        await site.world.work_off()
        site.world.clock.advance(minutes=1)
        await site.world.work_off()
        assert len(site.world.mailbox.to(BOB)) == len(taken) + 1


async def test_no_room_for_the_mails(small_disk: Path, dsn: str) -> None:
    """A full disk delays the announcement; it is no failure."""
    async with new_world(dsn, small_disk) as world:
        token = await world.submitter.submit(world.message())
        ballast = small_disk / "content" / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
            while True:
                file.write(bytes(4096))
        await world.work_off()
        assert await world.kinds(token) == ["submitted"]
        ballast.unlink()
        world.clock.advance(minutes=1)
        await world.work_off()
        assert await world.kinds(token) == ANNOUNCED


class Frozen:
    """A transport whose process stops, by SIGSTOP as it were, just before or just after the mark before the dot."""

    def __init__(self, inner: Transport, *, marked: bool) -> None:
        self._inner = inner
        self._marked = marked
        self.still = asyncio.Event()
        self.thawed = asyncio.Event()

    async def hand_over(self, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]]) -> Handover:
        async def slowly() -> None:
            if self._marked:
                await before_dot()
            self.still.set()
            await self.thawed.wait()
            if not self._marked:
                await before_dot()

        return await self._inner.hand_over(envelope, mail, slowly)

    async def book(self, recipient: str, *, pressing: bool = False) -> float:
        return await self._inner.book(recipient, pressing=pressing)

    def unbook(self, recipient: str) -> None:
        self._inner.unbook(recipient)

    async def close(self) -> None:
        await self._inner.close()


async def taken_over(world: World, *, marked: bool) -> tuple[Any, str]:
    """A worker freezes over an announcement, another takes it over, the first one thaws; the mail's row, and the ticket."""
    token = await world.submitter.submit(world.message())
    pool = world.service.pool
    mail_id: UUID = await pool.fetchval("delete from pgqueuer returning convert_from(payload, 'utf8')::uuid")
    transport = Frozen(world.service.transport, marked=marked)
    frozen: Service = dataclasses.replace(world.service, transport=transport)
    freezing = asyncio.create_task(announce(frozen, mail_id))
    await transport.still.wait()
    second = dataclasses.replace(world.service, worker=uuid4())
    async with pool.acquire() as session:
        await workers.enlist(session, second.worker)
        assert await give_up_dead(second) == 0, "it lives, and beats"
        await announce(second, mail_id)
        assert world.mailbox.mails == [], "a live worker is at it"
        await pool.execute("update workers set beat_at = now() - interval '1 minute' where id = $1", frozen.worker)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(workers, "RESTARTED", "0 seconds")  # this test's database may have started just now
            assert await give_up_dead(second) == 1
        await announce(second, mail_id)
        assert len(world.mailbox.mails) == 1
        transport.thawed.set()
        await freezing
    return await pool.fetchrow(
        """select m.*, (select array_agg(a.state order by a.number) from attempts a where a.mail_id = m.id) as states
           from mails m where id = $1""",
        mail_id,
    ), token


async def test_a_frozen_worker_is_replaced_and_fenced(world: World) -> None:
    mail, token = await taken_over(world, marked=False)
    assert len(world.mailbox.mails) == 1, "the thawed one sends nothing"
    assert mail["states"] == ["abandoned", "accepted"]
    assert await world.kinds(token) == ANNOUNCED


async def test_frozen_after_the_mark_is_uncertain(world: World) -> None:
    """Nobody can take the dot back: the repeat is the same mail, it is on record, and the thawed one writes nothing."""
    mail, token = await taken_over(world, marked=True)
    copies = [raw for _, _, raw in world.mailbox.mails]
    assert len(copies) == 2
    assert mail["states"] == ["uncertain", "accepted"]
    kinds = await world.kinds(token)
    assert kinds == ["submitted", "announcement_uncertain", *ANNOUNCED[1:]]
    check_copies(mail, copies, set(kinds))
