"""The mailed link: it becomes a cookie, and the browser goes on to an address that holds no secret.

For recipients (contract 8.2; design, section 4, Links). Opening it, by whomever, changes nothing at the service.
"""

from __future__ import annotations

from typing import Any

from litestar import Response, route

from sealpost.usecases.follow_link import follow_link
from sealpost.web.cookies import cookie, sent
from sealpost.web.pages import PageRequest, Serving, chosen_language, page, redirect
from sealpost.web.pickup.cookie import PICKUP, is_secret, read, write


@route("/p/{secret:str}", http_method=["GET", "HEAD"])
async def link(request: PageRequest, service: Serving) -> Response[Any]:
    """303 to the landing page, with the cookie; 404 for a wrong or dead link."""
    face = service.face
    secret = str(request.path_params["secret"])
    token = await follow_link(service, secret) if is_secret(secret) else None
    if token is None:
        return page(request, face, "pickup/dead_link.html", chosen_language(request), status=404)
    onward = redirect(face, f"/pickup/{token}")
    onward.set_cookie(cookie(face, PICKUP, write(secret, read(sent(request, face, PICKUP)))))
    return onward
