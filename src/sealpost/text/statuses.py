"""The words of the status table (contract 6), in each language.

For pages, notices and the XML interface's ``statusomschrijving``. The names are the stable ones; the numbers live
with the ticket in the domain.
"""

from sealpost.domain.statement import BOUNCE, PROGRAM, RELAY
from sealpost.text.catalogue import marked, translator

STATUS_TEXTS = {
    "submitted": marked("Taken in for sending"),
    "announcement_offered": marked("Announcement offered"),
    "announcement_uncertain": marked("Announcement: outcome unknown"),
    "announcement_accepted": marked("Announcement accepted by mail server"),
    "announcement_delayed": marked("Announcement delayed"),
    "announcement_failed": marked("Announcement not delivered"),
    "announcement_opened": marked("Announcement viewed"),
    "recipient_identified": marked("Recipient identified"),
    "identification_failed": marked("Identification failed"),
    "accepted": marked("Accepted by recipient"),
    "content_offered": marked("Content offered"),
    "content_delayed": marked("Content delayed"),
    "content_delivered": marked("Delivered to the recipient’s mail server"),  # noqa: RUF001 - a typographic quote
    "content_failed": marked("Content not delivered"),
    "signed": marked("Signed by recipient"),
    "refused": marked("Refused by recipient"),
    "expired": marked("Collection period ended"),
    "withdrawn": marked("Withdrawn by sender"),
    "reminder_offered": marked("Reminder offered"),
    "reminder_accepted": marked("Reminder accepted by mail server"),
    "reminder_failed": marked("Reminder not delivered"),
    "content_erased": marked("Content erased"),
}
SOURCED_TEXTS = {
    RELAY: {
        "announcement_accepted": marked("Announcement accepted by relay server"),
        "content_delivered": marked("Content accepted by relay server"),
        "reminder_accepted": marked("Reminder accepted by relay server"),
    },
    PROGRAM: {
        "announcement_opened": marked("Announcement viewed, with signs of a program"),
        "accepted": marked("Accepted by recipient, with signs of a program"),
        "refused": marked("Refused by recipient, with signs of a program"),
    },
    BOUNCE: {
        "announcement_failed": marked("Announcement not delivered, says a returned mail"),
        "content_failed": marked("Content not delivered, says a returned mail"),
        "reminder_failed": marked("Reminder not delivered, says a returned mail"),
    },
}
"""What it is called where `domain.statement.SOURCED` says that the source matters."""
KIND_TEXTS = {
    "announcement_delivered": marked("Announcement delivered, says a returned mail"),
    "reminder_uncertain": marked("Reminder: outcome unknown"),
    "reminder_delayed": marked("Reminder delayed"),
    "reminder_delivered": marked("Reminder delivered, says a returned mail"),
    "content_uncertain": marked("Content: outcome unknown"),
    "content_downloaded": marked("Downloaded by recipient"),
    "adopted": marked("Earlier records adopted when the service was upgraded"),
}
"""Kinds of record that share a status with others, and are told apart wherever the record is known."""


def event_text(event: str, language: str) -> str:
    """What a record's event is called: on every page, in mails, lists, XML and the certificate.

    Args:
        event: of `domain.statement.event_of`, or the name of a status.
        language: one of ``LANGUAGES``.

    Raises:
        KeyError: no such event.
    """
    name, _, source = event.partition(".")
    text = SOURCED_TEXTS.get(source, {}).get(name) or KIND_TEXTS.get(name) or STATUS_TEXTS[name]
    return translator(language).gettext(text)


VENDOR = "nl"
VENDOR_TEXTS = {
    "content_offered": "Aangetekende mail aangeboden",
    "content_delayed": "Aangetekende mail vertraagd",
    "content_failed": "Aangetekende mail niet bezorgd",
    "reminder_offered": "Herinnering aangetekende mail verstuurd",
}
"""The XML interface keeps the vendor's Dutch noun, which its readers compare with; pages and mails do not use it."""


def vendor_text(event: str, language: str) -> str:
    """As `event_text`, for the XML interface."""
    return (language == VENDOR and VENDOR_TEXTS.get(event)) or event_text(event, language)
