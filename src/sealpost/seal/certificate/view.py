"""Puts the story of a ticket into the words of one language, piece by piece, for the certificate's template."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date

from sealpost.domain.content import BODY
from sealpost.domain.records import ADOPTED
from sealpost.domain.statement import BOUNCE, RELAY, Statement
from sealpost.seal.certificate import words
from sealpost.seal.certificate.dating import Dating
from sealpost.seal.certificate.printable import MOST_MARKS, ZERO_WIDTH_SPACE, printable
from sealpost.seal.certificate.story import DECISIONS, REACHED, Story, Told, attribute
from sealpost.text.catalogue import translator
from sealpost.text.dates import long_date
from sealpost.text.sizes import size_text
from sealpost.text.sources import source_note
from sealpost.text.statements import automation_note, explanations, literal_label, server_note
from sealpost.text.statuses import event_text

LATE = timedelta(minutes=1)  # an event that was recorded later than this is said to be
LINE = 46  # characters of the typewriter face that fit beside the times
LONG = 1_000  # characters of a literal line that may go over a page's end; shorter ones stay together
_PROVES_DECISION = {
    "accepted": words.PROVES_ACCEPTED,
    "refused": words.PROVES_REFUSED,
    "expired": words.PROVES_EXPIRED,
    "withdrawn": words.PROVES_WITHDRAWN,
}


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: language, zone, and how many combining marks a letter from outside may have.

    Args:
        language: one of ``LANGUAGES``.
        zone: of local times.
        marks: see `printable.printable`.
    """

    language: str
    zone: ZoneInfo
    marks: int = MOST_MARKS

    def text(self, message: str, **values: str) -> str:
        """A text of `words`, with values from outside made printable."""
        shown = {name: self.shown(value) for name, value in values.items()}
        translated = translator(self.language).gettext(message)
        return translated % shown if shown else translated

    def spoken(self, message: str, **values: str) -> str:
        """The same for ears: without places to break a long word at."""
        return self.text(message, **values).replace(ZERO_WIDTH_SPACE, "")

    def shown(self, value: object, word: int = 28) -> str:
        """A value from outside."""
        return printable(str(value), word=word, marks=self.marks)

    def clock(self, at: datetime, precision: str = "milliseconds") -> str:
        """``11:15:04.906 CET``."""
        local = at.astimezone(self.zone)
        return f"{local.time().isoformat(precision)} {_zone_name(local)}"

    def date(self, at: datetime) -> str:
        """``23 nov 2026``."""
        locale = "en_GB" if self.language == "en" else self.language
        return format_date(at.astimezone(self.zone).date(), "medium", locale=locale)

    def brief(self, at: datetime) -> str:
        """``23 nov 2026, 11:14:58 CET``."""
        local = at.astimezone(self.zone)
        return f"{self.date(at)}, {local:%H:%M:%S} {_zone_name(local)}"

    def moment(self, at: datetime) -> str:
        """``Monday 23 November 2026, 11:15:04 CET (10:15:04 UTC)``."""
        local, utc = at.astimezone(self.zone), at.astimezone(UTC)
        elsewhere = "" if local.date() == utc.date() else f"{utc:%Y-%m-%d} "
        date = long_date(at, self.zone, self.language)
        return f"{date}, {local:%H:%M:%S} {_zone_name(local)} ({elsewhere}{utc:%H:%M:%S} UTC)"


def _zone_name(local: datetime) -> str:
    short = local.tzname() or ""
    offset = f"{local:%z}"
    return short if short.isalpha() else f"UTC{offset[:3]}:{offset[3:5]}"


def summary(story: Story, dated: Mapping[int, Dating], reader: Reader) -> list[dict[str, Any]]:
    """Submission, the mail server's answer, the first sign of a person, the end; each with what is proven of its time."""
    knew, end = story.earliest("announcement_opened", "accepted", "refused"), story.earliest(*DECISIONS)
    outcome = _title(end, reader) if end else reader.text(words.STILL_OPEN)

    def at(told: Told | None) -> list[str]:
        return [reader.moment(told.at), _proof(dated[told.seq], reader), _automation(told, reader)] if told else []

    facts = [
        _fact(reader.text(words.SUBMITTED), at(story.first)),
        _reached(story.reached, at(story.reached), reader),
        _fact(reader.text(words.KNEW), at(knew) or [reader.text(words.NO_SIGN)]),
        _fact(reader.text(words.END), [outcome, *at(end)], strong=True),
    ]
    handed = story.earliest("content_delivered", "content_downloaded")
    return facts + ([_fact(_title(handed, reader), at(handed))] if handed else [])


def _reached(told: Told | None, at: list[str], reader: Reader) -> dict[str, Any]:
    """The answer of the server that took an announcement."""
    if told is None:
        return _fact(reader.text(words.REACHED), [reader.text(words.NOT_REACHED)], strong=True)
    label = words.REACHED_RELAY if told.source == RELAY else words.REACHED
    return _fact(reader.text(label), [*at, _taker(told, reader)], _literal(told, reader), strong=True)


def _proof(dating: Dating, reader: Reader) -> str:
    """What is proven of a time, in one line."""
    if not dating.proves or dating.at is None:
        return _doubt(dating, reader)
    return reader.text(words.NOT_LATER, time=reader.brief(dating.at))


def _taker(told: Told, reader: Reader) -> str:
    """The server that took a mail, and what it is if it is not the recipient's."""
    return " · ".join(filter(None, (reader.shown(_server(told, reader)), source_note(told.source, reader.language))))


def _automation(told: Told, reader: Reader) -> str:
    """The mark of an act that looks like a program's, or empty."""
    return automation_note(_printable(told, reader).signs, reader.language)


def _title(told: Told, reader: Reader) -> str:
    """What the event is called; one that this software does not know by its own name."""
    try:
        return event_text(told.states.event, reader.language)
    except KeyError:
        return reader.shown(told.kind)


def _fact(label: str, lines: Sequence[str], literal: str = "", *, strong: bool = False) -> dict[str, Any]:
    """A fact of the summary: what it is, then what there is to say of it."""
    value, *notes = lines
    whole = {"label": label, "value": value, "notes": [one for one in notes if one], "literal": literal}
    return whole | {"strong": strong, "breakable": len(literal) > LONG}


def parties(story: Story, reader: Reader) -> list[dict[str, Any]]:
    """Sender and recipient, and how each was identified."""
    return [
        {"role": reader.text(words.SENDER), "rows": _rows(_sender(story.first, reader))},
        {"role": reader.text(words.RECIPIENT), "rows": _rows(_recipient(story, reader))},
    ]


def _rows(pairs: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"label": label, "value": value} for label, value in pairs if value]


def _sender(told: Told, reader: Reader) -> list[tuple[str, str]]:
    sender = told.members["SenderDetails"]
    delegate = told.members["SenderDelegateDetails"]["Identifier"]
    who = words.CLIENT if delegate["IdentifierSchemeName"].endswith("#api-client") else words.USER
    proof = sender["AssuranceLevelsDetails"]["AuthenticationDetails"]
    method = proof["AuthenticationMethod"].rpartition("#")[2]
    at = reader.brief(datetime.fromisoformat(proof["AuthenticationTime"]))
    own = told.members["UserContentInfo"].get("AppLayerIdentifier", "")
    return [
        (reader.text(words.NAME), reader.shown(attribute(sender, "LegalName"))),
        (reader.text(words.EMAIL), reader.shown(sender["Identifier"]["value"])),
        (reader.text(words.SENT_BY), reader.text(who, name=delegate["value"])),
        (reader.text(words.IDENTIFIED), reader.text(words.SIGNED_IN, method=method, time=at)),
        (reader.text(words.OWN_REFERENCE), reader.shown(own)),
    ]


def _recipient(story: Story, reader: Reader) -> list[tuple[str, str]]:
    told = story.first
    recipient = told.members["RecipientDetails"][0]
    name = attribute(recipient, "cn")
    return [
        (reader.text(words.NAME), reader.text(words.NAMED_BY_SENDER, name=name) if name else ""),
        (reader.text(words.EMAIL), reader.shown(recipient["Identifier"]["value"])),
        (reader.text(words.ADDRESS_BASIS), reader.shown(told.extension.get("addressBasis", ""))),
        (reader.text(words.IDENTIFIED), _identification(story, reader)),
    ]


def _identification(story: Story, reader: Reader) -> str:
    found = [one for one in story.told if "identification" in one.extension]
    if not found:
        return reader.text(words.NOT_IDENTIFIED)
    last = found[-1]
    facts = last.extension["identification"]
    said = ", ".join(str(facts[name]) for name in ("method", "provider", "level", "result") if name in facts)
    return reader.text(words.IDENTIFIED_BY, method=said, time=reader.moment(last.at))


def parts(story: Story, reader: Reader) -> list[dict[str, Any]]:
    """Each part with its fingerprint in hexadecimal, as tools print it, and its size."""
    found = story.first.members["UserContentInfo"]["PartsInfo"]["PartInfo"]
    sizes = story.first.extension["parts"]
    return [
        {
            "number": str(number),
            "name": reader.text(words.BODY) if part["Identifier"] == BODY else reader.shown(part["Identifier"]),
            "type": reader.shown(part["ContentType"], 20),
            "size": size_text(size["size"], reader.language),
            "sha256": b64decode(part["DigestValue"]).hex(),
        }
        for number, (part, size) in enumerate(zip(found, sizes, strict=True), 1)
    ]


def event(told: Told, dating: Dating, reader: Reader) -> dict[str, Any]:
    """One line of the time line: what is claimed of its time, and what is proven."""
    literal = _literal(told, reader)
    return {
        "number": str(told.seq),
        "claimed": _when(told.at, "milliseconds", reader),
        "proven": None if dating.at is None or dating.own else _when(dating.at, "seconds", reader),
        "doubt": _doubt(dating, reader),
        "title": _title(told, reader),
        "strong": told.kind in (*REACHED, *DECISIONS),
        "pending": told.place is None,
        "breakable": len(literal) > LONG,
        "notes": _notes(told, reader),
        "said": [{"label": literal_label(told.states, reader.language), "line": literal}] if literal else [],
    }


def _when(at: datetime, precision: str, reader: Reader) -> dict[str, str]:
    utc = at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", precision)
    return {"date": reader.date(at), "local": reader.clock(at, precision), "utc": f"{utc} UTC"}


def _doubt(dating: Dating, reader: Reader) -> str:
    """Why a claimed time is not proven, or an empty text: it is."""
    if dating.proves:
        return ""
    if dating.at is None:
        return reader.text(words.NOT_DATED)
    return reader.text(words.DATED_BY_ITSELF if dating.own else words.DATED_LATE)


def _notes(told: Told, reader: Reader) -> list[str]:
    notes: list[str] = []
    states = _printable(told, reader)
    notes += [server_note(states, reader.language)] if states.host else []
    notes += _page_act(told, reader)
    notes += explanations(states, reader.language)
    if told.recorded_at - told.at > LATE:
        notes.append(reader.text(words.RECORDED, time=reader.moment(told.recorded_at)))
    return notes


def _printable(told: Told, reader: Reader) -> Statement:
    """What it states, with the values that go into our own sentences as they can be printed."""
    states = told.states
    host = reader.shown(_server(told, reader)) if states.host else ""
    return replace(states, host=host, signs=tuple(map(reader.shown, states.signs)))


def _page_act(told: Told, reader: Reader) -> list[str]:
    act = told.extension.get("web")
    if not act:
        return []
    return [reader.text(words.FROM_NETWORK, network=act["address"])]


def _server(told: Told, reader: Reader) -> str:
    """Host, address and encryption."""
    smtp = told.smtp
    address = f" [{smtp['address']}]" if smtp.get("address") else ""
    tls: dict[str, Any] = smtp.get("tls", {})
    encrypted = reader.text(words.ENCRYPTED, version=tls["version"]) if tls else reader.text(words.UNENCRYPTED)
    return f"{smtp.get('host', '')}{address}, {encrypted}"


def _literal(told: Told, reader: Reader) -> str:
    """What the server, a returned mail or the recipient says: each line as it came."""
    said = told.states.reply or told.states.recipients_words
    return "\n".join(reader.shown(line, LINE) for line in said.split("\n"))


def proven(story: Story, dated: Mapping[int, Dating], reader: Reader) -> list[str]:
    """What the records show, in whole sentences; a time that is only claimed is said to be."""
    recipient = story.first.members["RecipientDetails"][0]["Identifier"]["value"]
    reached, knew, end = story.reached, story.earliest("announcement_opened"), story.earliest(*DECISIONS)

    def said(text: str, told: Told, **values: str) -> str:
        sentence = reader.text(text, time=reader.moment(told.at), **values)
        return sentence if dated[told.seq].proves else f"{sentence} {reader.text(words.ONLY_CLAIMED)}"

    found = [said(words.PROVES_CONTENT, story.first)]
    if reached:
        took = words.PROVES_RELAYED if reached.source == RELAY else words.PROVES_REACHED
        found.append(said(took, reached, server=reached.smtp.get("host", ""), recipient=recipient))
    if knew:
        found.append(said(words.PROVES_KNEW, knew, recipient=recipient))
    if end:
        found.append(said(_PROVES_DECISION[end.kind], end, recipient=recipient))
    found.append(reader.text(words.PROVES_RECORDS, count=str(len(story.told))))
    if any(one.place for one in story.told):
        found.append(reader.text(words.PROVES_LOG))
    return found


def not_proven(story: Story, dated: Mapping[int, Dating], reader: Reader) -> list[str]:
    """What nobody should read into it."""
    found = [words.NOT_READ, words.NOT_ADDRESSEE, words.NOT_INBOX]
    reached = story.reached
    if reached and reached.source != RELAY and "mx" not in reached.smtp:
        found.append(words.NOT_MX)
    if story.heard_from(RELAY, *REACHED, "content_delivered"):
        found.append(words.NOT_RELAYED)
    if story.heard_from(BOUNCE):
        found.append(words.NOT_RETURNED)
    if any(one.states.signed and one.states.signed.by for one in story.told):
        found.append(words.NOT_SIGNED)
    if any(one.states.signs for one in story.told):
        found.append(words.NOT_PERSON)
    found += [words.NOT_CONTENT, words.NOT_QUALIFIED]
    if any(one.place is None for one in story.told):
        found.append(words.NOT_PENDING)
    if not all(dated[one.seq].proves for one in story.told):
        found.append(words.NOT_DATED_THEN)
    if any(one.extension["clock"].get("source") == "none" for one in story.told):
        found.append(words.NOT_TIME)
    return [*_adopted(story, reader), *(reader.text(one) for one in found)]


def _adopted(story: Story, reader: Reader) -> list[str]:
    """Which records a service of an earlier release made, so that nothing proves them before they were adopted."""
    told = [one for one in story.told if one.kind == ADOPTED]
    return [
        reader.text(
            words.NOT_ADOPTED,
            numbers=", ".join(str(named["seq"]) for named in one.extension[ADOPTED]["records"]),
            time=reader.moment(one.at),
        )
        for one in told
    ]
