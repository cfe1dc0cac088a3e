"""Whose word a record about a mail is, for people: certificate, ticket page and notices say it alike.

A 250 of a relay says that the relay took the mail, not the recipient's mail server; a bounce says what whoever wrote
it says, and whoever has the mail can write one (evidence format, section 1: ``smtp.by``, ``bounce``).
"""

from __future__ import annotations

from sealpost.domain.statement import BOUNCE, RELAY, Signed
from sealpost.text.catalogue import marked, translator

SOURCE_NOTES = {
    RELAY: marked("Relay server, not the recipient’s mail server."),  # noqa: RUF001 - a typographic quote
    BOUNCE: marked("This is what a returned mail says; whoever has the mail could have written it."),
}
SIGNED_NOTES = {
    "pass": marked("The returned mail was signed by %(by)s."),
    "none": marked("The returned mail was not signed."),
    "temperror": marked("Whether the returned mail was validly signed could not be found out when it came in."),
}
REPLY_NOTES = {
    "pass": marked("The reply was signed by %(by)s, which does not say who wrote it."),
    "none": marked("The reply was not signed."),
}
NOT_VERIFIED = marked("No signature on the returned mail could be verified.")
REPLY_NOT_VERIFIED = marked("No signature on the reply could be verified.")


def source_note(source: str, language: str) -> str:
    """The sentence that says whose word it is; empty for none.

    Args:
        source: of `domain.statement.source_of`.
        language: one of ``LANGUAGES``.
    """
    return translator(language).gettext(SOURCE_NOTES[source]) if source in SOURCE_NOTES else ""


def signed_note(signed: Signed | None, language: str, *, reply: bool = False) -> str:
    """Whose servers signed a mail that came back; empty where that was not recorded.

    Args:
        signed: what its signatures amounted to.
        language: one of ``LANGUAGES``.
        reply: it is a reply that is passed on.
    """
    if signed is None:
        return ""
    known, otherwise = (REPLY_NOTES, REPLY_NOT_VERIFIED) if reply else (SIGNED_NOTES, NOT_VERIFIED)
    text = translator(language).gettext(known.get(signed.result, otherwise))
    return text % {"by": ", ".join(signed.by)} if signed.result == "pass" else text
