"""The page where the owner of an address lets an organisation send from it (contract 2).

The link opens a page that says who asks and what it means. Only its form confirms, since mail scanners follow links.
"""

from __future__ import annotations

from typing import Any

from litestar import Response, post, route

from sealpost.domain.errors import NotFound
from sealpost.usecases.confirm_address import confirm_address
from sealpost.usecases.ended_links import ended_question
from sealpost.usecases.reads.addresses import Asked, asked
from sealpost.usecases.service import Service
from sealpost.web.link_end import link_itself
from sealpost.web.pages import PageRequest, Serving, chosen_language, page
from sealpost.web.pickup.cookie import is_secret


@route("/address/{secret:str}", http_method=["GET", "HEAD"])
async def address_page(request: PageRequest, service: Serving) -> Response[str]:
    """The question, or 404 for a wrong, used or dead link."""
    if itself := link_itself(request, service.face, "/address/"):
        return itself
    found = await _asked(request, service)
    return _show(request, service, "confirm", found) if found else await _dead(request, service)


@post("/address/{secret:str}", status_code=200)
async def confirm_form(request: PageRequest, service: Serving) -> Response[str]:
    """Confirms and says so. Sent twice, the second finds the link used."""
    found = await _asked(request, service)
    if found is None:
        return await _dead(request, service)
    try:
        await confirm_address(service, str(request.path_params["secret"]))
    except NotFound:
        return await _dead(request, service)
    return _show(request, service, "confirmed", found)


async def _asked(request: PageRequest, service: Service) -> Asked | None:
    secret = str(request.path_params["secret"])
    return await asked(service, secret) if is_secret(secret) else None


def _show(request: PageRequest, service: Service, name: str, found: Asked) -> Response[str]:
    return page(request, service.face, f"address/{name}.html", chosen_language(request, found.language), asked=found)


async def _dead(request: PageRequest, service: Service) -> Response[str]:
    """410 with what became of the link; 404 for one that is not ours."""
    secret = str(request.path_params["secret"])
    ended = await ended_question(service, secret) if is_secret(secret) else None
    language = chosen_language(request, ended.language if ended else None)
    status = 404 if ended is None else 403 if ended.state == "closed" else 410
    context: dict[str, Any] = {"link": ended, "whole": is_secret(secret)}
    return page(request, service.face, "address/dead_link.html", language, status=status, **context)
