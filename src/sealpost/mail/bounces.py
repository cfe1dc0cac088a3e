"""What a mail that came back says: that ours failed, is late, arrived, or nothing that changes anything.

For ``usecases/take_returned``, on a mail that came in on the return path of one attempt. Pure, and safe on any octets.
Clauses: RFC 3464 and 6533 (delivery reports), RFC 3834 (automatic answers), RFC 8098 (disposition notifications). Older
bounces have no report that a program can read; for them flufl.bounce knows how each kind of server writes, and they are
believed only about our recipient, from the null sender and from a mail system.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from flufl.bounce import all_failures  # pyright: ignore[reportUnknownVariableType] - it has no types

from sealpost.mail import incoming
from sealpost.mail.delivery_status import Report, find_report, has_report, same_address
from sealpost.mail.incoming import Incoming, clean
from sealpost.mail.reply_classes import class_in_bounce
from sealpost.mail.transport import Reason

Kind = Literal["failed", "delivered", "delayed", "relayed", "expanded", "auto_reply", "reply", "unclear"]

_BY_ACTION: dict[str, tuple[Kind, str]] = {  # action → kind, and the classes of status that go with it
    "failed": ("failed", "45"),  # 4: given up after many tries
    "delivered": ("delivered", "2"),
    "delayed": ("delayed", "4"),
    "relayed": ("relayed", "2"),
    "expanded": ("expanded", "2"),
}
_SYSTEM = re.compile(
    r"mailer-?daemon|mail-?daemon|postmaster|mail delivery|mail system|mail subsystem|mdaemon|bounces?[@+-]",
    re.IGNORECASE,
)
_PRECEDENCE = frozenset({"bulk", "junk", "auto_reply", "auto-reply"})
_AUTOMATIC = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-autoresponse")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,250}>")
_CODE = re.compile(r"(?<![0-9.])[45][0-9]{2}[ :-].*")
_ENHANCED = re.compile(r"(?<![0-9.])([45]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
_CONTINUED = re.compile(r"(?<![0-9.])([45][0-9]{2})-")
_MESSAGE_IDS, _DIAGNOSTIC = 50, 4000
_ODD_OCTETS, _ODD_LINES, _ODD_LINE = 32 * 1024, 800, 160

# Its detectors log what they meet, with a traceback: hostile text has no place in our log.
logging.getLogger("flufl.bounce").addFilter(lambda _: False)  # a filter: a later dictConfig enables what is disabled


@dataclass(frozen=True, slots=True)
class ReturnedMail:
    """What was read.

    Args:
        kind: what it is; ``unclear`` if nothing can be told.
        action: as the report has it, or empty.
        status: the enhanced code (RFC 3463), or empty.
        diagnostic: what the server said, literally but for controls; at most 4,000 characters.
        reason: the class of a failure or a delay (evidence 1, ``class``).
        remote_mta: the server that said so, as the report names it, or empty.
        reporting_mta: the server that tells us, or empty.
        arrived_at: when that one had our mail, if it says so.
        last_attempt_at: when it tried last, if it says so.
        recipient_matched: it is about our recipient; False where the only recipient is another one (forwarded).
        by: ``report`` (RFC 3464), ``text`` (an older form), or empty.
        subject: decoded, at most 500 characters.
        text: a reply's words; at most 64 KiB of them.
        message_ids: those that In-Reply-To and References name, at most 50.
    """

    kind: Kind
    action: str = ""
    status: str = ""
    diagnostic: str = ""
    reason: Reason = "other"
    remote_mta: str = ""
    reporting_mta: str = ""
    arrived_at: datetime | None = None
    last_attempt_at: datetime | None = None
    recipient_matched: bool = True
    by: str = ""
    subject: str = ""
    text: str = ""
    message_ids: tuple[str, ...] = field(default=())


def read_returned(octets: bytes, rcpt_to: str, mail_from: str = "") -> ReturnedMail:
    """Reads a mail that came in for a mail of ours.

    Args:
        octets: anything at all.
        rcpt_to: our mail's recipient, as in its envelope.
        mail_from: the sender in the envelope of what came in; empty for the null sender.
    """
    message = incoming.read(octets)
    if message is None:
        return ReturnedMail("unclear")
    try:
        return _read(message, octets, rcpt_to, null=mail_from in {"", "<>"})
    except Exception:  # noqa: BLE001 - the library's accessors raise what they like on hostile mails; such a one says nothing
        return ReturnedMail("unclear")


def _read(message: Incoming, octets: bytes, rcpt_to: str, *, null: bool) -> ReturnedMail:
    told: dict[str, Any] = {"subject": incoming.subject_of(message), "message_ids": _message_ids(message)}
    # Elsewhere than in a report of its own or in a mail from nobody, somebody passes a report on.
    believed = null or message.get_content_type() == "multipart/report"
    if believed and (report := find_report(message, rcpt_to)):
        return _reported(report, told)
    system = null and bool(_SYSTEM.search(message.text("from")))
    if system and (odd := _odd(message, octets, rcpt_to, told)):
        return odd
    if believed and (has_report(message) or system):
        return ReturnedMail("unclear", **told)
    if null or _is_automatic(message):
        return ReturnedMail("auto_reply", **told)
    return ReturnedMail("reply", text=incoming.text_of(message), **told)


def _reported(report: Report, told: dict[str, Any]) -> ReturnedMail:
    kind, classes = _BY_ACTION[report.action]
    if report.status and report.status[0] not in classes:
        kind = "unclear"
    return ReturnedMail(
        kind,
        action=report.action,
        status=report.status,
        diagnostic=report.diagnostic,
        reason=class_in_bounce(report.status, report.diagnostic) if kind in {"failed", "delayed"} else "other",
        remote_mta=report.remote_mta,
        reporting_mta=report.reporting_mta,
        arrived_at=report.arrived_at,
        last_attempt_at=report.last_attempt_at,
        recipient_matched=report.recipient_matched,
        by="report",
        **told,
    )


def _odd(message: Incoming, octets: bytes, rcpt_to: str, told: dict[str, Any]) -> ReturnedMail | None:
    """A bounce in an older form, if it is about our recipient. Its patterns are slow: they see little, and short lines."""
    lines = [line[:_ODD_LINE] for line in octets[:_ODD_OCTETS].splitlines()[:_ODD_LINES]]
    short = incoming.read(b"\r\n".join(lines))
    if short is None:
        return None
    try:
        temporary, permanent = all_failures(short)
    except Exception:  # noqa: BLE001 - one of its detectors stumbles over this mail; then it says nothing
        return None
    failed, delayed = (
        any(same_address(one.decode("latin-1"), rcpt_to) for one in found) for found in (permanent, temporary)
    )
    if not failed and not delayed:
        return None
    kind, digit = ("failed", "5") if failed else ("delayed", "4")
    diagnostic, status = _words_of_the_server(message, digit)
    reason = class_in_bounce(status, diagnostic)
    return ReturnedMail(kind, kind, status, diagnostic, reason, by="text", **told)


def _words_of_the_server(message: Incoming, digit: str) -> tuple[str, str]:
    """The server's whole reply as it stands in a bounce's text, its lines one after the other, and the enhanced code in it."""
    lines = [line[:_DIAGNOSTIC] for line in incoming.text_of(message).splitlines()[:400]]
    for number, line in enumerate(lines):
        if _ENHANCED.search(line) or _CODE.search(line):
            reply = [line, *_further(line, lines[number + 1 :])]
            codes = [found[1] for one in reversed(reply) if (found := _ENHANCED.search(one)) and found[1][0] == digit]
            return clean(" ".join(reply), _DIAGNOSTIC), codes[0] if codes else ""
    return "", ""


def _further(first: str, following: Sequence[str]) -> list[str]:
    """The lines of a reply after its first: all but the last have a hyphen behind the code (RFC 5321, 4.2.1)."""
    found: list[str] = []
    begun = _CONTINUED.search(first)
    for line in following if begun else ():
        if begun is None or not (more := re.match(rf"\s*{begun[1]}([ -]|$)", line)):
            break
        found.append(line.strip())
        if more[1] != "-":
            break
    return found


def _is_automatic(message: Incoming) -> bool:
    """Whether a machine wrote it (RFC 3834, 5); a subject alone tells nothing."""
    submitted = message.text("auto-submitted").partition(";")[0].strip().lower()
    if submitted not in {"", "no"} or message.text("precedence").lower() in _PRECEDENCE:
        return True
    if any(message.text(name).lower() not in {"", "no"} for name in _AUTOMATIC):
        return True
    kinds = [part.get_content_type() for part in incoming.parts(message)]
    return "message/disposition-notification" in kinds or "message/global-disposition-notification" in kinds


def _message_ids(message: Incoming) -> tuple[str, ...]:
    named = _MESSAGE_ID.findall(f"{message.text('in-reply-to')} {message.text('references')}")
    return tuple(dict.fromkeys(named))[:_MESSAGE_IDS]
