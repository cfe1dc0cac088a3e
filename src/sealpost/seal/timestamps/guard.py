"""Watches the system's clock against a second source. For the worker, which polls; new submissions ask `is_sound`.

Design, section 4, row "Clock guard": the *unshifted* system time is compared with an authority's or an NTP server's.
Off by more than the limit, or no fresh word from the source: not sound, and nothing new is taken in (a fact that has
happened is still recorded, with what `statement` says). Between two readings the monotonic clock tells whether somebody
set the system's clock, so a step shows at once. SNTP: RFC 4330 (client, unicast).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

from sealpost.clock import Clock
from sealpost.domain.errors import Unavailable
from sealpost.seal.timestamps.client import Heard, TimestampClient

LIMIT = timedelta(seconds=1)
GRACE = timedelta(minutes=30)
_MODE_CLIENT, _MODE_SERVER, _VERSION = 3, 4, 4
_ALARM = 3  # leap indicator: the server's clock is not set
_PACKET = 48


@dataclass(frozen=True, slots=True)
class Reading:
    """One comparison.

    Args:
        offset: the second source's time minus the system's.
        error: how far off ``offset`` itself may be, either way.
        system: the system's unshifted time at the comparison.
        monotonic: seconds of the monotonic clock at the same moment.
    """

    offset: timedelta
    error: timedelta
    system: datetime
    monotonic: float


class SecondSource(Protocol):
    """Another clock than the system's."""

    @property
    def name(self) -> str:
        """As it stands in records: ``ntp:HOST`` or ``tsa:HOST``."""
        ...

    async def read(self) -> Reading | None:
        """The newest comparison, or None where the source is silent; never raises for that."""
        ...


class ClockGuard:
    """Says whether the system's clock can be trusted, from readings that its caller polls for.

    Args:
        clock: the service's; its ``real`` is guarded, a demo's shift is not an error.
        source: the second source, or None: then every clock is sound, and records say that none was asked.
        limit: the largest offset; a reading that is itself less certain than this counts as silence.
        grace: how long the last reading serves while the source is silent.
        monotonic: seconds that no setting of the clock moves.
    """

    def __init__(
        self,
        clock: Clock,
        source: SecondSource | None,
        limit: timedelta = LIMIT,
        grace: timedelta = GRACE,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._source, self._limit, self._grace, self._monotonic = clock, source, limit, grace, monotonic
        self._last: Reading | None = None

    async def poll(self) -> bool:
        """Asks the source once; returns `is_sound`."""
        reading = await self._source.read() if self._source else None
        if reading is not None and reading.error <= self._limit:
            self._last = reading
        return self.is_sound

    @property
    def is_sound(self) -> bool:
        """False without a fresh reading, and while the clock is off by more than the limit."""
        if self._source is None:
            return True
        offset = self.offset
        return offset is not None and abs(offset) <= self._limit

    @property
    def offset(self) -> timedelta | None:
        """The second source's time minus the system's, as of now; None without a fresh reading."""
        if self._last is None:
            return None
        passed = timedelta(seconds=self._monotonic() - self._last.monotonic)
        if passed > self._grace:
            return None
        stepped = self._clock.real() - self._last.system - passed
        return self._last.offset - stepped

    def statement(self) -> dict[str, Any]:
        """The record's ``clock`` member: the clock's own words, the source, and the offset where one is known."""
        said = self._clock.statement()
        if self._source is None:
            return said
        offset = self.offset
        known = {} if offset is None else {"offsetMs": round(offset / timedelta(milliseconds=1))}
        return said | {"source": self._source.name} | known


class TsaSource:
    """The authority that stamps the checkpoints: every token is also a reading, so it is asked only where none is fresh.

    Args:
        client: of the authority.
        age: how old a token may be to serve as a reading, in seconds.
    """

    def __init__(self, client: TimestampClient, age: float = 600) -> None:
        self._client, self._age = client, age
        self.name = f"tsa:{urlsplit(client.url).hostname}"

    async def read(self) -> Reading | None:
        heard = self._client.heard
        if heard is None or time.monotonic() - heard.monotonic > self._age:
            with suppress(Unavailable):
                await self._client.stamp(b"what time is it?")
        return None if self._client.heard is None else from_token(self._client.heard)


def from_token(heard: Heard) -> Reading:
    """A reading from a token: the authority looked at its clock at some moment between question and answer.

    A genTime without a fraction may have been cut to the second, so it stands for the second's middle.
    """
    cut = timedelta(0) if heard.authority_at.microsecond else timedelta(seconds=1)
    exchange = timedelta(seconds=heard.seconds)
    offset = heard.authority_at + cut / 2 - (heard.asked_at + exchange / 2)
    return Reading(offset, (exchange + cut) / 2, heard.asked_at + exchange, heard.monotonic)


class NtpSource:
    """One NTP server, asked once per reading.

    Args:
        host: name or address.
        clock: its ``real`` is compared.
        port: UDP.
        seconds: how long an answer may take.
    """

    def __init__(self, host: str, clock: Clock, *, port: int = 123, seconds: float = 5) -> None:
        self.name = f"ntp:{host}"
        self._host, self._port, self._clock, self._seconds = host, port, clock, seconds

    async def read(self) -> Reading | None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._seconds):
                return await self._ask()
        return None

    async def _ask(self) -> Reading | None:
        loop = asyncio.get_running_loop()
        # Random octets stand where our time might: the server returns them, so nobody off the path can answer for it.
        cookie = secrets.token_bytes(8)
        exchange = _Exchange(cookie, loop.create_future())
        transport, _ = await loop.create_datagram_endpoint(lambda: exchange, remote_addr=(self._host, self._port))
        try:
            sent, before = self._clock.real(), time.monotonic()
            transport.sendto(bytes([_VERSION << 3 | _MODE_CLIENT]) + bytes(_PACKET - 9) + cookie)
            packet = await exchange.answer
            after = time.monotonic()
        finally:
            transport.close()
        return from_packet(packet, sent, after - before, after)


class _Exchange(asyncio.DatagramProtocol):
    """Waits for the one datagram that answers our question; others are passed over."""

    def __init__(self, cookie: bytes, answer: asyncio.Future[bytes]) -> None:
        self.answer, self._cookie = answer, cookie

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:  # noqa: ARG002 - asyncio's signature
        is_answer = len(data) >= _PACKET and data[24:32] == self._cookie and data[0] & 7 == _MODE_SERVER
        if is_answer and not self.answer.done():
            self.answer.set_result(data[:_PACKET])

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


def from_packet(packet: bytes, sent: datetime, seconds: float, monotonic: float) -> Reading | None:
    """A reading from a server's 48 octets (RFC 4330 4 and 5), or None where the server says its time is no good.

    Args:
        packet: the answer.
        sent: the system's time when the question left.
        seconds: from there to the answer.
        monotonic: the monotonic clock at the answer.
    """
    leap, stratum = packet[0] >> 6, packet[1]
    received, transmitted = _instant(packet[32:40]), _instant(packet[40:48])
    # Stratum 0 is a "kiss-o'-death" (RFC 4330 8), 16 and more are not synchronised.
    if leap == _ALARM or not 1 <= stratum <= 15 or not any(packet[40:48]) or transmitted < received:
        return None
    back = sent + timedelta(seconds=seconds)
    offset = ((received - sent) + (transmitted - back)) / 2
    delay = max(timedelta(0), (back - sent) - (transmitted - received))
    root_delay, root_dispersion = (_short(packet[at : at + 4]) for at in (4, 8))
    return Reading(offset, (delay + abs(root_delay)) / 2 + abs(root_dispersion), back, monotonic)


def _instant(octets: bytes) -> datetime:
    """A 64-bit NTP time: seconds since 1900, or since 7 February 2036 where the first bit is not set (RFC 4330 3)."""
    seconds, fraction = int.from_bytes(octets[:4]), int.from_bytes(octets[4:])
    since = datetime(1900, 1, 1, tzinfo=UTC) if seconds >> 31 else datetime(2036, 2, 7, 6, 28, 16, tzinfo=UTC)
    return since + timedelta(seconds=seconds, microseconds=fraction * 10**6 >> 32)


def _short(octets: bytes) -> timedelta:
    return timedelta(seconds=int.from_bytes(octets, signed=True) / 2**16)
