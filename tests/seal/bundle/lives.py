"""Alice's registered e-mail to Bob with everything that proves it: real keys, seals, log, proofs and time tokens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from cryptography.hazmat.primitives.serialization import Encoding

from sealpost.domain import merkle, note
from sealpost.domain.canonical import digest, instant
from sealpost.domain.checkpoint import Checkpoint, written_proof
from sealpost.domain.content import Part
from sealpost.domain.ids import uuid7
from sealpost.domain.records import Event, Issuer, Link, Record, Subject, make
from sealpost.seal import jades, pki
from sealpost.seal.bundle.bundle import SealedRecord, StampedCheckpoint
from sealpost.seal.key_files import KeyFolder
from sealpost.seal.notes import log_lines
from sealpost.seal.timestamps.client import TimestampClient
from sealpost.seal.timestamps.local import LocalTsa, tsa_app

START = datetime(2026, 11, 23, 10, 15, 2, 481_000, tzinfo=UTC)
NOW = START + timedelta(hours=3)  # checkpoint, time tokens, certificate and bundle
ORIGIN = "sealpost.example/log/2026"
SOFTWARE = {"name": "sealpost", "version": "0.4.0", "commit": "0f3c9e1"}
BODY, NOTICE = b"Dear Bob,\n\nplease read this.\n", b"%PDF-1.4\n% a small one\n" + bytes(range(256)) * 90
FINAL = "250 2.0.0 Ok: queued as 4XsT9k2n1zB"
MAIL = b"From: alice@example.org\r\nTo: bob@example.com\r\n\r\nA registered e-mail waits for you.\r\n"


class StillClock:
    """A service's clock that stands still."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def real(self) -> datetime:
        return self.at

    def statement(self) -> dict[str, Any]:
        return {"source": "none"}


@dataclass
class Office:
    """An installation: its keys and its time stamp authority."""

    keys: KeyFolder
    issuer: Issuer
    client: TimestampClient

    @property
    def roots(self) -> bytes:
        return b"".join(one.public_bytes(Encoding.PEM) for one in pki.roots(self.keys))

    @property
    def trust(self) -> dict[str, bytes]:
        lists = pki.revocation_lists(self.keys, START)
        revoked = {f"revoked/{number}.crl": one for number, one in enumerate(lists, 1)}
        keys = [(note.ED25519, "log-ed25519"), (note.MLDSA44_COSIGNATURE, "log-mldsa44")]
        known = [note.verifier_key(ORIGIN, kind, self.keys.signer(one).public_key) for kind, one in keys]
        policy = "".join(f"log {one}\n" for one in known) + "quorum none\n"
        files = {"roots.pem": self.roots, "tsa-roots.pem": self.roots, "policy": policy.encode(), "README.txt": b"-\n"}
        return files | revoked


def office(folder: Path, at: datetime = NOW, environment: str = "test") -> Office:
    issuer = Issuer("https://sealpost.example/evidence", "Voorbeeld Post B.V.", "NTRNL-12345678", environment, SOFTWARE)
    keys = KeyFolder(folder / "keys", b"only for the tests of Alice")
    pki.establish(keys, Issuer(issuer.base, issuer.legal_name, issuer.legal_id, "test", {}), at - timedelta(days=1))
    clock = StillClock(at)
    transport = httpx2.ASGITransport(tsa_app(LocalTsa(keys.signer("tsa"), clock)))
    client = TimestampClient("http://tsa.example/tsa", pki.roots(keys), clock=clock, transport=transport)
    return Office(keys, issuer, client)


def part(name: str, kind: str, octets: bytes) -> Part:
    return Part(name, kind, len(octets), hashlib.sha256(octets).digest())


def subject(**changes: Any) -> Subject:
    members: dict[str, Any] = {
        "ticket_token": "K.Zk3vQ9pR7mX2sL8tYb4wHd",
        "submitted_at": START,
        "account_name": "Alice Incasso N.V.",
        "sender_email": "alice@example.org",
        "delegate": "client:client-7f3a",
        "method": "oauth2-client-credentials",
        "authenticated_at": START - timedelta(seconds=4),
        "recipient_email": "bob@example.com",
        "recipient_name": "Bob",
        "own_id": "Notice 2026-11",
        "parts": (
            part("message_body", "text/plain; charset=utf-8", BODY),
            part("notice.pdf", "application/pdf", NOTICE),
        ),
    }
    return Subject(**(members | changes))


def smtp(final: str | None, octets: bytes = MAIL, attempt: int = 1, host: str = "mx1.example.com") -> dict[str, Any]:
    members: dict[str, Any] = {
        "messageId": "<019dab50-1@sealpost.example>",
        "mailFrom": "b+Zk3v.1.9c41d2aa77@bounce.sealpost.example",
        "rcptTo": "bob@example.com",
        "sent": {**digest(hashlib.sha256(octets).digest()), "size": len(octets)},
        "attempt": attempt,
        "host": host,
        "address": "192.0.2.25",
        "port": 25,
        "ourName": "out1.sealpost.example",
        "policy": {"type": "none"},
        "tls": {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "nameCheck": "match"},
    }
    return {"smtp": members | ({"final": final, "class": "accepted", "enhanced": "2.0.0"} if final else {})}


def dialogue(final: str, at: datetime) -> dict[str, Any]:
    said = [
        ("s", "220 mx1.example.com ESMTP Postfix"),
        ("c", "EHLO out1.sealpost.example"),
        ("s", "250-mx1.example.com"),
        ("s", "250 STARTTLS"),
        ("c", "MAIL FROM:<b+Zk3v.1.9c41d2aa77@bounce.sealpost.example>"),
        ("s", "250 2.1.0 Ok"),
        ("c", "RCPT TO:<bob@example.com>"),
        ("s", "250 2.1.5 Ok"),
        ("c", "DATA"),
        ("s", "354 End data with <CR><LF>.<CR><LF>"),
        ("s", final),
    ]
    return {"type": "smtp", "lines": [{"by": by, "at": instant(at), "line": line} for by, line in said]}


def web(act: str, automation: Sequence[str] = ()) -> dict[str, Any]:
    page = digest(hashlib.sha256(b"page").digest())
    link = digest(hashlib.sha256(b"link").digest())
    facts = {"act": act, "link": link, "address": "198.51.100.0/24", "addressMac": "00" * 32}
    return {"web": {**facts, "userAgent": "Mozilla/5.0", "automation": list(automation), "page": page}}


def event(kind: str, seconds: float, *reasons: tuple[str, str], late: float = 0.045, **more: Any) -> Event:
    at = START + timedelta(seconds=seconds)
    return Event(kind, at, at + timedelta(seconds=late), reasons, **more)


def handed_over(kind: str, seconds: float, final: str = FINAL, **more: Any) -> Event:
    what, _, _ = kind.partition("_")
    transcript = dialogue(final, START + timedelta(seconds=seconds))
    facts = {"host": "mx1.example.com", "transcripts": (transcript,), "extension": smtp(final), "mail": (what, 1)}
    return event(kind, seconds, **facts, **more)


def whole_life() -> list[Event]:
    """Submitted, announced, viewed, accepted, delivered."""
    return [
        event("submitted", 0, extension={"request": {"face": "POST /webservice/mailsender/send"}}, late=0.009),
        event("announcement_offered", 1.829, extension=smtp(None)),
        handed_over("announcement_accepted", 2.425),
        event("announcement_opened", 5_112.3, extension=web("opened")),
        event("accepted", 5_140.9, extension=web("accepted")),
        event("content_offered", 5_141.7, extension=smtp(None)),
        handed_over("content_delivered", 5_142.6, "250 2.0.0 Ok: queued as 4XsV0p8m1zC"),
    ]


def recorded_at(record: Record) -> datetime:
    return datetime.fromisoformat(json.loads(record.octets)["Extensions"][0]["sealpost/1"]["recordedAt"])


def chain(at: Office, told: Subject, events: Sequence[Event]) -> list[Record]:
    records: list[Record] = []
    for seq, one in enumerate(events, 1):
        link = Link(seq, records[-1].sha256 if records else None)
        statement: dict[str, Any] = {"source": "none"}
        records.append(make(at.issuer, told, link, one, uuid7(one.at, partial(_octets, seq)), statement))
    return records


async def evidence(
    at: Office, told: Subject | None = None, events: Sequence[Event] | None = None, pending: int = 0
) -> tuple[list[SealedRecord], list[StampedCheckpoint]]:
    """Sealed records, the last `pending` without a proof, and the one checkpoint that the proofs use."""
    records = chain(at, told or subject(), events or whole_life())
    signer = at.keys.signer("record-seal")
    seals = [jades.seal(signer, one.octets, recorded_at(one)) for one in records]
    salts = [hashlib.sha256(b"salt %d" % one.seq).digest() for one in records]
    for number, one in enumerate(records):
        if one.kind in {"accepted", "refused", "expired"}:
            answer = await at.client.stamp(jades.imprint_octets(seals[number]))
            seals[number] = jades.with_timestamp(seals[number], bare(answer))
    others = [hashlib.sha256(b"others %d" % number).digest() for number in range(40)]
    leaves = [merkle.leaf_hash(one) for one in others]
    leaves += [
        merkle.leaf_hash(jades.commitment(salt, one.octets, seal))
        for salt, one, seal in zip(salts, records, seals, strict=True)
    ]
    proofs, checkpoint = _log(leaves, at)
    stamped = StampedCheckpoint("2026", len(leaves), checkpoint, (await at.client.stamp(checkpoint),))
    sealed = [
        SealedRecord(one.seq, one.octets, seal, salt, None if one.seq > len(records) - pending else proof)
        for one, seal, salt, proof in zip(records, seals, salts, proofs[40:], strict=True)
    ]
    return sealed, [stamped]


def bare(answer: bytes) -> bytes:
    from asn1crypto import tsp  # noqa: PLC0415 - untyped, and used here alone

    parsed: Any = tsp.TimeStampResp.load(answer)
    return parsed["time_stamp_token"].dump()


def _log(leaves: list[bytes], at: Office) -> tuple[list[bytes], bytes]:
    def node(level: int, place: int) -> bytes:
        if level == 0:
            return leaves[place]
        return merkle.node_hash(node(level - 1, 2 * place), node(level - 1, 2 * place + 1))

    size = len(leaves)
    tree = Checkpoint(ORIGIN, size, merkle.peaks_of(size, node).root())
    lines = log_lines(ORIGIN, tree, at.keys.signer("log-ed25519"), at.keys.signer("log-mldsa44"), NOW)
    signed = note.written(tree.text, lines)
    proofs = [written_proof(index, merkle.inclusion_proof(index, size, node), signed) for index in range(size)]
    return proofs, signed


def _octets(seq: int, count: int) -> bytes:
    return bytes([seq]) * count


async def chunks(octets: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for start in range(0, len(octets), size):
        yield octets[start : start + size]
