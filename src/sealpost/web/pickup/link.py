"""The mailed link: it becomes a cookie, and the browser goes on to an address that holds no secret.

For recipients (contract 8.2; design, section 4, Links). Opening it, by whomever, changes nothing at the service.
"""

from __future__ import annotations

from typing import Any

from litestar import Response, route

from sealpost.usecases.ended_links import ended_pickup
from sealpost.usecases.follow_link import follow_link
from sealpost.usecases.service import Face
from sealpost.web.cookies import cookie, sent
from sealpost.web.link_end import link_itself
from sealpost.web.pages import PageRequest, Serving, chosen_language, page, redirect
from sealpost.web.pickup.cookie import PICKUP, is_secret, read, write
from sealpost.web.pickup.landing import show_ended


@route("/p/{secret:str}", http_method=["GET", "HEAD"])
async def link(request: PageRequest, service: Serving) -> Response[Any]:
    """303 to the landing page, with the cookie; 410 for a link that has ended, 404 for one that is not ours."""
    face = service.face
    if itself := link_itself(request, face, "/p/"):
        return itself
    secret = str(request.path_params["secret"])
    if not is_secret(secret):
        return page(request, face, "pickup/dead_link.html", chosen_language(request), status=404, whole=False)
    token = await follow_link(service, secret)
    if token is None:
        ended = await ended_pickup(service, [secret])
        return show_ended(request, face, ended) if ended else _unknown(request, face)
    onward = redirect(face, f"/pickup/{token}")
    onward.set_cookie(cookie(face, PICKUP, write(secret, read(sent(request, face, PICKUP)))))
    return onward


def _unknown(request: PageRequest, face: Face) -> Response[str]:
    return page(request, face, "pickup/dead_link.html", chosen_language(request), status=404, whole=True)
