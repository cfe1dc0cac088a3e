"""Rotate an evidence key: the new one signs, the old ones stay for what they signed (evidence format, section 7)."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from sealpost.domain.errors import InvalidInput
from sealpost.seal.key_files import PURPOSES
from sealpost.seal.pki import SEALING, TEST_ONLY, is_outdated, rotate
from sealpost.store import logs, records
from sealpost.usecases.database import transaction
from sealpost.usecases.extend_log import begin_log, next_name
from sealpost.usecases.installation import CHAIN, append_event, record_event
from sealpost.usecases.service import Service

OF_THE_LOG = ("log-ed25519", "log-mldsa44")

log = structlog.get_logger()


async def rotate_key(service: Service, purpose: str) -> int:
    """Makes the next key of a purpose, and the record that says so; a log's key begins the next log.

    The record is sealed by the key before: what already is trusted introduces what is new. A crash after the key is made
    leaves it without the record; rotating again makes another.

    Args:
        service: the parts.
        purpose: one of `seal.key_files.PURPOSES`.

    Returns:
        Its number.

    Raises:
        InvalidInput: no such purpose.
        KeysRefused, OSError: the folder cannot be used.
        Unavailable: the database is away.
    """
    allowed = [one for one in PURPOSES if one not in TEST_ONLY or service.issuer.environment == "test"]
    if purpose not in allowed:
        raise InvalidInput("purpose", f"must be one of {', '.join(allowed)}")
    made = await _next_key(service, purpose)
    number: int = made["number"]
    await record_event(service, "key_rotated", made)
    newest = await logs.newest(service.pool)
    if purpose in OF_THE_LOG and newest is not None:
        await begin_log(service, next_name(newest.name))
    return number


async def _next_key(service: Service, purpose: str) -> dict[str, Any]:
    """Makes it; what its record says."""
    keys = service.evidence.keys
    number = await asyncio.to_thread(rotate, keys, purpose, service.issuer, service.clock.now())
    chain = keys.certificates(purpose, number)
    shown = {"certificateSha256": _fingerprint(chain[0])} if chain else {}
    return {"purpose": purpose, "number": number, **shown}


async def renew_seals(service: Service) -> list[str]:
    """Rotates the keys that seal where their certificate is of former times (`seal.pki.is_outdated`); which ones.

    For the start after an upgrade or a change of the operator's name. Several processes may do so at once: one does it.
    A crash after the key is made leaves it without the record, as `rotate_key` does.

    Raises:
        KeysRefused, OSError: the folder cannot be used.
        Unavailable: the database is away.
    """
    async with transaction(service) as connection:
        await records.newest_locked(connection, CHAIN)  # others who do the same wait here
        keys, now = service.evidence.keys, service.clock.now()
        outdated = [one for one in SEALING if is_outdated(keys, one, service.issuer, now)]
        for purpose in outdated:
            made = await _next_key(service, purpose)
            await append_event(service, connection, "key_rotated", made)
            log.info("an evidence key has a new certificate", purpose=purpose, number=made["number"])
    return outdated


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(SHA256()).hex()
