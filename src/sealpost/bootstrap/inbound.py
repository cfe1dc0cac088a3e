"""Where mail comes in: bounces and replies, and the submission gateway."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sealpost.inbound.destination import Destination
from sealpost.inbound.gateway import GatewayDestination
from sealpost.inbound.returned import ReturnedMails
from sealpost.inbound.server import InboundServer
from sealpost.settings import Settings
from sealpost.usecases.gateway import Gateway
from sealpost.usecases.service import Service
from sealpost.usecases.submit import Submitter


@asynccontextmanager
async def inbound(settings: Settings, service: Service) -> AsyncGenerator[int]:
    """Takes mail in until the end of the block; the port on which it listens.

    Raises:
        OSError: the port is taken, or the certificate cannot be read.
    """
    submitter = Submitter(service)
    gateway = GatewayDestination(Gateway(service, submitter, settings.gateway)) if settings.gateway else None
    destinations: list[Destination] = [ReturnedMails(service), *([gateway] if gateway else [])]
    server = InboundServer(
        destinations,
        host=settings.inbound_bind,
        port=settings.inbound_port,
        hostname=settings.our_name,
        size_limit=settings.max_request,
        tls=_tls(settings),
        authenticate=gateway.authenticate if gateway else None,
    )
    try:
        yield await _started(server, settings)
    finally:
        await server.stop()
        await submitter.close()


async def _started(server: InboundServer, settings: Settings) -> int:
    try:
        return await server.start()
    except OSError as error:
        where = f"{settings.inbound_bind}:{settings.inbound_port}"
        raise OSError(
            f"cannot take mail in on {where}: {error.strerror} (SEALPOST_INBOUND_PORT sets another port, 0 none)"
        ) from error


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.inbound_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.inbound_certificate, settings.inbound_key)
    return context
