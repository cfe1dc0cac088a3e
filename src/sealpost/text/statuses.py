"""The words of the status table (contract 6), in each language.

For pages, notices and the XML interface's ``statusomschrijving``. The names are the stable ones; the numbers live
with the ticket in the domain.
"""

from sealpost.text.catalogue import marked, translator
from sealpost.text.sources import BOUNCE, RELAY

STATUS_TEXTS = {
    "submitted": marked("Registered e-mail received"),
    "announcement_offered": marked("Announcement offered"),
    "announcement_uncertain": marked("Announcement: outcome unknown"),
    "announcement_accepted": marked("Announcement accepted by mail server"),
    "announcement_delayed": marked("Announcement delayed"),
    "announcement_failed": marked("Announcement not delivered"),
    "announcement_opened": marked("Announcement viewed"),
    "recipient_identified": marked("Recipient identified"),
    "identification_failed": marked("Identification failed"),
    "accepted": marked("Accepted by recipient"),
    "content_offered": marked("Registered e-mail offered"),
    "content_delayed": marked("Registered e-mail delayed"),
    "content_delivered": marked("Registered e-mail delivered"),
    "content_failed": marked("Registered e-mail not delivered"),
    "signed": marked("Signed by recipient"),
    "refused": marked("Refused by recipient"),
    "expired": marked("Collection term ended"),
    "withdrawn": marked("Withdrawn by sender"),
    "reminder_offered": marked("Reminder of registered e-mail sent"),
    "reminder_accepted": marked("Reminder accepted by mail server"),
    "reminder_failed": marked("Reminder not delivered"),
    "content_erased": marked("Content erased"),
}
SOURCED_TEXTS = {
    RELAY: {
        "announcement_accepted": marked("Announcement accepted by relay server"),
        "content_delivered": marked("Registered e-mail accepted by relay server"),
        "reminder_accepted": marked("Reminder accepted by relay server"),
    },
    BOUNCE: {
        "announcement_accepted": marked("Announcement delivered, says a returned mail"),
        "announcement_failed": marked("Announcement not delivered, says a returned mail"),
        "content_failed": marked("Registered e-mail not delivered, says a returned mail"),
        "reminder_accepted": marked("Reminder delivered, says a returned mail"),
        "reminder_failed": marked("Reminder not delivered, says a returned mail"),
    },
}
"""What it is called where it is not the word of the recipient's mail server (`text.sources`)."""


def status_text(name: str, language: str, source: str = "") -> str:
    """What a status is called.

    Args:
        name: a stable name of contract 6, such as ``announcement_accepted``.
        language: one of ``LANGUAGES``.
        source: whose word it is, of `text.sources`; without it the words of the contract, which the interfaces give.

    Raises:
        KeyError: no such status.
    """
    return translator(language).gettext(SOURCED_TEXTS.get(source, {}).get(name) or STATUS_TEXTS[name])
