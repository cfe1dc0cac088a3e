"""Broken framing on raw sockets: 4xx or a closed connection, within the time-out, whatever stops or lies; nothing stored."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress

import pytest

from sealpost.access import middleware
from sealpost.api import upload
from sealpost.cli import heads
from tests.hostile.conftest import Quiet
from tests.hostile.framing_table import Broken, framing_cases, taken_cases
from tests.hostile.values import MARK
from tests.hostile.wire import Answered, raw

AT_ONCE = 8
SECONDS = 0.2
LONGEST = 2.0
REFUSALS = {0, 400, 408, 411, 413, 414, 431}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All time-outs are short."""
    for module, name in ((upload, "SMALL_SECONDS"), (upload, "IDLE_SECONDS"), (middleware, "DRAIN_SECONDS"), (middleware, "BODY_SECONDS"), (heads, "SECONDS")):  # fmt: skip
        monkeypatch.setattr(module, name, SECONDS)


async def run(port: int, cases: list[Broken], judge: Callable[[Broken, Answered], bool]) -> list[str]:
    waiting, failures = iter(cases), list[str]()

    async def work() -> None:
        for case in waiting:
            got = await raw(port, *case.pieces, end=case.end)
            if not judge(case, got):
                failures.append(f"{case.name}: {got.status} after {got.seconds:.1f} s: {got.body[:200]!r}")

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return failures


def refused(case: Broken, got: Answered) -> bool:
    # 412 would say that the request was read to its end, and only the sender's address was wrong.
    right = got.status in case.statuses if case.statuses else got.status in REFUSALS
    return right and MARK.encode() not in got.body and got.seconds < LONGEST


def taken(_: Broken, got: Answered) -> bool:
    return got.status == 412 and got.seconds < LONGEST


@pytest.mark.usefixtures("impatient")
async def test_broken_requests_are_refused(quiet: Quiet) -> None:
    async with quiet.unchanged():
        failures = await run(quiet.port, framing_cases(quiet.known), refused)
        assert not failures, f"{len(failures)}:\n" + "\n".join(failures)


@pytest.mark.usefixtures("impatient")
async def test_odd_requests_are_taken(quiet: Quiet) -> None:
    async with quiet.unchanged():
        failures = await run(quiet.port, taken_cases(quiet.known), taken)
        assert not failures, "\n".join(failures)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("pieces", [1, 2])
async def test_a_body_behind_an_offer_is_no_request_and_the_next_request_is_one(quiet: Quiet, pieces: int) -> None:
    inner = b"GET /inner HTTP/1.1\r\nhost: x\r\n\r\n"
    offer = b"connection: upgrade\r\nupgrade: h2c\r\nhost: x\r\n"
    first = b"POST /nothing HTTP/1.1\r\n%bcontent-length: %d\r\n\r\n" % (offer, len(inner))
    last = b"GET /docs HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    octets = first + inner + last
    cut = len(first) if pieces == 2 else len(octets)
    assert await statuses(quiet.port, octets[:cut], octets[cut:]) == [404, 200]


@pytest.mark.usefixtures("impatient")
async def test_many_offers_in_one_segment_are_answered_in_turn(quiet: Quiet) -> None:
    one = b"GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: upgrade%b\r\nupgrade: h2c\r\n\r\n"
    assert await statuses(quiet.port, one % b"" * 100 + one % b", close") == [404] * 101


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("pieces", [1, 2])
async def test_nothing_is_read_behind_connect(quiet: Quiet, pieces: int) -> None:
    first = b"CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\n\r\n"
    last = b"GET /docs HTTP/1.1\r\nhost: x\r\n\r\n"
    got = await statuses(quiet.port, *((first, last) if pieces == 2 else (first + last,)))
    assert len(got) == 1
    assert got[0] in REFUSALS


async def statuses(port: int, *pieces: bytes) -> list[int]:
    """Those of all answers on one connection, until the service ends it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)  # a segment of its own
    async with asyncio.timeout(LONGEST):
        octets = await reader.read()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return [int(found[1]) for found in re.finditer(rb"HTTP/1\.1 (\d{3}) ", octets)]
