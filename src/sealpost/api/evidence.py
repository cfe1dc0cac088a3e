"""``GET /webservice/evidence/``: the bundle of a ticket for API callers (evidence format, section 5)."""

from __future__ import annotations

from litestar import get
from litestar.response import Stream

from sealpost.access.callers import authenticated
from sealpost.access.forms import query
from sealpost.access.middleware import refuse_head
from sealpost.api.answers import NO_STORE, ApiRequest, Serving
from sealpost.domain.errors import InvalidInput, NotFound
from sealpost.domain.ids import is_ticket_token
from sealpost.seal.bundle.bundle import MEDIA_TYPE
from sealpost.text.catalogue import pick_language
from sealpost.usecases.gather import for_sender, streamed
from sealpost.usecases.reads.viewer import of_caller

PATH = "/webservice/evidence/"


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
    refuse_head(request.scope)
    caller = await authenticated(service, request.scope)
    asked = query(request.scope["query_string"])
    token = asked.get("ticket_token", "")
    if not token:
        raise InvalidInput("ticket_token", "is missing")
    if not is_ticket_token(token):
        raise NotFound("there is no such ticket")
    language = pick_language(asked.get("lang"), caller.language)
    size, octets = await streamed(for_sender(service, of_caller(caller), token, language))
    headers = NO_STORE | {
        "content-disposition": f'attachment; filename="evidence-{token}.asice"',
        "content-length": str(size),
        "x-content-type-options": "nosniff",
    }
    return Stream(octets, media_type=MEDIA_TYPE, headers=headers)
