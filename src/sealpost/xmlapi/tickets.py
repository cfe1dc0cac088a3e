"""Tickets as XML, in the vendor's Dutch names (contract, section 5): one, or many in one stream.

Bootstrap's dispatcher gives both addresses here: ``GET /webservice/xml/`` and
``GET /webservice/dashboard/?ticket_token=…&action=ticket_xml``. For API callers; the role *user* sees what it sent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from litestar import Request, Response
from litestar.response import Stream

from sealpost.access.callers import authenticated
from sealpost.access.forms import query
from sealpost.domain.errors import InvalidInput, NotFound
from sealpost.domain.ids import is_ticket_token
from sealpost.domain.status import BY_CODE
from sealpost.text.catalogue import pick_language
from sealpost.usecases.reads.callers import CallerRow
from sealpost.usecases.reads.many import Cut, Visible, Wanted, batches, cut
from sealpost.usecases.reads.ticket import ticket
from sealpost.usecases.reads.viewer import of_caller
from sealpost.usecases.service import Service
from sealpost.xmlapi.document import DECLARATION, beginning, document, end, ticket_element
from sealpost.xmlapi.period import moment

XML_PATH = "/webservice/xml/"
MEDIA_TYPE = "application/xml; charset=utf-8"
NO_STORE = {"cache-control": "no-store"}
FILTERS = {"campaign": "campaign", "x-own-id": "own_id", "x-own-guid": "own_guid"}
MOST = 100_000
LONGEST = 200  # characters of a reference


async def tickets_xml(request: Request[Any, Any, Any], service: Service) -> Response[bytes] | Stream:
    """One ticket by ``ticket_token``, else many by ``from`` and ``to``.

    Args:
        request: its query, with ``lang`` of the status texts perhaps; Basic or Bearer credentials.
        service: the parts.

    Raises:
        Unauthenticated: no or wrong credentials.
        InvalidInput: naming the parameter.
        NotFound: no such ticket, or another account's, or another client's; nothing tells which.
    """
    caller = await authenticated(service, request.scope)
    asked = query(request.scope["query_string"])
    language = pick_language(asked.get("lang"), caller.language)
    if "ticket_token" in asked:
        return await _one(service, caller, asked["ticket_token"], language)
    return await _many(service, caller, asked, language)


async def _one(service: Service, caller: CallerRow, token: str, language: str) -> Response[bytes]:
    view = await ticket(service, of_caller(caller), token) if is_ticket_token(token) else None
    if view is None:
        raise NotFound("there is no such ticket")
    return Response(document(view, language), media_type=MEDIA_TYPE, headers=NO_STORE)


async def _many(service: Service, caller: CallerRow, asked: dict[str, str], language: str) -> Stream:
    visible, wanted = of_caller(caller), filters(asked, ZoneInfo(caller.zone))
    part = await cut(service, visible, wanted, asked.get("cursor"), _limit(asked.get("limit")))
    headers = dict(NO_STORE)
    if part.next:
        onward = urlencode({**asked, "cursor": part.next})
        headers["link"] = f'<{service.face.base_url}{XML_PATH}?{onward}>; rel="next"'
    return Stream(_stream(service, visible, wanted, part, language), media_type=MEDIA_TYPE, headers=headers)


def filters(asked: dict[str, str], zone: ZoneInfo) -> Wanted:
    """What a query asks for.

    Args:
        asked: its parameters; unknown ones are ignored.
        zone: the account's, of times without an offset.

    Raises:
        InvalidInput: naming the parameter.
    """
    for name in ("from", "to"):
        if name not in asked:
            raise InvalidInput(name, "is required, unless ticket_token is given")
    since, until = moment("from", asked["from"], zone), moment("to", asked["to"], zone)
    if since > until:
        raise InvalidInput("to", "lies before from")
    return Wanted(since, until, _status(asked.get("status")), *(_reference(name, asked.get(name)) for name in FILTERS))


def _reference(name: str, text: str | None) -> str | None:
    if text is None:
        return None
    if not text or len(text) > LONGEST or "\0" in text:
        raise InvalidInput(name, "is empty" if not text else "is not a reference of a ticket")
    return text


def _status(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 4 and int(text) in BY_CODE):
        raise InvalidInput("status", "is not a number of the status table")
    return int(text)


def _limit(text: str | None) -> int:
    if text is None:
        return MOST
    if not (text.isascii() and text.isdigit() and len(text) < 7 and 1 <= int(text) <= MOST):
        raise InvalidInput("limit", f"must be a number from 1 to {MOST}")
    return int(text)


async def _stream(
    service: Service, visible: Visible, wanted: Wanted, part: Cut, language: str
) -> AsyncGenerator[bytes]:
    yield (DECLARATION + beginning(part.next)).encode()
    async with aclosing(batches(service, visible, wanted, part)) as found:
        async for views in found:
            yield "".join(ticket_element(view, language) for view in views).encode()
    yield end().encode()
