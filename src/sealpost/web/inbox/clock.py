"""``POST /demo/clock``: moves the demo's clock forward, so that reminder and expiry can be seen (design, section 4)."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any, cast

from litestar import Response, post

from sealpost.domain.errors import InvalidInput
from sealpost.usecases.shift_clock import shift_clock
from sealpost.web.headers import security_headers
from sealpost.web.pages import PageRequest, Serving

FIELD = "advance_seconds"
FARTHEST = 10 * 366 * 86_400


@post("/demo/clock")
async def advance(request: PageRequest, service: Serving) -> Response[dict[str, str]]:
    """Answers with the new time when everything that is now due is enqueued."""
    # Only a script of our own origin can send this type, so a stranger's form cannot move the clock.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise InvalidInput("Content-Type", "must be application/json")
    await shift_clock(service, seconds(await request.body()))
    now = service.clock.now().astimezone(UTC).isoformat().replace("+00:00", "Z")
    return Response({"now": now}, status_code=200, headers=security_headers(service.face))


def seconds(body: bytes) -> int:
    """The number of seconds in a body.

    Raises:
        InvalidInput: not JSON, not a whole number from 0 to ten years.
    """
    try:
        asked: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(FIELD, "must stand in a JSON object") from error
    number: Any = cast("dict[str, Any]", asked).get(FIELD) if isinstance(asked, dict) else None
    if type(number) is not int or not 0 <= number <= FARTHEST:
        raise InvalidInput(FIELD, "must be a whole number of seconds, not negative")
    return number
