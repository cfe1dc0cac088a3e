"""Bring sealed records into the log (evidence format, section 3; design, section 4, row *Log writer*).

``STEPS``: records get their places → tiles, durable → the root of that size is settled in the database → the checkpoint
is signed → published in the log's folder → noted in the database → witnesses are asked. Each step can be repeated with
the same outcome, so that a crash between two of them costs nothing. Two roots for one size cannot come about: the places
decide the tiles, the settled root is unique, and the newest checkpoint in the folder, which a restored database does not
know, must be the beginning of what is to be signed. Where it is not, the log stops and says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from sealpost.domain.checkpoint import Checkpoint, read_checkpoint
from sealpost.domain.errors import SealpostError, Unavailable
from sealpost.domain.note import (
    ED25519,
    MLDSA44_COSIGNATURE,
    NoNote,
    read,
    verifier_key,
    written,
)
from sealpost.domain.seals import NoSeal, commitment_of
from sealpost.domain.seals import read as read_seal
from sealpost.seal.key_files import KeysRefused
from sealpost.seal.log.folder import LogDamaged, LogFolder
from sealpost.seal.notes import is_signed, log_lines
from sealpost.seal.pki import rotate
from sealpost.seal.signer import SigningFailed
from sealpost.store import logs, records
from sealpost.store.logs import Log, Settled
from sealpost.store.pool import Connection
from sealpost.usecases.database import as_writer, transaction
from sealpost.usecases.installation import append_event
from sealpost.usecases.service import Service

BATCH = 5_000
LATEST = timedelta(seconds=60)
QUIET, SPAN = 60, timedelta(minutes=30)
"""So many checkpoints in that span are written at once; from then on the records of a minute share one."""

log = structlog.get_logger()


class LogStopped(SealpostError):
    """Nothing more may be signed for this log; the sentence says why."""


async def is_due(service: Service) -> bool:
    """Whether a checkpoint should be written now: at once while little is going on, else a minute's records together.

    Raises:
        Unavailable: the database is away.
        LogStopped: see there.
    """
    now = service.clock.now()
    async with transaction(service) as connection:
        count, oldest = await logs.oldest_waiting(connection)
        newest = await logs.newest(connection)
        if newest is not None and newest.stopped is not None:
            raise LogStopped(newest.stopped)
        if newest is not None and await logs.is_unfinished(connection, newest):
            return True
        if not count or oldest is None:
            return False
        earlier = None if newest is None else await logs.nth_newest_at(connection, newest.id, QUIET)
    return oldest <= now - LATEST or earlier is None or earlier <= now - SPAN


async def extend_log(service: Service) -> int | None:
    """Writes a checkpoint over all that waits; how many entries it has more than the one before, None: see `as_writer`.

    Raises:
        Unavailable: the database is away, or a key or the disk.
        LogStopped: see there.
    """
    try:
        return await as_writer(service, _extended)
    except (SigningFailed, KeysRefused) as error:
        raise Unavailable("checkpoints cannot be signed") from error


async def _extended(service: Service) -> int:
    tree = await _current(service)
    if tree.stopped is not None:
        raise LogStopped(tree.stopped)
    try:
        # Before anything gets a place: a database that was put back must not take the places of what it lost.
        begun = await _published(service, tree)
        tree = await _place_all(service, tree)
        return await _grown(service, tree, begun)
    except (LogDamaged, NoNote, NoSeal) as error:
        await _stop(service, tree, str(error))
        raise LogStopped(str(error)) from error


async def _stop(service: Service, tree: Log, why: str) -> None:
    await logs.stop(service.pool, tree.id, why)
    log.error("the log is stopped", log=tree.name, why=why)


async def _current(service: Service) -> Log:
    """The log of this year; it begins when that of the year before has no record waiting for its checkpoint."""
    now = service.clock.now()
    newest = await logs.newest(service.pool)
    if newest is not None and newest.name[:4] >= f"{now.year}":
        return newest
    if newest is not None and newest.stopped is None and await logs.is_unfinished(service.pool, newest):
        return newest
    return await begin_log(service, f"{now.year}")


def next_name(name: str) -> str:
    """The name of the log that goes on in the same year: ``2026`` → ``2026-2`` → ``2026-3``."""
    year, _, number = name.partition("-")
    return f"{year}-{int(number or 1) + 1}"


async def begin_log(service: Service, name: str) -> Log:
    """Makes a log, with keys that no log has had: they, and its origin, are its own for ever.

    What stood in the one before without a signed checkpoint gets a place in this one. A crash leaves all or nothing.

    Raises:
        Unavailable: the database is away, or a key.
    """
    known = await logs.all_of(service.pool)
    numbers = await asyncio.to_thread(_fresh_keys, service, known)
    async with transaction(service) as connection:
        before = await logs.newest(connection)
        if before is not None and before.name == name:
            raise Unavailable("another writer was faster")  # else it would be stopped in favour of itself
        if before is not None:
            await logs.stop(connection, before.id, f"the log {name} goes on from here")
            await logs.release(connection, before.id)
        await logs.begin(connection, name, f"{service.face.host}/log/{name}", numbers, service.clock.now())
        made = await logs.newest(connection)
        if made is None or made.name != name:
            raise Unavailable("no log could be made")
        told = {"origin": made.origin, "keys": _verifier_keys(service, made)}
        await append_event(service, connection, "log_begun", told)
    log.info("a log begins", log=made.name, origin=made.origin)
    return made


def _fresh_keys(service: Service, known: Sequence[Log]) -> tuple[int, int]:
    """The newest keys, or new ones: a key of two logs would be refused in policies (C2SP tlog-policy).

    A crash leaves keys that the next log takes.
    """
    used = {"log-ed25519": {one.ed25519 for one in known}, "log-mldsa44": {one.mldsa44 for one in known}}
    keys, made = service.evidence.keys, list[int]()
    for purpose, numbers in used.items():
        newest = max(keys.numbers(purpose), default=0)
        is_new = newest > 0 and newest not in numbers
        made.append(newest if is_new else rotate(keys, purpose, service.issuer, service.clock.now()))
    return made[0], made[1]


def _verifier_keys(service: Service, tree: Log) -> list[str]:
    return [verifier_key(*one) for one in log_keys(service, tree)]


async def _place_all(service: Service, tree: Log) -> Log:
    """Gives a place to every record that waits, a batch in each transaction; a crash leaves whole batches."""
    while True:
        async with transaction(service) as connection:
            rows = await logs.waiting(connection, BATCH)
            keys = await _usable(connection, rows)
            if keys and not await logs.place(connection, tree, keys):
                raise Unavailable("another writer was faster")
        found = await logs.named(service.pool, tree.name)
        tree = found or tree
        if len(rows) < BATCH:
            return tree


async def _usable(connection: Connection, rows: list[Any]) -> list[tuple[Any, int]]:
    """Records whose leaf can be made; one whose seal or salt is damaged would stop all others, and is set aside."""
    keys = list[tuple[Any, int]]()
    for row in rows:
        try:
            entry_of(row)
        except (NoSeal, ValueError) as error:
            log.exception(
                "a record does not enter the log", ticket=str(row["ticket_id"]), seq=row["seq"], why=str(error)
            )
            await records.set_aside(connection, row["ticket_id"], row["seq"])
        else:
            keys.append((row["ticket_id"], row["seq"]))
    return keys


def entry_of(row: Any) -> bytes:
    """The log's entry for a row with ``sha256``, ``salt`` and ``seal``, 32 octets."""
    return commitment_of(row["salt"], row["sha256"], read_seal(row["seal"]).signature)


async def _grown(service: Service, tree: Log, begun: Checkpoint | None) -> int:
    folder = service.evidence.log(tree.name)
    size = begun.size if begun else 0
    while size < tree.size:
        rows = await logs.placed(service.pool, tree.id, size, BATCH)
        if not rows or rows[0]["log_index"] != size:
            raise LogDamaged(f"the database has no record for place {size}")
        # Tiles that a crash leaves here are made again with the same octets: the places are settled.
        await asyncio.to_thread(folder.grow, size, [entry_of(row) for row in rows])
        size += len(rows)
    if size == 0:
        return 0
    root = await asyncio.to_thread(folder.root, size)
    newest = await logs.newest_signed(service.pool, tree.id)
    await _require_root(folder, newest)
    if begun is not None and begun.size == size and newest is not None and newest.size == size:
        return 0
    await _sign(service, tree, folder, Checkpoint(tree.origin, size, root))
    return size - (begun.size if begun else 0)


async def _published(service: Service, tree: Log) -> Checkpoint | None:
    """The checkpoint in the folder, which must be ours, and the beginning of what the database knows."""
    folder = service.evidence.log(tree.name)
    octets = await asyncio.to_thread(folder.checkpoint)
    if octets is None:
        return None
    note = read(octets)
    found = read_checkpoint(note.text)
    if found.origin != tree.origin or not is_signed(note, log_keys(service, tree)):
        raise LogDamaged("the checkpoint in the log's folder is not of this log's keys")
    # Asked after the folder: what another writer published since `tree` was read had its places before that.
    known = await logs.named(service.pool, tree.name) or tree
    if found.size > known.size:
        raise LogDamaged(
            f"the log has signed {found.size} entries and the database knows {known.size}: it was put back from a copy"
        )
    if await asyncio.to_thread(folder.root, found.size) != found.root:
        raise LogDamaged("the tiles do not give the root that was signed")
    await _require_same_entry(service, tree, folder, found.size)
    return found


async def _require_same_entry(service: Service, tree: Log, folder: LogFolder, size: int) -> None:
    """The last entry that was signed is the database's too; one that a restored database lost, it cannot compare."""
    rows = await logs.placed(service.pool, tree.id, size - 1, 1)
    if rows and rows[0]["log_index"] == size - 1:
        entry = await asyncio.to_thread(folder.entry, size - 1, size)
        if entry != entry_of(rows[0]):
            raise LogDamaged(f"the database has another record at place {size - 1} than was signed")


async def _require_root(folder: LogFolder, newest: Settled | None) -> None:
    if newest is not None and await asyncio.to_thread(folder.root, newest.size) != newest.root:
        raise LogDamaged(f"the tiles do not give the root that was signed for {newest.size} entries")


def log_keys(service: Service, tree: Log) -> list[tuple[str, int, bytes]]:
    """Name, type and octets of a log's two keys, as policies and notes have them."""
    first = service.evidence.signer("log-ed25519", tree.ed25519)
    second = service.evidence.signer("log-mldsa44", tree.mldsa44)
    return [(tree.origin, ED25519, first.public_key), (tree.origin, MLDSA44_COSIGNATURE, second.public_key)]


async def _sign(service: Service, tree: Log, folder: LogFolder, checkpoint: Checkpoint) -> None:
    now = service.clock.now()
    # Before the signature: whoever comes second with another root for this size finds this one.
    root = await logs.settle(service.pool, tree.id, checkpoint.size, checkpoint.root, now)
    if root != checkpoint.root:
        raise LogDamaged(f"another root is settled for {checkpoint.size} entries")
    octets = await asyncio.to_thread(_signed, service, tree, folder, checkpoint, now)
    # Outside the database first: from here on no database, however old, can make the log sign another root.
    await asyncio.to_thread(folder.publish, octets)
    await logs.keep_note(service.pool, tree.id, checkpoint.size, octets)
    log.info("checkpoint", log=tree.name, size=checkpoint.size)


def _signed(service: Service, tree: Log, folder: LogFolder, checkpoint: Checkpoint, now: datetime) -> bytes:
    """The note; one that was published before a crash is taken again rather than signed anew."""
    octets = folder.checkpoint()
    if octets is not None and (note := read(octets)).text == checkpoint.text:
        own = [one for one in note.signatures if one.name == tree.origin]
        return written(note.text, own)
    first = service.evidence.signer("log-ed25519", tree.ed25519)
    second = service.evidence.signer("log-mldsa44", tree.mldsa44)
    return written(checkpoint.text, log_lines(tree.origin, checkpoint, first, second, now))
