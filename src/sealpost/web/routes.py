"""Everything that the pages offer to the bootstrap: route lists, each with its guards.

``page_routes`` and ``reference_routes`` always; ``inbox_routes`` only in the demo; ``clock_routes`` only in the demo with ``--test-clock``.
The ticket page has no route of its own: its address is shared with the XML interface, so the bootstrap's dispatcher
calls ``sealpost.web.ticket.page.ticket_html``. Errors are left to the bootstrap too (``sealpost.web.failures``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from sealpost.usecases.service import Service
from sealpost.web.address.confirming import address_page, confirm_form
from sealpost.web.dashboard.notices import notices_form, notices_page
from sealpost.web.dashboard.tickets import dashboard, home
from sealpost.web.evidence.bundle import recipient_bundle, recipient_certificate, sender_bundle, sender_certificate
from sealpost.web.evidence.log import checkpoint, log_page, tile
from sealpost.web.evidence.trust import trust_file, trust_page
from sealpost.web.evidence.verify import verify_page
from sealpost.web.files import static_file
from sealpost.web.forms import LONGEST
from sealpost.web.genuine.page import genuine
from sealpost.web.guard import Guard, loopback_host, own_forms
from sealpost.web.inbox.api import message_list, message_raw
from sealpost.web.inbox.clock import advance
from sealpost.web.inbox.pane import inbox_file, inbox_frame, inbox_list, inbox_message
from sealpost.web.pickup.deciding import choose, confirm, confirm_page
from sealpost.web.pickup.download import download
from sealpost.web.pickup.landing import landing
from sealpost.web.pickup.link import link
from sealpost.web.reference.page import reference_page
from sealpost.web.signin.activation import activation_page, set_password
from sealpost.web.signin.entering import sign_in_form, sign_in_page, sign_out_form
from sealpost.web.ticket.withdrawing import withdraw_form

PAGES: tuple[ControllerRouterHandler, ...] = (
    link,
    landing,
    choose,
    confirm_page,
    confirm,
    download,
    sign_in_page,
    sign_in_form,
    sign_out_form,
    activation_page,
    set_password,
    address_page,
    confirm_form,
    withdraw_form,
    dashboard,
    notices_page,
    notices_form,
    home,
    genuine,
    log_page,
    checkpoint,
    tile,
    trust_page,
    trust_file,
    verify_page,
    sender_bundle,
    sender_certificate,
    recipient_bundle,
    recipient_certificate,
    static_file,
)
INBOX: tuple[ControllerRouterHandler, ...] = (
    inbox_list,
    inbox_message,
    inbox_frame,
    inbox_file,
    message_list,
    message_raw,
)


def page_routes(service: Service) -> list[ControllerRouterHandler]:
    """The pages of recipients and senders."""
    return [_router(service, PAGES, [])]


def reference_routes(service: Service, document: Mapping[str, Any]) -> list[ControllerRouterHandler]:
    """The page of the API's description, an OpenAPI document."""
    return [_router(service, [reference_page(document)], [])]


def inbox_routes(service: Service) -> list[ControllerRouterHandler]:
    """The demo's inbox: its pages and its API."""
    return [_router(service, INBOX, [loopback_host])]


def clock_routes(service: Service) -> list[ControllerRouterHandler]:
    """The demo's movable clock."""
    return [_router(service, [advance], [loopback_host])]


def _router(service: Service, handlers: Sequence[ControllerRouterHandler], guards: list[Guard]) -> Router:
    return Router(
        "/",
        route_handlers=handlers,
        guards=[own_forms(service.face), *guards],
        dependencies={"service": Provide(lambda: service, sync_to_thread=False)},
        include_in_schema=False,
        request_max_body_size=LONGEST,
    )
