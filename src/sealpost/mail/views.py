"""What each kind of mail shows: one frozen view per kind, filled by a use case.

All times are instants with an offset; ``zone`` is the account's, in which they are shown; ``language`` is one of
``sealpost.text.catalogue.LANGUAGES``. Kinds and their contents: contract 8 (recipient) and 9 (sender).
"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sealpost.domain.statement import Signed, Statement


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the content: size in octets, ``sha256`` in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class AnnouncementView:
    """``subject`` is None where the account hides it; ``host`` is where the button must lead."""

    language: str
    sender_name: str
    sender_email: str
    account_name: str
    subject: str | None
    submitted_at: datetime
    collect_until: datetime
    zone: ZoneInfo
    link: str
    host: str
    reference: str
    check_url: str
    reminder: bool = False


@dataclass(frozen=True, slots=True)
class ContentView:
    """The registered e-mail itself.

    ``body_text`` always, the text twin of an HTML body; ``body_html`` has passed the allow-list and goes in as it is.
    """

    language: str
    sender_name: str
    sender_email: str
    account_name: str
    subject: str
    submitted_at: datetime
    accepted_at: datetime
    zone: ZoneInfo
    reference: str
    parts: tuple[Part, ...]
    body_text: str
    body_html: str | None = None


@dataclass(frozen=True, slots=True)
class TooLargeView:
    """Instead of the content, when the recipient's server does not take mails of that size."""

    language: str
    sender_name: str
    sender_email: str
    account_name: str
    subject: str
    submitted_at: datetime
    accepted_at: datetime
    collect_until: datetime
    zone: ZoneInfo
    link: str
    host: str
    reference: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfirmationView:
    """To the sender, at once."""

    language: str
    recipient_email: str
    subject: str
    submitted_at: datetime
    zone: ZoneInfo
    reference: str
    ticket_url: str
    expire_at: datetime
    remind_at: datetime | None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class NoticeView:
    """To the sender, about a status.

    ``timeline`` has when each record happened, what it states and the literal words of others in it, oldest first;
    ``states`` is what the one states that the notice is about.
    """

    language: str
    status_name: str
    at: datetime
    recipient_email: str
    subject: str
    zone: ZoneInfo
    reference: str
    ticket_url: str
    states: Statement
    timeline: tuple[tuple[datetime, Statement, str], ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ReplyView:
    """To the sender: what somebody answered, of which nothing is checked; ``is_clear``: it is known to be an answer.

    ``mail_from`` and ``reply_subject`` are one line each, ``text`` may be empty; ``is_cut``: there is more of it; ``signed``: what its signatures amounted to;
    ``reaches_recipient``: what the sender answers to this mail goes to the recipient.
    """

    language: str
    recipient_email: str
    subject: str
    zone: ZoneInfo
    reference: str
    ticket_url: str
    received_at: datetime
    mail_from: str
    reply_subject: str
    text: str
    is_cut: bool = False
    reaches_recipient: bool = True
    signed: Signed | None = None
    is_clear: bool = True


@dataclass(frozen=True, slots=True)
class InvitationView:
    """To a new user of the dashboard."""

    language: str
    account_name: str
    email: str
    link: str
    valid_until: datetime
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class AddressView:
    """To the owner of an address that an account wants to send from."""

    language: str
    account_name: str
    email: str
    link: str
    valid_until: datetime
    zone: ZoneInfo
