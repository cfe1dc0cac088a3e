"""The web application, and the dispatch of what two rooms share.

``/webservice/dashboard/`` answers with the ticket page or with XML, by its ``action``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from litestar import Litestar, Request, Response, Router, get
from litestar.response import Stream

from sealpost.access.envelope import Answer, envelope, log_fault
from sealpost.access.middleware import App, Edge
from sealpost.access.quota import QuotaHeaders
from sealpost.access.request_id import request_id
from sealpost.api.answers import api_error
from sealpost.api.openapi import document
from sealpost.api.routes import api_routes
from sealpost.api.send import SEND_PATH, SendApp
from sealpost.domain.errors import InvalidInput
from sealpost.seal.timestamps.local import LocalTsa, tsa_app
from sealpost.usecases.service import Face, Service
from sealpost.usecases.submit import Submitter
from sealpost.web.failures import failure_page, is_page
from sealpost.web.failures import status_of as page_status
from sealpost.web.routes import clock_routes, inbox_routes, page_routes, reference_routes
from sealpost.web.ticket.page import ticket_html
from sealpost.xmlapi.schema import biljetten_xsd
from sealpost.xmlapi.tickets import XML_PATH, tickets_xml


@asynccontextmanager
async def asgi(service: Service, *, test_clock: bool = False) -> AsyncGenerator[App]:
    """The web application; ends when the submissions under way are committed.

    Args:
        service: the parts.
        test_clock: the demo only: ``POST /demo/clock`` moves the time.
    """
    submitter = Submitter(service)
    send = SendApp(service, submitter)
    pages = litestar_app(service, test_clock=test_clock)

    # Their own applications: the one bypasses the framework for speed, the other speaks another protocol.
    direct: dict[str, Any] = {SEND_PATH: send}
    if service.face.demo:
        direct["/tsa"] = tsa_app(LocalTsa(service.evidence.signer("tsa"), service.clock))

    async def app(scope: Any, receive: Any, send_answer: Any) -> None:
        chosen: Any = direct.get(scope["path"], pages) if scope["type"] == "http" else pages
        await chosen(scope, receive, send_answer)

    limits = {SEND_PATH: service.limits.request}
    try:
        yield Edge(app, limits, _edge_failure(service.face), QuotaHeaders(service.quotas, is_page))
    finally:
        await submitter.close()


def litestar_app(service: Service, *, test_clock: bool) -> Litestar:
    described = reference_routes(service, document(service.face.base_url))
    handlers = [*api_routes(service), *page_routes(service), *described, _shared_router(service)]
    if service.face.demo:
        handlers += inbox_routes(service)
        if test_clock:
            handlers += clock_routes(service)
    return Litestar(
        handlers,
        exception_handlers={Exception: _failure(service.face)},
        openapi_config=None,
        logging_config=None,
    )


def _failure(face: Face) -> Callable[[Request[Any, Any, Any], Exception], Response[Any]]:
    """A page where people look, the JSON envelope everywhere else."""

    def answer(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        if not is_page(request.url.path, request.url.query):
            return api_error(request, error)
        if page_status(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log_fault(error, page_status(error), request_id(request.scope))
        return failure_page(request, error, face, request_id(request.scope))

    return answer


def _edge_failure(face: Face) -> Callable[[Any, Exception, str], Answer]:
    """The same for what never reached the framework, such as a form that is too large."""

    def answer(scope: Any, error: Exception, transaction_id: str) -> Answer:
        if not is_page(scope["path"], scope["query_string"].decode("latin-1")):
            return envelope(error, transaction_id, scope["path"])
        shown = failure_page(Request(scope), error, face, transaction_id)
        headers = {"content-type": "text/html; charset=utf-8", **shown.headers}
        pairs = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
        return Answer(shown.status_code or 500, pairs, shown.content.encode())

    return answer


def _shared_router(service: Service) -> Router:
    """``/webservice/dashboard/`` answers with a page or with XML, by its ``action``; ``/webservice/xml/`` with XML."""

    @get("/webservice/dashboard/")
    async def dashboard(request: Request[Any, Any, Any]) -> Response[Any] | Stream:
        action = request.query_params.get("action", "")
        if action == "ticket_html":
            return await ticket_html(request, service)
        if action == "ticket_xml":
            return await tickets_xml(request, service)
        raise InvalidInput("action", "must be ticket_html or ticket_xml")

    @get(XML_PATH)
    async def xml(request: Request[Any, Any, Any]) -> Response[Any] | Stream:
        return await tickets_xml(request, service)

    return Router("/", route_handlers=[dashboard, xml, biljetten_xsd])
