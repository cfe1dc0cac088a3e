"""Time tokens (RFC 3161): on every checkpoint, on the seals of decisive records, and again before they end.

The authority is asked outside of any transaction, and what it answers is checked before it is kept. A crash in between
costs a token, which is asked for again.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from sealpost.domain.seals import NoSeal
from sealpost.seal.jades import imprint_octets, with_timestamp
from sealpost.seal.timestamps.client import Stamper
from sealpost.seal.timestamps.token import Token, check
from sealpost.store import logs, records
from sealpost.usecases.database import as_writer
from sealpost.usecases.service import Service

BATCH = 10
RENEW = timedelta(days=90)
"""How long before the authority's certificate ends a checkpoint gets another token."""

log = structlog.get_logger()


async def stamp_pending(service: Service) -> int | None:
    """Asks for the tokens that are missing, a batch of each kind; how many came, None: another process is at it.

    Raises:
        Unavailable: the database or the authority is away.
    """
    return await as_writer(service, _stamp, logs.STAMPS) if service.evidence.stamper else 0


async def _stamp(service: Service) -> int:
    stamper = service.evidence.stamper
    if stamper is None:
        return 0
    return await _checkpoints(service, stamper) + await _decisions(service, stamper)


async def _checkpoints(service: Service, stamper: Stamper) -> int:
    now = service.clock.now()
    found = await logs.unstamped(service.pool, BATCH)
    found += await logs.ending(service.pool, now, now + RENEW, BATCH)
    for one in found:
        answer, token = await _token(service, stamper, one.stamped)
        await logs.keep_token(service.pool, one, answer, token.authority.not_valid_after_utc)
    return len(found)


async def renew_newest(service: Service) -> int | None:
    """Asks whether the authority has a newer certificate by now, which an idle log's next checkpoint would not show soon.

    For the worker, at most once a day while the end is near: a token that gains nothing is thrown away, and one that
    gains something tells `stamp_pending` that the older checkpoints' tokens can be renewed as well.

    Returns:
        How many tokens came; None: another process is at it.

    Raises:
        Unavailable: the database or the authority is away.
    """
    return await as_writer(service, _renew_newest, logs.STAMPS) if service.evidence.stamper else 0


async def _renew_newest(service: Service) -> int:
    now, stamper = service.clock.now(), service.evidence.stamper
    found = await logs.last_to_end(service.pool, now, now + RENEW)
    if stamper is None or found is None:
        return 0
    settled, ends = found
    answer, token = await _token(service, stamper, settled.stamped)
    until = token.authority.not_valid_after_utc
    if until <= ends:
        return 0
    await logs.keep_token(service.pool, settled, answer, until)
    return 1


async def _decisions(service: Service, stamper: Stamper) -> int:
    rows = await records.unstamped(service.pool, BATCH)
    for row in rows:
        try:
            _, token = await _token(service, stamper, imprint_octets(row["seal"]))
            stamped = with_timestamp(row["seal"], token.octets)
        except NoSeal as error:  # damaged, or stamped by hand: it must not stop those behind it
            log.exception("a seal gets no time token", ticket=str(row["ticket_id"]), seq=row["seq"], why=str(error))
            stamped = row["seal"]
        await records.keep_stamped(service.pool, row, stamped, service.clock.now())
    return len(rows)


async def _token(service: Service, stamper: Stamper, octets: bytes) -> tuple[bytes, Token]:
    answer = await stamper.stamp(octets)
    return answer, check(answer, octets, service.evidence.tsa_roots)
