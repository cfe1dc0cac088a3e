"""An SMTP dialogue as evidence: the record's ``smtp`` extension and its transcript (evidence format, section 1)."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sealpost.domain.canonical import digest, instant
from sealpost.mail.transport import Handover, Line, Mx, Policy
from sealpost.store.mails import Built


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt at a mail: its number, from 1, and its return path."""

    built: Built
    number: int
    mail_from: str


def smtp(made: Try, handover: Handover | None, *, outcome: bool = True) -> dict[str, Any]:
    """The ``smtp`` extension of an attempt.

    Args:
        made: the attempt.
        handover: what the transport saw; None when a crash left no more than our own mark.
        outcome: with the deciding reply; without it for the record of the first contact.
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
    if handover and outcome:
        members |= _reply(handover)
    return {"smtp": members}


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
    if handover.why:
        members["why"] = handover.why
    if handover.tls:
        tls = handover.tls
        certificate = {"certificate": digest(tls.certificate_sha256)} if tls.certificate_sha256 else {}
        facts = {"version": tls.version, "cipher": tls.cipher, "nameCheck": tls.name_check}
        members["tls"] = {**facts, **certificate}
    return members


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
    return {"class": handover.reason, **text_or_octets("final", handover.final), **enhanced}


def text_or_octets(name: str, octets: bytes) -> dict[str, str]:
    """A literal line: as text where it is UTF-8, else in base64 under ``<name>B64``."""
    try:
        return {name: octets.decode()}
    except UnicodeDecodeError:
        return {f"{name}B64": b64encode(octets).decode()}


def transcripts(handover: Handover) -> tuple[dict[str, Any], ...]:
    """The whole dialogue with each host, line by line, with who said it and when; the deciding host's is the last."""
    return tuple(transcript(one) for one in (*handover.earlier, handover))


def transcript(handover: Handover) -> dict[str, Any]:
    """The dialogue with one host."""
    return {"type": "smtp", "lines": [_line(line) for line in handover.transcript]}


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
    """When the deciding reply came: the time of the final line, else the end of the attempt."""
    return next((line.at for line in reversed(handover.transcript) if line.line == handover.final), handover.ended_at)
