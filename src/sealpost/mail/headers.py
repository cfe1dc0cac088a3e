"""Header fields as bytes: encoded words, mailboxes, file names.

For ``mail/build`` alone, which has checked every value before. Clauses: RFC 5322 2.1.1 (line lengths), RFC 2047
(encoded words, at most 75 octets, lines of at most 76), RFC 2231 and RFC 6266 (parameters with other characters).
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
_PLAIN_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,58}[A-Za-z0-9]")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._+-]")
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
    if "=?" not in text and _QUOTABLE.fullmatch(text):
        quoted = b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'
        if used + len(quoted) <= _LINE:
            return quoted
    return b"\r\n ".join(encoded_words(text, used))


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


def file_parameter(name: bytes, value: str) -> bytes:
    """``; name="fallback"`` and, where that is not the whole truth, ``name*=UTF-8''…`` in segments (RFC 2231 3)."""
    if _PLAIN_FILE.fullmatch(value) and "  " not in value:
        return b";\r\n " + name + b'="' + value.encode("ascii") + b'"'
    fallback = b";\r\n " + name + b'="' + _fallback(value) + b'"'
    segments = list(_segments(value))
    if len(segments) == 1:
        return fallback + b";\r\n " + name + b"*=UTF-8''" + segments[0]
    rest = (b";\r\n %b*%d*=%b%b" % (name, n, b"" if n else b"UTF-8''", part) for n, part in enumerate(segments))
    return fallback + b"".join(rest)


def _segments(value: str) -> Iterator[bytes]:
    line = ""
    for character in value:
        escaped = quote(character, safe="")
        if len(line) + len(escaped) > _SEGMENT:
            yield line.encode("ascii")
            line = ""
        line += escaped
    yield line.encode("ascii")


def _fallback(value: str) -> bytes:
    """What an old reader shows: only plain characters, shortened before the extension."""
    stem, dot, extension = _NOT_PLAIN.sub("_", value).rpartition(".")
    short = stem[: 50 - min(len(extension), 10)] + dot + extension[:10]
    return (short or "file").encode("ascii")
