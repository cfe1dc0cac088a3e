"""Whose word a record about a mail is, for people: certificate, ticket page and notices say it alike.

A 250 of a relay says that the relay took the mail, not the recipient's mail server; a bounce says what whoever wrote
it says, and whoever has the mail can write one (evidence format, section 1: ``smtp.by``, ``bounce``).
"""

from __future__ import annotations

from sealpost.domain.statement import BOUNCE, RELAY
from sealpost.text.catalogue import marked, translator

SOURCE_NOTES = {
    RELAY: marked("Relay server, not the recipient’s mail server."),  # noqa: RUF001 - a typographic quote
    BOUNCE: marked("This is what a returned mail says; whoever has the mail could have written it."),
}


def source_note(source: str, language: str) -> str:
    """The sentence that says whose word it is; empty for none.

    Args:
        source: of `domain.statement.source_of`.
        language: one of ``LANGUAGES``.
    """
    return translator(language).gettext(SOURCE_NOTES[source]) if source in SOURCE_NOTES else ""
