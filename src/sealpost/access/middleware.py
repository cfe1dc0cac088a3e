"""The outermost ASGI wrapper: request id, limits, the last net for exceptions, the access log.

For every HTTP request of the service, whichever app answers it. ``api-version`` is always 1: it is the only version,
so a request for it is echoed and a request for any other is told what it gets (contract, section 1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from time import perf_counter
from typing import Any

from sealpost.access import access_log
from sealpost.access.envelope import Answer, envelope, log_fault
from sealpost.access.refusals import Disconnected, MethodNotAllowed, TooSlow
from sealpost.access.request_head import check_head
from sealpost.access.request_id import assign
from sealpost.domain.errors import InvalidInput, TooLarge

Scope = Any
Message = Any
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Failure = Callable[[Scope, Exception, str], Answer]
Headers = Iterable[tuple[bytes, bytes]]
Told = Callable[[Scope], Headers]

API_VERSION = (b"api-version", b"1")
NO_METHOD = "NONE"
"""A method that no address takes."""
HEAD = "sealpost.head"
"""In the scope of a GET that was a HEAD."""
SMALL_BODY = 65_536
BODY_SECONDS = 60.0  # longest time for a small body; apps that take large ones watch over them themselves
FRAMING = frozenset({b"content-length", b"transfer-encoding"})
# How long, and how much of, a body that nobody wants is read on after the answer. A caller that writes everything
# before it reads would else find its connection reset and the answer lost (RFC 9112, section 9.6).
DRAIN_SECONDS = 5.0
DRAIN_OCTETS = 100_000_000


def json_failure(scope: Scope, error: Exception, request_id: str) -> Answer:
    """The envelope for every address; bootstrap gives one that makes pages where people look."""
    return envelope(error, request_id, scope["path"])


def nothing_told(scope: Scope) -> Headers:  # noqa: ARG001 - the shape of a Told
    """No further headers; bootstrap gives those of the quota."""
    return ()


class Edge:
    """Wraps the whole app.

    Args:
        app: what answers.
        limits: octets that a body may have, per exact path; every other path takes ``SMALL_BODY``.
        failure: makes the answer to an exception that the app let through.
        told: further headers of an answer, asked for when it starts.
    """

    def __init__(
        self, app: App, limits: Mapping[str, int], failure: Failure = json_failure, told: Told = nothing_told
    ) -> None:
        self._app = app
        self._limits = limits
        self._failure = failure
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {**scope, "path": self._plain_path(scope)}
        exchange = Exchange(scope, receive, send, self._limits.get(scope["path"], SMALL_BODY), self._told)
        await exchange.run(self._app, self._failure)

    def _plain_path(self, scope: Scope) -> str:
        """The path that is meant: where a base address ends with a slash it begins with two; another may end it."""
        plain: str = "/" + scope["path"].lstrip("/")
        slash = scope.get("raw_path", b"").endswith(b"/") and plain[:-1] in self._limits
        return plain[:-1] if slash else plain


def refuse_head(scope: Scope) -> None:
    """For what is too costly to be made for its headers alone.

    Raises:
        MethodNotAllowed: it was asked for with HEAD.
    """
    if HEAD in scope:
        raise MethodNotAllowed("GET")


class Exchange:
    """One request and its answer, as the app below sees them."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int, told: Told) -> None:
        self._began = perf_counter()
        self._method: str = scope["method"]
        self._head = self._method == "HEAD"
        self._receive, self._send, self._limit, self._told = receive, send, limit, told
        self._received = 0
        self._whole = self._gone = self._started = self._closing = False
        self._status = access_log.GONE
        self._waiting: Message | None = None
        # HEAD is GET whose body is left out (RFC 9110, section 9.3.2), for every address that does not refuse it.
        self._scope: Scope = {**scope, "method": "GET", HEAD: True} if self._head else scope
        self._options = self._method == "OPTIONS"
        if self._options:  # what every other method is told: the framework's own answer leaves some out
            self._scope = {**scope, "method": NO_METHOD}
        self._id = assign(self._scope)

    async def run(self, app: App, failure: Failure) -> None:
        """Lets the app answer; answers for it where it raises."""
        try:
            check_head(self._scope)
            self._admit(declared_length(self._scope["headers"]))
            if not self._whole and self._limit == SMALL_BODY:
                self._waiting = await self._small_body()
            await app(self._scope, self.receive, self.send)
        except Disconnected:
            self._gone = True
        except Exception as error:  # noqa: BLE001 - the last net: whatever it is, the caller gets an envelope
            await self._fail(failure, error)
        finally:
            status = self._status if self._started else access_log.GONE
            access_log.line(self._scope, self._method, status, perf_counter() - self._began, self._id)

    def _admit(self, declared: int | None) -> None:
        self._closing = declared is None or declared > SMALL_BODY
        self._whole = declared == 0
        if declared is not None and declared > self._limit:
            raise self._too_large()

    async def _small_body(self) -> Message:
        """The whole of a small body before the app begins.

        The framework has no time-out, and takes a caller that leaves for a fault of ours.

        Raises:
            TooLarge, TooSlow, Disconnected: it is not to be had.
        """
        pieces: list[bytes] = []
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while not self._whole:
                    pieces.append((await self.receive()).get("body", b""))
                    if self._gone:
                        raise Disconnected
        except TimeoutError:
            raise TooSlow("the body did not arrive in time") from None
        return {"type": "http.request", "body": b"".join(pieces), "more_body": False}

    async def receive(self) -> Message:
        """The app's receive: counts octets and notices when the caller leaves.

        Raises:
            TooLarge: a body of undeclared length grew past the limit.
        """
        if self._waiting is not None:
            message, self._waiting = self._waiting, None
            return message
        message = await self._receive()
        self._note(message)
        if self._received > self._limit:
            raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        """The app's send: adds our headers, leaves out the body of HEAD, ends politely with an unread body."""
        if message["type"] == "http.response.start":
            message = self._start(message)
        elif self._head or (self._options and self._status == HTTPStatus.NO_CONTENT):
            message = {**message, "body": b""}
        if self._closing and message["type"] == "http.response.body" and not message.get("more_body"):
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    def _start(self, message: Message) -> Message:
        self._started = True
        if self._options and message["status"] == HTTPStatus.METHOD_NOT_ALLOWED:
            message = _options_answer(message)
        self._status = message["status"]
        self._closing = self._closing and not self._whole
        own = (b"x-request-id", self._id.encode()), API_VERSION
        headers = [*message.get("headers", ()), *own, *self._told(self._scope)]
        if self._closing:
            headers.append((b"connection", b"close"))
        return {**message, "headers": headers}

    async def _fail(self, failure: Failure, error: Exception) -> None:
        if self._gone:
            return
        if self._started:  # too late for an envelope: the server closes the connection, the caller sees it cut
            log_fault(error, self._status, self._id)
            return
        answer = failure(self._scope, error, self._id)
        await self.send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await self.send({"type": "http.response.body", "body": answer.body})

    async def _drain(self) -> None:
        end = self._received + DRAIN_OCTETS
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not (self._whole or self._gone) and self._received < end:
                    self._note(await self._receive())
        except TimeoutError:
            return

    def _note(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self._gone = True
            return
        self._received += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)

    def _too_large(self) -> TooLarge:
        return TooLarge("body", f"is larger than {self._limit} octets")


def _options_answer(message: Message) -> Message:
    """The refusal of a method as the answer to OPTIONS (RFC 9110, section 9.3.7)."""
    allow = next(value.decode() for name, value in message["headers"] if name == b"allow")
    methods = sorted({*allow.split(", "), "OPTIONS"})
    return {**message, "status": HTTPStatus.NO_CONTENT.value, "headers": [(b"allow", ", ".join(methods).encode())]}


def declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Octets of the body as the caller declares them; 0 without a body, None when only its end will tell.

    Raises:
        InvalidInput: a Content-Length that is not one number.
    """
    framing = [pair for pair in headers if pair[0] in FRAMING]
    lengths = [value for name, value in framing if name == b"content-length"]
    if len(lengths) < len(framing):
        return None
    if not lengths:
        return 0
    length = lengths[0].strip(b" \t")  # blanks around a value are no part of it
    if len(lengths) > 1 or not length.isdigit() or len(length) > 18:
        raise InvalidInput("Content-Length", "is not one number")
    return int(length)
