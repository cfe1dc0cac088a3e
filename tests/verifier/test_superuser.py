"""Whoever rules over the database, and even holds the keys, is found out by what was given out before and a copy of the log.

Each case: a receipt is out; rows are changed behind the service's back; the service goes on; then what it gives out now,
or the receipt itself, is verified against the log's folder as it is now.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import shutil
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4
from zipfile import ZipFile

import asyncpg
import pytest
import pytest_asyncio

from sealpost import bootstrap
from sealpost.domain.canonical import canonical, instant
from sealpost.domain.errors import NoEvidence, NotFound, SealpostError, Unavailable
from sealpost.domain.ids import uuid7
from sealpost.seal.jades import seal
from sealpost.settings import Settings, read_settings
from sealpost.store.embedded import EmbeddedServer
from sealpost.store.tickets import Visible
from sealpost.usecases.decide import decide
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.gather import for_sender
from sealpost.usecases.installation import record_event
from sealpost.usecases.reads.trust import trust_folder
from sealpost.usecases.seals import salt_for, seal_pending
from sealpost.usecases.service import Service
from sealpost.usecases.stamp import stamp_pending
from sealpost.verifier.earlier import Receipt
from sealpost.verifier.report import Report
from sealpost.verifier.trust import Trust, trust_of
from sealpost.verifier.verify import verify
from tests.conftest import fresh_database, reachable, with_database
from tests.world import ACT, START, MovableClock, World, new_world

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Prepared:
    """An installation at rest, and what its users keep.

    Args:
        earlier: the database as it was before the last checkpoint, and its log folder.
        token: Alice's ticket: announced, accepted, delivered, in several checkpoints.
        other: another ticket of hers, with as many records.
        receipts: the newest bundle of the ticket, and each proof in it.
    """

    dsn: str
    folder: Path
    earlier: tuple[str, Path]
    account: int
    token: str
    other: str
    receipt: bytes
    proofs: tuple[bytes, ...]
    trust: Trust


@dataclass
class Ruled:
    """A copy of it, of which somebody is superuser.

    Args:
        db: their connection.
        data: the data folder.
    """

    prepared: Prepared
    db: Any
    service: Service
    data: Path
    ticket: Any = None

    @property
    def log(self) -> Path:
        return self.data / "log" / "2026"

    async def record(self, kind: str, token: str = "") -> Any:
        return await self.db.fetchrow(
            "select r.* from records r join tickets t on t.id = r.ticket_id where t.token = $1 and r.kind = $2",
            token or self.prepared.token, kind,
        )  # fmt: skip

    async def write(self, row: Any, **columns: Any) -> None:
        for name, value in columns.items():
            await self.db.execute(
                f"update records set {name} = $3 where ticket_id = $1 and seq = $2",
                row["ticket_id"], row["seq"], value,
            )  # fmt: skip

    def forget(self) -> None:
        """The service starts anew: what it kept of the log's tiles is gone."""
        self.service.evidence.folders.clear()

    async def goes_on(self) -> str:
        """The worker's rounds after the deed; why the log stopped, or empty."""
        self.forget()
        try:
            await seal_pending(self.service)
            while await extend_log(self.service):
                pass
            await stamp_pending(self.service)
        except (SealpostError, asyncpg.PostgresError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    async def given_out(self) -> bytes | None:
        """The ticket's bundle as it is now, or None where none can be made."""
        try:
            async with for_sender(self.service, Visible(self.prepared.account), self.prepared.token, "en") as bundle:
                return b"".join([piece async for piece in bundle.chunks()])
        except (NotFound, NoEvidence, Unavailable, KeyError, ValueError, IndexError):
            return None


async def _settings(folder: Path, port: int = 25) -> Settings:
    return read_settings(
        {}, data=folder, smtp_host="127.0.0.1", smtp_port=port, smtp_tls="none", mail_domain="sealpost.example", pool=4, tsa_url="own",
        our_name="out1.sealpost.example", legal_name="Sealpost Test B.V.", environment="test",
    )  # fmt: skip


async def _logged(service: Service) -> None:
    while await extend_log(service):
        pass
    await stamp_pending(service)


async def _copied(admin: Any, source: str) -> str:
    name = f"superuser_{next(_numbers)}"
    await admin.execute(f"create database {name} template {source}")
    return name


def _name(dsn: str) -> str:
    return urlsplit(dsn).path[1:]


@pytest_asyncio.fixture(scope="module")
async def prepared(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Prepared]:
    folder = reachable(tmp_path_factory.mktemp("superuser"))
    admin = await asyncpg.connect(server.dsn)
    async with fresh_database(server) as dsn:
        async with new_world(dsn, folder / "data") as world:
            token, other, earlier_folder = await _two_tickets(world, folder)
        earlier = await _copied(admin, _name(dsn))
        # From here on a world of its own again, on the same rows.
        clock = MovableClock(START + timedelta(hours=2))
        async with bootstrap.opened(await _settings(folder / "data"), dsn, clock=clock) as service:
            await record_event(service, "key_rotated", {"purpose": "record-seal", "number": 1})
            await decide(service, token, [world.secret(number=0)], "accepted", "", ACT)
            await _logged(service)
            prepared = await _receipts(Prepared(
                dsn, folder / "data", (earlier, earlier_folder), world.alice, token, other, b"", (),
                trust_of(await trust_folder(service)),
            ), service)  # fmt: skip
        yield prepared
    await admin.execute(f"drop database {earlier}")
    await admin.close()


async def _two_tickets(world: World, folder: Path) -> tuple[str, str, Path]:
    token = await world.send()
    await _logged(world.service)
    world.clock.advance(minutes=1)
    other = await world.send(recipient_email="bob2@example.com")
    await _logged(world.service)
    shutil.copytree(folder / "data" / "log", folder / "log-earlier")
    return token, other, folder / "log-earlier"


async def _receipts(prepared: Prepared, service: Service) -> Prepared:
    async with for_sender(service, Visible(prepared.account), prepared.token, "en") as bundle:
        receipt = b"".join([piece async for piece in bundle.chunks()])
    with ZipFile(BytesIO(receipt)) as archive:
        proofs = tuple(archive.read(name) for name in sorted(archive.namelist()) if name.endswith(".tlog-proof"))
    return replace(prepared, receipt=receipt, proofs=proofs)


@pytest.fixture
async def ruled(prepared: Prepared, server: EmbeddedServer, tmp_path: Path) -> AsyncGenerator[Ruled]:
    admin = await asyncpg.connect(server.dsn)
    name = await _copied(admin, _name(prepared.dsn))
    shutil.copytree(prepared.folder, tmp_path / "data")
    dsn, clock = with_database(server.dsn, name), MovableClock(START + timedelta(hours=3))
    db = await asyncpg.connect(dsn)
    try:
        async with bootstrap.opened(await _settings(tmp_path / "data"), dsn, clock=clock) as service:
            yield Ruled(prepared, db, service, tmp_path / "data")
    finally:
        await db.close()
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


def changed(octets: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    value = json.loads(octets)
    change(value)
    return canonical(value)


def later_event(value: dict[str, Any]) -> None:
    value["EventTime"] = instant(START - timedelta(days=1))


async def _sealed_anew(ruled: Ruled, row: Any, octets: bytes) -> None:
    """Octets, hash and a right seal: the superuser has the key too."""
    made = seal(ruled.service.sealer, octets, ruled.service.clock.now())
    await ruled.write(row, octets=octets, sha256=hashlib.sha256(octets).digest(), seal=made)


async def octets_changed(ruled: Ruled) -> None:
    row = await ruled.record("announcement_accepted")
    octets = changed(row["octets"], later_event)
    await ruled.write(row, octets=octets, sha256=hashlib.sha256(octets).digest())


async def octets_without_hash(ruled: Ruled) -> None:
    row = await ruled.record("accepted")
    await ruled.write(row, octets=changed(row["octets"], later_event))


async def octets_with_a_new_seal(ruled: Ruled) -> None:
    row = await ruled.record("accepted")
    await _sealed_anew(ruled, row, changed(row["octets"], later_event))


async def sealed_twice(ruled: Ruled) -> None:
    """The same record under another right seal, made later."""
    row = await ruled.record("accepted")
    await _sealed_anew(ruled, row, row["octets"])


async def seal_removed(ruled: Ruled) -> None:
    """The service itself then seals it anew."""
    await ruled.write(await ruled.record("announcement_accepted"), seal=None)


async def seal_and_place_removed(ruled: Ruled) -> None:
    """The service does not seal what it did not store."""
    row = await ruled.record("announcement_accepted")
    octets = changed(row["octets"], later_event)
    await ruled.write(
        row, octets=octets, sha256=hashlib.sha256(octets).digest(), seal=None, log_id=None, log_index=None
    )


async def salt_changed(ruled: Ruled) -> None:
    await ruled.write(await ruled.record("announcement_accepted"), salt=bytes(32))


async def newest_salt_changed(ruled: Ruled) -> None:
    await ruled.write(await ruled.record("accepted"), salt=bytes(32))


async def seals_swapped(ruled: Ruled) -> None:
    one, other = await ruled.record("submitted"), await ruled.record("announcement_accepted")
    await ruled.write(one, seal=other["seal"])
    await ruled.write(other, seal=one["seal"])


async def seals_of_tickets_swapped(ruled: Ruled) -> None:
    one, other = await ruled.record("submitted"), await ruled.record("submitted", ruled.prepared.other)
    await ruled.write(one, seal=other["seal"])
    await ruled.write(other, seal=one["seal"])


async def place_changed(ruled: Ruled) -> None:
    await ruled.write(await ruled.record("announcement_accepted"), log_index=500)


async def places_swapped(ruled: Ruled) -> None:
    one, other = await ruled.record("announcement_offered"), await ruled.record("announcement_accepted")
    await ruled.write(one, log_index=None, log_id=None)
    await ruled.write(other, log_index=one["log_index"])
    await ruled.write(one, log_index=other["log_index"], log_id=other["log_id"])


async def place_removed(ruled: Ruled) -> None:
    """The service gives the record another place: two proofs of one record, and a hole."""
    await ruled.write(await ruled.record("announcement_offered"), log_index=None, log_id=None)


async def deleted(ruled: Ruled) -> None:
    row = await ruled.record("announcement_accepted")
    await ruled.db.execute("delete from records where ticket_id = $1 and seq = $2", row["ticket_id"], row["seq"])


async def deleted_and_closed_up(ruled: Ruled) -> None:
    """The records behind it move up, linked, numbered and sealed anew."""
    row = await ruled.record("announcement_accepted")
    await ruled.db.execute("delete from records where ticket_id = $1 and seq = $2", row["ticket_id"], row["seq"])
    await _linked_anew(ruled, row["ticket_id"])


async def _linked_anew(ruled: Ruled, ticket_id: Any) -> None:
    rows = await ruled.db.fetch("select * from records where ticket_id = $1 order by seq", ticket_id)
    before: bytes | None = None
    for number, row in enumerate(rows, 1):
        value = json.loads(row["octets"])
        ours = value["Extensions"][0]["sealpost/1"]
        if ours["seq"] != number:
            ours["seq"] = number
            ours["prev"]["DigestValue"] = _base64(before or b"")
            await _sealed_anew(ruled, row, canonical(value))
            await ruled.db.execute(
                "update records set seq = $3 where ticket_id = $1 and seq = $2", ticket_id, row["seq"], number
            )
            before = hashlib.sha256(canonical(value)).digest()
        else:
            before = row["sha256"]


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode()


async def newest_deleted(ruled: Ruled) -> None:
    """The acceptance never happened; the ticket's row says so too."""
    row = await ruled.record("accepted")
    await ruled.db.execute("delete from records where ticket_id = $1 and seq = $2", row["ticket_id"], row["seq"])
    await ruled.db.execute(
        """update tickets t set decision = null, decided_at = null, last_seq = r.seq, last_sha256 = r.sha256
           from records r where t.id = $1 and r.ticket_id = t.id and r.seq = $2""",
        row["ticket_id"], row["seq"] - 1,
    )  # fmt: skip


async def all_deleted(ruled: Ruled) -> None:
    row = await ruled.record("accepted")
    await ruled.db.execute("delete from records where ticket_id = $1", row["ticket_id"])


async def ticket_deleted(ruled: Ruled) -> None:
    row = await ruled.record("accepted")
    await ruled.db.execute("delete from records where ticket_id = $1", row["ticket_id"])
    await ruled.db.execute("set session_replication_role = replica")  # what refers to it stays behind
    await ruled.db.execute("delete from tickets where id = $1", row["ticket_id"])


async def numbers_swapped(ruled: Ruled) -> None:
    row = await ruled.record("accepted")
    for old, new in ((2, 1000), (3, 2), (1000, 3)):
        await ruled.db.execute(
            "update records set seq = $3 where ticket_id = $1 and seq = $2", row["ticket_id"], old, new
        )


async def tickets_exchanged(ruled: Ruled) -> None:
    one, other = await ruled.record("submitted"), await ruled.record("submitted", ruled.prepared.other)
    between = uuid4()
    for old, new in (
        (one["ticket_id"], between), (other["ticket_id"], one["ticket_id"]), (between, other["ticket_id"])
    ):  # fmt: skip
        await ruled.db.execute("update records set ticket_id = $2 where ticket_id = $1", old, new)


def _retell(value: dict[str, Any], ours: dict[str, Any]) -> None:
    """The same mail, delivered as a returned mail says."""
    sent = ours.pop("smtp")
    value.pop("TransactionLogInformation")
    value["ERDSEventId"] = "http://uri.etsi.org/19522/Event/NotificationDelivered"
    ours["bounce"] = {"action": "delivered", "by": "report", "messageId": sent["messageId"], "attempt": sent["attempt"]}


async def _inserted(
    ruled: Ruled, made: bytes | None, *, has_key: bool = True, as_report: bool = False, **times: Any
) -> None:
    """One more acceptance's notice at the end of the chain, as the service itself would link it.

    Without the installation's key the salt is any, and the service does not take the record for its own.
    """
    last = await ruled.record("accepted")

    def change(value: dict[str, Any]) -> None:
        ours = value["Extensions"][0]["sealpost/1"]
        ours["seq"], ours["prev"] = last["seq"] + 1, {**ours["prev"], "DigestValue": _base64(last["sha256"])}
        value["EvidenceIdentifier"] = str(uuid7(times["recorded"], os.urandom))
        value["EventTime"] = instant(times["at"])
        ours["recordedAt"] = instant(times["recorded"])
        if as_report:
            _retell(value, ours)

    octets = changed((await ruled.record("announcement_accepted"))["octets"], change)
    sha256 = hashlib.sha256(octets).digest()
    salt = salt_for(ruled.service, SimpleNamespace(sha256=sha256)) if has_key else os.urandom(32)  # pyright: ignore[reportArgumentType] - a record's hash is all that it reads
    await ruled.db.execute(
        """insert into records (ticket_id, seq, kind, evidence_id, at, octets, sha256, salt, seal)
           values ($1, $2, 'announcement_accepted', $3, $4, $5, $6, $7, $8)""",
        last["ticket_id"], last["seq"] + 1, uuid4(), times["at"], octets, sha256, salt, made,
    )  # fmt: skip


async def back_dated(ruled: Ruled) -> None:
    """Without a seal, but with the installation's key: the service seals and logs it later."""
    at = START + timedelta(minutes=5)
    await _inserted(ruled, None, at=at, recorded=at)


async def back_dated_without_the_key(ruled: Ruled) -> None:
    at = START + timedelta(hours=2, seconds=1)
    await _inserted(ruled, None, has_key=False, at=at, recorded=at)


async def with_a_copied_seal(ruled: Ruled) -> None:
    now = ruled.service.clock.now()
    await _inserted(ruled, (await ruled.record("announcement_accepted"))["seal"], at=now, recorded=now)


async def put_in_between(ruled: Ruled) -> None:
    """A back-dated record in the middle, everything behind it made anew."""
    row = await ruled.record("accepted")
    await _inserted(ruled, None, at=START + timedelta(minutes=5), recorded=START + timedelta(minutes=5))
    for old, new in ((row["seq"], 1000), (row["seq"] + 1, row["seq"]), (1000, row["seq"] + 1)):
        await ruled.db.execute(
            "update records set seq = $3 where ticket_id = $1 and seq = $2", row["ticket_id"], old, new
        )
    rows = await ruled.db.fetch("select * from records where ticket_id = $1 order by seq", row["ticket_id"])
    before = b""
    for number, one in enumerate(rows, 1):
        octets = one["octets"]
        if number >= row["seq"]:

            def change(value: dict[str, Any], number: int = number, before: bytes = before) -> None:
                ours = value["Extensions"][0]["sealpost/1"]
                ours["seq"], ours["prev"] = number, {**ours["prev"], "DigestValue": _base64(before)}

            octets = changed(octets, change)
            await _sealed_anew(ruled, one, octets)
        before = hashlib.sha256(octets).digest()


async def rolled_back(ruled: Ruled, *, folder: bool) -> None:
    """The whole database as it was before the decision; with the log's folder, or without."""
    earlier, kept = ruled.prepared.earlier
    dsn = ruled.prepared.dsn.replace(_name(ruled.prepared.dsn), earlier)
    source = await asyncpg.connect(dsn)
    try:
        for table, key in (("records", "ticket_id, seq"), ("checkpoints", "log_id, size")):
            known = await source.fetch(f"select {key} from {table}")
            await _keep_only(ruled.db, table, key.split(", "), [tuple(one) for one in known])
        size = await source.fetchval("select size from logs")
        await ruled.db.execute("update logs set size = $1", size)
        await ruled.db.execute(
            """update tickets t set decision = null, decided_at = null, last_seq = r.seq, last_sha256 = r.sha256
               from records r where r.ticket_id = t.id and r.seq = (select max(seq) from records where ticket_id = t.id)"""
        )
    finally:
        await source.close()
    if folder:
        shutil.rmtree(ruled.data / "log")
        shutil.copytree(kept, ruled.data / "log")


async def _keep_only(db: Any, table: str, key: list[str], known: list[tuple[Any, ...]]) -> None:
    for row in await db.fetch(f"select {', '.join(key)} from {table}"):
        if tuple(row) not in known:
            await db.execute(f"delete from {table} where {key[0]} = $1 and {key[1]} = $2", *row)


async def database_rolled_back(ruled: Ruled) -> None:
    await rolled_back(ruled, folder=False)


async def all_rolled_back(ruled: Ruled) -> None:
    await rolled_back(ruled, folder=True)


async def all_rolled_back_and_grown(ruled: Ruled, records: int = 4) -> None:
    """As many new records as were lost, and more: the log is as long as before."""
    await rolled_back(ruled, folder=True)
    for number in range(records):
        await record_event(ruled.service, "key_rotated", {"purpose": "record-seal", "number": number + 2})


async def _from_nothing(ruled: Ruled) -> None:
    """Another tree of the same log, with the real keys: the service itself makes it from the changed records."""
    await ruled.db.execute("delete from checkpoints")
    await ruled.db.execute("update records set log_id = null, log_index = null")
    await ruled.db.execute("update logs set size = 0, stopped = null")
    shutil.rmtree(ruled.log)


async def forked_from_nothing(ruled: Ruled) -> None:
    await octets_with_a_new_seal(ruled)
    await _from_nothing(ruled)


async def forked_by_order_alone(ruled: Ruled) -> None:
    """The same records in other places; nothing in the ticket differs."""
    await ruled.db.execute(
        "update records set at = at - interval '1 hour' where ticket_id = (select id from tickets where token = $1)",
        ruled.prepared.other,
    )
    await _from_nothing(ruled)


async def forked_by_dropping_another(ruled: Ruled) -> None:
    await ruled.db.execute("delete from records where ticket_id = (select id from tickets where token = $1)",
                           ruled.prepared.other)  # fmt: skip
    await _from_nothing(ruled)


async def forked_from_an_earlier_size(ruled: Ruled) -> None:
    """Rolled back with its folder, then other records at the places that were signed."""
    await all_rolled_back_and_grown(ruled, 1)


async def checkpoint_of_another_root(ruled: Ruled) -> None:
    await ruled.db.execute(
        "update checkpoints set root = sha256(root) where size = (select max(size) from checkpoints)"
    )


async def note_of_another_checkpoint(ruled: Ruled) -> None:
    await ruled.db.execute(
        """update checkpoints set note = (select note from checkpoints order by size limit 1)
           where size = (select max(size) from checkpoints)"""
    )


async def token_of_another_checkpoint(ruled: Ruled) -> None:
    await ruled.db.execute(
        """update checkpoints set token = (select token from checkpoints order by size limit 1)
           where size = (select max(size) from checkpoints)"""
    )


async def all_tokens_exchanged(ruled: Ruled) -> None:
    await ruled.db.execute(
        """update checkpoints c set token = (select token from checkpoints o where o.size <> c.size order by size limit 1)"""
    )


async def checkpoints_deleted(ruled: Ruled) -> None:
    """And the folder's is taken away: a log that never signed anything."""
    await octets_with_a_new_seal(ruled)
    await ruled.db.execute("delete from checkpoints")
    (ruled.log / "checkpoint").unlink()


async def a_log_of_another_name(ruled: Ruled) -> None:
    """The database says that its newest log is one that nobody's trust folder knows."""
    await ruled.db.execute("update logs set origin = '127.0.0.1:8025/log/2025', name = '2025'")


async def time_token_taken_from_a_decision(ruled: Ruled) -> None:
    """The seal of the acceptance gets the seal of the announcement's record instead, with its token's place empty."""
    row, other = await ruled.record("accepted"), await ruled.record("announcement_accepted")
    await ruled.write(row, seal=other["seal"], stamped_at=None)


Deed = Callable[[Ruled], Awaitable[None]]
DEEDS: tuple[Deed, ...] = (
    octets_changed, octets_without_hash, octets_with_a_new_seal, sealed_twice, seal_removed,
    salt_changed, newest_salt_changed, seals_swapped, seals_of_tickets_swapped, places_swapped,
    deleted, deleted_and_closed_up, newest_deleted, numbers_swapped,
    back_dated, with_a_copied_seal, put_in_between, database_rolled_back, all_rolled_back, all_rolled_back_and_grown,
    forked_from_nothing, forked_by_order_alone, forked_by_dropping_another, forked_from_an_earlier_size,
    note_of_another_checkpoint, token_of_another_checkpoint, all_tokens_exchanged,
    checkpoints_deleted, time_token_taken_from_a_decision, place_removed,
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What the user finds.

    Args:
        report: over the new bundle with all receipts, or where there is none over the receipt.
        stopped: why the log stopped, or empty.
    """

    report: Report
    stopped: str
    is_new: bool

    @property
    def failed(self) -> set[str]:
        return {one.why for one in self.report.claims if one.verdict == "FAIL"}


async def verified(ruled: Ruled) -> Outcome:
    stopped = await ruled.goes_on()
    bundle = await ruled.given_out()
    kept = ruled.prepared
    receipts = [Receipt("earlier.asice", kept.receipt)]
    receipts += [Receipt(f"{number}.tlog-proof", one) for number, one in enumerate(kept.proofs, 1)]
    log = ruled.log if (ruled.log / "checkpoint").exists() else None
    copy = ruled.data.parent / "copy"
    if log:
        shutil.copytree(log, copy)
    report = await asyncio.to_thread(
        verify, bundle or kept.receipt, kept.trust, receipts if bundle else [], log=copy if log else None
    )
    return Outcome(report, stopped, bundle is not None)


async def test_untouched(ruled: Ruled) -> None:
    """The control: with nothing done, everything holds, and goes on."""
    outcome = await verified(ruled)
    assert not outcome.stopped
    assert outcome.is_new
    assert not outcome.failed
    assert outcome.report.verdict("earlier") == outcome.report.verdict("audit") == "PASS"


async def test_untouched_and_longer(ruled: Ruled) -> None:
    await record_event(ruled.service, "key_rotated", {"purpose": "record-seal", "number": 2})
    outcome = await verified(ruled)
    assert (outcome.stopped, outcome.failed) == ("", set())
    assert outcome.report.verdict("earlier") == outcome.report.verdict("audit") == "PASS"


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
async def test_found(ruled: Ruled, deed: Deed) -> None:
    await deed(ruled)
    outcome = await verified(ruled)
    shown = ", ".join(sorted(outcome.failed))
    print(f"DEED {deed.__name__}: {'new' if outcome.is_new else 'refused'} {shown} | {outcome.stopped}")
    assert outcome.failed, outcome.stopped


async def test_the_evidence_of_another_ticket(ruled: Ruled) -> None:
    """It is right in itself, and about something else: what was kept says so, and accuses nobody of a change."""
    await tickets_exchanged(ruled)
    outcome = await verified(ruled)
    assert not outcome.failed
    assert {one.why for one in outcome.report.of("earlier")} == {"earlier.other", "earlier.unplaced"}
    assert outcome.report.exit_code == 2
    assert outcome.report.parties["recipient"] != "Bob <bob@example.com>"


REFUSED: tuple[Deed, ...] = (
    all_deleted, ticket_deleted, a_log_of_another_name, seal_and_place_removed, back_dated_without_the_key,
)  # fmt: skip
"""After these the service can give nothing out; what was given out goes on proving itself against the log's folder."""


@pytest.mark.parametrize("deed", REFUSED, ids=lambda deed: deed.__name__)
async def test_refused(ruled: Ruled, deed: Deed) -> None:
    await deed(ruled)
    outcome = await verified(ruled)
    assert not outcome.is_new
    assert not outcome.failed
    assert outcome.report.verdict("audit") == "PASS"


async def test_another_root_in_the_database_stops_the_log(ruled: Ruled) -> None:
    """The note is what counts, and it is whole; but nothing more is signed."""
    await checkpoint_of_another_root(ruled)
    outcome = await verified(ruled)
    assert "the tiles do not give the root" in outcome.stopped
    assert not outcome.failed


async def test_a_withheld_proof_is_not_a_proof(ruled: Ruled) -> None:
    """A place that the log does not have: the record counts as waiting, and what was given out still proves it."""
    await place_changed(ruled)
    outcome = await verified(ruled)
    assert ("inclusion.pending", "NOT PROVEN") in {(one.why, one.verdict) for one in outcome.report.claims}
    copy = ruled.data.parent / "copy"
    assert verify(ruled.prepared.receipt, ruled.prepared.trust, log=copy).verdict("inclusion") == "PASS"


async def test_a_token_that_was_taken_away_is_missed(ruled: Ruled) -> None:
    """Without it the time is not proven; the service then asks again, and the time is later, never earlier."""
    await ruled.db.execute("update checkpoints set token = null, token_until = null")
    bare = await ruled.given_out()
    assert bare
    assert "time.missing" in {one.why for one in verify(bare, ruled.prepared.trust).claims}
    outcome = await verified(ruled)
    assert not outcome.failed


async def test_a_note_that_was_taken_away_is_put_back(ruled: Ruled) -> None:
    """The folder has the newest; the others are not needed."""
    await ruled.db.execute("update checkpoints set note = null")
    outcome = await verified(ruled)
    assert (outcome.stopped, outcome.failed) == ("", set())
    assert outcome.report.verdict("inclusion") == "PASS"


async def test_a_time_beside_the_record_says_nothing(ruled: Ruled) -> None:
    """The column is for lists; the evidence has the time in the sealed octets, which are the same."""
    await ruled.db.execute("update records set at = at - interval '1 year'")
    outcome = await verified(ruled)
    assert (outcome.stopped, outcome.failed) == ("", set())
    assert outcome.report.verdict("earlier") == "PASS"


async def test_a_fact_that_was_told_late_shows_it(ruled: Ruled) -> None:
    """Back-dated only as far as the record before it, with the installation's key: no contradiction, but a remark.

    The seal and the log say when it came; a superuser can make the service seal what is not true, not when.
    """
    at = START + timedelta(hours=2, seconds=1)
    await _inserted(ruled, None, as_report=True, at=at, recorded=at)
    outcome = await verified(ruled)
    assert not outcome.failed
    assert "remark.sealed_later" in {one.why for one in outcome.report.remarks}


async def test_an_answer_that_was_given_twice_contradicts_itself(ruled: Ruled) -> None:
    """The mail was taken before, and the dialogue is of that time."""
    at = START + timedelta(hours=2, seconds=1)
    await _inserted(ruled, None, at=at, recorded=at)
    assert (await verified(ruled)).failed == {"agreement.moment", "order.ended"}


def test_there_are_enough_of_them() -> None:
    """Also those of the tests that stand alone."""
    assert len(DEEDS) + len(REFUSED) + 6 >= 40
