"""Handing out the content after acceptance: a form that POSTs, so that no fetch of a link ever does (contract 8.3)."""

from __future__ import annotations

from typing import Any

from litestar import Response, post
from litestar.exceptions import NotFoundException

from sealpost.domain.errors import Conflict
from sealpost.usecases.hand_out import hand_out
from sealpost.web.acts import web_act
from sealpost.web.disposition import attachment, safe_type
from sealpost.web.headers import FILE_POLICY, security_headers
from sealpost.web.pages import PageRequest, Serving
from sealpost.web.pickup.landing import landing_html, not_here, show_landing, visit


@post("/pickup/{token:str}/download/{index:str}")
async def download(request: PageRequest, service: Serving) -> Response[Any]:
    """The octets of one part, to be kept, never shown."""
    visited = await visit(request, service)
    if visited is None:
        return await not_here(request, service)
    index = _number(str(request.path_params["index"]))
    act = web_act(request, landing_html(service.face, visited))
    try:
        part = await hand_out(service, visited.pickup.ticket_token, visited.secrets, index, act)
    except Conflict:
        again = await visit(request, service)
        return show_landing(request, service.face, again, status=409) if again else await not_here(request, service)
    headers = security_headers(service.face, FILE_POLICY) | {"Content-Disposition": attachment(part.name)}
    return Response(part.octets, status_code=200, media_type=safe_type(part.content_type), headers=headers)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise NotFoundException("no such part")
    return int(text)
