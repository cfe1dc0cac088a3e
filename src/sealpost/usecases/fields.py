"""The strict reading of a submission's fields: every one checked, the one at fault named (contract, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from sealpost.domain.errors import InvalidInput
from sealpost.domain.lines import line
from sealpost.domain.parties import Address, address, check_name
from sealpost.domain.timetable import check_days, due_at
from sealpost.mail.letter import UnsafeMail, check_header_text
from sealpost.text.catalogue import pick_language
from sealpost.usecases.service import Limits, Service
from sealpost.usecases.submit_message import SubmitMessage

NAME, SUBJECT, OWN, BASIS = 200, 500, 200, 1000


@dataclass(frozen=True, slots=True)
class Rules:
    """What an account's submissions follow: its defaults, its demands and its limits.

    Args:
        tls_verified: its mail goes over verified TLS or not at all.
        domain_demanded: only addresses of its verified domains may send.
    """

    zone: ZoneInfo
    language: str
    reminder_days: int
    expiry_days: int
    deadline_time: time
    limits: Limits
    tls_verified: bool = False
    domain_demanded: bool = False


@dataclass(frozen=True, slots=True)
class Fields:
    """What the fields say, checked and normalised; the deadlines worked out."""

    sender: Address
    sender_name: str
    recipient: Address
    recipient_name: str
    subject: str
    language: str
    own_id: str
    own_guid: str
    campaign: str
    address_basis: str
    remind_at: datetime
    expire_at: datetime
    zone: str
    tls_verified: bool


def read_fields(message: SubmitMessage, rules: Rules, service: Service) -> Fields:
    """Reads everything but the content.

    Raises:
        InvalidInput: naming the first field that breaks a rule.
    """
    days = message.reminder_days, message.expiry_days
    reminder_days, expiry_days = _days(rules, *days)
    now = service.clock.now()
    sender = address("sender_email", message.sender_email)
    recipient = address("recipient_email", message.recipient_email, odd_dots=service.limits.odd_dots)
    return Fields(
        sender=sender,
        sender_name=name("sender_real_name", message.sender_name, NAME, own=sender),
        recipient=recipient,
        recipient_name=name("recipient_name", message.recipient_name, NAME, own=recipient, empty=True),
        subject=_subject(message),
        language=pick_language(message.language, rules.language),
        own_id=line("x-own-id", message.own_id, OWN, empty=True),
        own_guid=line("x-own-guid", message.own_guid, OWN, empty=True),
        campaign=line("x-own-campaign", message.campaign, OWN, empty=True),
        address_basis=line("address_basis", message.address_basis, BASIS, empty=True),
        remind_at=due_at(now, reminder_days, rules.zone, rules.deadline_time),
        expire_at=due_at(now, expiry_days, rules.zone, rules.deadline_time),
        zone=rules.zone.key,
        tls_verified=message.tls_verified or rules.tls_verified,
    )


def _days(rules: Rules, reminder_days: int | None, expiry_days: int | None) -> tuple[int, int]:
    """The ticket's days, else the account's; a short term of its own moves an unsaid reminder before its end."""
    expiry = rules.expiry_days if expiry_days is None else expiry_days
    reminder = rules.reminder_days if reminder_days is None else reminder_days
    if reminder_days is None and reminder >= expiry > 1:
        reminder = expiry - 1
    check_days(reminder, expiry)
    return reminder, expiry


def _subject(message: SubmitMessage) -> str:
    """The subject; an announcement's has the sender's name before it, and the two together must be harmless too."""
    subject = header("subject", message.subject, SUBJECT)
    sender_name = header("sender_real_name", message.sender_name, NAME)
    _check_encoded("subject", f"{sender_name}: {subject}")
    return subject


def header(field: str, text: str, longest: int, *, empty: bool = False) -> str:
    """A line that will stand in a mail header: refused now rather than when the mail is built.

    Raises:
        InvalidInput: naming ``field``; as ``line``, or an encoded word in it hides a control character.
    """
    text = line(field, text, longest, empty=empty)
    _check_encoded(field, text)
    return text


def name(field: str, text: str, longest: int, *, own: Address | None, empty: bool = False) -> str:
    """The name of a person or an organisation: a header that no reader takes for an address, but for its ``own``.

    Raises:
        InvalidInput: naming ``field``; as ``header``, or an address of somebody else stands in it, encoded or not.
    """
    text = line(field, text, longest, empty=empty)
    for seen in _check_encoded(field, text):
        check_name(field, seen, own)
    return text


def _check_encoded(field: str, text: str) -> list[str]:
    try:
        return check_header_text(field, text)
    except UnsafeMail:
        raise InvalidInput(field, "has an encoded control character") from None
