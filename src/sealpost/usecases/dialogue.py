"""An SMTP dialogue as evidence: the record's ``smtp`` extension and its transcript (evidence format, section 1)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sealpost.domain.canonical import digest, instant
from sealpost.mail.transport import By, Handover, Line, Mx, Policy, Tls, Why
from sealpost.store.mails import Built, Delay

MOST_OCTETS = 100_000
"""Of the lines of one address in one attempt; of a server that talks without end, the last ones are kept."""
MOST_FINAL = 32_000
"""Of a reply: beyond that its last lines are kept. The dialogue has what comes before them, as far as it is kept."""
MOST_FINAL_BEFORE = 4_000
"""The same for replies to earlier attempts, of which a record may have many."""
MOST_BEFORE = 1_000_000
"""Of the lines of all earlier attempts together. A record must stay small enough for every verifier (8 MiB)."""
PROCESS_ENDED = Why("process-ended", "the final dot was due when the process ended")
_IN_BRIEF = ("host", "address", "class", "enhanced", "why", "cause")


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt at a mail: its number, from 1, and its return path."""

    built: Built
    number: int
    mail_from: str


def smtp(made: Try, handover: Handover | None, *, outcome: bool = True, before: Sequence[Delay] = ()) -> dict[str, Any]:
    """The ``smtp`` extension of an attempt.

    Args:
        made: the attempt.
        handover: what the transport saw; None when a crash left no more than our own mark.
        outcome: with the deciding reply; without it for the record of the first contact.
        before: the attempts that were delayed before this one, which is the last.
    """
    members: dict[str, Any] = {
        "messageId": made.built.message_header,
        "mailFrom": made.mail_from,
        "rcptTo": made.built.rcpt_to,
        "sent": {**digest(made.built.sha256), "size": made.built.size},
        "attempt": made.number,
    }
    if handover:
        members |= _server(handover)
    else:
        members |= _why(PROCESS_ENDED)
    if handover and outcome:
        members |= _reply(handover)
    if before:
        members["earlier"] = [in_brief(one) for one in before]
    return {"smtp": members}


def in_brief(delay: Delay) -> dict[str, Any]:
    """What an attempt came to that was delayed."""
    said = {name: delay.told[name] for name in _IN_BRIEF if name in delay.told}
    final = literal_octets(delay.told, "final")
    return {"attempt": delay.number, "at": instant(delay.at), **said, **_final(final, MOST_FINAL_BEFORE)}


def _server(handover: Handover) -> dict[str, Any]:
    members: dict[str, Any] = {
        **({"host": handover.host} if handover.host else {}),
        "port": handover.port,
        "ourName": handover.our_name,
        "policy": _policy(handover.policy),
        "by": "relay" if handover.relayed else "direct",
    }
    if handover.address:
        members["address"] = handover.address
    if handover.mx:
        members["mx"] = _mx(handover.mx)
    if handover.tls:
        members["tls"] = _tls(handover.tls)
    return members


def _tls(tls: Tls) -> dict[str, Any]:
    """What was negotiated and shown; ``shown`` counts the certificates where more were shown than are kept."""
    members: dict[str, Any] = {"version": tls.version, "cipher": tls.cipher, "nameCheck": tls.name_check}
    if tls.certificate_sha256:
        members["certificate"] = digest(tls.certificate_sha256)
    if tls.chain:
        members["chain"] = [digest(one.sha256) for one in tls.chain]
    if tls.shown > len(tls.chain):
        members["shown"] = tls.shown
    return members


def _why(why: Why) -> dict[str, Any]:
    """Why, where no reply decided: in English for whoever reads the record, and by a code, which projections translate."""
    return {**({"why": why.text} if why.text else {}), **({"cause": why.code} if why.code else {})}


def _policy(policy: Policy) -> dict[str, Any]:
    members: dict[str, Any] = {"type": policy.kind}
    if policy.id:
        members["id"] = policy.id
    if policy.mode:
        members["mode"] = policy.mode
    if policy.demanded:
        members["demanded"] = True
    return members


def _mx(mx: Mx) -> dict[str, Any]:
    """The DNS's answer; ``dnssec`` says whether a validating resolver vouched for it."""
    hosts = [{"preference": preference, "host": name} for preference, name in mx.exchanges]
    state = "secure" if mx.secure else "insecure"
    return {"domain": mx.domain, "answer": mx.status, "implicit": mx.implicit, "dnssec": state, "hosts": hosts}


def _reply(handover: Handover) -> dict[str, Any]:
    enhanced = {"enhanced": handover.enhanced} if handover.enhanced else {}
    return {"class": handover.reason, **_final(handover.final, MOST_FINAL), **enhanced, **_why(handover.why)}


def _final(reply: bytes, most: int) -> dict[str, str]:
    """The whole reply, its lines joined by LF; of one that is too long the last lines, at least one."""
    lines, left = reply.split(b"\n"), most
    kept_from = len(lines)
    while kept_from and (left := left - len(lines[kept_from - 1]) - 1) >= 0:
        kept_from -= 1
    return text_or_octets("final", b"\n".join(lines[min(kept_from, len(lines) - 1) :]))


def text_or_octets(name: str, octets: bytes) -> dict[str, str]:
    """A literal line: as text where it is UTF-8 without NUL, else in base64 under ``<name>B64``.

    The database's JSON has no NUL, and a server that sends one must not keep its reply out of the record.
    """
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        text = "\0"
    return {f"{name}B64": b64encode(octets).decode()} if "\0" in text else {name: text}


def literal_octets(members: Mapping[str, Any], name: str) -> bytes:
    """What `text_or_octets` made a member of."""
    return b64decode(members[f"{name}B64"]) if f"{name}B64" in members else members.get(name, "").encode()


def transcripts(handover: Handover, before: Sequence[Delay] = ()) -> tuple[dict[str, Any], ...]:
    """The whole dialogue with each address, line by line, with who said it and when; the deciding one's is the last.

    Args:
        handover: what the transport saw.
        before: the attempts that were delayed before this one, which is the last; their dialogues come first.
    """
    return (*dialogues_of(before), *(transcript(one) for one in (*handover.earlier, handover)))


def dialogues_of(before: Sequence[Delay]) -> list[dict[str, Any]]:
    """The dialogues of attempts that were delayed. Of too many, the latest; what each came to stands in brief in the ``smtp`` extension all the same."""
    dialogues: list[dict[str, Any]] = []
    left = MOST_BEFORE
    for delay in reversed(before):
        for one in (delay.told, *reversed(delay.told.get("earlier", []))):
            left -= sum(len(line.get("line") or line.get("lineB64") or "") for line in one["lines"])
            if left < 0:
                return dialogues[::-1]
            where = {name: one[name] for name in ("host", "address") if name in one}
            dialogues.append({"type": "smtp", "attempt": delay.number, **where, "lines": one["lines"]})
    return dialogues[::-1]


def transcript(handover: Handover) -> dict[str, Any]:
    """The dialogue with one address; where there was none, why."""
    lines, left = list(handover.transcript), MOST_OCTETS
    kept_from = len(lines)
    while kept_from and (left := left - len(lines[kept_from - 1].line)) >= 0:
        kept_from -= 1
    remarks = [f"({kept_from} lines before are left out)"] if kept_from else []
    if not lines and handover.why.text:
        remarks = [f"({handover.host}: {handover.why.text})" if handover.host else f"({handover.why.text})"]
    ours = [Line(By.client, handover.started_at, remark.encode()) for remark in remarks]
    lines = [*ours, *lines[kept_from:]]
    return {"type": "smtp", **_where(handover), "lines": [_line(line) for line in lines]}


def _where(handover: Handover) -> dict[str, str]:
    """Which server it was; of an account's or our own relay the ``smtp`` extension says it."""
    host, address = {"host": handover.host}, {"address": handover.address or ""}
    return {} if handover.relayed else {name: text for name, text in (host | address).items() if text}


def _line(line: Line) -> dict[str, str]:
    return {"by": line.by.value, "at": instant(line.at), **text_or_octets("line", line.line)}


def kept(handover: Handover) -> dict[str, Any]:
    """What the attempt's row keeps."""
    return {
        **_server(handover),
        **_reply(handover),
        "outcome": handover.outcome,
        "stage": handover.stage,
        "lines": transcript(handover)["lines"],
        **({"earlier": [kept(one) for one in handover.earlier]} if handover.earlier else {}),
    }


def contact_at(handover: Handover) -> datetime | None:
    """When the server first said something in this attempt, or None: it never did.

    On a connection that is used again the transcript begins with the greeting of long before.
    """
    said = (
        line.at
        for one in (*handover.earlier, handover)
        for line in one.transcript
        if line.by == "s" and line.at >= handover.started_at
    )
    return min(said, default=None)


def final_at(handover: Handover) -> datetime:
    """When the deciding reply had come whole: the time of its last line, else the end of the attempt."""
    last = handover.final.rpartition(b"\n")[2]
    said = (line.at for line in reversed(handover.transcript) if last and line.line == last)
    return next(said, handover.ended_at)
