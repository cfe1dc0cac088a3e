"""The vendor face's framework routes, for bootstrap. ``api.send`` stands beside them, without the framework."""

from __future__ import annotations

from litestar import Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from sealpost.access.middleware import SMALL_BODY
from sealpost.api.addresses import ADDRESS_ROUTES
from sealpost.api.answers import api_error
from sealpost.api.evidence import certificate, evidence
from sealpost.api.oauth import access_token, revoke
from sealpost.api.openapi import openapi_route
from sealpost.api.users import USER_ROUTES
from sealpost.usecases.service import Service


def api_routes(service: Service) -> list[ControllerRouterHandler]:
    """OAuth, users, their addresses, evidence, and the description of it all; every exception in them becomes the envelope."""
    return [
        Router(
            "/",
            route_handlers=[
                access_token,
                revoke,
                *USER_ROUTES,
                *ADDRESS_ROUTES,
                evidence,
                certificate,
                openapi_route(service.face.base_url),
            ],
            dependencies={"service": Provide(lambda: service, sync_to_thread=False)},
            exception_handlers={Exception: api_error},
            request_max_body_size=SMALL_BODY,
        )
    ]
