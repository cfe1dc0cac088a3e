"""What happens in a database that was put back from a backup, before anything else works on it.

Three things it cannot know: what was erased since, which the erasure list says; what the log has signed since, so that
log goes on no more and another one begins, with keys of its own; and how far the log's folder is, so what that lacks is made again from the
records. Each step may be repeated. What was under way in the backup is settled as after a crash, by the worker.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime

import structlog

from sealpost.domain.canonical import instant
from sealpost.domain.checkpoint import read_checkpoint
from sealpost.domain.errors import InvalidInput, Unavailable
from sealpost.domain.note import NoNote, read
from sealpost.domain.seals import NoSeal
from sealpost.seal.key_files import KeysRefused
from sealpost.seal.log.folder import LogDamaged, LogFolder
from sealpost.seal.pki import rotate
from sealpost.store import erasures, logs
from sealpost.store.logs import Log, Settled
from sealpost.usecases.database import transaction
from sealpost.usecases.extend_log import begin_log, entry_of
from sealpost.usecases.installation import record_event
from sealpost.usecases.service import Service

BATCH = 5_000
MOST = 999
_NAME = re.compile(r"([0-9]{4})(?:-([1-9][0-9]{0,2}))?", re.ASCII)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Restored:
    """How many messages were erased again, and the log that begins."""

    erased: int
    log: str


async def restore(service: Service, backed_up: datetime, log_name: str = "") -> Restored:
    """Makes a restored database fit to go on.

    Args:
        service: the parts, on the restored database; nothing else works on it.
        backed_up: when the backup was made.
        log_name: of the log that begins; empty: the year's next free one.

    Raises:
        InvalidInput: a log's name that cannot be, or is taken.
        Unavailable: the database, a key or the disk is away; do it again.
    """
    name = await _next_name(service, log_name)
    erased = await _erase_again(service)
    for tree in await logs.all_of(service.pool):
        await _complete(service, tree)
    await _renew_keys(service)
    begun = await begin_log(service, name)
    said = {"backupMade": instant(backed_up), "erasedAgain": erased, "log": begun.origin}
    await record_event(service, "restored", said)
    return Restored(erased, begun.name)


async def _renew_keys(service: Service) -> None:
    """New keys for the log that begins: two restores of one backup may give two logs one name, never one key."""
    for purpose in ("log-ed25519", "log-mldsa44"):
        try:
            number = await asyncio.to_thread(
                rotate, service.evidence.keys, purpose, service.issuer, service.clock.now()
            )
        except (KeysRefused, OSError) as error:
            raise Unavailable(f"no new key can be made: {error}") from error
        await record_event(service, "key_rotated", {"purpose": purpose, "number": number})


async def _erase_again(service: Service) -> int:
    listed = await asyncio.to_thread(service.erasures.read)
    erased = 0
    for begin in range(0, len(listed), BATCH):
        async with transaction(service) as connection:
            erased += await erasures.erase_again(connection, listed[begin : begin + BATCH])
    return erased


async def _next_name(service: Service, wanted: str) -> str:
    """A name that neither the database nor the log's folder knows.

    The year's first is never taken: the log of a year may have begun after the backup.
    """
    known = {one.name for one in await logs.all_of(service.pool)}
    if service.evidence.logs.is_dir():
        known |= {path.name for path in service.evidence.logs.iterdir()}
    year = f"{service.clock.now().year}"
    if wanted:
        match = _NAME.fullmatch(wanted)
        if match is None or match[1] != year or wanted in known:
            raise InvalidInput("log", f"must be {year}-N, with N up to {MOST}, and a name that no log has had")
        return wanted
    numbers = [int(match[2] or 1) for name in known if (match := _NAME.fullmatch(name)) and match[1] == year]
    return f"{year}-{max(numbers, default=1) + 1}"


async def _complete(service: Service, tree: Log) -> None:
    """Brings a log's folder as far as the database knows it signed: proofs need the tiles. Nothing is signed here."""
    newest = await logs.newest_signed(service.pool, tree.id)
    folder = service.evidence.log(tree.name)
    try:
        size = await asyncio.to_thread(_size, folder)
        if newest is not None and newest.note is not None and size < newest.size:
            await _grow(service, folder, size, newest)
            await asyncio.to_thread(folder.publish, newest.note + newest.cosigned)
    except (LogDamaged, NoNote, NoSeal) as error:
        # Its proofs that were given out stay good; new ones are refused. Everything else can go on.
        log.exception("a log's folder cannot be completed", log=tree.name, why=str(error))
    except OSError as error:
        raise Unavailable("the log's folder is away") from error


def _size(folder: LogFolder) -> int:
    octets = folder.checkpoint()
    return 0 if octets is None else read_checkpoint(read(octets).text).size


async def _grow(service: Service, folder: LogFolder, size: int, newest: Settled) -> None:
    while size < newest.size:
        rows = await logs.placed(service.pool, newest.log_id, size, min(BATCH, newest.size - size))
        if not rows or rows[0]["log_index"] != size:
            raise LogDamaged(f"the database has no record for place {size}")
        await asyncio.to_thread(folder.grow, size, [entry_of(row) for row in rows])
        size += len(rows)
    if await asyncio.to_thread(folder.root, size) != newest.root:
        raise LogDamaged("the records do not give the root that was signed")
