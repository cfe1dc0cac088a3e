"""Evidence to take away, whole or the certificate alone: from the ticket page for the sender's people, from the pickup page for the recipient."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

from litestar import Response, get, post
from litestar.response import Stream

from sealpost.access.middleware import refuse_head
from sealpost.access.refusals import TooOften
from sealpost.domain.errors import Conflict, NotFound
from sealpost.domain.ids import is_ticket_token
from sealpost.seal.bundle.bundle import MEDIA_TYPE, Bundle
from sealpost.usecases.gather import (
    certificate_for_recipient,
    certificate_for_sender,
    for_recipient,
    for_sender,
    streamed,
)
from sealpost.usecases.reads.session import Session
from sealpost.usecases.reads.viewer import of_person
from sealpost.usecases.service import Face, Service
from sealpost.web.acts import web_act
from sealpost.web.headers import FILE_POLICY, security_headers
from sealpost.web.pages import PageRequest, Serving, chosen_language
from sealpost.web.pickup.landing import Visit, landing_html, not_here, show_landing, visit
from sealpost.web.signin.entering import sign_in_first, signed_in
from sealpost.web.signin.way_back import TICKET
from sealpost.web.ticket.page import no_ticket


@get("/dashboard/evidence/{token:str}")
async def sender_bundle(request: PageRequest, service: Serving) -> Response[Any]:
    """All evidence of a ticket, for its account; not for a HEAD, which would have it made for its length alone."""

    async def make(person: Session, token: str, language: str) -> Stream:
        return await given_out(for_sender(service, of_person(person), token, language), service.face, token)

    return await _for_person(request, service, make)


@get("/dashboard/certificate/{token:str}")
async def sender_certificate(request: PageRequest, service: Serving) -> Response[Any]:
    """Its certificate alone, for the same people."""

    async def make(person: Session, token: str, language: str) -> Response[bytes]:
        return pdf_of(await certificate_for_sender(service, of_person(person), token, language), service.face, token)

    return await _for_person(request, service, make)


async def _for_person(
    request: PageRequest, service: Service, make: Callable[[Session, str, str], Awaitable[Response[Any]]]
) -> Response[Any]:
    refuse_head(request.scope)
    token = str(request.path_params["token"])
    person = await signed_in(request, service)
    if person is None:
        return sign_in_first(
            service, f"{TICKET}?ticket_token={token}&action=ticket_html" if is_ticket_token(token) else ""
        )
    if not is_ticket_token(token):
        return no_ticket(request, service, person)
    _counted(service, "person", str(person.user_id))
    try:
        return await make(person, token, chosen_language(request, person.language))
    except NotFound:
        return no_ticket(request, service, person)


@post("/pickup/{token:str}/evidence", status_code=200)
async def recipient_bundle(request: PageRequest, service: Serving) -> Response[Any]:
    """The bundle for the recipient, by a form that POSTs: the contents may be in it."""

    async def make(visited: Visit) -> Stream:
        token, act = visited.pickup.ticket_token, web_act(request, landing_html(service.face, visited))
        bundle = for_recipient(service, token, visited.secrets, visited.language, act)
        return await given_out(bundle, service.face, token)

    return await _for_visitor(request, service, make)


@post("/pickup/{token:str}/certificate", status_code=200)
async def recipient_certificate(request: PageRequest, service: Serving) -> Response[Any]:
    """The certificate alone for the recipient, asked for in the same way."""

    async def make(visited: Visit) -> Response[bytes]:
        token = visited.pickup.ticket_token
        pdf = await certificate_for_recipient(service, token, visited.secrets, visited.language)
        return pdf_of(pdf, service.face, token)

    return await _for_visitor(request, service, make)


async def _for_visitor(
    request: PageRequest, service: Service, make: Callable[[Visit], Awaitable[Response[Any]]]
) -> Response[Any]:
    visited = await visit(request, service)
    if visited is None:
        return await not_here(request, service)
    if visited.pickup.decision:  # before, none is made; and without a living link nobody can use the recipient's up
        _counted(service, "recipient", visited.pickup.ticket_token)
    try:
        return await make(visited)
    except Conflict:
        return show_landing(request, service.face, visited, status=409)


def _counted(service: Service, kind: Literal["recipient", "person"], who: str) -> None:
    seconds = service.throttle.bundle(kind, who)
    if seconds:
        raise TooOften(seconds)


async def given_out(bundle: AbstractAsyncContextManager[Bundle], face: Face, token: str) -> Stream:
    """An answer that streams a bundle; whatever can fail has failed before it begins.

    Args:
        bundle: of `usecases.gather`.
        face: how the service is reached.
        token: the ticket's.
    """
    size, octets = await streamed(bundle)
    headers = security_headers(face, FILE_POLICY) | {
        "Content-Disposition": f'attachment; filename="evidence-{token}.asice"',
        "Content-Length": str(size),
    }
    return Stream(octets, media_type=MEDIA_TYPE, headers=headers)


def pdf_of(pdf: bytes, face: Face, token: str) -> Response[bytes]:
    """An answer with a certificate, to be kept as a file.

    Args:
        pdf: sealed.
        face: how the service is reached.
        token: the ticket's.
    """
    headers = security_headers(face, FILE_POLICY) | {
        "Content-Disposition": f'attachment; filename="certificate-{token}.pdf"'
    }
    return Response(pdf, media_type="application/pdf", headers=headers)
