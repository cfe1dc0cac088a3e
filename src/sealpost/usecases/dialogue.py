"""An SMTP dialogue as evidence: the record's ``smtp`` extension and its transcript (evidence format, section 1)."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from typing import Any

from sealpost.domain.canonical import digest, instant
from sealpost.mail.transport import Handover, Line
from sealpost.store.mails import Built


def smtp(built: Built, number: int, handover: Handover | None, *, outcome: bool = True) -> dict[str, Any]:
    """The ``smtp`` extension of an attempt.

    Args:
        built: the mail.
        number: of the attempt, from 1.
        handover: what the transport saw; None when a crash left no more than our own mark.
        outcome: with the deciding reply; without it for the record of the first contact.
    """
    members: dict[str, Any] = {
        "messageId": built.message_header,
        "mailFrom": built.mail_from,
        "rcptTo": built.rcpt_to,
        "sent": {**digest(built.sha256), "size": built.size},
        "attempt": number,
    }
    if handover:
        members |= _server(handover)
    if handover and outcome:
        members |= _reply(handover)
    return {"smtp": members}


def _server(handover: Handover) -> dict[str, Any]:
    members: dict[str, Any] = {
        "host": handover.host,
        "port": handover.port,
        "ourName": handover.our_name,
        "policy": {"type": "none"},
    }
    if handover.address:
        members["address"] = handover.address
    if handover.tls:
        tls = handover.tls
        certificate = {"certificate": digest(tls.certificate_sha256)} if tls.certificate_sha256 else {}
        facts = {"version": tls.version, "cipher": tls.cipher, "nameCheck": tls.name_check}
        members["tls"] = {**facts, **certificate}
    return members


def _reply(handover: Handover) -> dict[str, Any]:
    enhanced = {"enhanced": handover.enhanced} if handover.enhanced else {}
    return {"class": handover.reason, **text_or_octets("final", handover.final), **enhanced}


def text_or_octets(name: str, octets: bytes) -> dict[str, str]:
    """A literal line: as text where it is UTF-8, else in base64 under ``<name>B64``."""
    try:
        return {name: octets.decode()}
    except UnicodeDecodeError:
        return {f"{name}B64": b64encode(octets).decode()}


def transcript(handover: Handover) -> dict[str, Any]:
    """The whole dialogue, line by line, with who said it and when."""
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
    }


def contact_at(handover: Handover) -> datetime | None:
    """When the server first said something in this attempt, or None: it never did.

    On a connection that is used again the transcript begins with the greeting of long before.
    """
    said = (line.at for line in handover.transcript if line.by == "s" and line.at >= handover.started_at)
    return next(said, None)


def final_at(handover: Handover) -> datetime:
    """When the deciding reply came: the time of the final line, else the end of the attempt."""
    return next((line.at for line in reversed(handover.transcript) if line.line == handover.final), handover.ended_at)
