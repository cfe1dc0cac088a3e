"""The words of the status table (contract 6), in each language.

For pages, notices and the XML interface's ``statusomschrijving``. The names are the stable ones; the numbers live
with the ticket in the domain.
"""

from sealpost.text.catalogue import marked, translator
from sealpost.text.sources import BOUNCE, DOWNLOAD, RELAY

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
    DOWNLOAD: {"content_delivered": marked("Downloaded by recipient")},
    BOUNCE: {
        "announcement_accepted": marked("Announcement delivered, says a returned mail"),
        "announcement_failed": marked("Announcement not delivered, says a returned mail"),
        "content_failed": marked("Content not delivered, says a returned mail"),
        "reminder_accepted": marked("Reminder delivered, says a returned mail"),
        "reminder_failed": marked("Reminder not delivered, says a returned mail"),
    },
}
"""What it is called where it is not the word of the recipient's mail server (`text.sources`)."""
VENDOR = "nl"
VENDOR_TEXTS = {
    "content_offered": "Aangetekende mail aangeboden",
    "content_delayed": "Aangetekende mail vertraagd",
    "content_failed": "Aangetekende mail niet bezorgd",
    "reminder_offered": "Herinnering aangetekende mail verstuurd",
}
"""The XML interface keeps the vendor's Dutch noun, which its readers compare with; pages and mails do not use it."""


def vendor_text(name: str, language: str, source: str = "") -> str:
    """As `status_text`, for the XML interface."""
    return (language == VENDOR and not source and VENDOR_TEXTS.get(name)) or status_text(name, language, source)


def status_text(name: str, language: str, source: str = "") -> str:
    """What a status is called.

    Args:
        name: a stable name of contract 6, such as ``announcement_accepted``.
        language: one of ``LANGUAGES``.
        source: whose word it is, of `text.sources`; without it the words of the contract.

    Raises:
        KeyError: no such status.
    """
    return translator(language).gettext(SOURCED_TEXTS.get(source, {}).get(name) or STATUS_TEXTS[name])
