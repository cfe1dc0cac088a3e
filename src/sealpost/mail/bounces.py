"""What a mail that came back says: that ours failed, is late, arrived, or nothing that changes anything.

For ``usecases/take_returned``, on a mail that came in on the return path of one attempt. Pure, and safe on any octets.
Clauses: RFC 3464 and 6533 (delivery reports), RFC 3834 (automatic answers), RFC 8098 (disposition notifications). Older
bounces have no report that a program can read; for them flufl.bounce knows how each kind of server writes, and they are
believed only about our recipient, from the null sender and from a mail system.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from flufl.bounce import all_failures  # pyright: ignore[reportUnknownVariableType] - it has no types

from sealpost.mail import incoming
from sealpost.mail.automatic import is_abuse_report, is_automatic, is_from_nobody
from sealpost.mail.delivery_status import Report, find_report, has_report, same_address
from sealpost.mail.incoming import Incoming
from sealpost.mail.reply_classes import class_in_bounce
from sealpost.mail.text_bounces import TextBounce, find_words, read_text_bounce, words_of_part
from sealpost.mail.transport import Reason

Kind = Literal["failed", "delivered", "delayed", "relayed", "expanded", "auto_reply", "reply", "abuse", "unclear"]

_BY_ACTION: dict[str, tuple[Kind, str]] = {  # action → kind, and the classes of status that go with it
    "failed": ("failed", "45"),  # 4: given up after many tries
    "delivered": ("delivered", "2"),
    "delayed": ("delayed", "4"),
    "relayed": ("relayed", "2"),
    "expanded": ("expanded", "2"),
}
_SYSTEM = re.compile(
    r"mailer-?daemon|mail-?daemon|postmaster|mail\s*delivery|mail\s*system|mail\s*subsystem|mail\s*administrator|mail\s*router|system\s*administrator"
    r"|mdaemon|mail\s*gateway|delivery\s*(?:subsystem|notification|status)|internet\s*mail|bounces?[@+-]|microsoft\s*(?:outlook|exchange)|\bnotes\b.*router",
    re.IGNORECASE,
)
_FAILURE = re.compile(
    r"undeliver|non-?deliver|delivery.*(?:fail|problem|error|status|delay|notif)|fail(?:ed|ure).*(?:deliver|notice|mail|message)|returned\s+mail|mail.*(?:fail|error|return|delivery)"
    r"|could\s+not\s+be\s+deliver|undelivered|bounce|unzustellbar|onbestelbaar|non\s+remis|échec|warning:|delayed|user\s+unknown|配信|送信エラー|退信|не\s*доставлен",
    re.IGNORECASE,
)
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,250}>")
_MESSAGE_IDS = 50
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
        text: the words of what a person may have written, a reply or what is unclear; at most 64 KiB of them.
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


def read_returned(octets: bytes, rcpt_to: str, mail_from: str = "", message_id: str | None = None) -> ReturnedMail:
    """Reads a mail that came in for a mail of ours.

    Args:
        octets: anything at all.
        rcpt_to: our mail's recipient, as in its envelope.
        mail_from: the sender in the envelope of what came in; empty for the null sender.
        message_id: of our mail, in angle brackets; a person's reply refers to it. None: any reference will do.
    """
    message = incoming.read(octets)
    if message is None:
        return ReturnedMail("unclear")
    try:
        return _read(message, octets, rcpt_to, mail_from, message_id)
    except Exception:  # noqa: BLE001 - the library's accessors raise what they like on hostile mails; such a one says nothing
        return ReturnedMail("unclear")


def _read(message: Incoming, octets: bytes, rcpt_to: str, mail_from: str, message_id: str | None) -> ReturnedMail:
    told: dict[str, Any] = {"subject": incoming.subject_of(message), "message_ids": _message_ids(message)}
    if is_abuse_report(message):
        return ReturnedMail("abuse", **told)
    system = is_system(message, mail_from)
    # Elsewhere than in a report of its own or in a mail from nobody, somebody passes a report on.
    believed = mail_from in {"", "<>"} or system or message.get_content_type() == "multipart/report"
    if believed and (report := find_report(message, rcpt_to)):
        return _reported(_with_words(report, message, rcpt_to), told)
    if system and (odd := _odd(message, octets, rcpt_to, told)):
        return odd
    if believed and (has_report(message) or system):
        return ReturnedMail("unclear", **told)
    if is_automatic(message) or is_from_nobody(message, mail_from):
        return ReturnedMail("auto_reply", **told)
    refers = bool(told["message_ids"]) if message_id is None else message_id in told["message_ids"]
    return ReturnedMail("reply" if refers else "unclear", text=incoming.text_of(message), **told)


def is_system(message: Incoming, mail_from: str) -> bool:
    """Whether a mail system sent it: it says so, and comes from nobody or is about a mail that did not arrive."""
    if mail_from not in {"", "<>"} and not _SYSTEM.search(mail_from):
        return False
    about_failure = bool(_FAILURE.search(incoming.subject_of(message))) or "x-failed-recipients" in message
    return bool(_SYSTEM.search(message.text("from"))) or about_failure


def _with_words(report: Report, message: Incoming, rcpt_to: str) -> Report:
    """Words of the part for people, where the one for programs has none; only of our own recipient."""
    if report.diagnostic or not report.recipient_matched or report.action not in {"failed", "delayed"}:
        return report
    return replace(report, diagnostic=words_of_part(message, rcpt_to))


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
    """A bounce without a report, if it is about our recipient: by its general shape, else by a library's patterns."""
    found = read_text_bounce(message, rcpt_to) or _known_form(message, octets, rcpt_to)
    if found is None:
        return None
    reason = class_in_bounce(found.status, found.words)
    return ReturnedMail(found.kind, found.kind, found.status, found.words, reason, by="text", **told)


def _known_form(message: Incoming, octets: bytes, rcpt_to: str) -> TextBounce | None:
    """By the patterns of flufl.bounce, which are slow: they see little, and short lines."""
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
    alone = len(permanent) + len(temporary) == 1
    words, status = find_words(incoming.text_of(message).splitlines()[:400], rcpt_to) if alone else ("", "")
    return TextBounce("failed" if failed else "delayed", words, status)


def _message_ids(message: Incoming) -> tuple[str, ...]:
    named = _MESSAGE_ID.findall(f"{message.text('in-reply-to')} {message.text('references')}")
    return tuple(dict.fromkeys(named))[:_MESSAGE_IDS]
