"""Header fields as bytes: encoded words, mailboxes, file names.

For ``mail/build`` alone, which has checked every value before. Clauses: RFC 5322 2.1.1 (line lengths), RFC 2047
(encoded words, at most 75 octets, lines of at most 76), RFC 2231 (parameters with other characters).
A value is written plainly only where that is beyond doubt; everything else becomes UTF-8 in base64.
"""

import re
from collections.abc import Iterator
from urllib.parse import quote

from pybase64 import b64encode

from sealpost.mail.letter import Mailbox

CRLF = b"\r\n"
_LINE = 76
_PLAIN = re.compile(r"[!-~]+( [!-~]+)*")
_QUOTABLE = re.compile(r"[!-~]+( [!-~]+)*")
_SEGMENT = 54


def text_field(name: bytes, value: str) -> bytes:
    """An unstructured field, such as Subject."""
    plain = "=?" not in value and _PLAIN.fullmatch(value) and len(name) + 2 + len(value) <= _LINE
    body = value.encode("ascii") if plain else b"\r\n ".join(encoded_words(value, len(name) + 2))
    return name + b": " + body + CRLF


def mailbox_field(name: bytes, box: Mailbox) -> bytes:
    """A field with one mailbox; the address goes out as it is, in UTF-8 if it is not ASCII (RFC 6532)."""
    address = b"<" + box.address.encode() + b">"
    if not box.name:
        return name + b": " + address + CRLF
    return name + b": " + _phrase(box.name, len(name) + 2) + b"\r\n " + address + CRLF


def _phrase(text: str, used: int) -> bytes:
    return _quoted(text, used) or b"\r\n ".join(encoded_words(text, used))


def _quoted(text: str, used: int) -> bytes:
    """A quoted string, or nothing where it would not fit behind ``used`` octets, or could be read otherwise."""
    if "=?" in text or not _QUOTABLE.fullmatch(text):
        return b""
    quoted = b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'
    return quoted if used + len(quoted) <= _LINE else b""


def encoded_words(text: str, used: int) -> Iterator[bytes]:
    """Splits at characters, never inside one; the first word leaves room for ``used`` octets before it."""
    start, octets = 0, text.encode()
    while start < len(octets):
        room = (_LINE - max(used, 1) - 12) // 4 * 3
        end = min(start + room, len(octets))
        while end < len(octets) and octets[end] & 0xC0 == 0x80:  # a continuation byte: the character began before
            end -= 1
        yield b"=?utf-8?B?" + b64encode(octets[start:end]) + b"?="
        start, used = end, 1


def file_name(name: str) -> bytes:
    """Of a disposition: ``; filename="…"``, or ``; filename*=UTF-8''…`` alone, long ones in sections (RFC 2231 3, 4).

    Never both: of two in one field most readers take the wrong one, or neither.
    """
    if plain := _plain_name(name, len(b" filename=;")):
        return b";\r\n filename=" + plain
    first, *others = _segments(name)
    if not others:
        return b";\r\n filename*=UTF-8''" + first
    rest = (b";\r\n filename*%d*=%b" % (number, part) for number, part in enumerate(others, 1))
    return b";\r\n filename*0*=UTF-8''" + first + b"".join(rest)


def _plain_name(name: str, used: int) -> bytes:
    """A quoted name, unless it has what a reader who knows no quoted pairs would take for its end."""
    return b"" if re.search(r'[";\\]|  ', name) else _quoted(name, used)


def type_name(name: str) -> bytes:
    """Of a content type, for readers who know no RFC 2231: ``; name="…"``, with encoded words where that is needed.

    RFC 2047 5 (3) forbids them there; large mail programs write them, and all read them (decision 19).
    """
    if plain := _plain_name(name, len(b" name=;")):
        return b";\r\n name=" + plain
    return b';\r\n name="' + b"\r\n ".join(encoded_words(name, len(b' name=""'))) + b'"'


def _segments(value: str) -> Iterator[bytes]:
    line = ""
    for character in value:
        escaped = quote(character, safe="")
        if len(line) + len(escaped) > _SEGMENT:
            yield line.encode("ascii")
            line = ""
        line += escaped
    yield line.encode("ascii")
