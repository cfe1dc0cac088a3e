"""What must hold after every fault (I1 to I6), checked from outside: rows, records, and what Bob and Alice received."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from sealpost.domain.records import has_reasons
from sealpost.domain.ticket import DECISIONS
from sealpost.store import tickets
from sealpost.text.statements import CLASSES, ENDS
from sealpost.usecases.deliver import split
from sealpost.usecases.hand_out import hand_out
from sealpost.usecases.mail_bytes import opened
from tests.faults.lives import BOB, Course, Life
from tests.faults.site import Violation
from tests.world import ACT, parsed

TAKEN = ("announcement_accepted", "reminder_accepted", "content_delivered")
EVIDENT = {"announcement", "reminder", "content"}


def demand(holds: object, broken: str) -> None:
    """Raises Violation unless it holds."""
    if not holds:
        raise Violation(broken)


async def check(course: Course, life: Life) -> None:
    """Everything about one course.

    Raises:
        Violation: the first promise found broken.
    """
    pool = course.site.world.service.pool
    tokens = await course.tokens()
    demand(set(course.acknowledged) <= set(tokens), f"I1: acknowledged, but gone: {course.acknowledged} in {tokens}")
    demand(course.acknowledged, "the sender never got an answer")
    demand(not await course.unfinished(), f"I6: stuck {await course.unfinished()}")
    for token in tokens:
        row = await pool.fetchrow("select * from tickets where token = $1", token)
        demand(row["decision"] == life.decision, f"I6: {token} is {row['decision']}, not {life.decision}")
        records = await pool.fetch("select * from records where ticket_id = $1 order by seq", row["id"])
        check_chain(row, records)
        await _check_content(course, token, row)
        check_facts(records, course.site.line.given)
        check_reasons(records)
        await _check_mails(course, life, row["id"], {record["kind"] for record in records})
        if life.decision == "accepted":
            await _check_delivered(course, token, row)


def check_chain(ticket: Any, records: Sequence[Any]) -> None:
    """I2, I4: the records follow one another, none is missing, and there is one decision."""
    previous: bytes | None = None
    for number, record in enumerate(records, 1):
        extension = extension_of(record)
        demand(hashlib.sha256(record["octets"]).digest() == record["sha256"], f"I4: record {number} was altered")
        demand(record["seq"] == extension["seq"] == number, f"I4: a gap before record {number}")
        linked = b64decode(extension["prev"]["DigestValue"]) if extension["prev"] else None
        demand(linked == previous, f"I4: record {number} does not follow the one before it")
        previous = record["sha256"]
    end = (ticket["last_seq"], ticket["last_sha256"])
    demand(end == (len(records), previous), "I4: the ticket does not know its last record")
    decisions = [record["kind"] for record in records if record["kind"] in DECISIONS]
    demand(len(decisions) <= 1, f"I2: decided {decisions}")


def extension_of(record: Any) -> dict[str, Any]:
    return msgspec.json.decode(record["octets"])["Extensions"][0]["sealpost/1"]


def check_facts(records: Sequence[Any], given: Sequence[str]) -> None:
    """I3: no record of a 250 that no server gave, and none twice."""
    finals = [extension_of(record)["smtp"]["final"] for record in records if record["kind"] in TAKEN]
    invented = [final for final in finals if final not in given or not final.startswith("250")]
    demand(not invented, f"I3: recorded, but never given: {invented}")
    demand(len(set(finals)) == len(finals), f"I2: recorded twice: {finals}")


def check_reasons(records: Sequence[Any]) -> None:
    """I3: a success has no reason; what failed, was refused or ran out has exactly one, of its own kind."""
    for record in records:
        told = msgspec.json.decode(record["octets"]).get("EventReasons", {}).get("EventReason", [])
        codes, kind = [one["Code"].rpartition("#")[2] for one in told], record["kind"]
        demand(len(codes) == has_reasons(kind), f"I3: {kind} has the reasons {codes}")
        demand(set(codes) <= _own_reasons(kind), f"I3: {kind} has a reason that is not its own: {codes}")


def _own_reasons(kind: str) -> set[str]:
    return (
        set(CLASSES)
        if kind.endswith("_failed")
        else {"expired": set(ENDS), "refused": {"refused-by-recipient"}}.get(kind, set())
    )


async def _check_content(course: Course, token: str, row: Any) -> None:
    """I1: what was submitted is there, byte for byte, also where the sender was told nothing."""
    service = course.site.world.service
    stored = await tickets.by_id(service.pool, row["id"])
    octets = await opened(service, service.content_vault.open, stored.content)
    parts = tuple(split(stored.evidence.parts, octets))
    demand(parts == course.sent[row["own_id"]], f"I1: {token} has other content than was sent")


async def _check_mails(course: Course, life: Life, ticket_id: Any, kinds: set[str]) -> None:
    """I5: each mail arrived once; again only after a dot without an answer, the same bytes, and a record says so."""
    received: dict[str, list[bytes]] = defaultdict(list)
    for _, _, raw in course.site.world.mailbox.mails:
        received[str(parsed(raw)["message-id"])].append(raw)
    mails = await course.site.world.service.pool.fetch(
        """select m.*, (select array_agg(a.state order by a.number) from attempts a where a.mail_id = m.id) as states
           from mails m where ticket_id = $1""",
        ticket_id,
    )
    expected = {"announcement": "sent", "confirmation": "sent", **life.mails}
    ended = {mail["purpose"]: mail["state"] for mail in mails}
    demand(ended == expected, f"I6: mails ended as {ended}, not {expected}")
    for mail in mails:
        check_copies(mail, received[str(mail["message_header"])], kinds)


def check_copies(mail: Any, copies: Sequence[bytes], kinds: set[str]) -> None:
    """I5 for one sent mail; ``copies`` are what was received under its Message-ID."""
    purpose, states = mail["purpose"], list(mail["states"])
    demand(copies, f"{purpose}: never arrived, though sent")
    demand(states.count("accepted") == 1, f"{purpose}: attempts {states}")
    unanswered = states.count("uncertain")
    demand(len(copies) <= 1 + unanswered, f"I5: {purpose} came {len(copies)} times, attempts {states}")
    demand(len(set(copies)) == 1, f"I5: {purpose} was repeated with other bytes")
    demand(hashlib.sha256(copies[0]).digest() == mail["sha256"], f"I5: {purpose} is not what was hashed beforehand")
    told = purpose not in EVIDENT or f"{purpose}_uncertain" in kinds or not unanswered
    demand(told, f"I5: {purpose}: uncertain, but no record says so: {sorted(kinds)}")


async def _check_delivered(course: Course, token: str, row: Any) -> None:
    body, pdf = course.sent[row["own_id"]]
    arrived = [
        {part.get_filename(): part.get_payload(decode=True) for part in mail.iter_attachments()}
        for mail in course.site.world.mailbox.to(BOB)
    ]
    demand({"message.txt": body, "notice.pdf": pdf} in arrived, f"{token}: Bob does not have what Alice sent")
    handed = await hand_out(course.site.world.service, token, [course.secret(token)], 1, ACT)
    demand(handed.octets == pdf, f"{token}: the download differs")
