"""The vendor face's framework routes, for bootstrap. ``api.send`` stands beside them, without the framework."""

from __future__ import annotations

from litestar import Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from sealpost.access.middleware import SMALL_BODY
from sealpost.api.answers import api_error
from sealpost.api.oauth import access_token, revoke
from sealpost.api.users import new_user
from sealpost.usecases.service import Service


def api_routes(service: Service) -> list[ControllerRouterHandler]:
    """OAuth and users; every exception in them becomes the envelope."""
    return [
        Router(
            "/",
            route_handlers=[access_token, revoke, new_user],
            dependencies={"service": Provide(lambda: service, sync_to_thread=False)},
            exception_handlers={Exception: api_error},
            request_max_body_size=SMALL_BODY,
        )
    ]
