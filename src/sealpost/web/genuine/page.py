"""Where a recipient checks an announcement's reference (contract, section 8.1).

The page says only whether the reference exists, which host the button must lead to, and what to do in doubt. It never
calls a mail genuine: whoever copies a mail copies its reference too.
"""

from __future__ import annotations

from litestar import Response, route

from sealpost.usecases.reads.reference import reference_exists
from sealpost.web.pages import PageRequest, Serving, chosen_language, page

LONGEST = 100


@route("/genuine", http_method=["GET", "HEAD"])
async def genuine(request: PageRequest, service: Serving) -> Response[str]:
    """The form, and the answer when ``reference`` was asked for."""
    reference = request.query_params.get("reference", "").strip()[:LONGEST]
    exists = await reference_exists(service, reference) if reference else None
    return page(
        request, service.face, "genuine/check.html", chosen_language(request), reference=reference, exists=exists
    )
