"""Where mail comes in: bounces and replies, and the submission gateway."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from sealpost.inbound.destination import Destination
from sealpost.inbound.gateway import GatewayDestination
from sealpost.inbound.returned import ReturnedMails
from sealpost.inbound.server import InboundServer
from sealpost.settings import Settings, SettingsError
from sealpost.usecases.gateway import Gateway
from sealpost.usecases.service import Service
from sealpost.usecases.submit import Submitter


@asynccontextmanager
async def inbound(settings: Settings, service: Service) -> AsyncGenerator[int]:
    """Takes mail in until the end of the block; the port on which it listens.

    Raises:
        OSError: the port is taken.
        SettingsError: the certificate or its key cannot be used.
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
    try:
        # A passphrase in any case: for a key that has one, OpenSSL would ask at the terminal.
        context.load_cert_chain(settings.inbound_certificate, settings.inbound_key, password="")
    except OSError as error:  # SSLError as well; neither says which of the two files it is about
        raise _unusable(settings, error) from error
    return context


def _unusable(settings: Settings, error: OSError) -> SettingsError:
    certificate, key = settings.inbound_certificate, settings.inbound_key
    if why := _fault(certificate, load_pem_x509_certificates, "certificate"):
        return SettingsError(f"SEALPOST_INBOUND_CERTIFICATE: {certificate} {why}")
    if why := _fault(key, lambda octets: load_pem_private_key(octets, None), "key"):
        return SettingsError(f"SEALPOST_INBOUND_KEY: {key} {why}")
    why = (isinstance(error, ssl.SSLError) and error.reason) or error.strerror or str(error)
    return SettingsError(
        f"SEALPOST_INBOUND_CERTIFICATE and SEALPOST_INBOUND_KEY: {certificate} and {key} cannot be used together ({why})"
    )


def _fault(file: str, load: Callable[[bytes], object], what: str) -> str:
    """What is wrong with a file by itself, or nothing."""
    try:
        load(Path(file).read_bytes())
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except TypeError:
        return "has a passphrase, which a service cannot be asked for"
    except (ValueError, UnsupportedAlgorithm):
        return f"has no PEM {what} that can be used"
    return ""
