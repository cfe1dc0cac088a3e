"""The seal of a record (evidence format, section 2), and what happens while none can be made.

New submissions fail closed: without a key, or with a certificate that has ended, they are refused. A fact that has
happened is always stored at once, and sealed by ``seal_pending`` when the key is back. It seals only what a process of
this service has stored: the salt of each record says so, to whoever has the key of the installation.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import structlog

from sealpost.domain.canonical import sha256
from sealpost.domain.errors import Unavailable
from sealpost.domain.records import Event, Link, Record, Subject, make
from sealpost.seal.jades import seal
from sealpost.seal.signer import Signer, SigningFailed
from sealpost.store import records
from sealpost.store.pool import Connection
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service

BATCH = 200
RANDOM = 16
"""Octets of a salt that are random; as many follow that only this installation can make for that record."""

log = structlog.get_logger()


def make_record(service: Service, subject: Subject, link: Link, event: Event, evidence_id: UUID) -> Record:
    """A record that names the certificate by which this service seals now; for one that is sealed at once, or not at all."""
    clock = service.evidence.guard.statement()
    return make(service.issuer, subject, link, event, evidence_id, clock, _certificate_of(service.sealer))


def make_sealed_fact(
    service: Service, subject: Subject, link: Link, event: Event, evidence_id: UUID
) -> tuple[Record, bytes | None]:
    """A record and its seal; without a seal it names no certificate, since another key may seal it later."""
    record = make_record(service, subject, link, event, evidence_id)
    octets = seal_fact(service, record)
    if octets is not None:
        return record, octets
    return make(service.issuer, subject, link, event, evidence_id, service.evidence.guard.statement()), None


def _certificate_of(signer: Signer) -> bytes | None:
    try:
        return _sha256(signer.certificates[0]) if signer.certificates else None
    except SigningFailed:  # it is away, and so nothing will be sealed now
        return None


@lru_cache(maxsize=8)  # once for each key, not for each record
def _sha256(certificate: bytes) -> bytes:
    return hashlib.sha256(certificate).digest()


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


def salt_for(service: Service, record: Record) -> bytes:
    """The salt of a record, 32 octets: nobody can guess it, and nobody else can make one for another record."""
    drawn = service.random(RANDOM)
    return drawn + _made_here(service, drawn, record.sha256)


def is_ours(service: Service, row: Any) -> bool:
    """Whether this service stored the record (octets, salt): whoever rules over the database cannot make one that it did."""
    drawn, made = row["salt"][:RANDOM], row["salt"][RANDOM:]
    return hmac.compare_digest(made, _made_here(service, drawn, sha256(row["octets"])))


def _made_here(service: Service, drawn: bytes, record_sha256: bytes) -> bytes:
    return hmac.digest(service.mac_key, b"sealpost record salt\n" + drawn + record_sha256, "sha256")[:RANDOM]


async def seal_pending(service: Service) -> int:
    """Seals records that were stored without; how many. A crash leaves them for the next call.

    A record that this service did not store is set aside: it gets no seal and no place in the log. Whether an upgrade
    adopts it (`adopt`) is not decided here.

    Raises:
        Unavailable: the database is away, or none can be sealed yet.
    """
    while True:
        async with transaction(service) as connection:
            rows = await records.unsealed(connection, BATCH)
            ours, others = list[Any](), list[Any]()
            for row in rows:
                (ours if is_ours(service, row) else others).append(row)
            for row in ours:
                await records.keep_seal(connection, row["ticket_id"], row["seq"], make_seal(service, row["octets"]))
            await _set_rows_aside(service, connection, others)
        if ours or len(rows) < BATCH:
            return len(ours)


async def _set_rows_aside(service: Service, connection: Connection, rows: Sequence[Any]) -> None:
    known = await asyncio.to_thread(service.adoptions.hashes) if rows else frozenset[bytes]()
    for row in rows:
        await records.set_aside(connection, row["ticket_id"], row["seq"])
        if sha256(row["octets"]) not in known:
            log.error("a record that is not ours gets no seal", ticket=str(row["ticket_id"]), seq=row["seq"])


def make_seal(service: Service, octets: bytes) -> bytes:
    """The seal of a record that is stored already.

    Raises:
        Unavailable: none can be made now.
    """
    try:
        return seal(service.sealer, octets, service.clock.now())
    except SigningFailed as error:
        raise Unavailable("records cannot be sealed") from error
