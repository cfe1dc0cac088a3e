"""The ticket page for the sender's organisation (contract 4): parties, fingerprints, every status with its time.

For the bootstrap's dispatcher, because its address is shared with the XML interface.
"""

from __future__ import annotations

from typing import Any

from litestar import Response

from sealpost.domain.ids import is_ticket_token
from sealpost.usecases.reads.session import Session
from sealpost.usecases.reads.ticket import TicketView, ticket
from sealpost.usecases.reads.viewer import of_person
from sealpost.usecases.service import Service
from sealpost.web.pages import PageRequest, answer, chosen_language, page, render
from sealpost.web.signin.entering import sign_in_first, signed_in
from sealpost.web.signin.way_back import TICKET


async def ticket_html(request: PageRequest, service: Service) -> Response[Any]:
    """Answers ``GET /webservice/dashboard/?ticket_token=…&action=ticket_html&lang=…``.

    Args:
        request: its query names the ticket and the language, its cookie the person.
        service: the service.

    Returns:
        The page; 302 to the sign-in page for nobody, whether or not the ticket exists; 404 for another account's
        ticket and for none, in the same words.
    """
    person = await signed_in(request, service)
    if person is None:
        return sign_in_first(service, f"{TICKET}?{request.url.query}")
    view = await own_ticket(service, person, request.query_params.get("ticket_token", ""))
    return show(request, service, person, view) if view else no_ticket(request, service, person)


async def own_ticket(service: Service, person: Session, token: str) -> TicketView | None:
    """The ticket, if the person may see it."""
    return await ticket(service, of_person(person), token) if is_ticket_token(token) else None


def show(
    request: PageRequest, service: Service, person: Session, view: TicketView, *, status: int = 200
) -> Response[str]:
    """The ticket page.

    Args:
        request: for the language.
        service: the service.
        person: who looks.
        view: at what.
        status: 409 when a withdrawal came too late.
    """
    language = chosen_language(request, person.language)
    is_open = view.decision is None and service.clock.now() < view.expire_at
    context: dict[str, Any] = {"session": person, "is_open": is_open, "late": status == 409}
    return page(request, service.face, "ticket/ticket.html", language, status=status, **context | told(view))


def told(view: TicketView) -> dict[str, Any]:
    """What the page says of a ticket."""
    return {"ticket": view}


def no_ticket(request: PageRequest, service: Service, person: Session) -> Response[str]:
    """404: nothing tells another account's ticket from none."""
    language = chosen_language(request, person.language)
    # Without the language switch, whose addresses repeat the query: the body is the same to the last octet.
    return answer(service.face, render(service.face, "ticket/none.html", language, session=person), 404)
