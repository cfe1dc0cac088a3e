"""Error pages, and which addresses answer with pages at all (contract, section 7: never HTML elsewhere).

For the bootstrap, whose one exception function asks ``is_page`` and then renders either this or the JSON envelope.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qs

from litestar import Response
from litestar.exceptions import HTTPException

from sealpost.access.envelope import with_head
from sealpost.access.refusals import Refusal
from sealpost.domain.errors import Conflict, InvalidInput, NoEvidence, NotAllowed, NotFound, TooLarge, Unavailable
from sealpost.usecases.service import Face
from sealpost.web.pages import READ, PageRequest, answer, chosen_language, render, switches

ROOMS = (
    "/p",
    "/pickup",
    "/signin",
    "/signout",
    "/activate",
    "/address",
    "/dashboard",
    "/inbox",
    "/static",
    "/genuine",
    "/docs",
    "/log",
    "/trust",
    "/verify",
)
INBOX_API = "/inbox/api"
TICKET_PAGE = "/webservice/dashboard"
STATUSES = (
    (TooLarge, 413),
    (InvalidInput, 400),
    (NotAllowed, 403),
    (NotFound, 404),
    (Conflict, 409),
    (NoEvidence, 409),
    (Unavailable, 503),
)


def is_page(path: str, query: str = "") -> bool:
    """Whether people see this address in a browser, so that its errors are pages too.

    Args:
        path: the request's path.
        query: its raw query string; the ticket page shares its path with the XML interface.
    """
    bare = path.rstrip("/")
    if bare in {"", f"{TICKET_PAGE}/withdraw"}:
        return True
    if bare == TICKET_PAGE:
        return parse_qs(query, max_num_fields=None).get("action") == ["ticket_html"]
    if _inside(bare, INBOX_API):
        return False
    return any(_inside(bare, room) for room in ROOMS)


def _inside(path: str, room: str) -> bool:
    return path == room or path.startswith(f"{room}/")


def status_of(error: Exception) -> int:
    """The HTTP status of an error; 500 for whatever is our own fault."""
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, Refusal):
        return error.status
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def failure_page(request: PageRequest, error: Exception, face: Face, reference: str = "") -> Response[str]:
    """An error as a page: what happened, what to do, nothing of our insides.

    Args:
        request: the request that failed.
        error: any exception.
        face: how the service is reached.
        reference: the transaction id, for whoever asks for help.
    """
    status = status_of(error)
    kind = (
        status
        if status in {403, 404, 405, 413, 429, 503} or isinstance(error, NoEvidence)
        else (500 if status >= HTTPStatus.INTERNAL_SERVER_ERROR else 400)
    )
    language = chosen_language(request)
    # The switch leads to this address by GET; after a form there may be nothing there.
    shown = switches(request, language) if request.method in READ else ()
    html = render(face, "failure.html", language, kind=kind, reference=reference, switches=shown)
    answered = answer(face, html, status)
    answered.headers.update(_allowed(error))
    return answered


def _allowed(error: Exception) -> dict[str, str]:
    """The headers that belong to a status: Allow with 405, Retry-After with 429 and 503 (RFC 9110, 10.2)."""
    if isinstance(error, Unavailable):
        return {"Retry-After": "5"}
    if isinstance(error, Refusal):
        return {name.decode().title(): value.decode() for name, value in error.headers}
    told = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return {name: with_head(value) for name, value in told.items() if name.lower() == "allow"}
