"""What is published so that others can check: the trust folder, and the log as it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sealpost.domain.checkpoint import read_checkpoint
from sealpost.domain.errors import Unavailable
from sealpost.domain.note import read
from sealpost.seal.bundle.bundle import SealedRecord
from sealpost.seal.key_files import KeysRefused
from sealpost.seal.trust import LogKeys, trust_files
from sealpost.store import logs, records
from sealpost.store.logs import Log
from sealpost.store.pool import AWAY
from sealpost.usecases.installation import CHAIN
from sealpost.usecases.reads.proofs import covered, proven
from sealpost.usecases.service import Service


@dataclass(frozen=True, slots=True)
class LogView:
    """A log as anybody may see it; ``size`` is that of its newest checkpoint, ``at`` its time; ``stopped`` says why it ended."""

    name: str
    origin: str
    size: int
    at: datetime | None
    stopped: str | None


async def trust_folder(service: Service) -> dict[str, bytes]:
    """The trust folder: path → octets; with the records about the installation itself (``events/``).

    Raises:
        Unavailable: the database or the keys are away.
    """
    files = await keys_and_policy(service)
    try:
        found = await covered(service.pool, await records.with_seals(service.pool, CHAIN))
    except AWAY as error:
        raise Unavailable("the database is away") from error
    return files | dict(_events((await proven(service, found, damaged_too=True)).records))


async def keys_and_policy(service: Service) -> dict[str, bytes]:
    """The same without those records, as it stands in bundles.

    Raises:
        Unavailable: the database or the keys are away.
    """
    try:
        keys = [_keys(service, one) for one in await logs.all_of(service.pool)]
        return trust_files(service.evidence, keys, service.clock.now())
    except (*AWAY, KeysRefused) as error:
        raise Unavailable("the keys are away") from error


def _events(kept: Sequence[SealedRecord]) -> Iterator[tuple[str, bytes]]:
    for one in kept:
        yield f"events/{one.seq:03}.json", one.octets
        yield f"events/{one.seq:03}.salt", one.salt
        if one.seal:
            yield f"events/{one.seq:03}.jades.json", one.seal
        if one.proof:
            yield f"events/{one.seq:03}.tlog-proof", one.proof


def _keys(service: Service, log: Log) -> LogKeys:
    signer = service.evidence.signer
    first, second = signer("log-ed25519", log.ed25519), signer("log-mldsa44", log.mldsa44)
    return LogKeys(log.origin, first.public_key, second.public_key)


async def log_views(service: Service) -> list[LogView]:
    """Every log, newest first.

    Raises:
        Unavailable: the database is away.
    """
    try:
        known = await logs.all_of(service.pool)
        newest = {one.id: await logs.newest_signed(service.pool, one.id) for one in known}
    except AWAY as error:
        raise Unavailable("the database is away") from error
    return [_view(one, newest[one.id]) for one in reversed(known)]


def _view(log: Log, newest: logs.Settled | None) -> LogView:
    if newest is None or newest.note is None:
        return LogView(log.name, log.origin, 0, None, log.stopped)
    return LogView(log.name, log.origin, read_checkpoint(read(newest.note).text).size, newest.at, log.stopped)
