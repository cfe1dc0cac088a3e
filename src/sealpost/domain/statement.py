"""What a record states, read back from its members: for every projection of it (page, list, notice, XML, certificate).

Records of every suite are read for ever (evidence format, section 1). Up to suite 2026-1 a record about a mail named the
mail's purpose as its first reason, successes too; such a code is no reason, and is passed over.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sealpost.domain.records import EVENT, EVENTS, PURPOSES, has_reasons

DIRECT, RELAY, BOUNCE, PROGRAM = "", "relay", "bounce", "program"
SOURCED = {
    RELAY: frozenset({"announcement_accepted", "reminder_accepted", "content_delivered"}),
    BOUNCE: frozenset({"announcement_failed", "reminder_failed", "content_failed"}),
    PROGRAM: frozenset({"announcement_opened", "accepted", "refused"}),
}
"""Kinds that are called otherwise where they are not the word of the recipient's mail server, or look like a program's act."""
_RETURNED = "bounce"
"""Up to suite 2026-1: the code of the reason that held a returned mail's words."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What the signatures on a mail that came back amounted to, as it was found when it came in.

    Args:
        result: ``pass``, ``none``, ``temperror``, or another word of RFC 8601: none could be verified.
        by: of each valid one, its domain and how: ``mx.example.com (DKIM)``. Whose servers, and not: that it is true.
    """

    result: str
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """What one record states.

    Args:
        kind: one of ``domain.records.EVENTS``, or what another event URI says.
        source: whose word it is, see `source_of`.
        purpose: of the mail that is meant, or empty.
        attempt: at that mail, from 1; 0: none.
        reasons: codes; none where nothing failed, was refused or ran out.
        reply: the server's whole last reply, or a returned mail's words, literally; may be empty.
        recipients_words: why the recipient refused, literally; may be empty.
        given_up: it failed only because no more tries were left: nobody refused for good.
        signs: of a program instead of a person, named.
        cause: what decided where no reply did, by its code; empty in older records.
        host: the server, or empty.
        signed: a returned mail; None: not recorded.
    """

    kind: str
    source: str = DIRECT
    purpose: str = ""
    attempt: int = 0
    reasons: tuple[str, ...] = ()
    reply: str = ""
    recipients_words: str = ""
    given_up: bool = False
    signs: tuple[str, ...] = ()
    cause: str = ""
    host: str = ""
    signed: Signed | None = None

    @property
    def event(self) -> str:
        """What it is called by: its kind, with the source where it is called otherwise for that."""
        return _named(self.kind, PROGRAM if self.signs else self.source)


def read_statement(members: Mapping[str, Any]) -> Statement:
    """Reads a record of ours.

    Args:
        members: of the whole record.

    Raises:
        KeyError, IndexError: it is not one of ours.
    """
    extension: Mapping[str, Any] = members["Extensions"][0]["sealpost/1"]
    smtp: Mapping[str, Any] = extension.get("smtp", {})
    source, kind, told = source_of(extension), kind_of(members), reasons_of(members)
    purpose, attempt = _mail(members, extension)
    reply = _words_of_bounce(extension["bounce"]) if source == BOUNCE else literal(smtp, "final")
    return Statement(
        kind,
        source,
        purpose,
        attempt,
        tuple(code for code, _ in told) if has_reasons(kind) else (),
        reply,
        next((detail for code, detail in told if code == "refused-by-recipient"), ""),
        _is_given_up(kind, source, reply or smtp.get("enhanced", "")),
        tuple(extension.get("web", {}).get("automation", ())),
        smtp.get("cause") or extension.get("mail", {}).get("cause", ""),
        smtp.get("host", ""),
        read_signed(extension.get("bounce", {})),
    )


def read_signed(facts: Mapping[str, Any]) -> Signed | None:
    """What was recorded of the signatures on a mail that came back; nothing in older records.

    Args:
        facts: a record's ``bounce``, or what is kept of a reply.
    """
    found: Mapping[str, Any] | None = facts.get("authenticated")
    if found is None:
        return None
    valid = [one for one in found.get("signatures", ()) if one["result"] == "pass"]
    return Signed(found["result"], tuple(f"{one['domain']} ({one['mechanism'].upper()})" for one in valid))


def event_of(kind: str, extension: Mapping[str, Any]) -> str:
    """What a record is called by, in lists and filters, before it is made.

    Args:
        kind: of the record.
        extension: its ``sealpost/1``, or the members that differ by kind.

    Returns:
        ``announcement_accepted``, or ``announcement_accepted.relay`` where the source matters.
    """
    return _named(kind, PROGRAM if extension.get("web", {}).get("automation") else source_of(extension))


def _named(kind: str, source: str) -> str:
    return f"{kind}.{source}" if kind in SOURCED.get(source, ()) else kind


def kind_of(members: Mapping[str, Any]) -> str:
    """Our name for the event; ETSI has one name for announcements and reminders, which the mail's purpose tells apart."""
    uri: str = members["ERDSEventId"]
    if not uri.startswith(EVENT):
        return uri.rpartition("#")[2]
    kinds = [kind for kind, name in EVENTS.items() if name == uri.removeprefix(EVENT)]
    purpose, _ = _mail(members, members["Extensions"][0]["sealpost/1"])
    return next((kind for kind in kinds if kind.partition("_")[0] == purpose), kinds[0] if kinds else uri)


def source_of(extension: Mapping[str, Any]) -> str:
    """Whose word it is.

    Args:
        extension: a record's ``sealpost/1``.

    Returns:
        ``relay``, ``bounce``, or empty: a server that the recipient's domain names, or no mail at all.
    """
    if "bounce" in extension:
        return BOUNCE
    return RELAY if extension.get("smtp", {}).get("by") == "relay" else DIRECT


def literal(members: Mapping[str, Any], name: str) -> str:
    """A literal text as a record holds it; one that is not UTF-8 with its odd octets by number."""
    if name in members:
        return str(members[name])
    return b64decode(members.get(f"{name}B64", "")).decode("utf-8", "backslashreplace")


def reasons_of(members: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(code, detail) of each reason; the code without the issuer's address.

    What stands first in a record of suite 2026-1 about a mail is the mail's purpose, ``content`` too, which is also a class.
    """
    found: list[dict[str, Any]] = members.get("EventReasons", {}).get("EventReason", [])
    told = [(one["Code"].rpartition("#")[2], " ".join(one.get("Details", []))) for one in found]
    own = told[1:] if _first_purpose(members) else told
    return [one for one in own if one[0] != _RETURNED]


def _mail(members: Mapping[str, Any], extension: Mapping[str, Any]) -> tuple[str, int]:
    """Purpose of the mail that is meant, and the attempt at it."""
    if "mail" in extension:
        return extension["mail"]["purpose"], extension["mail"].get("attempt", 0)
    facts: Mapping[str, Any] = extension.get("smtp") or extension.get("bounce") or {}
    return _first_purpose(members), facts.get("attempt", 0)


def _first_purpose(members: Mapping[str, Any]) -> str:
    """The purpose that stands as first reason in a record of suite 2026-1, or empty."""
    found: list[dict[str, Any]] = members.get("EventReasons", {}).get("EventReason", [])
    code = found[0]["Code"].rpartition("#")[2] if found else ""
    is_old = members["Extensions"][0]["sealpost/1"].get("suite") == "2026-1"
    return code if is_old and code in PURPOSES else ""


def _words_of_bounce(bounce: Mapping[str, Any]) -> str:
    return bounce.get("diagnostic") or bounce.get("status") or ""


def _is_given_up(kind: str, source: str, said: str) -> bool:
    return kind.endswith("_failed") and source != BOUNCE and not said.startswith("5")
