"""The page where an invited person sets a password (contract 2). The link opens a page; only the form changes anything."""

from __future__ import annotations

from typing import Any

from litestar import Response, post, route

from sealpost.domain.errors import InvalidInput, NotFound
from sealpost.usecases.activate import Invitation, activate, invitation
from sealpost.usecases.ended_links import ended_invitation
from sealpost.usecases.service import Service
from sealpost.web.forms import fields
from sealpost.web.link_end import link_itself
from sealpost.web.pages import PageRequest, Serving, chosen_language, page
from sealpost.web.pickup.cookie import is_secret
from sealpost.web.signin.entering import entered
from sealpost.web.signin.way_back import DASHBOARD

SHORTEST = 12


@route("/activate/{secret:str}", http_method=["GET", "HEAD"])
async def activation_page(request: PageRequest, service: Serving) -> Response[str]:
    if itself := link_itself(request, service.face, "/activate/"):
        return itself
    invited = await _invitation(request, service)
    return _show(request, service, invited) if invited else await _dead(request, service)


@post("/activate/{secret:str}")
async def set_password(request: PageRequest, service: Serving) -> Response[Any]:
    """A session and 303 to the dashboard, or the form again with what is wrong."""
    invited = await _invitation(request, service)
    if invited is None:
        return await _dead(request, service)
    form = await fields(request)
    password, name = form.get("password", ""), form.get("real_name", "").strip()
    problem = _problem(password, form.get("password_again", password))
    if problem:
        return _show(request, service, invited, problem=problem, name=name)
    try:
        secret = await activate(service, str(request.path_params["secret"]), password, name)
    except NotFound:
        return await _dead(request, service)
    except InvalidInput as error:
        return _show(request, service, invited, problem="name" if error.field == "real_name" else "password", name=name)
    return entered(service, secret, DASHBOARD)


def _problem(password: str, again: str) -> str:
    """What the page itself can tell; the use case knows more."""
    if len(password) < SHORTEST:
        return "short"
    return "again" if password != again else ""


async def _invitation(request: PageRequest, service: Service) -> Invitation | None:
    secret = str(request.path_params["secret"])
    return await invitation(service, secret) if is_secret(secret) else None


def _show(
    request: PageRequest, service: Service, invited: Invitation, *, problem: str = "", name: str = ""
) -> Response[str]:
    language = chosen_language(request, invited.language)
    context: dict[str, Any] = {"invitation": invited, "problem": problem, "name": name, "shortest": SHORTEST}
    return page(request, service.face, "signin/activate.html", language, status=400 if problem else 200, **context)


async def _dead(request: PageRequest, service: Service) -> Response[str]:
    """410 with what became of the link; 404 for one that is not ours."""
    secret = str(request.path_params["secret"])
    ended = await ended_invitation(service, secret) if is_secret(secret) else None
    language = chosen_language(request, ended.language if ended else None)
    status = 404 if ended is None else 403 if ended.state == "closed" else 410
    context: dict[str, Any] = {"link": ended, "whole": is_secret(secret)}
    return page(request, service.face, "signin/dead_link.html", language, status=status, **context)
