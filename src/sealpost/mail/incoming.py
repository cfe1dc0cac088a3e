"""A mail from outside, read within bounds: it may be anything, and costs little.

For ``mail/bounces`` and ``mail/delivery_status``. Clauses: RFC 5322, RFC 2045-2047, RFC 2046 5.1. The standard library's
parser takes time and memory without limit on a mail made for it (deep or many parts, endless headers, characters sets
that decode slowly), so size, lines, nesting, parts, header values and character sets are limited before or while it
reads. What is beyond the limits is not read: it is nothing that a mail server says.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from collections.abc import Iterator
from email import policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser, Parser
from html import unescape
from typing import Any, cast

OCTETS = 1024 * 1024
LINES = 20_000
PARTS = 100
DEPTH = 10
TEXT = 64 * 1024
"""Octets of a part's text, and of the HTML that a text is made of."""

_TYPES, _BOUNDARIES = 300, 40
_VALUE = 4096
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_BOUNDS = (
    (re.compile(rb"content-type", re.IGNORECASE), _TYPES),
    (re.compile(rb"boundary", re.IGNORECASE), _BOUNDARIES),
)
# Some codecs of Python take quadratic time (punycode, idna) or are none of text (zip, rot13).
_CHARSET = re.compile(
    r"utf-?8|(us-)?ascii|iso-?8859-[0-9]{1,2}|latin-?1|(windows-|cp)125[0-8]|koi8-[ru]|gb(2312|k|18030)|big5"
    r"|shift_jis|euc-(jp|kr)|iso-2022-jp",
    re.IGNORECASE,
)
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")
_CONTROLS_IN_TEXT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+"
)
_TAG = re.compile("/?[a-z0-9!-]{1,20}")
_HIDDEN = frozenset({"script", "style", "title"})
_BREAKS = frozenset({"p", "/p", "div", "br", "br/", "tr", "li", "blockquote", "h1", "h2", "h3"})


class Incoming(Message):
    """A message whose header values are bounded texts, also for the parser that is still reading it."""

    def get(self, name: str, failobj: Any = None) -> Any:
        """The first value of a header, unfolded, at most 4,096 characters."""
        wanted = name.lower()
        for known, value in self.raw_items():
            if known.lower() == wanted:
                octets = str(value)[:_VALUE].encode("utf-8", "surrogateescape")
                return octets.decode("utf-8", "replace").replace("\r", "").replace("\n", "")
        return failobj

    def text(self, name: str) -> str:
        """The same, empty if there is none."""
        return str(self.get(name, "")).strip()


def read(octets: bytes) -> Incoming | None:
    """The mail as the standard library reads its beginning, or None: it is beyond the bounds.

    Args:
        octets: anything; read are at most ``OCTETS`` and ``LINES``.
    """
    lines = _LINE_ENDS.split(octets[:OCTETS], LINES)[:LINES]
    cut = b"\r\n".join(lines)
    if any(len(pattern.findall(cut)) > most for pattern, most in _BOUNDS):
        return None
    try:
        return cast("Incoming", BytesParser(Incoming, policy=policy.compat32).parsebytes(cut))
    except (RecursionError, MessageError, ValueError, LookupError, TypeError, AttributeError):
        return None


def block(text: str) -> Incoming:
    """A group of fields, as delivery reports have them."""
    return cast("Incoming", Parser(Incoming, policy=policy.compat32).parsestr(text, headersonly=True))


def parts(message: Incoming) -> Iterator[Incoming]:
    """The message and its parts, not those of a message within it, as far as the bounds go."""
    waiting, count = [(message, 0)], 0
    while waiting and count < PARTS:
        part, depth = waiting.pop(0)
        count += 1
        yield part
        if part.get_content_maintype() == "multipart" and depth < DEPTH:
            waiting += [(one, depth + 1) for one in children(part)[:PARTS]]


def children(part: Incoming) -> list[Incoming]:
    """What a part consists of; nothing if it is a text."""
    payload: Any = part.get_payload()
    return cast("list[Incoming]", payload) if isinstance(payload, list) else []


def text_of(message: Incoming) -> str:
    """The words of a mail: its first plain text, else those of its first HTML; controls taken out."""
    found = list(parts(message))
    for kind, words in (("text/plain", str), ("text/html", _words)):
        for part in found:
            if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
                return clean_text(words(_decoded(part)))
    return ""


def _decoded(part: Incoming) -> str:
    try:
        payload: Any = part.get_payload(decode=True)
        charset = part.get_content_charset("utf-8")
    except (ValueError, LookupError, TypeError, AssertionError):
        return ""
    return decoded(payload[:TEXT], charset) if isinstance(payload, bytes) else ""


def decoded(octets: bytes, charset: str | None) -> str:
    """Octets in a character set as text; whatever cannot be told becomes a replacement character."""
    if not charset or not _CHARSET.fullmatch(charset):
        charset = "utf-8"
    try:
        return octets.decode(charset, "replace")
    except (LookupError, ValueError):
        return octets.decode("utf-8", "replace")


def subject_of(message: Incoming) -> str:
    """The subject, its encoded words decoded (RFC 2047), at most 500 characters."""
    value = message.text("subject")
    try:
        pieces = decode_header(value)
    except (MessageError, Base64Error, ValueError, IndexError):
        return clean(value, 500)
    texts = [piece if isinstance(piece, str) else decoded(piece, charset) for piece, charset in pieces]
    return clean("".join(texts), 500)


def clean(text: str, most: int) -> str:
    """One line, without controls and what turns its reading direction, at most so long."""
    return _CONTROLS.sub(" ", text[: 4 * most]).strip()[:most]


def clean_lines(text: str, most: int) -> str:
    """As `clean`, line by line: for what another server said in several lines."""
    return "\n".join(clean(line, most) for line in text[: 4 * most].split("\n"))[:most].strip()


def clean_text(text: str) -> str:
    """Several lines, without controls and what turns their reading direction."""
    return _CONTROLS_IN_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _words(html: str) -> str:
    """The words of any HTML, roughly, since they are shown as text; the library's reader takes quadratic time."""
    first, *rest = html.split("<")
    pieces, hidden = [first], ""
    for piece in rest:
        tag, _, text = piece.partition(">")
        name = _TAG.match(tag.lower())
        shown = name[0] if name else ""
        hidden = "" if shown == f"/{hidden}" else hidden or (shown if shown in _HIDDEN else "")
        if not hidden:
            pieces += ["\n" if shown in _BREAKS else "", text]
    return re.sub(r"\s*\n\s*\n\s*", "\n\n", unescape("".join(pieces)))
