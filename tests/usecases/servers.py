"""Scripted SMTP servers for worlds: one is served, a relay of a world's goes to it, and what was said is looked up."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sealpost.domain.parties import Sender
from sealpost.mail.relay import Relay
from sealpost.mail.session import Timeouts, TlsMode
from sealpost.mail.transport import Transport
from tests.scripted import Scripted
from tests.usecases.test_outcomes import ended
from tests.world import World

QUICK = Timeouts(connect=5, greeting=5, command=5, tls=5, data=5, block=5, dot=5)


@asynccontextmanager
async def served(
    script: dict[str, bytes | str] | None = None, context: ssl.SSLContext | None = None
) -> AsyncGenerator[Scripted]:
    """A server on loopback, with TLS if it has a context and its script offers it."""
    server = Scripted(script or {}, context)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        await ended(server, listening)


@asynccontextmanager
async def sending_to(
    world: World, server: Scripted, tls: TlsMode = "none", trusted: ssl.SSLContext | None = None
) -> AsyncGenerator[World]:
    """The world, whose mail goes to the server."""
    relay = Relay(
        host="127.0.0.1", port=server.port, our_name="out.test", clock=world.clock.now, tls=tls, context=trusted, timeouts=QUICK
    )  # fmt: skip
    try:
        yield through(world, relay)
    finally:
        await relay.close()


def through(world: World, transport: Transport) -> World:
    return changed(world, transport=transport)


def changed(world: World, **parts: Any) -> World:
    return dataclasses.replace(world, service=dataclasses.replace(world.service, **parts))


def charlies(world: World) -> dict[str, Any]:
    """What makes a message Charlie's."""
    return {
        "sender": Sender(world.charlie, "Charlie B.V.", "client:charlie-client", "oauth2-client-credentials"),
        "sender_email": "charlie@example.net",
        "sender_name": "Charlie",
    }


def envelopes(server: Scripted) -> list[tuple[str, str]]:
    """The MAIL and RCPT commands, in pairs."""
    said = [command.decode() for command in server.commands]
    return list(
        zip(
            [one for one in said if one.startswith("MAIL ")],
            [one for one in said if one.startswith("RCPT ")],
            strict=True,
        )
    )


def path(command: str) -> str:
    """What stands between the angle brackets."""
    return command.partition("<")[2].partition(">")[0]


def smtp_of(record: bytes) -> dict[str, Any]:
    """A record's ``smtp`` extension."""
    return json.loads(record)["Extensions"][0]["sealpost/1"]["smtp"]
