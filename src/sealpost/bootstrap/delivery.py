"""How mail leaves: through a relay, or directly to the recipients' own servers."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from datetime import datetime
from ipaddress import ip_address

import httpx2

from sealpost.clock import Clock
from sealpost.content.vault import Vault
from sealpost.mail.direct import Direct
from sealpost.mail.dns import Dns, Resolver
from sealpost.mail.mta_sts import Memory, MtaSts, fetcher
from sealpost.mail.relay import Relay
from sealpost.mail.route import is_public
from sealpost.mail.session import TlsMode
from sealpost.mail.transport import Transport
from sealpost.settings import Settings
from sealpost.store.account_mail import OwnRelay
from sealpost.store.pool import Pool
from sealpost.usecases.ways_out import WaysOut

CONNECTIONS = 20
"""To one server at a time."""


def resolver(settings: Settings) -> Resolver:
    """Where questions to the DNS go."""
    servers = [one.strip() for one in settings.dns.split(",") if one.strip()]
    return Resolver(servers, port=settings.dns_port)


async def transport_of(settings: Settings, clock: Clock, dns: Dns, memory: Memory, stack: AsyncExitStack) -> Transport:
    """The installation's way out; closed with the stack."""
    chosen = relay_of(settings, clock) if settings.smtp_host else await _direct(settings, clock, dns, memory, stack)
    stack.push_async_callback(chosen.close)
    return chosen


def relay_of(settings: Settings, clock: Clock) -> Relay:
    """To the relay that is set."""
    relay = OwnRelay(settings.smtp_host, settings.smtp_port, settings.smtp_tls, settings.smtp_user, None)
    return _relay(settings, clock, relay, settings.smtp_password)


async def ways_of(settings: Settings, clock: Clock, pool: Pool, vault: Vault, stack: AsyncExitStack) -> WaysOut:
    """Accounts' own relays; closed with the stack."""
    ways = WaysOut(lambda relay, password: _relay(settings, clock, relay, password), pool, vault, clock)
    stack.push_async_callback(ways.close)
    return ways


def _relay(settings: Settings, clock: Clock, relay: OwnRelay, password: str) -> Relay:
    return Relay(
        host=relay.host,
        port=relay.port,
        our_name=settings.our_name,
        clock=clock.now,
        tls=tls_mode(relay.tls),
        username=relay.user or None,
        password=password or None,
        max_connections=CONNECTIONS,
    )


def tls_mode(text: str) -> TlsMode:
    """A relay's TLS, as a setting or an account's row has it."""
    match text:
        case "none" | "opportunistic" | "required":
            return text
        case _:
            raise AssertionError(text)


async def _direct(settings: Settings, clock: Clock, dns: Dns, memory: Memory, stack: AsyncExitStack) -> Direct:
    http = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False, follow_redirects=False, timeout=10))
    private = settings.smtp_private == "yes"

    async def allowed(host: str) -> bool:
        answers = [await dns.look_up(host, kind) for kind in ("A", "AAAA")]
        found = [ip_address(value) for answer in answers if answer.status == "found" for value in answer.values]
        return private or (bool(found) and all(is_public(one) for one in found))

    def real() -> datetime:
        return clock.real()

    return Direct(
        dns=dns,
        sts=MtaSts(dns, fetcher(http, allowed), memory, real),
        our_name=settings.our_name,
        clock=clock.now,
        shuffle=random.shuffle,
        port=settings.smtp_port,
        private=private,
        max_connections=CONNECTIONS,
    )
