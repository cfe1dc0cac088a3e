"""Each transport through the whole SMTP fault grid: right outcome, class and stage, nothing raised, nothing left open."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sealpost.domain.timetable import retry_delay
from sealpost.mail.direct import Direct
from sealpost.mail.dns import Resolver
from sealpost.mail.relay import Relay
from sealpost.mail.session import Timeouts
from sealpost.mail.transport import Envelope, Handover, Transport
from sealpost.mail.wire import LINE_LIMIT
from sealpost.usecases.announce import announce
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.gather import for_sender
from sealpost.usecases.reads.tickets import Visible
from sealpost.usecases.reads.trust import trust_folder
from sealpost.usecases.stamp import stamp_pending
from sealpost.verifier.trust import trust_of
from sealpost.verifier.verify import verify
from tests.mail.dns_server import DnsServer, Fault, running
from tests.mail.fault_grid import CELLS, GARBAGE, GOOD, REFUSALS, Cell, FaultyServer
from tests.world import World, new_world

COMPLETE = bool(os.environ.get("SEALPOST_FAULTS_COMPLETE"))
MAIL = b"Subject: x\r\n\r\nHello Bob\r\n.\r\n..two\r\n"
PATIENT = Timeouts(connect=5, greeting=5, command=5, tls=5, data=5, block=5, dot=5, quit=5)
SPOKEN = {**REFUSALS, "garbage": GARBAGE}
SHORT = Timeouts(connect=0.3, greeting=0.3, command=0.3, tls=5, data=0.3, block=5, dot=0.3, quit=0.3)

Open = Callable[[FaultyServer, Cell, ssl.SSLContext], AbstractAsyncContextManager[Transport]]
ZONES: dict[str, dict[str, list[str] | Fault]] = {
    "example.com": {"MX": ["10 mx.test."]},
    "mx.test": {"A": ["127.0.0.1"]},
}


def common(server: FaultyServer, cell: Cell, trusted: ssl.SSLContext) -> dict[str, Any]:
    return {
        "port": server.port,
        "our_name": "out.sealpost.test",
        "clock": lambda: datetime.now(UTC),
        "context": trusted if cell.column == "demanded" else None,
        "timeouts": SHORT if cell.lasting else PATIENT,
    }


@asynccontextmanager
async def relay(server: FaultyServer, cell: Cell, trusted: ssl.SSLContext) -> AsyncGenerator[Transport]:
    tls = "required" if cell.column == "demanded" else "opportunistic"
    yield Relay(host="127.0.0.1", tls=tls, **common(server, cell, trusted))


@asynccontextmanager
async def direct(server: FaultyServer, cell: Cell, trusted: ssl.SSLContext) -> AsyncGenerator[Transport]:
    async with directly(server, cell, trusted, lambda: datetime.now(UTC)) as transport:
        yield transport


@asynccontextmanager
async def directly(
    server: FaultyServer, cell: Cell, trusted: ssl.SSLContext, clock: Callable[[], datetime]
) -> AsyncGenerator[Direct]:
    async with running(DnsServer(ZONES)) as dns:
        resolver = Resolver(["127.0.0.1"], port=dns.port)
        options: dict[str, Any] = {**common(server, cell, trusted), "clock": clock}
        yield Direct(dns=resolver, sts=None, shuffle=lambda _: None, private=True, **options)


# What each kind of transport must do is the same; another one is one more line here.
TRANSPORTS: dict[str, Open] = {"relay": relay, "direct": direct}


@pytest.fixture(scope="module")
def trusted(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


@asynccontextmanager
async def faulty(cell: Cell, context: ssl.SSLContext) -> AsyncGenerator[FaultyServer]:
    server = FaultyServer(cell.at, cell.fault, context)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def nothing_left() -> AsyncGenerator[None]:
    """No task is pending afterwards that was not before, and the loop heard of no exception."""
    loop, heard = asyncio.get_running_loop(), list[Any]()
    before = asyncio.all_tasks()
    loop.set_exception_handler(lambda _, context: heard.append(context))
    try:
        yield
    finally:
        loop.set_exception_handler(None)
    left = asyncio.all_tasks() - before
    if left:  # what has ended needs one more turn of the loop to say so
        await asyncio.wait(left, timeout=1)
    assert not [task for task in left if not task.done()]
    assert not heard


def spoken(got: Handover, by: str) -> list[bytes]:
    """One side of a transcript, without remarks that nobody said."""
    lines = [line.line for line in got.transcript if line.by == by]
    return [line for line in lines if not line.startswith(b"(") or line.endswith(b"final dot)")]


def said(server: FaultyServer) -> list[bytes]:
    """What the server said, in lines as a transcript keeps them: without ends, and not endless."""
    lines = [line.removesuffix(b"\r") for talk in server.talks for line in bytes(talk.said).split(b"\n")]
    return [line[:LINE_LIMIT] for line in lines if line]


def agree(ours: list[bytes], theirs: list[bytes]) -> bool:
    """One side may know of more lines, as the end was cut short; but of no other ones."""
    return all(one == other for one, other in zip(ours, theirs, strict=False))


@pytest.mark.parametrize("way", TRANSPORTS)
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.column}-{cell.fault}")
async def test_cell(
    cell: Cell, way: str, server_tls: ssl.SSLContext, trusted: ssl.SSLContext, envelope: Envelope
) -> None:
    marks: list[str] = []

    async def mark() -> None:
        marks.append("dot due")

    if cell.column == "demanded" and way == "direct":  # there it is the sender's wish
        envelope = dataclasses.replace(envelope, tls_verified=True)
    async with (
        nothing_left(),
        faulty(cell, server_tls) as server,
        TRANSPORTS[way](server, cell, trusted) as transport,
    ):
        got = await transport.hand_over(envelope, MAIL, mark)
        assert (got.outcome, got.reason, got.stage) == (cell.outcome, cell.reason, cell.stage)
        await server.all_over(1 if cell.outcome == "accepted" else 0)
        check_transcript(cell, got, server)
        assert marks == (["dot due"] if got.stage == "dot" else [])
        assert server.mails == ([MAIL] if got.stage == "dot" else [])
        assert cell.column != "demanded" or not server.plain_mails
        await transport.close()
        await server.all_over(0)


def check_transcript(cell: Cell, got: Handover, server: FaultyServer) -> None:
    ours, theirs = spoken(got, "s"), said(server)
    if cell.fault == "drip":  # our side hung up within this line
        theirs = [line[: len(mine)] for line, mine in zip(theirs, ours, strict=False)]
    assert agree(ours, theirs)
    assert agree(spoken(got, "c"), [line for talk in server.talks for line in talk.heard])
    assert [line.at for line in got.transcript] == sorted(line.at for line in got.transcript)
    decided = {"accepted": GOOD["dot"], "uncertain": b""}.get(got.outcome, REFUSALS.get(cell.fault, b""))
    assert got.final == b"\n".join(decided.splitlines())
    assert got.code == (int(got.final[:3]) if got.final else None)
    assert set(got.final.splitlines()) <= set(ours)
    if cell.fault in SPOKEN:
        assert set(SPOKEN[cell.fault].splitlines()) <= set(ours), "what decided stands in the transcript"


def test_the_grid_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    columns, faults = {cell.column for cell in CELLS}, {cell.fault for cell in CELLS}
    assert len(CELLS) == len({(cell.column, cell.fault) for cell in CELLS}) == len(columns) * len(faults)
    assert {"connect", "banner", "ehlo", "starttls", "mail", "rcpt", "data", "dot"} < columns
    with capsys.disabled():
        print(f"\nSMTP fault grid: {len(CELLS)} cells, {len(columns)} stages x {len(faults)} faults")


# Through the whole service: the records' kinds and class, the mail's state, when it is tried again. One cell of each
# outcome and class here, every cell in script/faults.
STATES = {"accepted": "sent", "failed": "failed", "delayed": "built", "uncertain": "built"}
LIVES = CELLS if COMPLETE else list({(cell.outcome, cell.reason): cell for cell in CELLS}.values())


@pytest.mark.parametrize("cell", LIVES, ids=lambda cell: f"{cell.column}-{cell.fault}")
async def test_through_the_service(
    cell: Cell, dsn: str, tmp_path: Path, server_tls: ssl.SSLContext, trusted: ssl.SSLContext
) -> None:
    async with (
        faulty(cell, server_tls) as server,
        new_world(dsn, tmp_path) as world,
        directly(server, cell, trusted, world.clock.now) as transport,
    ):
        world.service = dataclasses.replace(world.service, transport=transport)
        await world.submitter.submit(world.message(tls_verified=cell.column == "demanded"))
        token = await world.service.pool.fetchval("select token from tickets")
        (job,) = await world.service.pool.fetch("select payload from pgqueuer where entrypoint = 'announce'")
        await announce(world.service, UUID(job["payload"].decode()))
        told = await world.kinds(token)
        assert [kind for kind in told if kind not in {"submitted", "announcement_offered"}] == [
            f"announcement_{cell.outcome}"
        ]
        smtp = json.loads((await world.records(token))[-1])["Extensions"][0]["sealpost/1"]["smtp"]
        assert smtp["class"] == cell.reason
        mail = await world.service.pool.fetchrow("select * from mails where purpose = 'announcement'")
        assert mail
        assert (mail["state"], mail["claimed_by"]) == (STATES[cell.outcome], None)
        if mail["state"] == "built":  # to be tried again
            first, last = (world.clock.now() + retry_delay(1, jitter) for jitter in (0, 1))
            assert first <= mail["due_at"] <= last
        else:
            assert mail["due_at"] is None
        await transport.close()
        assert await failures(world, token) == [], "whatever a server does, its record agrees with itself"


async def failures(world: World, token: str) -> list[str]:
    """What the verifier refuses in the ticket's bundle."""
    await extend_log(world.service)
    await stamp_pending(world.service)
    async with for_sender(world.service, Visible(world.alice), token, "en") as made:
        octets = b"".join([piece async for piece in made.chunks()])
    report = verify(octets, trust_of(await trust_folder(world.service)))
    return [f"{one.why} {one.words('en')}" for one in report.claims if one.verdict == "FAIL"]
