"""Delivery reports: what a mail server says of one recipient of our mail, and nothing of the others.

For ``mail/bounces``. Clauses: RFC 3464 (message/delivery-status), RFC 6533 (message/global-delivery-status and
addresses of type utf-8), RFC 3461 4.2 (xtext), RFC 6522 (multipart/report).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pybase64 import b64decode

from sealpost.domain.errors import InvalidInput
from sealpost.domain.parties import kept_address
from sealpost.mail.incoming import TEXT, Incoming, block, children, clean, decoded, parts

TYPES = ("message/delivery-status", "message/global-delivery-status")
_BLOCKS = 101
_ACTION = re.compile(r"(failed|delayed|delivered|relayed|expanded)\b", re.IGNORECASE)
_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_UTF8_XTEXT = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_UNICODE = 0x110000
_NAME, _DIAGNOSTIC = 300, 4000


@dataclass(frozen=True, slots=True)
class Report:
    """What is said of our recipient.

    Args:
        action: failed, delayed, delivered, relayed or expanded.
        status: the enhanced code, or empty.
        diagnostic: the words of the server that said so, literally but for controls; at most 4,000 characters.
        remote_mta: that server, or empty.
        reporting_mta: who made this report, or empty.
        arrived_at: when the reporter got the mail, if it says so.
        last_attempt_at: when it tried last, if it says so.
        recipient_matched: False: the only recipient is another one, as after forwarding.
    """

    action: str
    status: str
    diagnostic: str
    remote_mta: str
    reporting_mta: str
    arrived_at: datetime | None
    last_attempt_at: datetime | None
    recipient_matched: bool


def has_report(message: Incoming) -> bool:
    """Whether there is a delivery report in it, usable or not."""
    return any(part.get_content_type() in TYPES for part in parts(message))


def find_report(message: Incoming, rcpt_to: str) -> Report | None:
    """What the mail's first delivery report says of a recipient, if it is clear.

    Args:
        message: the mail; a report within an attached message is not its own.
        rcpt_to: the recipient of our mail, as in its envelope.
    """
    for part in parts(message):
        if part.get_content_type() in TYPES:
            about, *recipients = [*_blocks(part), Incoming()]
            return _report(about, recipients[:-1], rcpt_to)
    return None


def _report(about: Incoming, recipients: list[Incoming], rcpt_to: str) -> Report | None:
    if not recipients and "final-recipient" in about:
        recipients = [about]  # some leave the empty line out
    ours = [one for one in recipients if _is_for(one, rcpt_to)]
    matched = bool(ours)
    if not ours and len(recipients) == 1 and _is_for_another(recipients[0]):
        ours = recipients
    # A forwarder may list one recipient twice; a failure is what counts.
    ours.sort(key=lambda one: not one.text("action").lower().startswith("failed"))
    action = _ACTION.match(ours[0].text("action")) if ours else None
    return _told(about, ours[0], action[1].lower(), matched=matched) if action else None


def _told(about: Incoming, one: Incoming, action: str, *, matched: bool) -> Report:
    status = _STATUS.match(one.text("status"))
    return Report(
        action=action,
        status=status[1] if status else "",
        diagnostic=clean(_value(one.text("diagnostic-code")), _DIAGNOSTIC),
        remote_mta=clean(_value(one.text("remote-mta")), _NAME),
        reporting_mta=clean(_value(about.text("reporting-mta")), _NAME),
        arrived_at=_instant(about.text("arrival-date")),
        last_attempt_at=_instant(one.text("last-attempt-date")),
        recipient_matched=matched,
    )


def _blocks(part: Incoming) -> list[Incoming]:
    """The groups of fields: one about the message, then one for each recipient."""
    found, encoded = children(part)[:_BLOCKS], part.text("content-transfer-encoding").lower().startswith("base64")
    if part.get_content_type() == TYPES[0] and not encoded:
        return [one for one in found if one.keys()]
    # The library reads only the first type as groups, and decodes neither: the rest is the text of the first group.
    payloads: list[Any] = [one.get_payload(decode=True) for one in found]
    rest = decoded(b"".join(payload for payload in payloads if isinstance(payload, bytes))[: 2 * TEXT], "utf-8")
    if encoded:
        found, rest = [], _from_base64(rest)
    groups = re.split(r"\r?\n[ \t]*\r?\n", rest, maxsplit=_BLOCKS)[:_BLOCKS]
    return [one for one in [*found, *map(block, groups)] if one.keys()]


def _from_base64(text: str) -> str:
    try:
        return decoded(b64decode(text.encode("ascii", "ignore")), "utf-8")
    except ValueError:
        return ""


def _is_for(one: Incoming, rcpt_to: str) -> bool:
    told = (one.text("original-recipient"), one.text("final-recipient"))
    return any(_key(rcpt_to) in _readings(value) for value in told if value)


def _is_for_another(one: Incoming) -> bool:
    """Whether the recipient is another one, and nothing says that it was so when our mail came there: forwarded."""
    if one.text("original-recipient"):
        return False
    try:
        kept_address(one.text("final-recipient").rpartition(";")[2].strip(" <>"))
    except InvalidInput:
        return False
    return True


def _readings(value: str) -> set[str]:
    """The addresses that a field may mean: some write it encoded (RFC 3461, 4.2; RFC 6533, 3), some as it is."""
    kind, _, text = value.partition(";") if ";" in value else ("rfc822", "", value)
    text = text.strip().removeprefix("<").partition(">")[0].strip()[:400]
    if kind.strip().lower() == "utf-8":
        return {_key(text), _key(_UTF8_XTEXT.sub(_character, text))}
    return {_key(text), _key(_XTEXT.sub(lambda match: chr(int(match[1], 16)), text))}


def _character(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return chr(code) if code < _UNICODE else match[0]


def _key(text: str) -> str:
    """For comparing: servers change letter case, and show a domain in either form."""
    try:
        return kept_address(text).key
    except InvalidInput:
        return unicodedata.normalize("NFC", text).casefold()


def same_address(one: str, other: str) -> bool:
    """Whether two addresses are one, as far as a bounce can tell."""
    return _key(one) == _key(other)


def _value(field: str) -> str:
    """What stands behind a field's type, ``smtp;`` or ``dns;``."""
    kind, semicolon, value = field.partition(";")
    return value.strip() if semicolon and re.fullmatch(r"\s*[A-Za-z0-9-]+\s*", kind) else field


def _instant(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text[:100])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if at.tzinfo and 1990 < at.year < 2200 else None
