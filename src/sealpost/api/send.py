"""``POST /webservice/mailsender/send``: one registered e-mail in, one ticket out (contract, section 3).

The hot path, so a bare ASGI app beside the framework, which reads bodies two to three times slower. In order: method
and form of the request, who calls, and only then its body. What it raises becomes an answer in ``access.middleware``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import msgspec

from sealpost.access.callers import Headers, authenticated
from sealpost.access.media_types import check_type
from sealpost.access.middleware import declared_length
from sealpost.access.refusals import MethodNotAllowed, UnsupportedMediaType
from sealpost.api.body import submit_message
from sealpost.api.upload import Upload
from sealpost.content.spool import Spool
from sealpost.domain.errors import InvalidInput
from sealpost.usecases.reads.callers import CallerRow
from sealpost.usecases.service import Service
from sealpost.usecases.submit_message import SubmitMessage
from sealpost.usecases.submit_once import Submits, submit_once

SEND_PATH = "/webservice/mailsender/send"
JSON_TYPE = "application/json"
IDEMPOTENCY_KEY = re.compile(rb"[\x21-\x7e]{1,255}")
REPLAYED = (b"idempotent-replayed", b"true")
LARGE_AT_ONCE = 2


class SendApp:
    """The ASGI app of this one address.

    Args:
        service: the parts; its limits and its spool folder are used here.
        submitter: takes messages in.
    """

    def __init__(self, service: Service, submitter: Submits) -> None:
        self._service = service
        self._submitter = submitter
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Answers one request.

        Raises:
            SealpostError: everything that is not a 200.
            Disconnected: nobody is left to answer; nothing was stored.
        """
        scope["path_template"] = SEND_PATH
        if scope["method"] != "POST":
            raise MethodNotAllowed("OPTIONS, POST")
        headers: Headers = scope["headers"]
        check_form(headers)
        caller = await authenticated(self._service, scope)
        key = idempotency_key(headers)
        upload = Upload(receive, declared_length(headers), self._service.limits.request)
        body = await upload.collect(self._service.spool_folder)
        work = self._spooled(body, caller, key) if isinstance(body, Spool) else self._small(body, caller, key)
        token, repeated = await work
        octets = answer(self._service.face.base_url, token, caller.language)
        more = [REPLAYED] if repeated else []
        await send({"type": "http.response.start", "status": 200, "headers": [*_headers(octets), *more]})
        await send({"type": "http.response.body", "body": octets})

    async def _small(self, octets: bytes, caller: CallerRow, key: str | None) -> tuple[str, bool]:
        message = submit_message(octets, caller, self._service.limits, large=False)
        return await self._submit(message, caller, key)

    async def _submit(self, message: SubmitMessage, caller: CallerRow, key: str | None) -> tuple[str, bool]:
        if key is None:
            return await self._submitter.submit(message), False
        return await submit_once(self._service, self._submitter, message, caller.client, key)

    async def _spooled(self, spool: Spool, caller: CallerRow, key: str | None) -> tuple[str, bool]:
        with spool:
            octets = spool.map()
        with closing(octets):
            async with self._large:
                message = await asyncio.to_thread(submit_message, octets, caller, self._service.limits, large=True)
            return await self._submit(message, caller, key)


def check_form(headers: Headers) -> None:
    """Type, coding and extras of the request, before anything of its body is read.

    Raises:
        UnsupportedMediaType: not JSON in UTF-8, or compressed.
    """
    headers = list(headers)
    types = [value for name, value in headers if name == b"content-type"]
    if len(types) != 1:
        raise UnsupportedMediaType("the body must be application/json, said once")
    check_type(types[0].decode("latin-1"), JSON_TYPE)
    for name, value in headers:
        if name == b"content-encoding" and value.strip(b" \t").lower() != b"identity":
            raise UnsupportedMediaType("the body must not have a content coding")


def idempotency_key(headers: Headers) -> str | None:
    """The request's Idempotency-Key, or None without one.

    Raises:
        InvalidInput: several, empty, too long, or with anything but visible ASCII.
    """
    values = [value.strip(b" \t") for name, value in headers if name == b"idempotency-key"]
    if not values:
        return None
    if len(values) > 1 or not IDEMPOTENCY_KEY.fullmatch(values[0]):
        raise InvalidInput("Idempotency-Key", "must be one value of 1 to 255 visible ASCII characters")
    return values[0].decode("ascii")


def answer(base_url: str, token: str, language: str) -> bytes:
    """The body of a 200; tokens are URL-safe."""
    url = f"{base_url}/webservice/dashboard/?ticket_token={token}&action=ticket_html&lang={language}"
    return msgspec.json.encode({"ticket_token": token, "ticket_url": url, "message": "OK"})


def _headers(octets: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"application/json"), (b"content-length", str(len(octets)).encode())]
