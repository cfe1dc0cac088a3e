"""Whole bundles with real keys, a real log, witness, time stamps and certificate; and parts of them to be made wrong."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from asn1crypto import tsp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from sealpost.domain import note as notes
from sealpost.domain.canonical import canonical, digest
from sealpost.domain.checkpoint import Checkpoint, written_proof
from sealpost.domain.content import Part
from sealpost.domain.merkle import Peaks, inclusion_proof, leaf_hash, node_hash
from sealpost.domain.note import ED25519_COSIGNATURE, MLDSA44_COSIGNATURE, verifier_key, written
from sealpost.domain.records import Event, Issuer, Link, Subject, evidence, make
from sealpost.domain.seals import imprinted
from sealpost.domain.seals import read as read_seal
from sealpost.seal import jades, pki
from sealpost.seal.bundle.bundle import BundleParts, File, SealedRecord, StampedCheckpoint, prepared
from sealpost.seal.certificate.certificate import certificate
from sealpost.seal.certificate.pades import sealed
from sealpost.seal.key_files import FileSigner, KeyFolder
from sealpost.seal.notes import cosigned, log_lines
from sealpost.seal.signer import ED25519, ML_DSA_44, Signer
from sealpost.seal.timestamps.local import LocalTsa
from sealpost.verifier.audit import _tile_name
from sealpost.verifier.trust import Trust, trust_of

START = datetime(2026, 3, 4, 9, 0, 0, 120_000, tzinfo=UTC)
ORIGIN = "log.sealpost.example/log/2026"
WITNESS = "witness.bob.example/w"
STAMPED = {"accepted", "refused", "expired"}
BODY, NOTICE = b"Dear Bob,\nplease pay.\nAlice\n", b"%PDF-1.4 a notice\n"
MAIL = b"Message-ID: <1@sealpost.example>\r\nTo: bob@example.com\r\n\r\nSomething waits for you.\r\n"
PARTS = (
    Part("message_body", "text/plain; charset=utf-8", len(BODY), hashlib.sha256(BODY).digest()),
    Part("notice.pdf", "application/pdf", len(NOTICE), hashlib.sha256(NOTICE).digest()),
)
LIFE = (
    "submitted",
    "announcement_offered",
    "announcement_accepted",
    "announcement_opened",
    "accepted",
    "content_delivered",
    "content_downloaded",
)
SMTP: dict[str, Any] = {
    "messageId": "<1@sealpost.example>",
    "mailFrom": "b@bounce.sealpost.example",
    "rcptTo": "bob@example.com",
    "sent": {**digest(hashlib.sha256(MAIL).digest()), "size": len(MAIL)},
    "attempt": 1,
    "host": "mx.example.com",
    "port": 25,
    "ourName": "out.sealpost.example",
    "policy": {"type": "none"},
    "final": "250 2.0.0 Ok: queued as 4XsT9k2n1zB",
    "class": "accepted",
}


def issuer(environment: str = "test") -> Issuer:
    software = {"name": "sealpost", "version": "0.1.0", "commit": "0f3c9e1"}
    return Issuer("https://sealpost.example/evidence", "Voorbeeld Post B.V.", "NTRNL-12345678", environment, software)


def subject(token: str = "K.Zk3vQ9pR7mX2sL8tYb4wHd") -> Subject:
    return Subject(
        token,
        START,
        "Alice Incasso N.V.",
        "alice@example.org",
        "client:client-7f3a",
        "oauth2",
        START,
        "bob@example.com",
        "Bob",
        "Notice 2026-11",
        PARTS,
    )


class Hand:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def real(self) -> datetime:
        return self.at

    def statement(self) -> dict[str, Any]:
        return {"source": "none"}


@dataclass(slots=True)
class World:
    """The keys of one operator and of a witness, and its time stamp authority."""

    folder: Path
    origin: str = ORIGIN
    witness_name: str = WITNESS
    clock: Hand = field(default_factory=Hand)
    keys: KeyFolder = field(init=False)
    record_seal: Signer = field(init=False)
    pdf_seal: Signer = field(init=False)
    log_keys: tuple[Signer, Signer] = field(init=False)
    witness_keys: tuple[Signer, Signer] = field(init=False)
    tsa: LocalTsa = field(init=False)

    def __post_init__(self) -> None:
        self.keys = KeyFolder(self.folder, b"only for the tests of Alice")
        pki.establish(self.keys, issuer(), START - timedelta(days=1))
        self.record_seal, self.pdf_seal = self.keys.signer("record-seal"), self.keys.signer("pdf-seal")
        self.log_keys = self.keys.signer("log-ed25519"), self.keys.signer("log-mldsa44")
        first, second = Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate()
        self.witness_keys = (
            FileSigner("witness", 1, ED25519, first.public_key().public_bytes_raw(), (), None, first),
            FileSigner("witness", 1, ML_DSA_44, second.public_key().public_bytes_raw(), (), None, second),
        )
        self.tsa = LocalTsa(self.keys.signer("tsa"), self.clock)

    def stamp(self, octets: bytes, at: datetime) -> bytes:
        """A TimeStampResp over octets."""
        self.clock.at = at
        imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": hashlib.sha256(octets).digest()}
        asked: Any = tsp.TimeStampReq(
            {"version": "v1", "message_imprint": imprint, "nonce": secrets.randbits(64), "cert_req": True}
        )
        return self.tsa.answer(asked.dump())

    def token(self, octets: bytes, at: datetime) -> bytes:
        """A bare token over octets."""
        answer: Any = tsp.TimeStampResp.load(self.stamp(octets, at))
        return answer["time_stamp_token"].dump()

    def trust_files(self) -> dict[str, bytes]:
        """The trust folder."""
        pem = b"".join(one.public_bytes(Encoding.PEM) for one in pki.roots(self.keys))
        return {
            "roots.pem": pem,
            "tsa-roots.pem": pem,
            "policy": self.policy().encode(),
            "revoked/root-1.crl": pki.revocation_lists(self.keys, START)[0],
            "certificates/record-seal-1.pem": pem,
            "README.txt": b"Keep this folder.\n",
        }

    def policy(self, *, quorum: str = "any-of-them") -> str:
        """A tlog-policy."""
        ed25519, mldsa44 = (one.public_key for one in self.log_keys)
        first, second = (one.public_key for one in self.witness_keys)
        return (
            f"log {verifier_key(self.origin, notes.ED25519, ed25519)}\n"
            f"log {verifier_key(self.origin, MLDSA44_COSIGNATURE, mldsa44)}\n"
            f"witness bob {verifier_key(self.witness_name, ED25519_COSIGNATURE, first)}\n"
            f"witness bob-pq {verifier_key(self.witness_name, MLDSA44_COSIGNATURE, second)}\n"
            f"group any-of-them any bob bob-pq\nquorum {quorum}\n"
        )

    def trust(self) -> Trust:
        return trust_of(self.trust_files())


@dataclass(frozen=True, slots=True)
class Entry:
    """A record before it is logged."""

    octets: bytes
    seal: bytes
    salt: bytes
    recorded: datetime


def entries(
    world: World,
    kinds: Sequence[str] = LIFE,
    *,
    token: str = "K.Zk3vQ9pR7mX2sL8tYb4wHd",
    change: Callable[[int, dict[str, Any]], None] | None = None,
    at: Callable[[int], datetime] = lambda seq: START + timedelta(minutes=10 * (seq - 1)),
    stamped: bool = True,
) -> list[Entry]:
    """Sealed records of a life; ``change`` may spoil the value of a record before it is hashed and sealed."""
    made, prev = list[Entry](), None
    for seq, kind in enumerate(kinds, 1):
        when = at(seq)
        extension: dict[str, Any] = {"smtp": deepcopy(SMTP)} if kind.startswith(("announcement", "content_del")) else {}
        extension = {} if kind.endswith("opened") else extension
        event = Event(kind, when, when + timedelta(milliseconds=7), extension=extension)
        evidence_id = UUID(int=(int(when.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | seq)
        link = Link(seq, prev)
        if change is None:
            octets = make(issuer(), subject(token), link, event, evidence_id, {"source": "none"}).octets
        else:
            value = evidence(issuer(), subject(token), link, event, evidence_id, {"source": "none"})
            change(seq, value)
            octets = canonical(value)
        seal = jades.seal(world.record_seal, octets, event.recorded_at)
        if stamped and kind in STAMPED:
            over = imprinted(read_seal(seal).signature)
            seal = jades.with_timestamp(seal, world.token(over, event.recorded_at + timedelta(seconds=2)))
        made.append(Entry(octets, seal, hashlib.sha256(seal).digest(), event.recorded_at))
        prev = hashlib.sha256(octets).digest()
    return made


class Log:
    """A log in memory, with other people's entries between ours."""

    def __init__(self, world: World) -> None:
        self.world, self.leaves, self.raw = world, list[bytes](), list[bytes]()
        self.index: dict[int, int] = {}

    def add(self, raw: bytes) -> int:
        self.raw.append(raw)
        self.leaves.append(leaf_hash(raw))
        return len(self.leaves) - 1

    def others(self, count: int) -> None:
        for number in range(count):
            self.add(hashlib.sha256(f"{len(self.leaves)} {number}".encode()).digest())

    def node(self, level: int, place: int) -> bytes:
        if level == 0:
            return self.leaves[place]
        return node_hash(self.node(level - 1, 2 * place), self.node(level - 1, 2 * place + 1))

    def checkpoint(self, size: int) -> Checkpoint:
        tree = Peaks()
        tree.extend(self.leaves[:size])
        return Checkpoint(self.world.origin, size, tree.root())

    def text(self, size: int, at: datetime) -> bytes:
        """The note with the log's own two lines."""
        found = self.checkpoint(size)
        return written(found.text, log_lines(self.world.origin, found, *self.world.log_keys, at))

    def served(self, text: bytes, at: datetime, *, witnessed: bool = True) -> bytes:
        """The note with cosignatures."""
        note = notes.read(text)
        size = int(note.text.split("\n")[1])
        more = [cosigned(self.checkpoint(size), one, self.world.witness_name, at) for one in self.world.witness_keys]
        return written(note.text, [*note.signatures, *(more if witnessed else [])])

    def proof(self, index: int, size: int, note: bytes) -> bytes:
        return written_proof(index, inclusion_proof(index, size, self.node), note)

    def write(self, folder: Path, size: int, at: datetime) -> None:
        """A copy of the log's folder, as it is served."""

        def put(name: str, octets: bytes) -> None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(octets)

        put("checkpoint", self.text(size, at))
        level, row = 0, self.leaves[:size]
        while row:
            for number in range(-(-len(row) // 256)):
                tile = row[number * 256 : (number + 1) * 256]
                put(_tile_name(str(level), number, len(tile)), b"".join(tile))
            whole = len(row) // 256
            row = [self.node(8 * (level + 1), place) for place in range(whole)]
            level += 1
        for number in range(-(-size // 256)):
            some = self.raw[:size][number * 256 : (number + 1) * 256]
            put(_tile_name("entries", number, len(some)), b"".join(b"\0\x20" + one for one in some))


def logged(
    world: World,
    made: Sequence[Entry],
    *,
    log: Log | None = None,
    first: int = 3,
    witnessed: bool = True,
    pending: int = 0,
) -> tuple[list[SealedRecord], list[StampedCheckpoint]]:
    """Two checkpoints: one after the first records, one after all but the pending ones."""
    log = log or Log(world)
    log.others(5)
    records, checkpoints = list[SealedRecord](), list[StampedCheckpoint]()
    count = len(made) - pending
    for begin, end in ((0, min(first, count)), (min(first, count), count)):
        if begin == end:
            continue
        group = made[begin:end]
        places = [log.add(jades.commitment(one.salt, one.octets, one.seal)) for one in group]
        log.others(3)
        size, at = len(log.leaves), max(one.recorded for one in group) + timedelta(seconds=30)
        text = log.text(size, at)
        note = log.served(text, at + timedelta(seconds=1), witnessed=witnessed)
        checkpoints.append(StampedCheckpoint("2026", size, text, (world.stamp(text, at + timedelta(seconds=3)),)))
        for seq, (entry, place) in enumerate(zip(group, places, strict=True), begin + 1):
            records.append(SealedRecord(seq, entry.octets, entry.seal, entry.salt, log.proof(place, size, note)))
    for seq, entry in enumerate(made[count:], count + 1):
        records.append(SealedRecord(seq, entry.octets, entry.seal, entry.salt, None))
    return records, checkpoints


@dataclass(frozen=True, slots=True)
class Plan:
    """What a bundle will be made of; small files by number, name and octets."""

    records: tuple[SealedRecord, ...]
    checkpoints: tuple[StampedCheckpoint, ...]
    mails: tuple[tuple[int, str, bytes], ...]
    contents: tuple[tuple[int, str, bytes], ...]
    trust: Mapping[str, bytes]
    certificate: bytes | None = None

    def without_certificate(self, **changes: Any) -> Plan:
        """Changed, with a certificate made anew."""
        return replace(self, certificate=None, **changes)


def plan(world: World, made: Sequence[Entry] | None = None, *, log: Log | None = None, **options: Any) -> Plan:
    records, checkpoints = logged(world, entries(world) if made is None else made, log=log, **options)
    mails = ((2, "announcement.eml", MAIL),) if len(records) > 1 else ()
    contents = ((1, "message_body.txt", BODY), (2, "notice.pdf", NOTICE))
    return Plan(tuple(records), tuple(checkpoints), mails, contents, world.trust_files())


def certified(world: World, records: Sequence[SealedRecord], language: str = "nl") -> bytes:
    """The sealed certificate."""
    zone = ZoneInfo("Europe/Amsterdam")
    pdf = certificate(records, language=language, verify_url="https://sealpost.example/verify", zone=zone)
    return asyncio.run(sealed(pdf, world.pdf_seal, _stamper(world), closing(records)))


def closing(records: Sequence[SealedRecord]) -> datetime:
    """When the bundle is made."""
    return START + timedelta(minutes=10 * len(records) + 60)


def _stamper(world: World) -> Callable[[bytes], Any]:
    async def stamp(octets: bytes) -> bytes:
        return world.stamp(octets, START + timedelta(days=1))

    return stamp


def bundled(world: World, what: Plan) -> bytes:
    """The bundle's octets."""
    pdf = certified(world, what.records) if what.certificate is None else what.certificate
    parts = BundleParts(
        "K.Zk3vQ9pR7mX2sL8tYb4wHd",
        what.records,
        what.checkpoints,
        [File(number, name, _chunks(octets)) for number, name, octets in what.mails],
        [File(number, name, _chunks(octets)) for number, name, octets in what.contents],
        what.trust,
        pdf,
    )

    async def collected() -> bytes:
        async with prepared(parts, world.pdf_seal, _stamper(world), closing(what.records)) as bundle:
            return b"".join([piece async for piece in bundle.chunks()])

    return asyncio.run(collected())


async def _chunks(octets: bytes) -> AsyncIterator[bytes]:
    yield octets


def whole_bundle(world: World, kinds: Sequence[str] = LIFE, **options: Any) -> bytes:
    """A bundle in which everything is right."""
    return bundled(world, plan(world, entries(world, kinds), **options))


SPOKEN: dict[str, dict[str, Any]] = {
    "announcement_offered": {"smtp": {"by": "relay"}},
    "announcement_accepted": {"smtp": {"by": "relay"}},
    "announcement_failed": {"bounce": {"by": "report"}},
    "announcement_delivered": {"bounce": {"by": "report"}},
    "content_delivered": {"smtp": {"by": "relay"}},
    "content_failed": {"bounce": {"by": "report"}},
}
"""Records that are the word of a relay or of a returned mail: kind → extension."""


def spoken(world: World, said: dict[str, dict[str, Any]]) -> bytes:
    """A bundle of records of some kinds after the submission, with these members in their extensions."""
    kinds = ("submitted", *said)

    def change(seq: int, value: dict[str, Any]) -> None:
        if seq > 1:
            members = value["Extensions"][0]["sealpost/1"]
            members.pop("smtp", None)
            members.update(said[kinds[seq - 1]])

    return bundled(world, plan(world, entries(world, kinds, change=change)))
