"""The tickets that a person may see, newest first, page after page by keyset, filtered. For people who are signed in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from litestar import Response, route

from sealpost.domain.errors import InvalidInput
from sealpost.domain.statement import SOURCED
from sealpost.domain.status import SHOWN_AS, TABLE
from sealpost.usecases.reads.tickets import Wanted, tickets
from sealpost.usecases.reads.viewer import of_person
from sealpost.web.pages import PageRequest, Serving, chosen_language, page, redirect
from sealpost.web.signin.entering import sign_in_first, signed_in
from sealpost.web.signin.way_back import DASHBOARD

FILTERS = ("status", "campaign", "x-own-id", "x-own-guid")  # the names of the XML interface
LONGEST = 200
EVENTS = tuple(
    event
    for status in TABLE
    for kind in (status.name, *(kind for kind, shown in SHOWN_AS.items() if shown == status.name))
    for event in (kind, *(f"{kind}.{source}" for source, kinds in SOURCED.items() if kind in kinds))
)
"""What the filter offers: each status as the list shows it, with whose word it is."""


@route("/", http_method=["GET", "HEAD"])
async def home(service: Serving) -> Response[str]:
    return redirect(service.face, DASHBOARD)


@route("/dashboard", http_method=["GET", "HEAD"])
async def dashboard(request: PageRequest, service: Serving) -> Response[Any]:
    """A page of the list; ``status``, ``campaign``, ``x-own-id`` and ``x-own-guid`` narrow it."""
    person = await signed_in(request, service)
    if person is None:
        return sign_in_first(service, DASHBOARD)
    chosen = filters(request)
    cursor = request.query_params.get("cursor")
    rows = await tickets(service, of_person(person), _wanted(chosen), cursor)
    context: dict[str, Any] = {
        "session": person,
        "tickets": rows,
        "is_first": cursor is None,
        "chosen": chosen,
        "asked": dict.fromkeys(FILTERS, "") | chosen,
        "statuses": EVENTS,
        "older": "/dashboard/?" + urlencode({**chosen, "cursor": rows.next}) if rows.next else None,
        "newest": "/dashboard/" + ("?" + urlencode(chosen) if chosen else ""),
    }
    return page(request, service.face, "dashboard/tickets.html", chosen_language(request, person.language), **context)


def filters(request: PageRequest) -> dict[str, str]:
    """What the form asks for; fields that were left empty ask for nothing.

    Raises:
        InvalidInput: a status that there is not, or a reference that no ticket can have.
    """
    given = {name: request.query_params.get(name, "").strip() for name in FILTERS}
    chosen = {name: text for name, text in given.items() if text}
    if chosen.get("status", EVENTS[0]) not in EVENTS:
        raise InvalidInput("status", "is not one of the table")
    for name, text in chosen.items():
        if len(text) > LONGEST or "\0" in text:
            raise InvalidInput(name, "is not a reference of a ticket")
    return chosen


def _wanted(chosen: dict[str, str]) -> Wanted:
    return Wanted(
        status_event=chosen.get("status"),
        campaign=chosen.get("campaign"),
        own_id=chosen.get("x-own-id"),
        own_guid=chosen.get("x-own-guid"),
    )
