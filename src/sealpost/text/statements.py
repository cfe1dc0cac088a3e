"""What a record states, in the words of a language: the one place from which every projection takes them.

For ticket page, recipient's page, list, notices, XML and certificate. Two kinds of words are kept apart: the literal ones of
others (a server, a returned mail, the recipient), which are never translated and stand alone, and explanations of ours,
which are always translated, by code and never by reading English.
"""
# ruff: noqa: RUF001 - typographic quotes, as in all texts for people

from __future__ import annotations

from collections.abc import Sequence

from sealpost.domain.statement import BOUNCE, RELAY, Statement
from sealpost.text.catalogue import marked, translator
from sealpost.text.sources import signed_note, source_note

CLASSES = {
    "unknown": marked("unknown address"),
    "full": marked("mailbox full"),
    "too_large": marked("mail too large"),
    "content": marked("contents not taken"),
    "policy": marked("against the server’s rules"),
    "reputation": marked("the sending mail server was refused"),
    "server": marked("the server reported a problem"),
    "unreachable": marked("server not reachable"),
    "greylisted": marked("asked to come back later"),
    "other": marked("another reason"),
}
"""What a failure is about: the classes of ``mail.reply_classes``."""
CAUSES = {
    "no-connection": marked("The server could not be reached."),
    "no-answer": marked("The server gave no answer."),
    "no-answer-after-dot": marked("The mail had been sent whole, and no answer came: the server may have it."),
    "broken-off": marked("The connection broke off within the mail."),
    "process-ended": marked("This service stopped just when the mail was handed over: the server may have it."),
    "resting": marked("The server could not be reached shortly before, and was left alone for a while."),
    "no-tls": marked("No encrypted connection came about."),
    "tls-not-offered": marked("An encrypted connection was demanded, and the server does not offer one."),
    "dane-mismatch": marked("The server’s certificate is not the one that its domain has published (DANE)."),
    "not-verified": marked("The sender demands a verified connection, and this one was not."),
    "not-promised": marked("The relay server cannot promise verified connections further on."),
    "not-in-policy": marked("The server is not among those that its domain allows (MTA-STS)."),
    "ascii-address": marked("The server takes no addresses with letters like these."),
    "ascii-mail": marked("The server takes no mails with letters like these."),
    "size": marked("The mail is larger than the server says it takes."),
    "lookup-failed": marked("The mail servers of the address could not be looked up."),
    "no-domain": marked("The domain of the address does not exist, or has no mail server."),
    "no-mail": marked("The domain of the address takes no mail."),
    "no-address": marked("The mail servers of the domain have no address that can be reached."),
    "not-tried": marked(
        "It was not tried until its time was over: the servers of its domain were out of reach, or busy with other mail."
    ),
    "unsendable": marked("This service could not send the mail."),
    "own-fault": marked("A fault of this service ended it."),
    "ourselves": marked("The mail servers of the domain are this service itself."),
}
"""What decided where no reply of a server did (``smtp.cause``)."""
ENDS = {
    "term-over": marked("It was neither accepted nor refused within the collection period."),
    "account-suspended": marked(
        "The sender’s account was suspended before the end of the collection period: the links did not work."
    ),
}
SIGNS = {
    "no-user-agent": marked("a browser that does not name itself"),
    "headless-agent": marked("a browser without a window"),
    "scanner-agent": marked("the name of a known program"),
    "no-accept-language": marked("no preferred language"),
    "prefetch-header": marked("fetched in advance"),
}
"""Of a program instead of a person (``web.automation``)."""
REASON = marked("Reason: %(reason)s")
GIVEN_UP = marked("There were no more tries.")
ATTEMPT = marked("Attempt %(number)s")
AUTOMATION = marked("Signs of a program instead of a person: %(signs)s")
SERVER, RELAY_SERVER = marked("Mail server: %(server)s"), marked("Relay server: %(server)s")
SERVER_SAID = marked("The server’s answer, literally:")
RETURNED_SAID = marked("The returned mail says, literally:")
RECIPIENT_SAID = marked("The recipient’s reason, literally:")


def explanations(states: Statement, language: str) -> tuple[str, ...]:
    """What we say of it ourselves, in whole sentences; nothing that the title says already.

    Args:
        states: what the record states.
        language: one of ``LANGUAGES``.
    """
    gettext = translator(language).gettext
    found = [
        source_note(states.source, language),
        signed_note(states.signed, language),
        *(gettext(REASON) % {"reason": gettext(CLASSES[code])} for code in states.reasons if code in CLASSES),
        gettext(CAUSES[states.cause]) if states.cause in CAUSES else "",
        gettext(GIVEN_UP) if states.given_up else "",
        *(gettext(ENDS[code]) for code in states.reasons if code in ENDS),
        automation_note(states.signs, language),
        gettext(ATTEMPT) % {"number": states.attempt} if states.attempt > 1 else "",
    ]
    return tuple(filter(None, found))


def automation_note(signs: Sequence[str], language: str) -> str:
    """That an act bears signs of a program, and which; empty for none.

    Args:
        signs: of ``web.acts``, or of later software's.
        language: one of ``LANGUAGES``.
    """
    gettext = translator(language).gettext
    told = ", ".join(gettext(SIGNS[sign]) if sign in SIGNS else sign for sign in signs)
    return gettext(AUTOMATION) % {"signs": told} if told else ""


def literal_label(states: Statement, language: str) -> str:
    """Whose literal words stand beside it."""
    if states.recipients_words:
        return translator(language).gettext(RECIPIENT_SAID)
    return translator(language).gettext(RETURNED_SAID if states.source == BOUNCE else SERVER_SAID)


def notes(states: Statement, language: str) -> tuple[str, ...]:
    """All that we say of it: the server that is meant, and the explanations."""
    return tuple(filter(None, (server_note(states, language), *explanations(states, language))))


def server_note(states: Statement, language: str) -> str:
    """Which server is meant, or empty."""
    server = RELAY_SERVER if states.source == RELAY else SERVER
    return translator(language).gettext(server) % {"server": states.host} if states.host else ""
