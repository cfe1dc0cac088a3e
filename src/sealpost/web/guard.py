"""Who may send a form to the pages: our own pages alone (RFC 6454; Fetch Metadata), and how the demo is addressed.

For every route of the pages. Together with cookies that are ``SameSite=Lax`` this makes a hidden field needless: a
browser that sends neither header also sends no cookie with a stranger's form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.exceptions import PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler

from sealpost.usecases.service import Face

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], None]
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK = ("127.0.0.1", "localhost")
LOOPBACK_HOST = re.compile(r"(?:127\.0\.0\.1|localhost)(?::\d{1,5})?", re.IGNORECASE)


def origins(face: Face) -> frozenset[str]:
    """The origins that are ours. The demo is the same place under both of the machine's own names."""
    port = urlsplit(face.base_url).port
    if not face.demo or port is None:
        return frozenset({face.base_url})
    return frozenset({face.base_url, *(f"http://{name}:{port}" for name in LOOPBACK)})


def is_own(headers: Mapping[str, str], face: Face) -> bool:
    """Whether a form was sent by one of our pages, as far as the browser says so.

    Args:
        headers: lower-case names.
        face: our base URL.
    """
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site")
    if origin is not None and origin != "null":
        return origin in origins(face)
    if site is None:
        # No header at all: not a browser of our day, or not a browser. "null" without a word more: a stranger.
        return origin is None
    return site == "same-origin" or (site == "none" and origin is None)


def own_forms(face: Face) -> Guard:
    """A guard that lets only our own forms act; everything else is 403."""

    def check(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        if cast("dict[str, Any]", connection.scope).get("method") not in SAFE and not is_own(connection.headers, face):
            raise PermissionDeniedException("the form was sent from another site")

    return check


def is_loopback_host(host: str) -> bool:
    """Whether a Host header names this machine; a page elsewhere that points its own name here is refused."""
    return LOOPBACK_HOST.fullmatch(host) is not None


def loopback_host(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard for the demo's own routes (against DNS rebinding)."""
    if not is_loopback_host(connection.headers.get("host", "")):
        raise PermissionDeniedException("the demo answers under 127.0.0.1 and localhost only")
