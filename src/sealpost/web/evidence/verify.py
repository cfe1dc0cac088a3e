"""``/verify``: the verifier's page, one static file that works without us too."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from litestar import Response, route

from sealpost.web.headers import security_headers
from sealpost.web.pages import READ, PageRequest, Serving

_POLICY = re.compile('<meta http-equiv="Content-Security-Policy" content="([^"]+)">')


@cache
def built() -> tuple[str, str]:
    """The page, and the content security policy that it declares for itself: its script and style by their hashes."""
    text = (files("sealpost.verifier") / "page" / "verify.html").read_text(encoding="utf-8")
    declared = _POLICY.search(text)
    assert declared is not None
    return text, declared[1].replace("&#39;", "'")


@route("/verify", http_method=READ)
async def verify_page(request: PageRequest, service: Serving) -> Response[str]:  # noqa: ARG001 - the route's shape
    """The page, to be used here or saved and opened from a disk."""
    text, policy = built()
    headers = security_headers(service.face, f"{policy}; frame-ancestors 'none'")
    return Response(text, media_type="text/html", headers=headers)
