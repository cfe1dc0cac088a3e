"""The recipient's page of one ticket, read-only, and what the other pickup pages need to know of a visit.

For recipients (contract 8.2 and 8.3). One template for each state; opening any of them decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Response, route

from sealpost.domain.ids import is_ticket_token
from sealpost.usecases.ended_links import EndedPickup, ended_pickup
from sealpost.usecases.reads.pickup import Pickup, pickup
from sealpost.usecases.service import Face, Service
from sealpost.web.cookies import sent
from sealpost.web.pages import PageRequest, Serving, answer, chosen_language, page, render, switches
from sealpost.web.pickup.cookie import PICKUP, read


@dataclass(frozen=True, slots=True)
class Visit:
    """A recipient at a ticket.

    Args:
        pickup: what may be seen of the ticket.
        secrets: the links that this browser holds.
        language: of the pages.
    """

    pickup: Pickup
    secrets: tuple[str, ...]
    language: str

    @property
    def path(self) -> str:
        return f"/pickup/{self.pickup.ticket_token}"

    def to(self, end: str = "") -> str:
        """An address of this ticket that keeps the language which the reader chose."""
        return self.path + end + ("" if self.language == self.pickup.language else f"?lang={self.language}")


async def visit(request: PageRequest, service: Serving) -> Visit | None:
    """The visit, if this browser holds a living link to the ticket of this address; reads only."""
    token = str(request.path_params["token"])
    secrets = read(sent(request, service.face, PICKUP))
    if not secrets or not is_ticket_token(token):
        return None
    found = await pickup(service, token, secrets)
    return found and Visit(found, secrets, chosen_language(request, found.language))


def landing_html(face: Face, visited: Visit, **more: object) -> str:
    """The landing page as HTML, in the state that the ticket is in."""
    context: dict[str, Any] = {
        "pickup": visited.pickup,
        "visit": visited,
        "problem": "",
        "late": False,
        "switches": (),
        **more,
    }
    return render(face, f"pickup/{visited.pickup.decision or 'open'}.html", visited.language, **context)


def show_landing(
    request: PageRequest, face: Face, visited: Visit, *, status: int = 200, problem: str = "", late: bool = False
) -> Response[str]:
    """The landing page.

    Args:
        request: for the language switch.
        face: how the service is reached.
        visited: who looks at what.
        status: 200, or that of what went wrong.
        problem: ``choose`` when a form came without a choice.
        late: a decision was tried that can no longer be made.
    """
    shown = switches(request, visited.language)
    return answer(face, landing_html(face, visited, problem=problem, late=late, switches=shown), status)


async def not_here(request: PageRequest, service: Service) -> Response[str]:
    """The page for a browser without an open link to this ticket.

    One that holds a link to it which has ended is told so; to any other it is the same whether or not the ticket exists.
    """
    token = str(request.path_params["token"])
    secrets = read(sent(request, service.face, PICKUP))
    if secrets and is_ticket_token(token) and (ended := await ended_pickup(service, secrets, token)):
        return show_ended(request, service.face, ended)
    return page(request, service.face, "pickup/no_link.html", chosen_language(request), status=404)


def show_ended(request: PageRequest, face: Face, ended: EndedPickup) -> Response[str]:
    """What a link led to that opens nothing: 410, or 403 while its account is suspended. It hands nothing out."""
    status = 410 if ended.state == "over" else 403
    return page(request, face, "pickup/ended.html", chosen_language(request, ended.language), status=status, link=ended)


@route("/pickup/{token:str}", http_method=["GET", "HEAD"])
async def landing(request: PageRequest, service: Serving) -> Response[str]:
    visited = await visit(request, service)
    return show_landing(request, service.face, visited) if visited else await not_here(request, service)
