"""A ticket as XML, in the vendor's Dutch names (contract, section 5).

Bootstrap's dispatcher gives both addresses here: ``GET /webservice/xml/?ticket_token=…`` and
``GET /webservice/dashboard/?ticket_token=…&action=ticket_xml``. For every API caller of the ticket's account.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from litestar import Request, Response

from sealpost.access.callers import authenticated
from sealpost.access.forms import query
from sealpost.domain.canonical import instant
from sealpost.domain.content import BODY
from sealpost.domain.errors import InvalidInput, NotFound
from sealpost.domain.ids import is_ticket_token
from sealpost.text.catalogue import pick_language
from sealpost.text.statuses import status_text
from sealpost.usecases.reads.ticket import StatusLine, TicketView, ticket
from sealpost.usecases.service import Service
from sealpost.xmlapi.writer import DECLARATION, element

MEDIA_TYPE = "application/xml; charset=utf-8"


async def single_ticket(request: Request[Any, Any, Any], service: Service) -> Response[bytes]:
    """One ticket of the caller's account.

    Args:
        request: its query has ``ticket_token`` and perhaps ``lang`` (of the status texts); Basic or Bearer credentials.
        service: the parts.

    Raises:
        Unauthenticated: no or wrong credentials.
        InvalidInput: no ``ticket_token``.
        NotFound: none, or another account's; nothing tells which.
    """
    caller = await authenticated(service, request.scope["headers"])
    asked = query(request.scope["query_string"])
    token = asked.get("ticket_token")
    if not token:
        raise InvalidInput("ticket_token", "is required (lists of tickets are not supported yet)")
    view = await ticket(service, caller.account_id, token) if is_ticket_token(token) else None
    if view is None:
        raise NotFound("there is no such ticket")
    octets = ticket_xml(view, pick_language(asked.get("lang"), view.language))
    return Response(octets, media_type=MEDIA_TYPE, headers={"cache-control": "no-store"})


def ticket_xml(view: TicketView, language: str) -> bytes:
    """The document of one ticket.

    Args:
        view: the ticket.
        language: of the status texts.
    """
    return (DECLARATION + element("biljetten", inner=_ticket(view, language)) + "\n").encode()


def _ticket(view: TicketView, language: str) -> str:
    attributes = (
        ("id", view.token),
        ("afzender", view.sender_email),
        ("ontvanger", view.recipient_email),
        ("onderwerp", view.subject),
        ("customer_id", str(view.account_id)),
        ("taal", view.language),
        ("handtekening_nodig", "1" if view.signature_required else "0"),
    )
    statuses = "".join(_status(line, view, language) for line in view.statuses)
    return element("biljet", attributes, element("bijlagen", inner=_parts(view)) + element("statussen", inner=statuses))


def _parts(view: TicketView) -> str:
    """The attachments; the body is not one of them, as with the vendor."""
    accepted = "1" if view.decision == "accepted" else "0"
    return "".join(
        element(
            "bijlage",
            (("bijlage", part.name), ("hash", b64encode(part.sha256).decode()), ("geaccepteerd", accepted)),
        )
        for part in view.parts
        if part.name != BODY
    )


def _status(line: StatusLine, view: TicketView, language: str) -> str:
    attributes = (
        ("statusdatumtijd", f"{line.at.astimezone(view.zone):%Y-%m-%d %H:%M:%S}"),
        ("tijdstip", instant(line.at)),
        ("statusomschrijving", status_text(line.status.name, language)),
        ("statuscode", str(line.status.code)),
        ("statusdetail", line.detail or " "),
    )
    return element("status", attributes)
