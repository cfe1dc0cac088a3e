"""The clock guard with sources that a test moves, and the NTP client against a server on a real port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from sealpost.domain.canonical import canonical
from sealpost.seal.timestamps.client import Heard, TimestampClient
from sealpost.seal.timestamps.guard import ClockGuard, NtpSource, Reading, TsaSource, from_packet, from_token
from sealpost.seal.timestamps.local import LocalTsa, tsa_app
from tests.seal.timestamps.conftest import START, MovedClock

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
GRACE = 30 * MINUTE


class Source:
    """A second source whose clock is off the world's by nothing, and which the test may silence."""

    name = "ntp:time.example"

    def __init__(self, world: World) -> None:
        self._world, self.is_silent, self.error = world, False, timedelta(0)

    async def read(self) -> Reading | None:
        world = self._world
        return None if self.is_silent else Reading(-world.fault, self.error, world.clock.real(), world.seconds)


class World:
    """True time, a system clock that may be off it, the second source and the guard."""

    def __init__(self, **options: Any) -> None:
        self.clock, self.seconds, self.fault = MovedClock(), 1000.0, timedelta(0)
        self.source = Source(self)
        self.guard = ClockGuard(self.clock, self.source, monotonic=lambda: self.seconds, **options)

    def passes(self, time: timedelta) -> None:
        self.seconds += time.total_seconds()
        self.clock.at += time

    def is_set(self, by: timedelta) -> None:
        """Somebody sets the system's clock."""
        self.fault += by
        self.clock.at += by


async def test_unsound_before_the_first_word() -> None:
    world = World()
    assert not world.guard.is_sound
    assert world.guard.statement() == {"source": "ntp:time.example"}
    assert await world.guard.poll()
    assert world.guard.statement() == {"source": "ntp:time.example", "offsetMs": 0}


@pytest.mark.parametrize(
    ("off", "is_sound"),
    [(0, True), (1, True), (-1, True), (1.001, False), (-1.001, False), (3600, False), (-3600, False)],
)
async def test_the_limit(off: float, is_sound: bool) -> None:
    world = World()
    world.is_set(timedelta(seconds=off))
    assert await world.guard.poll() is is_sound
    assert world.guard.statement()["offsetMs"] == round(-off * 1000)


async def test_another_limit() -> None:
    world = World(limit=timedelta(milliseconds=50))
    world.is_set(timedelta(milliseconds=60))
    assert not await world.guard.poll()


async def test_without_a_source_all_is_sound_and_records_say_so() -> None:
    clock = MovedClock()
    guard = ClockGuard(clock, None)
    assert await guard.poll()
    assert guard.statement() == {"source": "none"}
    clock.shift = timedelta(days=3)
    assert guard.statement() == {"source": "none", "demoShiftSeconds": 259200}


async def test_the_demos_shift_is_no_fault() -> None:
    world = World()
    world.clock.shift = timedelta(days=40)
    assert await world.guard.poll()
    assert world.guard.statement() == {"source": "ntp:time.example", "offsetMs": 0, "demoShiftSeconds": 3456000}


async def test_silence_is_borne_for_the_grace_only() -> None:
    world = World(grace=GRACE)
    await world.guard.poll()
    world.source.is_silent = True
    world.passes(GRACE)
    assert await world.guard.poll()
    world.passes(SECOND)
    assert not await world.guard.poll()
    assert "offsetMs" not in world.guard.statement()
    world.source.is_silent = False
    assert await world.guard.poll()


async def test_vague_words_are_silence() -> None:
    world = World()
    world.source.error = timedelta(seconds=1.5)
    assert not await world.guard.poll()
    world.source.error = timedelta(seconds=1)
    assert await world.guard.poll()


@pytest.mark.parametrize("by", [-90, -2, 2, 90])
async def test_a_set_clock_shows_at_once(by: float) -> None:
    world = World()
    await world.guard.poll()
    world.passes(MINUTE)
    assert world.guard.is_sound
    world.is_set(timedelta(seconds=by))
    assert not world.guard.is_sound
    assert world.guard.statement()["offsetMs"] == -by * 1000
    assert not await world.guard.poll()
    world.is_set(timedelta(seconds=-by))
    assert world.guard.is_sound


@pytest.mark.parametrize("off", [timedelta(microseconds=1), timedelta(days=-99999), timedelta(seconds=0.7654321)])
async def test_statements_fit_into_records(off: timedelta) -> None:
    world = World()
    world.is_set(off)
    await world.guard.poll()
    assert canonical({"clock": world.guard.statement()})


# --- the authority as second source ---


async def test_every_token_is_a_reading(
    tsa: LocalTsa, tsa_roots: tuple[x509.Certificate, ...], clock: MovedClock
) -> None:
    transport = httpx2.ASGITransport(app=tsa_app(tsa))
    async with TimestampClient("http://tsa.example/x", tsa_roots, transport=transport, clock=clock) as client:
        source = TsaSource(client)
        assert source.name == "tsa:tsa.example"
        clock.shift = timedelta(seconds=5)  # the authority's clock is ahead of the system's
        await client.stamp(b"checkpoint")
        heard = client.heard
        reading = await source.read()
        assert client.heard is heard, "a fresh token serves"
        assert await TsaSource(client, age=-1).read() is not None
        assert client.heard is not heard, "an old one is asked for anew"
    assert reading is not None
    assert abs(reading.offset - timedelta(seconds=5)) <= reading.error
    assert not await ClockGuard(clock, source).poll()


async def test_an_authority_that_is_away_is_silence(tsa_roots: tuple[x509.Certificate, ...], clock: MovedClock) -> None:
    async with TimestampClient("http://127.0.0.1:9/", tsa_roots, clock=clock) as client:
        assert await TsaSource(client).read() is None
        assert not await ClockGuard(clock, TsaSource(client)).poll()


@pytest.mark.parametrize(
    ("given_at", "took", "offset", "error"),
    [
        (START, 0.0, 0.0, 0.0),
        (START + timedelta(seconds=2), 0.0, 2.0, 0.0),
        (START, 1.0, -0.5, 0.5),
        (START.replace(microsecond=0), 0.0, 0.25, 0.5),  # cut to the second: .250 is within it
        (START.replace(microsecond=0), 1.0, -0.25, 1.0),
    ],
)
def test_from_token(given_at: datetime, took: float, offset: float, error: float) -> None:
    reading = from_token(Heard(given_at, START, took, 77.0))
    assert (reading.offset.total_seconds(), reading.error.total_seconds()) == (offset, error)
    assert reading.system == START + timedelta(seconds=took)


# --- NTP ---


def ntp(at: datetime) -> bytes:
    """A 64-bit NTP time, era by era."""
    micros = (at - datetime(1900, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    seconds, rest = divmod(micros, 10**6)
    return (seconds % 2**32).to_bytes(4) + (-(-(rest << 32) // 10**6)).to_bytes(4)


def packet(
    received: datetime,
    sent: datetime,
    *,
    cookie: bytes = bytes(8),
    leap: int = 0,
    mode: int = 4,
    stratum: int = 2,
    root_delay: bytes = bytes(4),
    root_dispersion: bytes = bytes(4),
) -> bytes:
    head = bytes([leap << 6 | 4 << 3 | mode, stratum, 6, 0xEC]) + root_delay + root_dispersion + b"GPS\0"
    return head + ntp(received) + cookie + ntp(received) + ntp(sent)


@pytest.mark.parametrize("at", [START, datetime(2036, 2, 7, 6, 28, 15, tzinfo=UTC), datetime(2060, 1, 2, tzinfo=UTC)])
@pytest.mark.parametrize("ahead", [0.0, 0.25, -0.25, 3600.0])
def test_from_packet(at: datetime, ahead: float) -> None:
    there = at + timedelta(seconds=ahead)
    octets = packet(
        there + timedelta(seconds=0.1), there + timedelta(seconds=0.2), root_dispersion=bytes([0, 0, 64, 0])
    )
    reading = from_packet(octets, at, 0.3, 5.0)
    assert reading is not None
    assert abs(reading.offset.total_seconds() - ahead) < 2e-6
    assert abs(reading.error.total_seconds() - 0.35) < 2e-6  # half the way there and back, and the server's own


@pytest.mark.parametrize(
    "wrong",
    [{"leap": 3}, {"stratum": 0}, {"stratum": 16}, {"stratum": 255}, {"sent": START - SECOND}],
)
def test_servers_that_do_not_know(wrong: dict[str, Any]) -> None:
    assert from_packet(packet(START, **dict[str, Any](sent=START) | wrong), START, 0.1, 5.0) is None


def test_a_packet_without_time() -> None:
    assert from_packet(packet(START, START)[:40] + bytes(8), START, 0.1, 5.0) is None


@given(st.binary(min_size=48, max_size=48))
def test_any_octets_are_a_reading_or_none(octets: bytes) -> None:
    reading = from_packet(octets, START, 0.1, 5.0)
    assert reading is None or reading.error >= timedelta(0)


class Server(asyncio.DatagramProtocol):
    """An NTP server that answers as told."""

    def __init__(self, answers: Callable[[bytes], list[bytes]]) -> None:
        self._answers = answers
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        for answer in self._answers(data):
            self.transport.sendto(answer, addr)


@asynccontextmanager
async def ntp_server(answers: Callable[[bytes], list[bytes]]) -> AsyncGenerator[int]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Server(answers), local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def test_ntp_over_a_real_port(clock: MovedClock) -> None:
    def answers(question: bytes) -> list[bytes]:
        assert len(question) == 48
        assert question[0] == 0x23  # no leap, version 4, client
        assert question[1:40] == bytes(39)
        right = packet(START + SECOND / 2, START + SECOND / 2, cookie=question[40:48])
        stranger = packet(START + MINUTE, START + MINUTE, cookie=bytes(8))
        question_back = packet(START + MINUTE, START + MINUTE, cookie=question[40:48], mode=3)
        return [b"", b"short", stranger, question_back, right[:47], right, stranger]

    async with ntp_server(answers) as port:
        source = NtpSource("127.0.0.1", clock, port=port)
        reading = await source.read()
        assert reading is not None
        assert abs(reading.offset - SECOND / 2) <= reading.error + timedelta(milliseconds=1)
        assert await ClockGuard(clock, source).poll()
    assert source.name == "ntp:127.0.0.1"


@pytest.mark.parametrize("answers", [lambda _: [], lambda _: [b"short"], lambda _: [packet(START, START)]])
async def test_ntp_silence(clock: MovedClock, answers: Callable[[bytes], list[bytes]]) -> None:
    async with ntp_server(answers) as port:
        assert await NtpSource("127.0.0.1", clock, port=port, seconds=0.2).read() is None


async def test_ntp_nobody_there(clock: MovedClock) -> None:
    async with ntp_server(lambda _: []) as port:
        pass
    assert await NtpSource("127.0.0.1", clock, port=port, seconds=5).read() is None
