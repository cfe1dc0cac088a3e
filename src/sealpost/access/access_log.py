"""One line per request, with nothing personal: the route's template, never the path, the query or a header.

Links to pickup pages carry their secret in the path, so the path itself must not reach a log (design, section 4, *Links*).
"""

from __future__ import annotations

from typing import Any

import structlog

GONE = 499  # the caller went away before an answer; a number that logs commonly use, never sent

log = structlog.get_logger("sealpost.access")


def line(scope: Any, method: str, status: int, seconds: float, request_id: str) -> None:
    """Logs one request.

    Args:
        scope: the ASGI scope after the app has run; ``path_template`` is the route.
        method: as the caller sent it; one that HTTP does not define is not repeated.
        status: of the answer, or ``GONE``.
        seconds: from the first octet of the request's head to the end of the answer.
        request_id: the transaction id.
    """
    log.info(
        "request",
        method=method if method in METHODS else "(other)",
        route=scope.get("path_template") or "(none)",
        status=status,
        ms=round(seconds * 1000, 1),
        request_id=request_id,
    )


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
