"""Withdrawing a ticket before any decision: the button on the ticket page, then a page that asks once more."""

from __future__ import annotations

from typing import Any

from litestar import Response, post

from sealpost.domain.errors import Conflict, NotFound
from sealpost.usecases.reads.session import Session
from sealpost.usecases.reads.viewer import of_person
from sealpost.usecases.service import Service
from sealpost.usecases.withdraw import withdraw
from sealpost.web.forms import fields
from sealpost.web.pages import PageRequest, Serving, answer, chosen_language, redirect, render
from sealpost.web.signin.entering import sign_in_first, signed_in
from sealpost.web.signin.way_back import ticket_address
from sealpost.web.ticket.page import no_ticket, own_ticket, show


@post("/webservice/dashboard/withdraw")
async def withdraw_form(request: PageRequest, service: Serving) -> Response[Any]:
    """Without ``confirm=yes`` the question, with it the withdrawal and 303 to the ticket page."""
    form = await fields(request)
    token = form.get("ticket_token", "")
    person = await signed_in(request, service)
    if person is None:
        return sign_in_first(service, ticket_address(token))
    view = await own_ticket(service, person, token)
    if view is None:
        return no_ticket(request, service, person)
    if form.get("confirm") == "yes":
        return await _withdraw(request, service, person, token)
    language = chosen_language(request, person.language)
    # No language switch here: this page is the answer to a form, and has no address of its own.
    return answer(service.face, render(service.face, "ticket/withdraw.html", language, session=person, ticket=view))


async def _withdraw(request: PageRequest, service: Service, person: Session, token: str) -> Response[Any]:
    try:
        await withdraw(service, of_person(person), person.user_id, token)
    except NotFound:
        return no_ticket(request, service, person)
    except Conflict:
        view = await own_ticket(service, person, token)
        return show(request, service, person, view, status=409) if view else no_ticket(request, service, person)
    return redirect(service.face, ticket_address(token, chosen_language(request, person.language)))
