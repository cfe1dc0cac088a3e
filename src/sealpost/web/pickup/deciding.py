"""Two deliberate acts: choose, then confirm (contract 8.2). Only the second one decides.

For recipients. A program that follows every link, or sends every form as it found it, sends no choice and no
confirmation, and so decides nothing.
"""

from __future__ import annotations

from typing import Any, Literal

from litestar import Response, post, route

from sealpost.domain.errors import Conflict, InvalidInput, NotFound
from sealpost.domain.ticket import TermOver
from sealpost.usecases.decide import decide
from sealpost.usecases.open_pickup import open_pickup
from sealpost.usecases.service import Face, Service
from sealpost.web.acts import web_act
from sealpost.web.forms import fields
from sealpost.web.pages import PageRequest, Serving, answer, redirect, render, switches
from sealpost.web.pickup.landing import Visit, landing_html, not_here, show_landing, visit

Choice = Literal["accept", "refuse"]
DECISIONS: dict[Choice, Literal["accepted", "refused"]] = {"accept": "accepted", "refuse": "refused"}
CONFIRM = ["/pickup/{token:str}/accept", "/pickup/{token:str}/refuse"]


@post("/pickup/{token:str}")
async def choose(request: PageRequest, service: Serving) -> Response[Any]:
    """The first act. It leaves the first sign of a person, and leads to the second."""
    visited = await visit(request, service)
    if visited is None:
        return await not_here(request, service)
    if visited.pickup.decision is not None:
        return too_late(request, service.face, visited)
    decision = (await fields(request)).get("decision")
    if decision not in DECISIONS:
        return show_landing(request, service.face, visited, status=400, problem="choose")
    act = web_act(request, landing_html(service.face, visited))
    try:
        await open_pickup(service, visited.pickup.ticket_token, visited.secrets, act)
    except (Conflict, NotFound):
        return await _as_it_is_now(request, service)
    return redirect(service.face, visited.to(f"/{decision}"))


@route(CONFIRM, http_method=["GET", "HEAD"])
async def confirm_page(request: PageRequest, service: Serving) -> Response[Any]:
    """The page that asks to confirm; read-only."""
    visited = await visit(request, service)
    if visited is None:
        return await not_here(request, service)
    if visited.pickup.decision is not None:
        return redirect(service.face, visited.to())
    return _show_confirm(request, service.face, visited)


@post(CONFIRM)
async def confirm(request: PageRequest, service: Serving) -> Response[Any]:
    """The second act. It decides, once."""
    visited = await visit(request, service)
    if visited is None:
        return await not_here(request, service)
    if visited.pickup.decision is not None:
        return too_late(request, service.face, visited)
    sent = await fields(request)
    if sent.get("confirm") != "yes":
        return _show_confirm(request, service.face, visited, problem="confirm", reason=sent.get("reason", ""))
    return await _decide(request, service, visited, sent.get("reason", ""))


async def _decide(request: PageRequest, service: Service, visited: Visit, reason: str) -> Response[Any]:
    choice = _choice(request)
    # Browsers send line ends as CR LF; the reason is kept with plain ones, and counted so.
    told = reason.replace("\r\n", "\n").strip() if choice == "refuse" else ""
    act = web_act(request, confirm_html(service.face, visited, choice))
    try:
        await decide(service, visited.pickup.ticket_token, visited.secrets, DECISIONS[choice], told, act)
    except InvalidInput:
        return _show_confirm(request, service.face, visited, problem="reason", reason=reason)
    except (Conflict, NotFound) as error:
        return await _as_it_is_now(request, service, over=isinstance(error, TermOver))
    return redirect(service.face, visited.to())


def confirm_html(face: Face, visited: Visit, choice: Choice, **more: object) -> str:
    """The confirming page as HTML."""
    context: dict[str, Any] = {
        "pickup": visited.pickup,
        "visit": visited,
        "problem": "",
        "reason": "",
        "switches": (),
        **more,
    }
    return render(face, f"pickup/confirm_{choice}.html", visited.language, **context)


def too_late(request: PageRequest, face: Face, visited: Visit, *, over: bool = False) -> Response[str]:
    """The ticket's page as it is, for an act that came too late: 410 after the term, else 409."""
    status = 410 if over or visited.pickup.decision == "expired" else 409
    return show_landing(request, face, visited, status=status, late=True)


async def _as_it_is_now(request: PageRequest, service: Service, *, over: bool = False) -> Response[str]:
    """Reads the ticket again, after somebody or something else was faster."""
    visited = await visit(request, service)
    if visited is None:
        return await not_here(request, service)
    return too_late(request, service.face, visited, over=over)


def _show_confirm(
    request: PageRequest, face: Face, visited: Visit, *, problem: str = "", reason: str = ""
) -> Response[str]:
    shown = switches(request, visited.language)
    html = confirm_html(face, visited, _choice(request), problem=problem, reason=reason, switches=shown)
    return answer(face, html, 400 if problem else 200)


def _choice(request: PageRequest) -> Choice:
    return "accept" if request.url.path.rstrip("/").endswith("/accept") else "refuse"
