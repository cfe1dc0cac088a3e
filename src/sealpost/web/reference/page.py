"""``/docs``: the API's description as a page. The frame is in the reader's language, the description in English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Response, route
from litestar.handlers import HTTPRouteHandler

from sealpost.web.pages import PageRequest, Serving, chosen_language, page
from sealpost.web.reference.view import reference

PATH = "/docs"


def reference_page(document: Mapping[str, Any]) -> HTTPRouteHandler:
    """The page's route.

    Args:
        document: OpenAPI 3.1; bootstrap hands it over, since pages do not import the API.
    """
    shown = reference(document)

    @route(PATH, http_method=["GET", "HEAD"])
    async def docs(request: PageRequest, service: Serving) -> Response[str]:
        return page(request, service.face, "reference/reference.html", chosen_language(request), reference=shown)

    return docs
