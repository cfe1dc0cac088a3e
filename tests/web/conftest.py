"""The pages on a real service: routes, the ticket page's dispatcher and the error pages, without the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest_asyncio
from litestar import Litestar, Request, Response, get

from sealpost.usecases.service import Service
from sealpost.web.failures import failure_page, is_page, status_of
from sealpost.web.routes import clock_routes, inbox_routes, page_routes
from sealpost.web.ticket.page import ticket_html
from tests.world import World


def app(service: Service) -> Litestar:
    """An application that answers the pages of a service, as the bootstrap mounts them in the demo."""

    @get("/webservice/dashboard/")
    async def dispatch(request: Request[Any, Any, Any]) -> Response[Any]:
        return await ticket_html(request, service)

    def fail(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        if is_page(request.url.path, request.url.query):
            return failure_page(request, error, service.face, "reference-1")
        return Response({"status": str(status_of(error))}, status_code=status_of(error))

    routes = [*page_routes(service), *inbox_routes(service), *clock_routes(service), dispatch]
    return Litestar(routes, exception_handlers={Exception: fail}, openapi_config=None)


@pytest_asyncio.fixture
async def site(world: World) -> AsyncGenerator[httpx2.AsyncClient]:
    """A browser of nobody's, at the pages of the world's service."""
    face = dataclasses.replace(
        world.service.face, base_url="http://127.0.0.1:8025", host="127.0.0.1:8025", secure=False, demo=True
    )
    transport = httpx2.ASGITransport(app=app(dataclasses.replace(world.service, face=face)))  # pyright: ignore[reportArgumentType] - its scope type is its own
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8025") as client:
        client.headers["accept-language"] = "en"
        yield client
