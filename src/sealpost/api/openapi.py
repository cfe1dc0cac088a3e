"""``/openapi.json``: the description of the API for tools and, through bootstrap, for the page ``/docs``.

For everybody (OpenAPI 3.1). The description is written by hand beside this module: the service reads every value itself
and strictly, and a description made from its types would say less than it checks. Tests hold the two together.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

OPENAPI_PATH = "/openapi.json"
OCTETS = files("sealpost.api").joinpath("openapi.json").read_bytes()
KEPT = {"cache-control": "public, max-age=3600"}


def document(base_url: str) -> dict[str, Any]:
    """The description, with this installation's own address in it.

    Args:
        base_url: without a slash at the end.
    """
    found: dict[str, Any] = msgspec.json.decode(OCTETS)
    found["servers"] = [{"url": base_url}]
    flows = found["components"]["securitySchemes"]["oauth2"]["flows"]
    flows["clientCredentials"]["tokenUrl"] = base_url + flows["clientCredentials"]["tokenUrl"]
    return found


def openapi_route(base_url: str) -> HTTPRouteHandler:
    """The address of the description, which is made once; no credentials are asked for.

    Args:
        base_url: without a slash at the end.
    """
    octets = msgspec.json.encode(document(base_url))

    @get(OPENAPI_PATH, sync_to_thread=False)
    def openapi() -> Response[bytes]:
        return Response(octets, media_type="application/json", headers=KEPT)

    return openapi
