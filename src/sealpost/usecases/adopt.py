"""Old records are adopted once, at the upgrade (docs/decisions): what a release before decision 9 left without a seal.

``STEPS``: the first start of a version that knows this writes down which records could be adopted (`offer`), in a list
outside the database → the operator says yes or no (`settle`) → chain by chain, in one transaction each, the records get
their seals and the chain a record that names them (`adopt_listed`). Each step can be repeated: a crash between two of
them, or in the middle of the last, costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog
from asyncpg import UniqueViolationError

from sealpost.domain.canonical import digest, instant, sha256
from sealpost.domain.records import ADOPTED, Event, event_uri
from sealpost.seal.adoption_list import CONFIRMED, OFFERED, Listed, ListRefused
from sealpost.seal.pki import first_certified
from sealpost.store import records, tickets
from sealpost.store.pool import Connection
from sealpost.usecases.chain import record
from sealpost.usecases.database import transaction
from sealpost.usecases.installation import CHAIN, REFERENCE, append_event
from sealpost.usecases.seals import is_ours, make_seal
from sealpost.usecases.service import Service

BATCH = 100
OVERLAP = timedelta(days=1)
"""So long after the keys of evidence were made processes of a release without them may still have run."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Offer:
    """Records that wait for the operator's word, as they are in the database now."""

    records: int
    tickets: int
    first: datetime | None
    last: datetime | None


async def offer(service: Service) -> None:
    """Writes the list of what could be adopted, once: at the first start of a version that knows it.

    What is added to the database afterwards is on no list. A crash leaves no list, or the whole.

    Raises:
        Unavailable: the database is away.
    """
    try:
        if await asyncio.to_thread(service.adoptions.read) is not None:
            return
        hashes = [] if await _was_adopted(service) else await _candidates(service)
        listed = await asyncio.to_thread(service.adoptions.offer, hashes, service.clock.now())
    except ListRefused as error:
        log.error("records cannot be adopted", why=str(error))  # noqa: TRY400 - the sentence says all
        return
    if listed.state == OFFERED:
        log.warning("records of an earlier release wait: run sealpost records adopt", records=len(listed.hashes))


async def _was_adopted(service: Service) -> bool:
    """Whether this installation has adopted before; then its list is lost, and nothing may take its place."""
    async with transaction(service) as connection:
        rows = await records.with_kind(connection, ADOPTED, BATCH)
    if lost := any(is_ours(service, row) for row in rows):
        log.error("the list of adopted records is lost: put it back from the backup of the keys")
    return lost


async def _candidates(service: Service) -> list[bytes]:
    found = list[bytes]()
    async for _, rows in _chains(service):
        found += [sha256(row["octets"]) for row in adoptable(service, rows)]
    return found


async def _chains(service: Service) -> AsyncGenerator[tuple[UUID, list[Any]]]:
    """Every chain that has records without a seal, whole, a batch in each transaction."""
    after: UUID | None = None
    while True:
        async with transaction(service) as connection:
            ids = await records.without_seal(connection, after, BATCH)
            rows = await records.of_chains(connection, ids)
        for one in ids:
            yield one, rows[one]
        if len(ids) < BATCH:
            return
        after = ids[-1]


def adoptable(service: Service, rows: Sequence[Any]) -> Iterator[Any]:
    """The records of a chain that an earlier release can have left: those without a seal, before the first one of ours.

    Every version since decision 9 marks what it stores. So what stands behind a marked record was never an earlier
    release's, nor was a chain that began, without a seal, when there were keys of evidence already.
    """
    before: Any = None
    for row in rows:
        if is_ours(service, row) or not _follows(service, before, row):
            return
        if before is None and row["seal"] is None and not _began_before_keys(service, row):
            return
        if row["seal"] is None:
            yield row
        before = row


def _follows(service: Service, before: Any, row: Any) -> bool:
    """Whether a record is the next of its chain by what it says, and the columns beside it say the same."""
    try:
        value = msgspec.json.decode(row["octets"])
        ours = value["Extensions"][0]["sealpost/1"]
        uri = event_uri(service.issuer, row["kind"]).rpartition("/")[2]
        says = (ours["seq"], ours["prev"], value["EventTime"], value["ERDSEventId"].rpartition("/")[2])
        if before is not None and value["MessageIdentifier"] != _message(before):
            return False
    except (msgspec.DecodeError, KeyError, IndexError, TypeError, ValueError, AttributeError):
        return False
    seq, prev = (1, None) if before is None else (before["seq"] + 1, digest(sha256(before["octets"])))
    return (row["seq"], row["sha256"]) == (seq, sha256(row["octets"])) and says == (
        (seq, prev, instant(row["at"]), uri)
    )


def _message(row: Any) -> str:
    return msgspec.json.decode(row["octets"]).get("MessageIdentifier", "")


def _began_before_keys(service: Service, row: Any) -> bool:
    """Where the certificates are the operator's own, nothing says when the keys were made."""
    made = first_certified(service.evidence.keys, "record-seal")
    recorded = msgspec.json.decode(row["octets"])["Extensions"][0]["sealpost/1"].get("recordedAt", "")
    return made is None or datetime.fromisoformat(recorded) < made + OVERLAP


async def look_at_offer(service: Service) -> Offer | None:
    """What waits for the operator's word; None: nothing does.

    Raises:
        ListRefused: the list cannot be used.
        Unavailable: the database is away.
    """
    listed = await asyncio.to_thread(service.adoptions.read)
    if listed is None or listed.state != OFFERED:
        return None
    async with transaction(service) as connection:
        rows = await records.hashes_without_seal(connection)
    found = [row for row in rows if row["hash"] in listed.hashes]
    times = [row["at"] for row in found]
    return Offer(
        len(found), len({row["ticket_id"] for row in found}), min(times, default=None), max(times, default=None)
    )


async def settle(service: Service, *, adopted: bool) -> None:
    """Writes down the operator's word: once, for good.

    Raises:
        ListRefused: there is no list, or the other was said before.
    """
    listed = await asyncio.to_thread(
        service.adoptions.settle, "confirmed" if adopted else "closed", service.clock.now()
    )
    log.info("old records: the operator has spoken", state=listed.state, records=len(listed.hashes))


async def adopt_listed(service: Service) -> int:
    """Adopts what the operator has confirmed and is not adopted yet; how many records.

    Raises:
        Unavailable: the database is away, or nothing can be sealed now; the rest is for the next call.
    """
    listed = None if service.adoptions.finished else await _confirmed(service)
    if listed is None:
        return 0
    adopted = 0
    async for chain, _ in _chains(service):
        try:
            adopted += await _adopt_chain(service, chain, listed)
        except (UniqueViolationError, LookupError) as error:  # not as this service left it; others must not wait for it
            log.error("a chain cannot be adopted", ticket=str(chain), why=type(error).__name__)  # noqa: TRY400 - known
    service.adoptions.finished = True
    return adopted


async def _confirmed(service: Service) -> Listed | None:
    try:
        listed = await asyncio.to_thread(service.adoptions.read)
    except ListRefused as error:
        log.error("records cannot be adopted", why=str(error))  # noqa: TRY400 - the sentence says all
        return None
    return listed if listed is not None and listed.state == CONFIRMED else None


async def _adopt_chain(service: Service, chain: UUID, listed: Listed) -> int:
    """A crash leaves the chain as it was, or adopted whole."""
    async with transaction(service) as connection:
        ticket = None if chain == CHAIN else await tickets.lock(connection, chain)
        if ticket is None:
            await records.newest_locked(connection, CHAIN)
        rows = (await records.of_chains(connection, [chain]))[chain]
        taken = to_adopt(service, rows, listed, ticket.token if ticket else REFERENCE)
        if not taken:
            return 0
        for row in taken:
            await records.adopt(connection, chain, row["seq"], make_seal(service, row["octets"]))
        await _tell(service, connection, ticket, taken, listed)
    return len(taken)


def to_adopt(service: Service, rows: Sequence[Any], listed: Listed, reference: str) -> list[Any]:
    """The records of a ticket's chain that are on the list, and this ticket's by what they say."""
    found = [row for row in adoptable(service, rows) if sha256(row["octets"]) in listed.hashes]
    return found if found and _message(found[0]) == reference else []


async def _tell(
    service: Service, connection: Connection, ticket: tickets.Ticket | None, taken: Sequence[Any], listed: Listed
) -> None:
    """The record that names what was adopted, at the end of the chain."""
    named = [{"seq": row["seq"], **digest(sha256(row["octets"]))} for row in taken]
    told = {"count": len(named), "records": named, "confirmedAt": instant(listed.at)}
    if ticket is None:
        await append_event(service, connection, ADOPTED, told)
        return
    now = service.clock.now()
    await record(service, connection, ticket, [Event(ADOPTED, now, now, extension={ADOPTED: told})])
