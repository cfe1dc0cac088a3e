"""``GET /webservice/evidence/`` and ``/webservice/certificate/``: a ticket's bundle, or its certificate alone, for API callers."""

from __future__ import annotations

from litestar import Response, get
from litestar.response import Stream

from sealpost.access.callers import authenticated
from sealpost.access.forms import query
from sealpost.access.middleware import refuse_head
from sealpost.api.answers import NO_STORE, ApiRequest, Serving
from sealpost.domain.errors import InvalidInput, NotFound
from sealpost.domain.ids import is_ticket_token
from sealpost.seal.bundle.bundle import MEDIA_TYPE
from sealpost.text.catalogue import pick_language
from sealpost.usecases.gather import certificate_for_sender, for_sender, streamed
from sealpost.usecases.reads.callers import CallerRow
from sealpost.usecases.reads.viewer import of_caller
from sealpost.usecases.service import Service

PATH, CERTIFICATE_PATH = "/webservice/evidence/", "/webservice/certificate/"


@get(PATH)
async def evidence(request: ApiRequest, service: Serving) -> Stream:
    """Everything that proves a ticket, in one file.

    Args:
        request: its query with ``ticket_token``, and ``lang`` of the certificate perhaps.
        service: the parts.

    Raises:
        MethodNotAllowed: a HEAD, which would have a bundle made for its length alone.
        Unauthenticated: no or wrong credentials.
        InvalidInput: without a ticket.
        NotFound: no such ticket, or not the caller's; nothing tells which.
        Unavailable: it cannot be put together now.
    """
    caller, token, language = await _asked(request, service)
    size, octets = await streamed(for_sender(service, of_caller(caller), token, language))
    headers = _headers(f"evidence-{token}.asice") | {"content-length": str(size)}
    return Stream(octets, media_type=MEDIA_TYPE, headers=headers)


@get(CERTIFICATE_PATH)
async def certificate(request: ApiRequest, service: Serving) -> Response[bytes]:
    """The certificate of a ticket alone; arguments and errors as `evidence`."""
    caller, token, language = await _asked(request, service)
    pdf = await certificate_for_sender(service, of_caller(caller), token, language)
    return Response(pdf, media_type="application/pdf", headers=_headers(f"certificate-{token}.pdf"))


async def _asked(request: ApiRequest, service: Service) -> tuple[CallerRow, str, str]:
    """Who asks, for which ticket, in which language."""
    refuse_head(request.scope)
    caller = await authenticated(service, request.scope)
    asked = query(request.scope["query_string"])
    token = asked.get("ticket_token", "")
    if not token:
        raise InvalidInput("ticket_token", "is missing")
    if not is_ticket_token(token):
        raise NotFound("there is no such ticket")
    return caller, token, pick_language(asked.get("lang"), caller.language)


def _headers(name: str) -> dict[str, str]:
    return NO_STORE | {
        "content-disposition": f'attachment; filename="{name}"',
        "x-content-type-options": "nosniff",
    }
