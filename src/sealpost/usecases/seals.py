"""The seal of a record (evidence format, section 2), and what happens while none can be made.

New submissions fail closed: without a key, or with a certificate that has ended, they are refused. A fact that has
happened is always stored at once, and sealed by ``seal_pending`` when the key is back.
"""

from __future__ import annotations

import structlog

from sealpost.domain.errors import Unavailable
from sealpost.domain.records import Record
from sealpost.seal.jades import seal
from sealpost.seal.signer import SigningFailed
from sealpost.store import records
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service

BATCH = 200

log = structlog.get_logger()


def seal_submission(service: Service, record: Record) -> bytes:
    """The seal of a submission's record, which is made before anything is taken in.

    Raises:
        Unavailable: none can be made now.
    """
    try:
        return seal(service.sealer, record.octets, service.clock.now())
    except SigningFailed as error:
        log.warning("records cannot be sealed", why=str(error))
        raise Unavailable("records cannot be sealed") from error


def seal_fact(service: Service, record: Record) -> bytes | None:
    """The seal of what has happened, or None: it is stored all the same and sealed later."""
    try:
        return seal(service.sealer, record.octets, service.clock.now())
    except SigningFailed as error:
        log.warning("records cannot be sealed", why=str(error))
        return None


async def seal_pending(service: Service) -> int:
    """Seals a batch of records that were stored without; how many. A crash leaves them for the next call.

    Raises:
        Unavailable: the database is away, or none can be sealed yet.
    """
    async with transaction(service) as connection:
        rows = await records.unsealed(connection, BATCH)
        for row in rows:
            try:
                octets = seal(service.sealer, row["octets"], service.clock.now())
            except SigningFailed as error:
                raise Unavailable("records cannot be sealed") from error
            await records.keep_seal(connection, row["ticket_id"], row["seq"], octets)
    return len(rows)
