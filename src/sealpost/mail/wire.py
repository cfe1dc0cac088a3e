"""One SMTP connection, line by line: each line of the server is dated when it arrives, and kept literally.

For ``mail/session`` alone. aiosmtplib's protocol joins and strips reply lines and drops what comes unasked; here both
are evidence (design D9), so this is our own. Clauses: RFC 5321 4.2 and 4.5.3 (replies, limits), RFC 3207 (STARTTLS;
what was buffered before the handshake is an injection, CVE-2011-0411). Everything is bounded: a line's length, the
number of unread lines and of lines in a reply, and the time of each wait.
"""

import _ssl
import asyncio
import re
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, cast

from sealpost.mail.replies import Reply
from sealpost.mail.transport import By, Line

LINE_LIMIT = 4096
LINES_LIMIT = 128
CUT_SHORT = b"the line before is not whole"
"""A remark, so that half a line, which was no answer, is not read as one later (the verifier's ``dialogue``)."""
_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -]).*)?", re.DOTALL)
_CHUNK = 262_144


class Unheard(Exception):
    """The connection gave no usable answer: silence, an end, or garbage. Not an error of ours."""


@asynccontextmanager
async def _patience(seconds: float) -> AsyncGenerator[None, None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Unheard("silence") from error


class Wire(asyncio.Protocol):
    """Used by one task at a time. ``log`` holds every line, both ways, in the order of time."""

    def __init__(self, clock: Callable[[], datetime], log: list[Line]) -> None:
        self.log = log
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._partial = b""
        self._unread: deque[bytes] = deque()
        self._paused = False
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._take(cast("asyncio.Transport", transport))

    def _take(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        # "Written" shall mean given to the kernel: the durable mark before the dot relies on it. Above TLS the limit is
        # one octet: at none, asyncio's and uvloop's TLS pause at every second write, and never resume (0 >= 0).
        transport.set_write_buffer_limits(high=1 if transport.get_extra_info("ssl_object") else 0)

    def data_received(self, data: bytes) -> None:
        at = self._clock()
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in (*lines, self._partial) if len(self._partial) > LINE_LIMIT else lines:
            self.log.append(Line(By.server, at, line.removesuffix(b"\r")[:LINE_LIMIT]))
            if len(line) > LINE_LIMIT or len(self._unread) > LINES_LIMIT:
                self._flooded(in_line=len(line) > LINE_LIMIT)
                break
            self._unread.append(line.removesuffix(b"\r"))
        self._wake()

    def _flooded(self, *, in_line: bool) -> None:
        """Nothing that follows can be an answer; what came before it still is."""
        if in_line:
            self.note(CUT_SHORT)
        self._partial = b""
        self._ended = True
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._partial:  # half a line is still something that was said
            self.log.append(Line(By.server, self._clock(), self._partial[:LINE_LIMIT]))
            self.note(CUT_SHORT)
            self._partial = b""
        self._ended = True
        self._wake()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Called by the session

    @property
    def alive(self) -> bool:
        return self._transport is not None and not self._ended and not self._transport.is_closing()

    @property
    def unread(self) -> bool:
        """Whether something came that nobody asked for, or has not been read yet."""
        return bool(self._unread or self._partial)

    @property
    def address(self) -> str | None:
        peer = self._transport.get_extra_info("peername") if self._transport else None
        return str(peer[0]) if peer else None

    @property
    def tls(self) -> ssl.SSLObject | None:
        return self._transport.get_extra_info("ssl_object") if self._transport else None

    @property
    def chain(self) -> list[bytes]:
        """The server's certificates in DER, its own first, as it sent them.

        Public in the ssl module since 3.13 only; where neither that nor what stands behind it is to be had, its own alone.
        """
        tls: Any = self.tls
        if tls is None:
            return []
        if hasattr(tls, "get_unverified_chain"):
            return list(tls.get_unverified_chain())
        try:
            sent: Any = tls._sslobj.get_unverified_chain()  # noqa: SLF001 - see above
            return [one.public_bytes(_ssl.ENCODING_DER) for one in sent or ()]
        except AttributeError:
            own = tls.getpeercert(binary_form=True)
            return [own] if own else []

    def note(self, remark: bytes) -> None:
        """Puts a remark of ours, in brackets, into the log."""
        self.log.append(Line(By.client, self._clock(), b"(" + remark + b")"))

    def say(self, line: bytes, *, shown: bytes | None = None) -> None:
        """Writes one command line; ``shown`` is what the log gets instead of a secret.

        Raises:
            Unheard: the connection has ended, or spoke out of turn: an answer could be taken for another one's.
        """
        if self.unread:
            raise Unheard("the server spoke out of turn")
        self._write(line + b"\r\n")
        self.log.append(Line(By.client, self._clock(), line if shown is None else shown))

    def _write(self, octets: bytes | memoryview) -> None:
        if not self.alive or self._transport is None:
            raise Unheard("the connection has ended")
        self._transport.write(octets)

    async def pour(self, octets: bytes, seconds: float) -> None:
        """Writes a body in pieces and returns when the kernel has all of it, or when the server speaks meanwhile.

        Raises:
            Unheard: the connection ended, or took nothing for ``seconds``.
        """
        for start in range(0, len(octets), _CHUNK):
            if self._unread:
                return
            self._write(memoryview(octets)[start : start + _CHUNK])
            await self._until(lambda: not self._paused or bool(self._unread), seconds)

    async def reply(self, seconds: float) -> Reply:
        """The next whole reply.

        Raises:
            Unheard: none came within ``seconds``, or none that SMTP knows.
        """
        lines: list[bytes] = []
        async with _patience(seconds):
            while True:
                lines.append(await self._line())
                match = _REPLY_LINE.fullmatch(lines[-1])
                if match is None or len(lines) > LINES_LIMIT or lines[-1][:3] != lines[0][:3]:
                    raise Unheard("no reply that SMTP knows")
                if match[2] != b"-":
                    return Reply(int(match[1]), tuple(lines))

    async def _line(self) -> bytes:
        while not self._unread:
            if self._ended:
                raise Unheard("the connection has ended")
            await self._change()
        return self._unread.popleft()

    async def _until(self, done: Callable[[], bool], seconds: float) -> None:
        async with _patience(seconds):
            while not done():
                if self._ended:
                    raise Unheard("the connection has ended")
                await self._change()

    async def _change(self) -> None:
        self._waiter = self._loop.create_future()
        await self._waiter

    async def encrypt(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """The TLS handshake, after the server's 220 to STARTTLS.

        Raises:
            Unheard: the handshake failed, the certificate was not good enough, or plaintext followed the 220.
        """
        if self.unread or self._transport is None:
            raise Unheard("plaintext behind STARTTLS")
        try:
            started = await self._loop.start_tls(
                self._transport, self, context, server_hostname=host, ssl_handshake_timeout=seconds
            )
        except (OSError, ssl.SSLError, ssl.CertificateError) as error:
            raise Unheard("no TLS") from error
        if started is None:
            raise Unheard("no TLS")
        self._paused = False  # of the transport below, which TLS looks after from now on
        self._take(started)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Drops the connection at once; nothing that is still buffered gets out."""
        if self._transport is not None:
            self._transport.abort()
