"""Where mail comes in: bounces and replies, and the submission gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from sealpost.bootstrap.inbound_certificate import InboundCertificate
from sealpost.inbound.destination import Destination
from sealpost.inbound.gateway import GatewayDestination
from sealpost.inbound.returned import ReturnedMails
from sealpost.inbound.server import InboundServer
from sealpost.settings import Settings
from sealpost.usecases.gateway import Gateway
from sealpost.usecases.service import Service
from sealpost.usecases.submit import Submitter

LOOK_EVERY = 60.0
"""Seconds between two looks at the files of the certificate: a renewal has days."""


@asynccontextmanager
async def inbound(settings: Settings, service: Service, *, look_every: float = LOOK_EVERY) -> AsyncGenerator[int]:
    """Takes mail in until the end of the block; the port on which it listens.

    Args:
        settings: how this installation runs.
        service: the parts.
        look_every: seconds between two looks whether the certificate was renewed.

    Raises:
        OSError: the port is taken.
        SettingsError: the certificate or its key cannot be used.
    """
    submitter = Submitter(service)
    gateway = GatewayDestination(Gateway(service, submitter, settings.gateway)) if settings.gateway else None
    certificate = InboundCertificate(settings) if settings.inbound_certificate else None
    destinations: list[Destination] = [ReturnedMails(service), *([gateway] if gateway else [])]
    server = InboundServer(
        destinations,
        host=settings.inbound_bind,
        port=settings.inbound_port,
        hostname=settings.our_name,
        size_limit=settings.max_request,
        tls=certificate.context if certificate else None,
        authenticate=gateway.authenticate if gateway else None,
    )
    following = asyncio.create_task(_follow(certificate, server, look_every)) if certificate else None
    try:
        yield await _started(server, settings)
    finally:
        if following is not None:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
        await server.stop()
        await submitter.close()


async def _follow(certificate: InboundCertificate, server: InboundServer, every: float) -> None:
    """Shows what stands in the files, also after they were renewed; connections that are open keep what they have."""
    while True:
        await asyncio.sleep(every)
        context = await asyncio.to_thread(certificate.renewed)
        if context is not None:
            server.show(context)


async def _started(server: InboundServer, settings: Settings) -> int:
    try:
        return await server.start()
    except OSError as error:
        where = f"{settings.inbound_bind}:{settings.inbound_port}"
        raise OSError(
            f"cannot take mail in on {where}: {error.strerror} (SEALPOST_INBOUND_PORT sets another port, 0 none)"
        ) from error
