"""The fault grid by address: a server's fault at the first of two addresses, or at both, over IPv4 alone and over both families."""

from __future__ import annotations

import dataclasses
import os
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sealpost.mail.direct import Direct
from sealpost.mail.session import Timeouts
from sealpost.mail.transport import Envelope, Handover
from tests.mail.fault_grid import CELLS, Cell, FaultyServer
from tests.mail.test_direct import in_order
from tests.mail.test_fault_grid import MAIL, PATIENT

COMPLETE = bool(os.environ.get("SEALPOST_FAULTS_COMPLETE"))
# One of each outcome and stage, and none that lasts where another one will do.
FEW = list({(cell.outcome, cell.stage): cell for cell in sorted(CELLS, key=lambda cell: not cell.lasting)}.values())
PATIENCE = 1.0
HASTY = Timeouts(
    connect=PATIENCE, greeting=PATIENCE, command=PATIENCE, tls=5, data=PATIENCE, block=5, dot=PATIENCE, quit=PATIENCE
)
PAIRS = {"IPv4": ("127.0.0.1", "127.0.0.2"), "both": ("::1", "127.0.0.1")}
GOES_ON = frozenset({"connect", "greeting", "ehlo", "starttls", "mail", "rcpt", "data"})
"""Stages at which what is no refusal of the recipient leads to the next address."""


@asynccontextmanager
async def two_servers(
    pair: tuple[str, str], first: Cell, second: Cell | None, context: ssl.SSLContext
) -> AsyncGenerator[tuple[FaultyServer, FaultyServer]]:
    """Both on one port; the second is a good one unless it has a fault, too."""
    while True:
        one = FaultyServer(first.at, first.fault, context, pair[0])
        await one.start()
        other = FaultyServer(second.at if second else "", second.fault if second else "", context, pair[1], one.port)
        try:
            await other.start()
            break
        except OSError:  # somebody else has this port at the other address
            await one.stop()
    try:
        yield one, other
    finally:
        await one.stop()
        await other.stop()


async def sent(pair: tuple[str, str], cell: Cell, port: int, trusted: ssl.SSLContext, envelope: Envelope) -> Handover:
    async def mark() -> None:
        """The dot may be sent."""

    demanded = cell.column == "demanded"
    transport = Direct(
        dns=in_order(mx=list(pair)),
        sts=None,
        our_name="out.sealpost.test",
        clock=lambda: datetime.now(UTC),
        shuffle=lambda _: None,
        port=port,
        private=True,
        context=trusted if demanded else None,
        timeouts=HASTY if cell.lasting else PATIENT,
    )
    got = await transport.hand_over(dataclasses.replace(envelope, tls_verified=demanded), MAIL, mark)
    await transport.close()
    return got


@pytest.fixture(scope="module")
def trusted(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("cell", CELLS if COMPLETE else FEW, ids=lambda cell: f"{cell.column}-{cell.fault}")
async def test_at_the_first_of_two(
    cell: Cell, pair: str, server_tls: ssl.SSLContext, trusted: ssl.SSLContext, envelope: Envelope
) -> None:
    """Whatever is said before the recipient was refused, or before the dot was due, the other address has its turn."""
    async with two_servers(PAIRS[pair], cell, None, server_tls) as (one, other):
        got = await sent(PAIRS[pair], cell, one.port, trusted, envelope)
        if cell.outcome == "delayed" and cell.stage in GOES_ON:
            assert (got.outcome, got.address, other.mails) == ("accepted", PAIRS[pair][1], [MAIL])
            assert [(past.address, past.stage, past.reason) for past in got.earlier] == [
                (PAIRS[pair][0], cell.stage, cell.reason)
            ]
            return
        assert (got.outcome, got.reason, got.stage) == (cell.outcome, cell.reason, cell.stage)
        assert (got.address, got.earlier, other.talks) == (PAIRS[pair][0], (), [])


@pytest.mark.parametrize("cell", CELLS if COMPLETE else FEW, ids=lambda cell: f"{cell.column}-{cell.fault}")
async def test_at_both(cell: Cell, server_tls: ssl.SSLContext, trusted: ssl.SSLContext, envelope: Envelope) -> None:
    """What all say is the outcome; of two that delay, each stands in the record."""
    pair = PAIRS["both"]
    async with two_servers(pair, cell, cell, server_tls) as (one, _):
        got = await sent(pair, cell, one.port, trusted, envelope)
        assert (got.outcome, got.reason, got.stage) == (cell.outcome, cell.reason, cell.stage)
        both = cell.outcome == "delayed" and cell.stage in GOES_ON
        assert [past.address for past in (*got.earlier, got)] == (list(pair) if both else [pair[0]])
