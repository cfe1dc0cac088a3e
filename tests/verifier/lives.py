"""The rig of the verifier's tests: whole bundles of a live service with real keys, and the same ones forged.

An operator's keys, an independent time stamp authority, a log with other people's entries, a witness (`World`). Bundles:

    octets = make_bundle(world, write_life(LIFE, suite="2026-2"))       # exit 0
    values = write_life(LIFE)                                           # records as plain objects
    smtp_of(values[2])["final"] = "550 5.1.1 nobody"                    # changed, moved, left out, put in …
    octets = make_bundle(world, values)                                 # … and linked, sealed, logged, stamped anew

The second bundle differs from the first in that alone: it is what an operator who lies can make with the real keys.
`entries`, `logged`, `plan` and `bundled` are the steps, for tests that spoil what lies between them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

from asn1crypto import tsp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from sealpost.domain import note as notes
from sealpost.domain.anchors import trust_fingerprint
from sealpost.domain.canonical import canonical, digest
from sealpost.domain.checkpoint import Checkpoint, written_proof
from sealpost.domain.merkle import Peaks, inclusion_proof, leaf_hash, node_hash
from sealpost.domain.note import ED25519_COSIGNATURE, MLDSA44_COSIGNATURE, verifier_key, written
from sealpost.domain.seals import imprinted
from sealpost.domain.seals import read as read_seal
from sealpost.seal import jades, pki
from sealpost.seal.bundle.bundle import BundleParts, File, SealedRecord, StampedCheckpoint, prepared
from sealpost.seal.certificate import story as stories
from sealpost.seal.certificate.certificate import certificate
from sealpost.seal.certificate.pades import sealed
from sealpost.seal.key_files import FileSigner, KeyFolder
from sealpost.seal.notes import cosigned, log_lines
from sealpost.seal.signer import ED25519, ML_DSA_44, Signer
from sealpost.verifier.audit import _tile_name
from sealpost.verifier.trust import Trust, trust_of
from tests.verifier.authority import Authority
from tests.verifier.story import (
    BODY,
    CONTENT,
    EXPIRE_AT,
    LIFE,
    MAIL,
    NOTICE,
    PARTS,
    REMIND_AT,
    REMINDER,
    START,
    TOKEN,
    Value,
    bounce,
    dialogue,
    extension_of,
    issuer,
    lines_of,
    set_times,
    smtp_of,
    subject,
    write_life,
)

__all__ = [
    "BODY",
    "CONTENT",
    "EXPIRE_AT",
    "LIFE",
    "MAIL",
    "NOTICE",
    "PARTS",
    "REMINDER",
    "REMIND_AT",
    "START",
    "TOKEN",
    "Authority",
    "Value",
    "bounce",
    "dialogue",
    "extension_of",
    "issuer",
    "lines_of",
    "set_times",
    "smtp_of",
    "subject",
    "write_life",
]  # fmt: skip

ORIGIN = "log.sealpost.example/log/2026"
WITNESS = "witness.bob.example/w"
STAMPED = {"ConsignmentAcceptance", "ConsignmentRejection", "AcceptanceRejectionExpiry"}
APART = timedelta(minutes=45)
"""Records further apart are not under one checkpoint: the log is written at latest a minute after each."""
SMTP: Value = smtp_of(write_life()[2])


@dataclass(slots=True)
class World:
    """The keys of one operator and of a witness, and the time stamp authority.

    Args:
        folder: for the operator's keys; made.
        origin: of the log.
        witness_name: of the witness.
        environment: ``live`` or ``test``.
        authority: another one than an independent one of its own root.
    """

    folder: Path
    origin: str = ORIGIN
    witness_name: str = WITNESS
    environment: str = "live"
    authority: Authority = field(default_factory=Authority)
    keys: KeyFolder = field(init=False)
    record_seal: Signer = field(init=False)
    pdf_seal: Signer = field(init=False)
    log_keys: tuple[Signer, Signer] = field(init=False)
    witness_keys: tuple[Signer, Signer] = field(init=False)

    def __post_init__(self) -> None:
        self.keys = KeyFolder(self.folder, b"only for the tests of Alice")
        pki.establish(self.keys, issuer(self.environment), START - timedelta(days=1))
        self.record_seal, self.pdf_seal = self.keys.signer("record-seal"), self.keys.signer("pdf-seal")
        self.log_keys = self.keys.signer("log-ed25519"), self.keys.signer("log-mldsa44")
        first, second = Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate()
        self.witness_keys = (
            FileSigner("witness", 1, ED25519, first.public_key().public_bytes_raw(), (), None, first),
            FileSigner("witness", 1, ML_DSA_44, second.public_key().public_bytes_raw(), (), None, second),
        )

    def stamp(self, octets: bytes, at: datetime) -> bytes:
        """A TimeStampResp over octets."""
        imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": hashlib.sha256(octets).digest()}
        asked: Any = tsp.TimeStampReq(
            {"version": "v1", "message_imprint": imprint, "nonce": secrets.randbits(64), "cert_req": True}
        )
        return self.authority.answer(asked.dump(), at)

    def token(self, octets: bytes, at: datetime) -> bytes:
        """A bare token over octets."""
        answer: Any = tsp.TimeStampResp.load(self.stamp(octets, at))
        return answer["time_stamp_token"].dump()

    def trust_files(self) -> dict[str, bytes]:
        """The trust folder."""
        pem = b"".join(one.public_bytes(Encoding.PEM) for one in pki.roots(self.keys))
        return {
            "roots.pem": pem,
            "tsa-roots.pem": self.authority.root.public_bytes(Encoding.PEM),
            "policy": self.policy().encode(),
            **self.lists(),
            **self.certificates(),
            "README.txt": b"Keep this folder.\n",
        }

    def lists(self, at: datetime = START) -> dict[str, bytes]:
        """Of revoked certificates, as of a time."""
        made = pki.revocation_lists(self.keys, at)
        return {f"revoked/root-{number}.crl": one for number, one in enumerate(made, 1)}

    def certificates(self) -> dict[str, bytes]:
        """Those that seal or sealed."""
        return {
            f"certificates/{purpose}-{number}.pem": b"".join(
                one.public_bytes(Encoding.PEM) for one in self.keys.certificates(purpose, number)
            )
            for purpose in ("record-seal", "pdf-seal")
            for number in self.keys.numbers(purpose)
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
    suite: str = "2026-1",
    token: str = TOKEN,
    change: Callable[[int, Value], None] | None = None,
    at: Callable[[int], datetime] | None = None,
    stamped: bool = True,
) -> list[Entry]:
    """Sealed records of a life; ``change`` may spoil the value of a record before it is hashed and sealed."""
    values = write_life(kinds, suite=suite, token=token, at=at, environment=world.environment)
    times = [(value["EventTime"], recorded_at(value)) for value in values]
    return seal_records(world, values, change=change, stamped=stamped, times=[recorded for _, recorded in times])


def recorded_at(value: Value) -> datetime:
    """When a record was written, as it says."""
    return datetime.fromisoformat(extension_of(value)["recordedAt"])


def seal_records(
    world: World,
    values: Sequence[Value],
    *,
    change: Callable[[int, Value], None] | None = None,
    stamped: bool = True,
    times: Sequence[datetime] | None = None,
    own_tokens_at: datetime | None = None,
) -> list[Entry]:
    """Chains records as they stand there, and seals them.

    Args:
        world: whose key seals.
        values: the records; their numbers and hashes of the one before are set here.
        change: called with number and record when these are set.
        stamped: decisions and expiries get tokens of their own.
        times: when each is sealed; else when it says that it was written.
        own_tokens_at: when these tokens were given; else two seconds after the record.
    """
    made, prev = list[Entry](), None
    for seq, value in enumerate(values, 1):
        when = times[seq - 1] if times else recorded_at(value)
        extension_of(value).update(seq=seq, prev=digest(prev) if prev else None)
        if change is not None:
            change(seq, value)
        octets = canonical(value)
        seal = jades.seal(world.record_seal, octets, when)
        if stamped and str(value.get("ERDSEventId")).rpartition("/")[2] in STAMPED:
            over = imprinted(read_seal(seal).signature)
            seal = jades.with_timestamp(seal, world.token(over, own_tokens_at or when + timedelta(seconds=2)))
        made.append(Entry(octets, seal, hashlib.sha256(seal).digest(), when))
        prev = hashlib.sha256(octets).digest()
    return made


def make_bundle(
    world: World,
    values: Sequence[Value],
    *,
    tokens_at: datetime | None = None,
    own_tokens_at: datetime | None = None,
    closed: datetime | None = None,
    pdf_at: datetime | None = None,
    prose: Sequence[SealedRecord] | None = None,
    **options: Any,
) -> bytes:
    """A bundle of records as they stand there: chained, sealed, logged, stamped and certified by the real keys.

    Args:
        world: the operator, its authority and witness.
        values: of `write_life`, changed in any way, other records between them, or fewer.
        tokens_at: when every checkpoint was stamped; else half a minute after its newest record.
        own_tokens_at: when the seals of decisions and expiries were stamped; else two seconds after the record.
        closed: when the bundle was sealed and stamped; else an hour after the newest record.
        pdf_at: when the certificate was; else as the bundle.
        prose: records of which the certificate tells, where it cannot tell of ``values``: those of the unforged twin.
        options: of `logged`: how many records wait for the log, whether a witness has signed.
    """
    made = seal_records(world, values, own_tokens_at=own_tokens_at)
    what = plan(world, made, tokens_at=tokens_at, **options)
    end = closed or closing(what.records)
    pdf = certified(world, what.records, at=pdf_at or end, prose=prose, checkpoints=what.checkpoints, trust=what.trust)
    return bundled(world, replace(what, certificate=pdf, closed=end))


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
    tokens_at: datetime | None = None,
) -> tuple[list[SealedRecord], list[StampedCheckpoint]]:
    """A checkpoint after the first records, one after all but the pending ones, and one wherever a long time passed.

    Args:
        world: whose log, witness and authority.
        made: the sealed records.
        log: where they go; a new one with others' entries, if not told otherwise.
        first: how many come under the first checkpoint.
        witnessed: with lines of the witness.
        pending: so many at the end are not in the log yet.
        tokens_at: when all of the checkpoints were signed and stamped.
    """
    log = log or Log(world)
    log.others(5)
    records, checkpoints = list[SealedRecord](), list[StampedCheckpoint]()
    count = len(made) - pending
    for begin, end in _groups(made[:count], first):
        group = made[begin:end]
        places = [log.add(jades.commitment(one.salt, one.octets, one.seal)) for one in group]
        log.others(3)
        size, at = len(log.leaves), tokens_at or max(one.recorded for one in group) + timedelta(seconds=30)
        text = log.text(size, at)
        note = log.served(text, at + timedelta(seconds=1), witnessed=witnessed)
        checkpoints.append(StampedCheckpoint("2026", size, text, (world.stamp(text, at + timedelta(seconds=3)),)))
        for seq, (entry, place) in enumerate(zip(group, places, strict=True), begin + 1):
            records.append(SealedRecord(seq, entry.octets, entry.seal, entry.salt, log.proof(place, size, note)))
    for seq, entry in enumerate(made[count:], count + 1):
        records.append(SealedRecord(seq, entry.octets, entry.seal, entry.salt, None))
    return records, checkpoints


def _groups(made: Sequence[Entry], first: int) -> list[tuple[int, int]]:
    """Which records come under one checkpoint: from, and up to but without."""
    starts = [0]
    for number in range(1, len(made)):
        if number == first or made[number].recorded - made[starts[-1]].recorded > APART:
            starts.append(number)
    return list(zip(starts, [*starts[1:], len(made)], strict=True)) if made else []


@dataclass(frozen=True, slots=True)
class Plan:
    """What a bundle will be made of; small files by number, name and octets; ``closed``: when it is sealed and stamped."""

    records: tuple[SealedRecord, ...]
    checkpoints: tuple[StampedCheckpoint, ...]
    mails: tuple[tuple[int, str, bytes], ...]
    contents: tuple[tuple[int, str, bytes], ...]
    trust: Mapping[str, bytes]
    certificate: bytes | None = None
    closed: datetime | None = None

    def without_certificate(self, **changes: Any) -> Plan:
        """Changed, with a certificate made anew."""
        return replace(self, certificate=None, **changes)


def plan(world: World, made: Sequence[Entry] | None = None, *, log: Log | None = None, **options: Any) -> Plan:
    records, checkpoints = logged(world, entries(world) if made is None else made, log=log, **options)
    mails = [_first_told(records, *one) for one in (("announcement.eml", MAIL), ("reminder.eml", REMINDER))]
    contents = ((1, "message.txt", BODY), (2, "notice.pdf", NOTICE))
    return Plan(tuple(records), tuple(checkpoints), tuple(filter(None, mails)), contents, world.trust_files())


def _first_told(records: Sequence[SealedRecord], name: str, octets: bytes) -> tuple[int, str, bytes] | None:
    """A mail under the number of the first record that speaks of it."""
    hashed = digest(hashlib.sha256(octets).digest())["DigestValue"].encode()
    return next(((one.seq, name, octets) for one in records if hashed in one.octets), None)


def certified(
    world: World,
    records: Sequence[SealedRecord],
    language: str = "nl",
    *,
    at: datetime | None = None,
    prose: Sequence[SealedRecord] | None = None,
    checkpoints: Sequence[StampedCheckpoint] = (),
    trust: Mapping[str, bytes] | None = None,
) -> bytes:
    """The sealed certificate.

    Args:
        world: whose key seals.
        records: that are embedded.
        language: of its words.
        at: when it is sealed and stamped; else an hour after the newest record.
        prose: of which it tells, where it shall not tell of ``records``.
        checkpoints: of which its proven times are; else none is proven.
        trust: the folder whose fingerprint it names; else the world's.
    """
    zone, when = ZoneInfo("Europe/Amsterdam"), at or closing(records)
    story = stories.read(prose or records)
    with patch.object(stories, "read", return_value=story):
        pdf = certificate(
            records,
            checkpoints,
            language=language,
            verify_url="https://sealpost.example/verify",
            zone=zone,
            trust=trust_fingerprint(trust or world.trust_files()),
        )
    return asyncio.run(sealed(pdf, world.pdf_seal, _stamper(world, when), when))


def closing(records: Sequence[SealedRecord]) -> datetime:
    """When the bundle is made, unless told otherwise: an hour after the newest record."""
    times = [datetime.fromisoformat(_said(one.octets)) for one in records]
    return max(times, default=START) + timedelta(hours=1)


def _said(octets: bytes) -> str:
    try:
        return str(json.loads(octets)["Extensions"][0]["sealpost/1"]["recordedAt"])
    except (ValueError, KeyError, IndexError, TypeError):
        return START.isoformat()


def _stamper(world: World, at: datetime = START + timedelta(days=1)) -> Callable[[bytes], Any]:
    async def stamp(octets: bytes) -> bytes:
        return world.stamp(octets, at)

    return stamp


def bundled(world: World, what: Plan) -> bytes:
    """The bundle's octets."""
    end = what.closed or closing(what.records)
    pdf = what.certificate
    if pdf is None:
        pdf = certified(world, what.records, at=end, checkpoints=what.checkpoints, trust=what.trust)
    parts = BundleParts(
        TOKEN,
        what.records,
        what.checkpoints,
        [File(number, name, _chunks(octets)) for number, name, octets in what.mails],
        [File(number, name, _chunks(octets)) for number, name, octets in what.contents],
        what.trust,
        pdf,
    )

    async def collected() -> bytes:
        async with prepared(parts, world.pdf_seal, _stamper(world, end), end) as bundle:
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
    "announcement_failed": {"bounce": bounce("announcement", "failed", "5.1.1")},
    "announcement_delivered": {"bounce": bounce("announcement")},
    "announcement_opened": {"web": {"automation": ["scanner-agent"]}},
    "accepted": {},
    "content_offered": {"smtp": {"by": "relay"}},
    "content_delivered": {"smtp": {"by": "relay"}},
    "content_failed": {"bounce": bounce("content", "failed", "5.1.1")},
}
"""Records that are the word of a relay or of a returned mail, or look like a program's act: kind → extension."""


def spoken(world: World, said: dict[str, dict[str, Any]]) -> bytes:
    """A bundle of records of some kinds after the submission, with these members in their extensions."""
    values = write_life(("submitted", *said), environment=world.environment)
    for value, changes in zip(values[1:], said.values(), strict=True):
        members = extension_of(value)
        if "bounce" in changes:
            members.pop("smtp", None)
            for name in ("TransactionLogInformation", "ForwardedToExternalSystem"):
                value.pop(name, None)
        members.update({name: {**members.get(name, {}), **one} for name, one in changes.items()})
    return make_bundle(world, values)
