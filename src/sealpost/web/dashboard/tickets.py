"""The account's tickets, newest first, page after page by keyset. For people who are signed in."""

from __future__ import annotations

from typing import Any

from litestar import Response, route

from sealpost.usecases.reads.tickets import tickets
from sealpost.web.pages import PageRequest, Serving, chosen_language, page, redirect
from sealpost.web.signin.entering import sign_in_first, signed_in
from sealpost.web.signin.way_back import DASHBOARD


@route("/", http_method=["GET", "HEAD"])
async def home(service: Serving) -> Response[str]:
    return redirect(service.face, DASHBOARD)


@route("/dashboard", http_method=["GET", "HEAD"])
async def dashboard(request: PageRequest, service: Serving) -> Response[Any]:
    person = await signed_in(request, service)
    if person is None:
        return sign_in_first(service, DASHBOARD)
    cursor = request.query_params.get("cursor")
    rows = await tickets(service, person.account_id, cursor)
    context: dict[str, Any] = {"session": person, "tickets": rows, "is_first": cursor is None}
    return page(request, service.face, "dashboard/tickets.html", chosen_language(request, person.language), **context)
