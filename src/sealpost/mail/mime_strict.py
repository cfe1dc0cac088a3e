"""A mail that somebody hands in, walked strictly: fields, parts and boundaries as exactly one reading allows (T9).

For ``mail/submission``. Clauses: RFC 5322 2.1 and 2.2 (lines, fields), RFC 2045, RFC 2046 5.1 (boundaries), RFC 6532
(fields in UTF-8). Where the standards let a reader be lenient, this one refuses: what it takes, no other reader can
take apart differently. It works by offsets, so that a large mail is not copied at each level.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sealpost.mail.mime_fields import BOUNDARY, Structured, malformed, structured

MOST_PARTS, DEEPEST = 200, 5
MOST_FIELDS, HEAD_OCTETS = 200, 65_536
PREAMBLE = 2048
# What mail programs write there for readers without MIME, with any white space; whoever shows it shows nothing of the sender's.
PREAMBLES = frozenset({
    b"This is a multi-part message in MIME format.",
    b"This is a multipart message in MIME format.",
    b"This is a MIME-encapsulated message",
    b"This is a MIME-formatted message.",
    (
        b"This message is in MIME format. Since your mail reader does not understand this format, some or all of this "
        b"message may not be legible."
    ),
})  # fmt: skip
CRLF, BLANK_LINE = b"\r\n", b"\r\n\r\n"
# Possessive, so that it takes one step for each octet: RFC 5322 2.1.1 and 2.3, no bare CR or LF, a line end at the end.
LINES = re.compile(rb"(?:[^\r\n\0]{0,998}+\r\n)*+")
FIELD = re.compile(rb"([!-9;-~]{1,76}):(.*)", re.DOTALL)
BLANK_FOLD = re.compile(rb"\r\n[ \t]+(?:\r\n|\Z)")
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
ONCE = (
    "from", "sender", "reply-to", "to", "cc", "bcc", "subject", "date", "message-id", "in-reply-to", "references",
    "mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id", "auto-submitted",
)  # fmt: skip
ENCODINGS = frozenset({"7bit", "8bit", "quoted-printable", "base64"})
VERSION = re.compile(r"1\.0(?:[ \t]*\([^()]*(?:\\[()][^()]*)*\))?")

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Entity:
    """A mail or a part of it; each is itself only, so that it can be a key.

    Args:
        octets: the whole mail.
        start: where its body begins in ``octets``.
        end: where its body ends; the line end before a delimiter belongs to the delimiter.
        fields: names in lower case and unfolded values, in their order.
        content: type and parameters.
        disposition: with its parameters, or None.
        encoding: the content transfer encoding.
        parts: of a multipart; a ``message/rfc822`` is not looked into.
    """

    octets: bytes = field(repr=False)
    start: int
    end: int
    fields: Fields
    content: Structured
    disposition: Structured | None
    encoding: str
    parts: tuple[Entity, ...] = ()

    @property
    def body(self) -> bytes:
        """The body as it stands, not decoded."""
        return self.octets[self.start : self.end]

    def get(self, name: str) -> str | None:
        """The value of a field that may stand once."""
        return next((value for known, value in self.fields if known == name), None)

    def leaves(self) -> Iterator[Entity]:
        """The parts that have no parts, in their order."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()


def read_entity(octets: bytes) -> Entity:
    """Walks a whole mail.

    Raises:
        Refused: anything that another reader could read differently, or that is too much.
    """
    fields, start = read_first_head(octets)
    counted = _Counted()
    entity = _entity(octets, fields, start, len(octets), counted, 1)
    version = entity.get("mime-version")
    said = any(name.startswith("content-") for name, _ in fields)
    if (version is None and said) or (version is not None and not VERSION.fullmatch(version)):
        raise malformed("MIME-Version must be 1.0")
    return entity


def read_first_head(octets: bytes) -> tuple[Fields, int]:
    """The fields of a mail, all of whose lines are well-formed, and where its body begins.

    Raises:
        Refused: as ``read_head``, or a line is too long or ends otherwise.
    """
    if not LINES.fullmatch(octets):
        raise malformed("Every line must end with CR LF and have at most 998 octets, none of them NUL")
    return read_head(octets)


def read_head(octets: bytes, start: int = 0, end: int | None = None) -> tuple[Fields, int]:
    """The fields of a mail or a part, and where its body begins.

    Raises:
        Refused: no blank line behind them, a field that is none, too many, or one of a kind that stands once twice.
    """
    end = len(octets) if end is None else end
    if octets.startswith(CRLF, start, end):
        return (), start + 2
    stop = octets.find(BLANK_LINE, start, min(end, start + HEAD_OCTETS))
    if stop < 0:
        raise malformed("A header has no blank line behind it, or more than 64 KiB")
    lines = re.split(rb"\r\n(?![ \t])", octets[start:stop])
    if len(lines) > MOST_FIELDS:
        raise malformed(f"There are more than {MOST_FIELDS} header fields")
    fields = tuple(_field(line) for line in lines)
    names = [name for name, _ in fields]
    for name in ONCE:
        if names.count(name) > 1:
            raise malformed(f"The header field {name} stands there more than once")
    return fields, stop + len(BLANK_LINE)


def _field(line: bytes) -> tuple[str, str]:
    found = FIELD.fullmatch(line)
    if found is None or BLANK_FOLD.search(line):
        raise malformed("A line of the header is not a header field")
    try:
        value = found[2].decode().replace("\r\n", "")
    except UnicodeDecodeError:
        raise malformed("A header field is neither ASCII nor UTF-8") from None
    if CONTROL.search(value):
        raise malformed("A header field has a control character")
    return found[1].decode("ascii").lower(), value.strip(" \t")


class _Counted:
    """Parts met so far."""

    def __init__(self) -> None:
        self.parts = 0

    def another(self, depth: int) -> None:
        self.parts += 1
        if self.parts > MOST_PARTS or depth > DEEPEST:
            raise malformed(f"There are more than {MOST_PARTS} parts, or they are nested more than {DEEPEST} deep")


def _entity(octets: bytes, fields: Fields, start: int, end: int, counted: _Counted, depth: int) -> Entity:
    counted.another(depth)
    said = dict(fields)
    content = structured("content-type", said.get("content-type", "text/plain; charset=us-ascii"))
    disposition = said.get("content-disposition")
    entity = Entity(
        octets,
        start,
        end,
        fields,
        content,
        None if disposition is None else structured("content-disposition", disposition),
        _encoding(said.get("content-transfer-encoding", "7bit"), content.value),
    )
    if "/" not in content.value or (entity.disposition and "/" in entity.disposition.value):
        raise malformed("A content type or a disposition is malformed")
    if not content.value.startswith("multipart/"):
        return entity
    parts = tuple(
        _entity(octets, *read_head(octets, first, last), last, counted, depth + 1)
        for first, last in _ranges(octets, start, end, _boundary(content))
    )
    return Entity(octets, start, end, fields, content, entity.disposition, entity.encoding, parts)


def _encoding(value: str, content: str) -> str:
    encoding = value.lower()
    if encoding not in ENCODINGS:
        raise malformed("A content transfer encoding is not one of 7bit, 8bit, quoted-printable and base64")
    if content.startswith(("multipart/", "message/")) and encoding not in {"7bit", "8bit"}:
        raise malformed("A multipart or an enclosed mail has a transfer encoding, which RFC 2045 forbids")
    return encoding


def _boundary(content: Structured) -> bytes:
    boundary = content.parameters.get("boundary", "")
    if not BOUNDARY.fullmatch(boundary) or "boundary" not in content.plain:
        raise malformed("A multipart has no boundary, or a malformed one")
    return boundary.encode("ascii")


def _ranges(octets: bytes, start: int, end: int, boundary: bytes) -> list[tuple[int, int]]:
    """Where the parts of a multipart stand.

    Every line that begins with the boundary must be a delimiter to the octet: some readers compare the beginning only.
    """
    mark = b"--" + boundary
    at = start if octets.startswith(mark, start, end) else _next(octets, mark, start, end)
    _check_preamble(octets[start:end] if at < 0 else octets[start:at])
    ranges: list[tuple[int, int]] = []
    while at >= 0:
        stop = octets.find(CRLF, at, end)
        stop = end if stop < 0 else stop
        line = octets[at:stop]
        if line == mark + b"--":
            if not ranges or octets[stop:end].strip(b"\r\n \t"):
                raise malformed("A multipart has no part, or something behind its end")
            return ranges
        at = _next(octets, mark, stop, end)
        if line != mark or not stop + 2 <= at - 2:
            raise malformed("A multipart has no end, an empty part, or a line that could be taken for a boundary")
        ranges.append((stop + 2, at - 2))
    raise malformed("A multipart has no end")


def _next(octets: bytes, mark: bytes, start: int, end: int) -> int:
    found = octets.find(CRLF + mark, start, end)
    return found if found < 0 else found + 2


def _check_preamble(octets: bytes) -> None:
    if len(octets) > PREAMBLE or b" ".join(octets.split()) not in PREAMBLES | {b""}:
        raise malformed("Something stands before the first part")
