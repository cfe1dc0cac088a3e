"""Records as a live service writes them, for the rig in `lives`: complete dialogues, acts, reasons, terms.

A record is a plain JSON object here, free to be changed before `lives.make_bundle` links, seals and logs it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sealpost.domain.canonical import digest, instant
from sealpost.domain.content import Part
from sealpost.domain.records import Event, Issuer, Link, Subject, evidence

Value = dict[str, Any]
START = datetime(2026, 3, 4, 9, 0, 0, 120_000, tzinfo=UTC)
REMIND_AT = datetime(2026, 3, 9, 7, 0, tzinfo=UTC)
EXPIRE_AT = datetime(2026, 3, 18, 7, 0, tzinfo=UTC)
TOKEN = "K.Zk3vQ9pR7mX2sL8tYb4wHd"
CLOCK = {"source": "ntp:time.example.net", "offsetMs": 3}
BODY, NOTICE = b"Dear Bob,\nplease pay.\nAlice\n", b"%PDF-1.4 a notice\n"
MAIL = b"Message-ID: <1@sealpost.example>\r\nTo: bob@example.com\r\n\r\nSomething waits for you.\r\n"
REMINDER = b"Message-ID: <2@sealpost.example>\r\nTo: bob@example.com\r\n\r\nSomething still waits for you.\r\n"
CONTENT = b"Message-ID: <3@sealpost.example>\r\nTo: bob@example.com\r\n\r\nDear Bob, please pay. Alice\r\n"
MAILS = {"announcement": MAIL, "reminder": REMINDER, "content": CONTENT}
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
    "content_offered",
    "content_delivered",
    "content_downloaded",
)
TAKEN = ("250 2.0.0 Ok: queued as 4XsT9k2n1zB",)
UNKNOWN = (
    "550-5.1.1 <bob@example.com>: this mailbox does not exist here.",
    "550-5.1.1 Please ask the person whom you want to reach",
    "550 5.1.1 for another address.",
)
GREYLISTED = ("450 4.7.1 <bob@example.com>: greylisted, come back later",)
REPLIES = {"accepted": TAKEN, "delivered": TAKEN, "failed": UNKNOWN, "delayed": GREYLISTED}
CLASSES = {"accepted": "accepted", "delivered": "accepted", "failed": "unknown", "delayed": "greylisted"}
ACTS = {
    "announcement_opened": "opened",
    "accepted": "accepted",
    "refused": "refused",
    "content_downloaded": "download",
}
_MAILED = ("announcement", "reminder", "content")


def issuer(environment: str = "live") -> Issuer:
    software = {"name": "sealpost", "version": "0.1.0", "commit": "0f3c9e1"}
    return Issuer("https://sealpost.example/evidence", "Voorbeeld Post B.V.", "NTRNL-12345678", environment, software)


def subject(token: str = TOKEN) -> Subject:
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


def extension_of(value: Value) -> Value:
    """The member ``sealpost/1`` of a record."""
    return value["Extensions"][0]["sealpost/1"]


def smtp_of(value: Value) -> Value:
    """What a record says of its attempt."""
    return extension_of(value)["smtp"]


def lines_of(value: Value) -> list[Value]:
    """The lines of the dialogue that decided."""
    return value["TransactionLogInformation"]["TransactionLog"][-1]["lines"]


def set_times(value: Value, at: datetime, recorded: datetime | None = None) -> None:
    """Gives a record other times, its dialogue's included: all of it happened so much earlier or later."""
    moved = at - datetime.fromisoformat(value["EventTime"])
    value["EventTime"] = instant(at)
    extension_of(value)["recordedAt"] = instant(recorded or at + timedelta(milliseconds=7))
    if "TransactionLogInformation" in value:
        for line in lines_of(value):
            line["at"] = instant(datetime.fromisoformat(line["at"]) + moved)


def write_life(
    kinds: Sequence[str] = LIFE,
    *,
    suite: str = "2026-1",
    environment: str = "live",
    token: str = TOKEN,
    at: Callable[[int], datetime] | None = None,
) -> list[Value]:
    """The records of a life, in the form of a suite, as a service without a fault would write them.

    Args:
        kinds: of records, in their order; the first one is ``submitted``.
        suite: ``2026-1`` (a purpose as first reason, the last line of a reply) or ``2026-2``.
        environment: ``live`` or ``test``.
        token: of the ticket.
        at: times of events by their number from 1; ten minutes apart, reminder and expiry when they are due.
    """
    times = [at(seq) for seq in range(1, len(kinds) + 1)] if at else _times(kinds)
    return [
        _record(kind, seq, when, suite, environment, token)
        for seq, (kind, when) in enumerate(zip(kinds, times, strict=True), 1)
    ]


def _times(kinds: Sequence[str]) -> list[datetime]:
    times, last = list[datetime](), START - timedelta(minutes=10)
    for kind in kinds:
        last += timedelta(minutes=10)
        if kind == "reminder_offered":
            last = max(last, REMIND_AT + timedelta(seconds=2))
        if kind == "expired":
            last = max(last, EXPIRE_AT)
        if kind == "content_erased":
            last += timedelta(days=30)
        times.append(last)
    return times


def _record(kind: str, seq: int, at: datetime, suite: str, environment: str, token: str) -> Value:
    recorded = at + timedelta(milliseconds=7)
    event = Event(
        kind,
        at,
        recorded,
        _reasons(kind, suite),
        "mx.example.com",
        _transcripts(kind, at),
        _members(kind, at, suite),
    )
    evidence_id = UUID(int=(int(recorded.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | seq)
    value = evidence(issuer(environment), subject(token), Link(seq, None), event, evidence_id, dict(CLOCK))
    extension_of(value)["suite"] = suite
    return value


def _split(kind: str) -> tuple[str, str]:
    """Purpose and outcome of a record about a mail; two empty texts for others."""
    purpose, _, outcome = kind.partition("_")
    about_mail = purpose in _MAILED and outcome not in {"opened", "downloaded", "erased"}
    return (purpose, outcome) if about_mail else ("", "")


def _is_report(kind: str) -> bool:
    """A delivery report, which comes as a mail; ``content_delivered`` is a server's 250."""
    return kind in {"announcement_delivered", "reminder_delivered"}


def _reasons(kind: str, suite: str) -> tuple[tuple[str, str], ...]:
    purpose, outcome = _split(kind)
    if kind == "refused":
        return (("refused-by-recipient", "I know nothing of this."),)
    if kind == "expired":
        return (("term-over", "the collection term ended without a decision" if suite == "2026-1" else ""),)
    if suite == "2026-1" and kind == "withdrawn":
        return (("withdrawn-by-sender", ""),)
    failed = ((CLASSES["failed"], ""),) if outcome == "failed" else ()
    if suite != "2026-1" or not purpose or outcome == "offered":
        return failed
    first = ((purpose, f"{purpose}, attempt 1"),)
    if _is_report(kind):
        return (*first, ("bounce", "2.1.5"))
    return (*first, *failed, *(((CLASSES["delayed"], ""),) if outcome == "delayed" else ()))


def _members(kind: str, at: datetime, suite: str) -> Value:
    """What the extension holds beside what all have."""
    purpose, outcome = _split(kind)
    if kind == "submitted":
        request = {**digest(hashlib.sha256(b"request").digest()), "face": "api"}
        zone = "Europe/Amsterdam"
        return {
            "request": request,
            "term": {"reminderAt": instant(REMIND_AT), "expiryAt": instant(EXPIRE_AT), "zone": zone},
        }
    if kind in ACTS:
        return {"web": _web(ACTS[kind])}
    if kind == "withdrawn":
        return {"by": {"user": 1}}
    if kind == "content_erased":
        return {"erasure": {"backupsUntil": instant(at + timedelta(days=30))}}
    if not purpose:
        return {}
    mail = {} if suite == "2026-1" else {"mail": {"purpose": purpose, "attempt": 1}}
    if _is_report(kind):
        return {"bounce": bounce(purpose), **mail}
    return {"smtp": _smtp(purpose, outcome, suite), **mail}


def bounce(purpose: str, action: str = "delivered", status: str = "2.1.5") -> Value:
    """What a returned mail says of ours."""
    failed = {"class": "unknown"} if action == "failed" else {}
    received = {**digest(hashlib.sha256(b"report").digest()), "size": 6}
    said = {"action": action, "status": status, "reportingMta": "mx.example.com", "by": "report", **failed}
    message_id = _message_id(purpose)
    return {**said, "recipientMatched": True, "messageId": message_id, "attempt": 1, "received": received}


def _message_id(purpose: str) -> str:
    return f"<{_MAILED.index(purpose) + 1}@sealpost.example>"


def _web(act: str) -> Value:
    return {
        "act": act,
        "link": digest(hashlib.sha256(b"link").digest()),
        "address": "198.51.100.0/24",
        "addressMac": hashlib.sha256(b"address").hexdigest(),
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "automation": [],
        "page": digest(hashlib.sha256(b"page").digest()),
    }


def _smtp(purpose: str, outcome: str, suite: str) -> Value:
    octets = MAILS[purpose]
    members: Value = {
        "messageId": _message_id(purpose),
        "mailFrom": "b@bounce.sealpost.example",
        "rcptTo": "bob@example.com",
        "sent": {**digest(hashlib.sha256(octets).digest()), "size": len(octets)},
        "attempt": 1,
    }
    if outcome == "uncertain":  # a crash left no more than our own mark
        return members
    members |= {
        "host": "mx.example.com",
        "port": 25,
        "ourName": "out.sealpost.example",
        "policy": {"type": "none"},
        "by": "direct",
        "address": "192.0.2.25",
        "mx": {
            "domain": "example.com",
            "answer": "found",
            "implicit": False,
            "dnssec": "insecure",
            "hosts": [{"preference": 10, "host": "mx.example.com"}],
        },
        "tls": {
            "version": "TLSv1.3",
            "cipher": "TLS_AES_256_GCM_SHA384",
            "nameCheck": "match",
            "certificate": digest(hashlib.sha256(b"the certificate of mx.example.com").digest()),
        },
    }
    if outcome != "offered":
        reply = REPLIES[outcome]
        final = reply[-1] if suite == "2026-1" else "\n".join(reply)
        members |= {"class": CLASSES[outcome], "final": final, "enhanced": reply[-1].split(" ")[1]}
    return members


def _transcripts(kind: str, at: datetime) -> tuple[Value, ...]:
    purpose, outcome = _split(kind)
    if outcome not in REPLIES or _is_report(kind):
        return ()
    return ({"type": "smtp", "lines": dialogue(at, REPLIES[outcome], len(MAILS[purpose]))},)


def dialogue(at: datetime, reply: Sequence[str], size: int, recipient: str = "bob@example.com") -> list[Value]:
    """A whole conversation, line by line, that ends at a time.

    Args:
        at: when the deciding reply was there.
        reply: its lines; of a 250 to the final dot, of anything else to RCPT.
        size: of the mail.
        recipient: of RCPT.
    """
    ehlo = ("c EHLO out.sealpost.example", "s 250-mx.example.com", f"s 250-SIZE {50 << 20}")
    said = [
        "s 220 mx.example.com ESMTP",
        *(*ehlo, "s 250 STARTTLS", "c STARTTLS", "s 220 2.0.0 Ready to start TLS"),
        *(*ehlo, "s 250 8BITMIME"),
        f"c MAIL FROM:<b@bounce.sealpost.example> SIZE={size}",
        "s 250 2.1.0 Ok",
        f"c RCPT TO:<{recipient}>",
    ]
    after: list[str] = []
    if reply[0].startswith("2"):
        said += ["s 250 2.1.5 Ok", "c DATA", "s 354 End data with <CR><LF>.<CR><LF>", f"c ({size} octets, final dot)"]
    else:
        after = ["c QUIT", "s 221 2.0.0 Bye"]
    said += [f"s {one}" for one in reply]
    begun = at - timedelta(milliseconds=40 * (len(said) - 1))
    times = [begun + timedelta(milliseconds=40 * number) for number in range(len(said))] + [at] * len(after)
    return [
        {"by": one[0], "at": instant(when), "line": one[2:]} for one, when in zip([*said, *after], times, strict=True)
    ]
