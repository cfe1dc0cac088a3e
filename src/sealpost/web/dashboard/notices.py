"""Which statuses are mailed to the sender (contract, section 9): the choice of the account's administrators."""

from __future__ import annotations

from typing import Any

from litestar import Response, post, route

from sealpost.domain.errors import NotAllowed
from sealpost.usecases.change_account import AccountChange, change_account
from sealpost.usecases.reads.notices import CHOICES, notices
from sealpost.usecases.reads.session import Session
from sealpost.usecases.service import Service
from sealpost.web.forms import fields
from sealpost.web.pages import PageRequest, Serving, chosen_language, page, redirect
from sealpost.web.signin.entering import sign_in_first, signed_in
from sealpost.web.signin.way_back import NOTICES


@route("/dashboard/notices", http_method=["GET", "HEAD"])
async def notices_page(request: PageRequest, service: Serving) -> Response[Any]:
    """The form as the account has it; for others than administrators 403."""
    person = await signed_in(request, service)
    if person is None:
        return sign_in_first(service, NOTICES)
    _check_role(person)
    return await _show(request, service, person)


@post("/dashboard/notices")
async def notices_form(request: PageRequest, service: Serving) -> Response[Any]:
    """Keeps what is ticked and shows it again by 303."""
    person = await signed_in(request, service)
    if person is None:
        return sign_in_first(service, NOTICES)
    _check_role(person)
    form = await fields(request)
    ticked = ",".join(name for name in CHOICES if form.get(name) == "yes")
    await change_account(service, person.account_id, AccountChange(notices=ticked))
    language = chosen_language(request, person.language)
    return redirect(service.face, f"{NOTICES}?saved=yes&lang={language}")


def _check_role(person: Session) -> None:
    if person.role != "administrator":
        raise NotAllowed("an administrator chooses for the account")


async def _show(request: PageRequest, service: Service, person: Session) -> Response[str]:
    context: dict[str, Any] = {
        "session": person,
        "choices": CHOICES,
        "chosen": await notices(service, person.account_id),
        "saved": request.query_params.get("saved") == "yes",
    }
    return page(request, service.face, "dashboard/notices.html", chosen_language(request, person.language), **context)
