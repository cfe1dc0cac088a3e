"""One outgoing mail as intended, before it is bytes, and the checks on everything that reaches a header.

For whoever sends: compose gives the texts, ``build`` makes the bytes. Clauses: RFC 5322 (headers), RFC 6532
(addresses in UTF-8), RFC 2047 (encoded words). A text is judged as the most credulous reader would see it: every
encoded word in it is decoded, again and again, and what comes out must be as harmless as what went in
(CVE-2024-6923: an encoded newline in a subject became a ``Bcc`` header).
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import datetime
from quopri import decodestring

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ENCODED_WORD = re.compile(r"=\?([^?]*)\?([bBqQ])\?([^?]*)\?=")
_ATOM = r'[^\s<>()\[\]\\",:;@.]+'
# Dots may stand anywhere before the @: a setting decides whether such a recipient is taken, and his provider wants no quotes.
_ADDRESS = re.compile(rf"\.*{_ATOM}(?:\.+{_ATOM})*\.*@{_ATOM}(?:\.{_ATOM})*")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=^_`{|}~.-]{1,120}@[A-Za-z0-9.-]{1,120}>")
_CONTENT_TYPE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}(; charset=[A-Za-z0-9-]{1,40})?"
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_DECODINGS = 8
_NAME_LIMIT, _ADDRESS_LIMIT, _SUBJECT_LIMIT, _FILE_NAME_LIMIT = 400, 320, 2000, 255


class UnsafeMail(ValueError):
    """The mail cannot be built or sent without risk; ``field`` names what was wrong, never its content."""

    def __init__(self, field: str) -> None:
        super().__init__(f"unsafe mail: {field}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address (its domain in ASCII form, an A-label) and a display name."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """An attachment: its bytes arrive exactly as they are here; ``content_id``: by which the text shows it (RFC 2392)."""

    name: str
    content_type: str
    content: bytes
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to one recipient; ``automatic`` asks answering machines for silence (RFC 3834)."""

    sender: Mailbox
    recipient: Mailbox
    reply_to: Mailbox | None
    subject: str
    text: str
    html: str
    files: tuple[File, ...]
    message_id: str
    date: datetime
    language: str
    automatic: bool = True


def needs_smtputf8(letter: Letter) -> bool:
    """Whether a header or the envelope holds an address that plain SMTP cannot carry (RFC 6531)."""
    boxes = (letter.sender, letter.recipient, letter.reply_to)
    return not all(box is None or box.address.isascii() for box in boxes)


def check_letter(letter: Letter) -> None:
    """Refuses every text that could mean something else in a header than what it says.

    Raises:
        UnsafeMail: with the name of the first field that is refused.
    """
    _check_mailbox("sender", letter.sender)
    _check_mailbox("recipient", letter.recipient)
    if letter.reply_to is not None:
        _check_mailbox("reply_to", letter.reply_to)
    _check_text("subject", letter.subject, _SUBJECT_LIMIT)
    _check_shape("message_id", letter.message_id, _MESSAGE_ID)
    _check_shape("language", letter.language, _LANGUAGE)
    if letter.date.tzinfo is None:
        raise UnsafeMail("date")
    for file in letter.files:
        _check_file(file)


def check_header_text(field: str, value: str) -> list[str]:
    """Refuses, before anything is built, a text that could not stand in a header.

    Returns:
        The text as readers may see it: as it is, and each of its decodings.

    Raises:
        UnsafeMail: with ``field``.
    """
    return _check_name(field, value, _SUBJECT_LIMIT)


def _check_mailbox(field: str, box: Mailbox) -> None:
    _check_name(f"{field}.name", box.name, _NAME_LIMIT)
    _check_text(f"{field}.address", box.address, _ADDRESS_LIMIT)
    if "=?" in box.address:
        raise UnsafeMail(f"{field}.address")
    _check_shape(f"{field}.address", box.address, _ADDRESS)


def _check_file(file: File) -> None:
    _check_name("file.name", file.name, _FILE_NAME_LIMIT)
    if not file.name.strip(". ") or "/" in file.name or "\\" in file.name:
        raise UnsafeMail("file.name")
    _check_shape("file.content_type", file.content_type, _CONTENT_TYPE)


def _check_shape(field: str, value: str, pattern: re.Pattern[str]) -> None:
    if not pattern.fullmatch(value):
        raise UnsafeMail(field)


def _check_name(field: str, value: str, limit: int) -> list[str]:
    """Names may not turn the reading direction: ``exe.fdp`` must not read as ``pdf.exe``."""
    seen = _check_text(field, value, limit)
    if any(_BIDI.search(one) for one in seen):
        raise UnsafeMail(field)
    return seen


def _check_text(field: str, value: str, limit: int) -> list[str]:
    """Returns the value and each of its decodings, all free of controls and line separators."""
    if len(value) > limit:
        raise UnsafeMail(field)
    seen = [value]
    while len(seen) <= _DECODINGS:
        if _CONTROLS.search(seen[-1]):
            raise UnsafeMail(field)
        decoded = _ENCODED_WORD.sub(_decode_word, seen[-1]) if "=?" in seen[-1] else seen[-1]
        if decoded == seen[-1]:
            return seen
        seen.append(decoded)
    raise UnsafeMail(field)


def _decode_word(match: re.Match[str]) -> str:
    charset, kind, payload = match.groups()
    octets = payload.encode("utf-8", "surrogateescape")
    if kind in "bB":
        try:
            octets = b64decode(octets + b"===")
        except Base64Error:
            return payload
    else:
        octets = decodestring(octets, header=True)
    try:
        return octets.decode(charset.partition("*")[0] or "utf-8")
    except (LookupError, UnicodeError, ValueError):
        return octets.decode("latin-1")
