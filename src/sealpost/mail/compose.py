"""The words of every mail: subject, plain text and HTML that say the same.

For the use cases that send; what each kind must say stands in contract 8 and 9. Templates are Jinja; the HTML ones are
compiled from MJML beforehand (``script/mjml``). Nothing in them is loaded from anywhere, no mail calls itself
genuine, and an announcement never holds content.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from sealpost.domain.statement import RELAY
from sealpost.mail.views import (
    AddressView,
    AnnouncementView,
    ConfirmationView,
    ContentView,
    InvitationView,
    NoticeView,
    ReplyView,
    TooLargeView,
)
from sealpost.text.catalogue import Translator, marked, translator
from sealpost.text.dates import long_datetime
from sealpost.text.direction import bdi
from sealpost.text.nouns import noun
from sealpost.text.sizes import size_text
from sealpost.text.sources import signed_note
from sealpost.text.statements import explanations, literal_label, notes
from sealpost.text.statuses import event_text

_TEMPLATES = Path(__file__).parent / "templates"
NOTICES = {
    # An announcement's words hold for a reminder too, where the two share a status.
    "announcement_offered": marked("The announcement was offered to the mail server of %(recipient)s."),
    "announcement_uncertain": marked(
        "It is not known whether the announcement reached %(recipient)s: the mail server gave no answer."
    ),
    "announcement_accepted": marked("The mail server of %(recipient)s accepted the announcement."),
    "announcement_delayed": marked(
        "The announcement to %(recipient)s is delayed: the mail server has not accepted it yet."
    ),
    "announcement_failed": marked("The announcement could not be delivered to %(recipient)s."),
    "announcement_opened": marked("Somebody used the page of your message to %(recipient)s."),
    "recipient_identified": marked("%(recipient)s was identified."),
    "identification_failed": marked("%(recipient)s could not be identified."),
    "accepted": marked("%(recipient)s accepted your message."),
    "signed": marked("%(recipient)s signed for your message."),
    "refused": marked("%(recipient)s refused your message."),
    "expired": marked("%(recipient)s neither accepted nor refused your message within the collection period."),
    "content_offered": marked("The contents of your message were offered to the mail server of %(recipient)s."),
    "content_delayed": marked(
        "The contents of your message to %(recipient)s are delayed: it is not certain yet that a mail server has accepted them."
    ),
    "content_delivered": marked("The mail server of %(recipient)s accepted the contents of your message."),
    "content_failed": marked("The contents of your message could not be delivered to %(recipient)s by mail."),
    "withdrawn": marked("Your message to %(recipient)s was withdrawn before a decision."),
    "reminder_offered": marked("The reminder was offered to the mail server of %(recipient)s."),
    "reminder_accepted": marked("The mail server of %(recipient)s accepted the reminder."),
    "reminder_failed": marked("The reminder could not be delivered to %(recipient)s."),
    "content_erased": marked("The contents of your message to %(recipient)s were erased from this service."),
}
"""What a notice says, for every status but the first, which the confirmation is about (contract, sections 6 and 9)."""
SOURCED_NOTICES = {
    RELAY: {
        "announcement_offered": marked("The announcement to %(recipient)s was offered to a relay server."),
        "announcement_accepted": marked("A relay server accepted the announcement to %(recipient)s, to pass it on."),
        "content_offered": marked("The contents of your message to %(recipient)s were offered to a relay server."),
        "content_delivered": marked(
            "A relay server accepted the contents of your message to %(recipient)s, to pass them on."
        ),
        "reminder_offered": marked("The reminder to %(recipient)s was offered to a relay server."),
        "reminder_accepted": marked("A relay server accepted the reminder to %(recipient)s, to pass it on."),
    },
}
"""What it says where it is not the word of the recipient's mail server; the note of `text.sources` follows."""
KIND_NOTICES = {
    "announcement_delivered": marked("The announcement was delivered to %(recipient)s."),
    "reminder_delivered": marked("The reminder was delivered to %(recipient)s."),
    "content_downloaded": marked("Somebody with the link downloaded the contents of your message to %(recipient)s."),
}
"""What it says of kinds that share a status with others."""


@dataclass(frozen=True, slots=True)
class Composed:
    """The words of one mail."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class _Lead:
    """A mail's first sentences: ``sentence`` with the words of others in it (``about``), and whole ones of ours behind."""

    sentence: str
    about: Mapping[str, str]
    more: tuple[str, ...] = ()

    def text(self) -> str:
        return " ".join((self.sentence % self.about, *self.more))

    def html(self) -> Markup:
        said = escape(self.sentence) % {name: bdi(value) for name, value in self.about.items()}
        return Markup(" ").join((said, *self.more))


class Composer:
    """Writes the mails of one deployment."""

    def __init__(self, *, service_name: str, demo: bool, nouns: Mapping[str, str] = MappingProxyType({})) -> None:
        """Reads nothing yet; templates are read once, at their first use.

        Args:
            service_name: who sends, in the last line of each mail.
            demo: each mail says clearly that it has no legal value.
            nouns: what the operator calls a message, per language.
        """
        self._nouns = nouns
        self._shown = {"service_name": service_name, "demo": demo}

    def announcement(self, view: AnnouncementView) -> Composed:
        """The announcement, or the reminder of it (contract 8.1)."""
        gettext = translator(view.language).gettext
        if view.reminder:
            heading = gettext("A message is still waiting for you")
            bare, full = (
                gettext("Reminder: %(noun)s from %(name)s"),
                gettext("Reminder: %(noun)s from %(name)s: %(subject)s"),
            )
        else:
            heading = gettext("%(noun)s for you") % {"noun": self._noun(view)}
            bare, full = (
                gettext("%(noun)s from %(name)s"),
                gettext("%(noun)s from %(name)s: %(subject)s"),
            )
        about = {"noun": self._noun(view), "name": view.sender_name, "subject": view.subject}
        subject = (full if view.subject else bare) % about
        lead = gettext(
            "%(name)s (%(email)s) sends you a message. It is recorded when it was sent and offered to you, and what you decide."
        )
        return self._composed("announcement", view, subject, heading, _Lead(lead, _sender(view)))

    def content(self, view: ContentView) -> Composed:
        """The registered e-mail itself, after acceptance (contract 8.3); the caller attaches the files."""
        gettext = translator(view.language).gettext
        heading = gettext("Your message")
        lead = gettext("%(name)s (%(email)s) sent you this message, and you accepted it.")
        subject = gettext("%(noun)s: %(subject)s") % {"noun": self._noun(view), "subject": view.subject}
        return self._composed("content", view, subject, heading, _Lead(lead, _sender(view)))

    def too_large(self, view: TooLargeView) -> Composed:
        """A link instead of the content that the recipient's server found too large (contract 8.3)."""
        gettext = translator(view.language).gettext
        heading = gettext("Your message is ready to download")
        lead = gettext("You accepted a message from %(name)s (%(email)s). It is too large for your mailbox.")
        subject = gettext("Download your message: %(subject)s") % {"subject": view.subject}
        return self._composed("too_large", view, subject, heading, _Lead(lead, _sender(view)))

    def confirmation(self, view: ConfirmationView) -> Composed:
        """To the sender, at once (contract 9)."""
        gettext = translator(view.language).gettext
        heading = gettext("Your message was taken in for sending")
        lead = _Lead(
            gettext("It is recorded, and the announcement goes to %(recipient)s."), {"recipient": view.recipient_email}
        )
        subject = gettext("Taken in for sending: %(subject)s") % {"subject": view.subject}
        return self._composed("confirmation", view, subject, heading, lead)

    def notice(self, view: NoticeView) -> Composed:
        """To the sender, about a status (contract 9).

        Raises:
            KeyError: no notice is written about this status.
        """
        heading = event_text(view.states.event, view.language)
        sourced = SOURCED_NOTICES.get(view.states.source, {}).get(view.status_name)
        sentence = KIND_NOTICES.get(view.states.kind) or sourced or NOTICES[view.status_name]
        said = translator(view.language).gettext(sentence)
        lead = _Lead(said, {"recipient": view.recipient_email}, explanations(view.states, view.language))
        subject = _labelled(view.language, heading, view.subject)
        return self._composed("notice", view, subject, heading, lead)

    def reply(self, view: ReplyView) -> Composed:
        """To the sender, what somebody answered; its own subject stays out of the header."""
        gettext = translator(view.language).gettext
        if view.is_clear:
            heading = gettext("Somebody replied to your message")
            lead = gettext(
                "This reply came in to your message to %(recipient)s. It is neither an acceptance nor a refusal."
            )
            subject = gettext("Reply to your message: %(subject)s") % {"subject": view.subject}
        else:
            heading = gettext("A mail came in for your message")
            lead = gettext(
                "It came in for your message to %(recipient)s. Whether somebody replies with it cannot be told. It is neither an acceptance nor a refusal."
            )
            subject = gettext("A mail came in for: %(subject)s") % {"subject": view.subject}
        return self._composed("reply", view, subject, heading, _Lead(lead, {"recipient": view.recipient_email}))

    def invitation(self, view: InvitationView) -> Composed:
        """The activation mail of a new user (contract 2)."""
        gettext = translator(view.language).gettext
        heading = gettext("Activate your access")
        lead = gettext("%(account)s has given you access to its messages. Choose a password to start.")
        subject = gettext("Your access to the messages of %(account)s") % {"account": view.account_name}
        return self._composed("invitation", view, subject, heading, _Lead(lead, {"account": view.account_name}))

    def address(self, view: AddressView) -> Composed:
        """The question whether an account may send from an address (contract 2)."""
        gettext = translator(view.language).gettext
        about = {"organisation": view.account_name, "email": view.email}
        heading = gettext("May this address be a sender?")
        lead = gettext("%(organisation)s asks to send messages with %(email)s as the sender.")
        subject = gettext("%(organisation)s asks to send messages from your address") % about
        return self._composed("address", view, subject, heading, _Lead(lead, about))

    def _noun(self, view: Any) -> str:
        return noun(view.language, self._nouns)

    def _composed(self, kind: str, view: Any, subject: str, heading: str, lead: _Lead) -> Composed:
        language: str = view.language
        zone: ZoneInfo = view.zone
        context = {
            **self._shown,
            "view": view,
            "heading": heading,
            "colon": _labelled(language, "", ""),
            "language": language,
            "moment": partial(long_datetime, zone=zone, language=language),
            "size": partial(size_text, language=language),
            "noun": self._noun(view),
            "event": partial(event_text, language=language),
            "notes": partial(notes, language=language),
            "signed_note": partial(signed_note, language=language),
            "literal_label": partial(literal_label, language=language),
        }
        jinja = _environment(language)
        text = jinja.get_template(f"{kind}.txt").render(context, lead=lead.text())
        return Composed(subject, text, jinja.get_template(f"{kind}.html").render(context, lead=lead.html()))


def _labelled(language: str, label: str, value: str) -> str:
    """A label and its value, with the colon of the language."""
    return translator(language).gettext(marked("%(label)s: %(value)s")) % {"label": label, "value": value}


def _sender(view: AnnouncementView | ContentView | TooLargeView) -> dict[str, str]:
    return {"name": view.sender_name, "email": view.sender_email}


@cache
def _environment(language: str) -> Environment:
    jinja = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    texts: Translator = translator(language)
    jinja.filters["bdi"] = bdi
    cast("Any", jinja).install_gettext_translations(texts, newstyle=True)  # the extension adds it; no stub knows it
    return jinja
