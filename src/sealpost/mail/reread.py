"""Reads a built mail back with another parser (the standard library's) and compares it with the letter.

For ``mail/build``: the last gate before bytes may be stored and sent (RFC 5322, RFC 2045; design, section 6). What
must agree: the set and count of headers, subject and mailboxes after decoding, the structure, the texts, and each
file's name. Files themselves are not parsed, for speed: each is shown to consist of base64 alone, which can neither
end a part nor start a header, and its place is parsed with a stand-in.
"""

from binascii import Error as Base64Error
from binascii import a2b_qp
from dataclasses import dataclass
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.utils import format_datetime, getaddresses
from functools import lru_cache
from itertools import zip_longest

from pybase64 import b64decode

from sealpost.mail.letter import File, Letter, Mailbox, UnsafeMail

_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_STAND_IN = b"LS0=\r\n"
_LINE_LIMIT = 76
_TEXTS = ("multipart/alternative", "text/plain", "text/html")
_PARSER = BytesParser(policy=policy.compat32)


@dataclass(frozen=True, slots=True)
class Assembly:
    """A mail in pieces: ``frame`` has one more element than there are bodies, which stand between its elements.

    ``texts`` are the quoted-printable bodies (plain, HTML), ``files`` the base64 ones, each ending with CRLF.
    """

    frame: tuple[bytes, ...]
    texts: tuple[bytes, bytes]
    files: tuple[bytes, ...]

    def mail(self) -> bytes:
        return self._woven((*self.texts, *self.files))

    def skeleton(self) -> bytes:
        """The mail with a stand-in for each body."""
        return self._woven((_STAND_IN,) * (2 + len(self.files)))

    def _woven(self, bodies: tuple[bytes, ...]) -> bytes:
        return b"".join(piece for pair in zip_longest(self.frame, bodies, fillvalue=b"") for piece in pair)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A part as the parser sees it."""

    kind: str
    disposition: str | None
    names: tuple[str, ...]


def text_octets(text: str) -> bytes:
    """A text as it shall arrive: UTF-8, CRLF, exactly one line end at the end."""
    return (text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n") + "\n").replace("\n", "\r\n").encode()


def check_assembly(assembly: Assembly, letter: Letter) -> None:
    """Compares what a reader would see with what was meant.

    Raises:
        UnsafeMail: with the name of the first thing that differs.
    """
    skeleton = assembly.skeleton()
    _check_lines(skeleton, "headers")
    for body, text in zip(assembly.texts, (letter.text, letter.html), strict=True):
        _check_text(body, text)
    for body, file in zip(assembly.files, letter.files, strict=True):
        _check_file(body, file)
    head, _, rest = skeleton.partition(b"\r\n\r\n")
    message = parsed(head + b"\r\n\r\n", headersonly=True)
    _check_headers(message, letter)
    _check_parts(_structure(message, rest), letter)


def parsed(octets: bytes, *, headersonly: bool = False) -> Message:
    """A mail as the standard library reads it; for the start-up check as well."""
    return _PARSER.parsebytes(octets, headersonly)


def _check_lines(octets: bytes, field: str) -> None:
    ends = octets.count(b"\r\n")
    if octets.count(b"\r") != ends or octets.count(b"\n") != ends or b"\0" in octets or not octets.endswith(b"\r\n"):
        raise UnsafeMail(field)


def _check_text(body: bytes, text: str) -> None:
    """No octet but plain ASCII, no boundary (each holds ``=_``), short lines, and it decodes to the text."""
    _check_lines(body, "text")
    if body.translate(None, _PRINTABLE) or b"=_" in body or max(map(len, body.splitlines())) > _LINE_LIMIT:
        raise UnsafeMail("text")
    if a2b_qp(body) != text_octets(text):
        raise UnsafeMail("text")


def _check_file(body: bytes, file: File) -> None:
    """Lines of 76 characters: line ends stand at their places and nowhere besides; the rest is the file in base64."""
    inner, bare = body[:-2], body.translate(None, b"\r\n")
    ends = inner[76::78], inner[77::78], body[-2:]
    count = len(ends[0])
    if ends != (b"\r" * count, b"\n" * count, b"\r\n") or len(body) - len(bare) != 2 * count + 2:
        raise UnsafeMail("file.content")
    try:
        same = b64decode(bare, validate=True) == file.content
    except Base64Error:
        same = False
    if not same:
        raise UnsafeMail("file.content")


def _check_headers(message: Message, letter: Letter) -> None:
    fields = [(name.lower(), _unfolded(value)) for name, value in message.raw_items()]
    if [name for name, _ in fields] != _expected_names(letter):
        raise UnsafeMail("headers")
    seen = dict(fields)
    _same("sender", mailboxes(seen["from"]), letter.sender)
    _same("recipient", mailboxes(seen["to"]), letter.recipient)
    if letter.reply_to is not None:
        _same("reply_to", mailboxes(seen["reply-to"]), letter.reply_to)
    literal = (seen["message-id"], seen["date"], seen["content-language"])
    if decoded(seen["subject"]) != letter.subject:
        raise UnsafeMail("subject")
    if literal != (letter.message_id, format_datetime(letter.date), letter.language):
        raise UnsafeMail("headers")


def _expected_names(letter: Letter) -> list[str]:
    reply_to = ["reply-to"] if letter.reply_to else []
    automatic = ["auto-submitted"] if letter.automatic else []
    fixed = ["subject", "date", "message-id", "mime-version", "content-language"]
    return ["from", "to", *reply_to, *fixed, *automatic, "content-type"]


def _unfolded(value: str) -> str:
    octets = value.encode("ascii", "surrogateescape")
    return octets.decode("utf-8", "replace").replace("\r\n", "").strip(" ")


def decoded(value: str) -> str:
    """An unstructured field's value with its encoded words decoded once.

    Raises:
        UnsafeMail: it cannot be decoded.
    """
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, UnicodeError, LookupError) as error:
        raise UnsafeMail("headers") from error


@lru_cache(maxsize=4096)  # one sender writes to many: this parser is the slowest step
def mailboxes(value: str) -> tuple[Mailbox, ...]:
    """The mailboxes that a reader finds in an address field's value."""
    return tuple(Mailbox(address, decoded(name)) for name, address in getaddresses([value]))


def _same(field: str, seen: tuple[Mailbox, ...], meant: Mailbox) -> None:
    if seen != (meant,):
        raise UnsafeMail(field)


def _structure(message: Message, rest: bytes) -> tuple[_Seen, ...]:
    """What the body consists of, whatever the boundary is called."""
    boundary, kind = message.get_boundary(""), str(message["content-type"])
    if not boundary.startswith("=_") or message.get_payload():
        raise UnsafeMail("structure")
    common = boundary.partition(".")[0].encode()
    return _parts((f"Content-Type: {kind}\r\n\r\n".encode() + rest).replace(common, b"=_0"))


@lru_cache(maxsize=1024)  # announcements differ in their headers alone
def _parts(octets: bytes) -> tuple[_Seen, ...]:
    parts = list(parsed(octets).walk())
    if any(part.defects for part in parts):
        raise UnsafeMail("structure")
    if any(part.get_payload() != _STAND_IN.decode("ascii").rstrip() for part in parts if not part.is_multipart()):
        raise UnsafeMail("structure")
    return tuple(_Seen(part.get_content_type(), part.get_content_disposition(), _names(part)) for part in parts)


def _names(part: Message) -> tuple[str, ...]:
    """What readers may call a file: by its disposition, and by its type, where encoded words stand."""
    disposition, kind = (part.get_params([], field)[1:] for field in ("content-disposition", "content-type"))
    names = [_name(value) for name, value in disposition if name == "filename"]
    return (*names, *(decoded(_unfolded(_name(value))) for name, value in kind if name == "name"))


def _check_parts(seen: tuple[_Seen, ...], letter: Letter) -> None:
    kinds = ("multipart/mixed", *_TEXTS) if letter.files else _TEXTS
    if tuple(part.kind for part in seen[: len(kinds)]) != kinds or len(seen) != len(kinds) + len(letter.files):
        raise UnsafeMail("structure")
    for part, file in zip(seen[len(kinds) :], letter.files, strict=True):
        if part.kind not in {file.content_type.partition(";")[0].lower(), "application/octet-stream"}:
            raise UnsafeMail("file.content_type")
        if part.disposition != "attachment" or part.names != (file.name, file.name):
            raise UnsafeMail("file.name")


def _name(value: str | tuple[str | None, str | None, str]) -> str:
    if isinstance(value, str):
        return value
    charset, _language, octets = value
    return octets.encode("latin-1", "replace").decode(charset or "ascii", "replace")
