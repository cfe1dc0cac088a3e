"""Values of header fields, read strictly: parameters, encoded words, mailboxes, dates.

For ``mail/mime_strict`` and ``mail/submission``. Clauses: RFC 2045 5.1 (parameters), RFC 2231 (their other characters),
RFC 2047 (encoded words), RFC 5322 2.2.3 (folding), 3.3, 3.4 and 3.6.4. No comments, no groups but an empty one in place of
all recipients, no obsolete forms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pybase64

from sealpost.mail.japanese import japanese

JAPANESE = "iso-2022-jp"
CHARSETS = frozenset({
    "utf-8", "us-ascii", "iso-8859-1", "iso-8859-2", "iso-8859-15", "windows-1250", "windows-1252", "koi8-r", JAPANESE,
})  # fmt: skip
LONGEST = 4096
BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
ATOM = r"[!#$%&'*+.^_`{|}~0-9A-Za-z-]+"
MAIN = re.compile(rf"({ATOM}(?:/{ATOM})?)[ \t]*")
PARAMETER = re.compile(rf'[ \t]*;[ \t]*({ATOM})=(?:({ATOM})|"((?:[^"\\]|\\.)*)")[ \t]*')
END = re.compile(r"[ \t]*;?[ \t]*")
EXTENDED = re.compile(r"(?:[!#$&+.^_`{|}~0-9A-Za-z-]|%[0-9A-Fa-f]{2})*")
SECTION = re.compile(r"([^*]+)(?:\*(0|[1-9][0-9]?))?(\*)?")
WORD = re.compile(r"=\?([0-9A-Za-z-]{1,20})\?([BbQq])\?([!->@-~]*)\?=")
QUOTED_OCTETS = re.compile(r"(?:[!-<>@-~]|=[0-9A-Fa-f]{2})*")
MAILBOX_TOKEN = re.compile(
    r'[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|<(?P<angle>[^\s<>"(),:;\\\[\]]+)>|(?P<comma>,)|(?P<atom>[^\s<>"(),:;\\\[\]]+))'
)
# What mail programs write when everybody is in Bcc, in the language of their user: a phrase and nobody behind it.
EMPTY_GROUP = re.compile(r'(?:[^()<>@,;:\\"\[\]]{1,200}|"[^"\\]{0,200}"[ \t]*):[ \t]*;')
BLANKS = re.compile(r"[ \t]+")
DATE = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),[ \t]+)?[0-9]{1,2}[ \t]+(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r"[ \t]+[0-9]{4}[ \t]+[0-9]{2}:[0-9]{2}(?::[0-9]{2})?[ \t]+(?:[+-][0-9]{4}|GMT|UT)(?:[ \t]+\([A-Za-z0-9 +:-]{1,40}\))?"
)
MESSAGE_ID = re.compile(r"<[!-;=?A-~]{1,200}@[!-;=?A-~]{1,200}>")


class Refused(Exception):
    """The mail is not taken; ``reply`` says so to whoever hands it in.

    Args:
        code: the reply's code and enhanced code (RFC 3463), such as ``550 5.6.0``.
        text: one sentence in ASCII, which repeats nothing of the mail but what was checked.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code, self.text = code, text

    @property
    def reply(self) -> str:
        """The SMTP reply, one line."""
        return f"{self.code} {self.text}"


def malformed(text: str) -> Refused:
    """The refusal of a mail that could be read in two ways."""
    return Refused("550 5.6.0", text)


@dataclass(frozen=True, slots=True)
class Structured:
    """A content type or disposition.

    Args:
        value: in lower case.
        parameters: by their names in lower case, RFC 2231 undone.
        plain: names of those that stand there as they are.
    """

    value: str
    parameters: dict[str, str]
    plain: frozenset[str]


def structured(name: str, text: str) -> Structured:
    """Reads ``value; name=value…``.

    Args:
        name: the field's, for the refusal.
        text: unfolded.

    Raises:
        Refused: comments, a parameter twice, characters that would have to be quoted.
    """
    found = MAIN.match(text) if len(text) <= LONGEST else None
    at, given = (found.end() if found else 0), dict[str, str]()
    while found and (parameter := PARAMETER.match(text, at)):
        key = parameter[1].lower()
        if key in given:
            raise malformed(f"The field {name} has the same parameter twice")
        given[key] = parameter[2] if parameter[3] is None else re.sub(r"\\(.)", r"\1", parameter[3])
        at = parameter.end()
    if not found or not END.fullmatch(text, at):
        raise malformed(f"The field {name} is malformed")
    parameters, plain = _joined(name, given)
    return Structured(found[1].lower(), parameters, plain)


def _joined(name: str, given: dict[str, str]) -> tuple[dict[str, str], frozenset[str]]:
    """RFC 2231: puts sections together and undoes the octets; one parameter in two forms is refused."""
    sections: dict[str, dict[int | None, tuple[str, bool]]] = {}
    for key, value in given.items():
        found = SECTION.fullmatch(key)
        if found is None:
            raise malformed(f"The field {name} has a malformed parameter")
        number = None if found[2] is None else int(found[2])
        known = sections.setdefault(found[1], {})
        if number in known or None in known or (number is None and known):
            raise malformed(f"The field {name} has the same parameter in two forms")
        known[number] = value, bool(found[3])
    whole = {of: _whole(name, of, [parts[number] for number in _order(name, parts)]) for of, parts in sections.items()}
    return whole, frozenset(key for key in given if "*" not in key)


def _order(name: str, parts: dict[int | None, tuple[str, bool]]) -> list[int | None]:
    if None in parts:
        return [None]
    if sorted(number for number in parts if number is not None) != list(range(len(parts))):
        raise malformed(f"The field {name} lacks a piece of a parameter")
    return list(range(len(parts)))


def _whole(name: str, of: str, parts: list[tuple[str, bool]]) -> str:
    """A parameter's value from its sections, each with whether its octets are escaped."""
    text, extended = parts[0]
    if not extended:
        if any(later for _, later in parts):
            raise malformed(f"The field {name} has a parameter whose character set is not told")
        return "".join(piece for piece, _ in parts)
    if of in {"boundary", "charset"} or text.count("'") < 2:
        raise malformed(f"The field {name} has a malformed parameter")
    charset, _, first = text.split("'", 2)
    pieces = [(first, True), *parts[1:]]
    return decoded(b"".join(_octets(name, piece, extended=escaped) for piece, escaped in pieces), charset)


def _octets(name: str, text: str, *, extended: bool) -> bytes:
    if not text.isascii() or (extended and not EXTENDED.fullmatch(text)):
        raise malformed(f"The field {name} has a malformed parameter")
    raw = text.encode("ascii")
    return re.sub(rb"%(..)", lambda found: bytes.fromhex(found[1].decode()), raw) if extended else raw


def decoded(octets: bytes, charset: str) -> str:
    """Text in one of the few character sets that every reader reads alike.

    Raises:
        Refused: another one, or octets that it does not have.
    """
    if charset.lower() not in CHARSETS:
        raise malformed("A character set is not one of " + ", ".join(sorted(CHARSETS)))
    try:
        return japanese(octets) if charset.lower() == JAPANESE else octets.decode(charset.lower())
    except UnicodeDecodeError:
        raise malformed("A text is not in the character set that it names") from None


def blank(value: str) -> str:
    """White space with a TAB in it is one blank: programs fold with it (RFC 5322, 2.2.3), and no ticket's field takes it.

    For the value as it stands: a TAB that an encoded word hides was meant, and stays one.
    """
    return BLANKS.sub(lambda found: " " if "\t" in found[0] else found[0], value)


def words(value: str) -> str:
    """An unstructured value with its encoded words decoded; a blank between two of them goes (RFC 2047, section 6.2).

    Raises:
        Refused: something like an encoded word that is none, or that stands where it may not.
    """
    if "=?" not in value:
        return value
    pieces: list[str] = []
    before = False
    for place, piece in enumerate(re.split(r"([ \t]+)", value)):
        encoded = "=?" in piece
        if place % 2 == 0 and encoded:
            if before:
                pieces.pop()
            piece = _word(piece)  # noqa: PLW2901 - the same piece, decoded
        before = encoded if place % 2 == 0 else before
        pieces.append(piece)
    return "".join(pieces)


def _word(piece: str) -> str:
    found = WORD.fullmatch(piece)
    if found is None:
        raise malformed("A header field has a malformed encoded word")
    charset, kind, text = found.groups()
    if kind in "Bb":
        return decoded(base64_octets(text.encode("ascii")), charset)
    if not QUOTED_OCTETS.fullmatch(text):
        raise malformed("A header field has a malformed encoded word")
    raw = text.replace("_", " ").encode("ascii")
    return decoded(re.sub(rb"=(..)", lambda octet: bytes.fromhex(octet[1].decode()), raw), charset)


def base64_octets(text: bytes) -> bytes:
    """Base64 in its one canonical form (RFC 4648, sections 3.5 and 4), without line ends.

    Raises:
        Refused: a foreign character, wrong or early padding, stray bits.
    """
    try:
        octets = pybase64.b64decode(text, validate=True)
    except ValueError:
        raise malformed("A part is not valid base64") from None
    if pybase64.b64encode(octets) != text:
        raise malformed("A part is not canonical base64")
    return octets


def mailboxes(name: str, value: str) -> tuple[tuple[str, str], ...]:
    """The display names and addresses of a field.

    Args:
        name: the field's, for the refusal.
        value: unfolded.

    Returns:
        None of them for an empty group (RFC 5322, section 3.4) alone in To or Cc, such as ``undisclosed-recipients:;``.

    Raises:
        Refused: comments, other groups, routes, empty places, anything that is not a plain list of mailboxes.
    """
    if name in {"to", "cc"} and EMPTY_GROUP.fullmatch(value):
        return ()
    found: list[tuple[str, str]] = []
    phrase: list[str] = []
    address, at = "", 0
    while at < len(value):
        token = MAILBOX_TOKEN.match(value, at)
        if token is None:
            raise malformed(f"The field {name} is not a plain list of addresses: no comments, no groups")
        at = token.end()
        if token["comma"] is not None:
            found.append(_mailbox(name, phrase, address))
            phrase, address = [], ""
        elif address:
            raise malformed(f"The field {name} has something behind an address")
        elif token["angle"] is not None:
            address = token["angle"]
        else:
            phrase.append(_phrase_word(name, token))
    found.append(_mailbox(name, phrase, address))
    return tuple(found)


def _phrase_word(name: str, token: re.Match[str]) -> str:
    if token["quoted"] is None:
        return token["atom"]
    if "=?" in token["quoted"]:
        raise malformed(f"The field {name} has an encoded word within quotes")
    return '"' + re.sub(r"\\(.)", r"\1", blank(token["quoted"]))


def _mailbox(name: str, phrase: list[str], address: str) -> tuple[str, str]:
    if not address:
        if len(phrase) != 1 or phrase[0].startswith('"'):
            raise malformed(f"The field {name} has an empty or malformed address")
        address = phrase.pop()
    shape = [part for part in address.split("@") if part]
    if len(shape) != 2 or address.count("@") != 1 or any("@" in word and word[0] != '"' for word in phrase):
        raise malformed(f"The field {name} has a malformed address")
    said = "" if not phrase else _phrase(phrase)
    return said, address


def _phrase(phrase: list[str]) -> str:
    """Words with one blank between them; quoted ones are literal, none between two encoded ones."""
    text, before = "", False
    for word in phrase:
        encoded = word[0] != '"' and "=?" in word
        text += ("" if not text or (encoded and before) else " ") + (_word(word) if encoded else word.removeprefix('"'))
        before = encoded
    return text


def moment(value: str) -> datetime:
    """A Date field.

    Raises:
        Refused: not of RFC 5322's present form, or no such day.
    """
    if not DATE.fullmatch(value):
        raise malformed("The field date is malformed")
    try:
        at = parsedate_to_datetime(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise malformed("The field date names no moment") from None
