"""One SMTP conversation, stricter than aiosmtpd's: what may come in, how much of it, and for how long.

For ``inbound/server``. Clauses: RFC 5321 (2.3.8 line ends, 4.1.1.4 the end of the data, 4.5.3 sizes and time-outs), RFC
3207 (STARTTLS), RFC 4954 (AUTH), RFC 6531 (SMTPUTF8), RFC 1870 (SIZE). Only <CRLF>.<CRLF> ends a mail, and a mail with
a bare CR, a bare LF or a NUL is refused and ends the connection, so that nothing behind it is read as a command: SMTP
smuggling (CVE-2023-51764) needs two servers that disagree about it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from binascii import Error as Base64Error
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, TLSSetupException
from pybase64 import b64decode

from sealpost.inbound.destination import Conversation, Destination
from sealpost.inbound.places import Places

ERRORS = 10
LOGINS = 3
END = b"\r\n.\r\n"
_LINE = 1000
_LINGER = 10.0
_DISCARDED = 1024 * 1024
_PATH = re.compile("<([^\x00-\x20\x7f-\x9f<>\u2028\u2029\ud800-\udfff]{1,320})>(.*)", re.DOTALL)
_PARAMETER = re.compile(r"([A-Z0-9][A-Z0-9-]{0,40})(?:=([!-<>-~]{1,500}))?")

# What anybody sends would stand in our log: unknown commands, addresses, the end of a login.
logging.getLogger("mail.log").addFilter(lambda _: False)  # a filter: a later dictConfig enables what is disabled

# aiosmtpd's methods and attributes are named by it; those with an underscore are its only way to be stricter, and its
# version is pinned.


class Transaction(Envelope):
    """A mail transaction; ``destination`` is the one that admitted its recipients."""

    def __init__(self) -> None:
        super().__init__()
        self.destination: Destination | None = None


COPIES = 4
"""Of a mail, at the worst, while it is joined, cut and unstuffed: they count as held."""


class Conversing(SMTP):
    """One connection; ``handler`` has aiosmtpd's hooks, ``places`` counts who is here and how much is held."""

    def __init__(self, handler: Any, places: Places, *, idle: float, longest: float, **options: Any) -> None:
        super().__init__(handler, loop=asyncio.get_running_loop(), timeout=idle, enable_SMTPUTF8=True, **options)
        # The class's own is shared by all connections and grows with each EHLO.
        self.command_size_limits = defaultdict(lambda: _LINE)
        self.conversation = Conversation("")
        self.handler = handler
        self.places = places
        self._longest = longest
        self._errors = self._refused_logins = 0
        self._last: asyncio.TimerHandle | None = None
        self._here = False

    # Coming and going ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Called at the beginning, and again when the connection has become an encrypted one."""
        if self._here:
            self.conversation.tls, self.conversation.ehlo, self.conversation.identity = True, "", None
            super().connection_made(transport)
            return
        peer = transport.get_extra_info("peername")
        self.conversation.peer = str(peer[0]) if peer else ""
        if not self.places.enter(self):
            transport.set_protocol(asyncio.Protocol())
            transport.write(b"421 4.7.0 Too many connections, try again later\r\n")
            transport.close()
            return
        self._here = True
        self._last = asyncio.get_running_loop().call_later(self._longest, self._timeout_cb)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Called when the connection is gone; by aiosmtpd perhaps a second time, after a failed handshake."""
        if not self._here:
            return
        self._here = False
        self.places.leave(self)
        if self._last is not None:
            self._last.cancel()
        super().connection_lost(error)

    def _cb_client_connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super()._cb_client_connected(reader, writer)
        as_it_comes, too_long = reader.readuntil, False

        async def line_or_piece(separator: bytes = b"\n") -> bytes:
            nonlocal too_long
            behind_too_long = too_long
            try:
                too_long, line = False, await as_it_comes(separator)
            except asyncio.LimitOverrunError:
                too_long = True  # aiosmtpd reads on; the last piece may be a LF alone
                raise
            strict = separator == b"\n" and not behind_too_long
            if strict and (not line.endswith(b"\r\n") or b"\r" in line[:-2]):
                await self._end("500 5.5.2 A line ends with CR LF (RFC 5321, 2.3.8)")
            return line

        reader.readuntil = line_or_piece  # type: ignore[method-assign] - aiosmtpd makes the reader itself

    def make_room(self) -> None:
        """Ends the conversation for somebody else's sake."""
        transport: Any = self.transport
        if transport is not None:
            transport.write(b"421 4.7.0 Too many connections, try again later\r\n")
        self.drop()

    async def _handle_client(self) -> None:
        with suppress(OSError):  # a connection that breaks is nothing to report
            await super()._handle_client()

    def _timeout_cb(self) -> None:
        transport: Any = self.transport
        if transport is None:
            return
        transport.write(b"421 4.4.2 Time is over\r\n")
        self.drop()

    def drop(self) -> None:
        """Ends the conversation, also with a peer that reads nothing any more."""
        transport, task = self.transport, self._handler_coroutine
        below: Any = self._original_transport or transport
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        if transport is None:
            return
        transport.close()
        if self._last is not None:
            self._last.cancel()
        self._last = asyncio.get_running_loop().call_later(_LINGER, below.abort)

    def abandon(self) -> list[asyncio.Task[None]]:
        """Drops the conversation where it stands; what there is to wait for."""
        task = self._handler_coroutine
        transport: Any = self._original_transport or self.transport
        if task is not None:
            task.cancel()
        if transport is not None:
            transport.abort()
        return [task] if task is not None else []

    async def _end(self, reply: str) -> None:
        """Says a last thing and reads nothing more, whatever has been sent already."""
        await super().push(reply)
        self.drop()
        raise asyncio.CancelledError

    async def push(self, status: Any) -> None:
        """Writes a reply; the eleventh refusal is the last one."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError  # aiosmtpd would write to what is gone, and log what comes of it
        await super().push(status)
        if status[:1] in {"5", b"5"}:
            self._errors += 1
            if self._errors > ERRORS:
                await self._end("421 4.7.0 Too many errors")

    # Commands --------------------------------------------------------------------------------------------------------

    def _create_envelope(self) -> Transaction:
        return Transaction()

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """A path in angle brackets and nothing cleverer; the null path as ``<>``, since aiosmtpd takes empty for none."""
        if arg.startswith("<>"):
            return "<>", arg[2:]
        match = _PATH.fullmatch(arg)
        return (match[1], match[2]) if match else (None, None)

    def _getparams(self, params: Sequence[str]) -> dict[str, str | bool] | None:
        """Parameters of MAIL and RCPT; AUTH= is allowed and ignored (RFC 4954, section 5)."""
        found: dict[str, str | bool] = {}
        for param in params:
            match = _PARAMETER.fullmatch(param)
            if (
                not match
                or match[1] in found
                or (match[1] == "SIZE" and not re.fullmatch("[0-9]{1,20}", match[2] or ""))
            ):
                return None
            found[match[1]] = match[2] or True
        found.pop("AUTH", None)
        return found

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """A peer that leaves before the handshake's end is gone, which aiosmtpd does not notice."""
        if self._original_transport is not None:
            await self.push("503 5.5.1 Encrypted already")
            return
        if not arg and self.tls_context:
            # What came too early is dropped (CVE-2011-0411), here already: a reader that is full has stopped the
            # transport, which nobody would start again, and the handshake would never come.
            reader: Any = self._reader
            reader._buffer.clear()  # noqa: SLF001 - a reader has no other way to be emptied
            reader._maybe_resume_transport()  # noqa: SLF001 - as above
        try:
            await super().smtp_STARTTLS(arg)
        except TLSSetupException:
            raise ConnectionResetError from None  # aiosmtpd would close a transport that may be gone
        finally:
            below: Any = self._original_transport
            if below is not None and below.is_closing():
                self.connection_lost(None)  # which also cancels this task

    async def smtp_VRFY(self, arg: str) -> None:  # noqa: ARG002, N802 - aiosmtpd's name; who exists is nobody's business
        """Refused politely (RFC 5321, 7.3)."""
        await self.push("252 2.1.5 Send a mail and see")

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """Not within a transaction (RFC 4954, section 4)."""
        if self.envelope is not None and self.envelope.mail_from:
            await self.push("503 5.5.1 Not now")
            return
        await super().smtp_AUTH(arg)

    async def auth_PLAIN(self, _: Any, args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's name
        """RFC 4616; an authorisation identity other than the login is refused."""
        given = await self._given(args, "")
        if given is None:
            return AuthResult(success=False, handled=True)
        acting_as, _nul, rest = given.partition(b"\0")
        login, nul, password = rest.partition(b"\0")
        if not nul or b"\0" in password or acting_as not in {b"", login}:
            return await self._refused()
        return await self._who("PLAIN", login, password)

    async def auth_LOGIN(self, _: Any, args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's name
        """The old way, which many programs still speak."""
        login = await self._given(args, "Username:")
        password = None if login is None else await self._given([], "Password:")
        if login is None or password is None:
            return AuthResult(success=False, handled=True)
        return await self._who("LOGIN", login, password)

    async def _given(self, args: list[str], challenge: str) -> bytes | None:
        """What came with the command, or what is answered to the challenge; None: refused already."""
        if len(args) < 2:
            answer = await self.challenge_auth(challenge)
            return answer if isinstance(answer, bytes) else None
        try:
            return b"" if args[1] == "=" else b64decode(args[1].encode("utf-8", "replace"), validate=True)
        except Base64Error:
            await self.push("501 5.5.2 That is no base64")
            return None

    async def _who(self, mechanism: str, login: bytes, password: bytes) -> AuthResult:
        try:
            texts = login.decode(), password.decode()
        except UnicodeDecodeError:
            return await self._refused()
        found, reply = await self.handler.who(self.conversation, mechanism, *texts)
        if reply:
            return AuthResult(success=False, handled=False, message=reply)
        if found is None:
            return await self._refused()
        self.conversation.identity = found
        return AuthResult(success=True)

    async def _refused(self) -> AuthResult:
        self._refused_logins += 1
        if self._refused_logins >= LOGINS:
            await self._end("421 4.7.0 Too many refused logins")
        return AuthResult(success=False, handled=False)

    # The mail itself -------------------------------------------------------------------------------------------------

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """Reads the mail up to <CRLF>.<CRLF> and nothing else, and hands it over."""
        envelope = self.envelope
        if not isinstance(envelope, Transaction) or not envelope.rcpt_tos:
            await self.push("503 5.5.1 Recipients first")
            return
        if arg:
            await self.push("501 5.5.4 DATA stands alone")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        held: list[bytes] = []
        try:
            reply = await self._read(held) or await self._handed(envelope, held)
        finally:
            self.places.give_back(COPIES * sum(map(len, held)))
        self._set_post_data_state()
        await self.push(reply)

    async def _handed(self, envelope: Transaction, held: list[bytes]) -> str:
        octets = b"".join(held)[2:-3]
        if bad_octets(octets):
            await self._end("550 5.5.2 A bare CR, a bare LF or a NUL in the mail (RFC 5321, 2.3.8)")
        envelope.content = envelope.original_content = unstuffed(octets)
        return str(await self.handler.handle_DATA(self, self.session, envelope))

    async def _read(self, held: list[bytes]) -> str:
        """The refusal of a mail that cannot be kept, or nothing; what comes of such a mail is thrown away, up to a limit."""
        # The CRLF of the command itself may begin the end of an empty mail: it is put back before the data.
        buffer: bytearray = self._reader._buffer  # type: ignore[attr-defined]  # noqa: SLF001 - a reader cannot unread
        buffer[:0] = b"\r\n"
        limit, size, refusal, done = self.data_size_limit or 0, 0, "", False
        while not done:
            piece, done = await self._piece()
            size += len(piece)
            if size > limit + len(END):
                refusal = "552 5.3.4 The mail is too large"
            elif not refusal and not self.places.hold(COPIES * len(piece)):
                refusal = "452 4.3.1 Too much at a time, try again later"
            if not refusal:
                held.append(piece)
            elif held:
                self.places.give_back(COPIES * sum(map(len, held)))
                held.clear()
            if size > 2 * limit + _DISCARDED:
                await self._end(refusal)
        return refusal

    async def _piece(self) -> tuple[bytes, bool]:
        try:
            piece, done = await self._reader.readuntil(END), True
        except asyncio.LimitOverrunError as error:
            piece, done = await self._reader.read(error.consumed), False
        self._reset_timeout()
        return piece, done

    async def challenge_auth(self, challenge: str | bytes, *args: Any, **options: Any) -> Any:
        """As aiosmtpd's; an answer that is too long to be read counts as none."""
        try:
            return await super().challenge_auth(challenge, *args, **options)
        except ValueError:
            await self._end("421 4.7.0 That is no answer")
            return MISSING


def bad_octets(octets: bytes) -> bool:
    """Whether a mail has line ends that somebody else might read differently, or a NUL."""
    ends = octets.count(b"\r\n")
    return octets.count(b"\r") != ends or octets.count(b"\n") != ends or b"\0" in octets


def unstuffed(octets: bytes) -> bytes:
    """The mail without the dots that were put before its lines' own (RFC 5321, 4.5.2)."""
    return octets.removeprefix(b".").replace(b"\r\n.", b"\r\n")
