"""A letter as exact bytes: strict MIME of our own, because these bytes are evidence.

For the use cases that send. Clauses: RFC 5322, RFC 2045-2047, RFC 2231, RFC 3834 (Auto-Submitted), RFC 3282
(Content-Language). CRLF only, 7-bit (except an address in UTF-8), lines of at most 76 octets where we choose them,
texts quoted-printable (by ourselves: ``binascii`` makes lines of 77), files base64, one fixed order of headers, a boundary that neither encoding can contain
(``=_``, RFC 2045 6.7). Same letter, same bytes. The result is read back before it is returned (``mail/reread``).
"""

import re
from collections.abc import Iterator
from email.utils import format_datetime
from hashlib import sha256

from pybase64 import encodebytes

from sealpost.mail.headers import CRLF, file_name, mailbox_field, text_field, type_name
from sealpost.mail.letter import File, Letter, check_letter
from sealpost.mail.reread import Assembly, check_assembly, text_octets

_COMPOSITE = ("message/", "multipart/")
_PLAIN = frozenset(b"\t\r\n") | (frozenset(range(0x20, 0x7F)) - frozenset(b"="))
_PRINTED = [b"%c" % octet if octet in _PLAIN else b"=%02X" % octet for octet in range(256)]
_LAST_BLANK = re.compile(rb"[ \t](?=\r\n)")
_PIECE = 73  # and the soft break, and two octets where the first one has to be escaped: 76


def build(letter: Letter) -> bytes:
    """The bytes to sign and send.

    Raises:
        UnsafeMail: a field could mean something else than it says, or the bytes read back differ from the letter;
            nothing may be sent then.
    """
    assembly = assemble(letter)
    check_assembly(assembly, letter)
    return assembly.mail()


def assemble(letter: Letter) -> Assembly:
    """Checks the fields and makes the pieces, without reading them back; ``build`` does that.

    Raises:
        UnsafeMail: as ``build``.
    """
    check_letter(letter)
    mark = b"=_" + sha256(letter.message_id.encode()).hexdigest()[:32].encode()
    # Neither begins with the other: readers may compare the beginning of a line alone (RFC 2046 5.1.1).
    outer, inner = mark + b".m", mark + b".t"
    opening = _headers(letter) + (_multipart(b"mixed", outer) + b"\r\n--%b\r\n" % outer if letter.files else b"")
    frame = [opening + _multipart(b"alternative", inner) + CRLF + _front(inner, _text_headers(b"plain"))]
    frame.append(_front(inner, _text_headers(b"html")))
    closing = b"--%b--\r\n" % inner
    for file in letter.files:
        frame.append(closing + _front(outer, _file_headers(file)))
        closing = b""
    frame.append(b"--%b--\r\n" % (outer if letter.files else inner))
    return Assembly(tuple(frame), (_quoted(letter.text), _quoted(letter.html)), tuple(map(_base64, letter.files)))


def _headers(letter: Letter) -> bytes:
    return b"".join(
        (
            mailbox_field(b"From", letter.sender),
            mailbox_field(b"To", letter.recipient),
            mailbox_field(b"Reply-To", letter.reply_to) if letter.reply_to else b"",
            text_field(b"Subject", letter.subject),
            b"Date: %b\r\n" % format_datetime(letter.date).encode("ascii"),
            b"Message-ID: %b\r\n" % letter.message_id.encode("ascii"),
            b"MIME-Version: 1.0\r\n",
            b"Content-Language: %b\r\n" % letter.language.encode("ascii"),
            b"Auto-Submitted: auto-generated\r\n" if letter.automatic else b"",
        )
    )


def _multipart(kind: bytes, boundary: bytes) -> bytes:
    return b'Content-Type: multipart/%b;\r\n boundary="%b"\r\n' % (kind, boundary)


def _front(boundary: bytes, headers: bytes) -> bytes:
    return b"--%b\r\n%b\r\n" % (boundary, headers)


def _text_headers(kind: bytes) -> bytes:
    return b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n" % kind


def _quoted(text: str) -> bytes:
    """Quoted-printable (RFC 2045 6.7), ends with CRLF. A blank is never last in a line."""
    escaped = b"".join(map(_PRINTED.__getitem__, text_octets(text)))
    lines = _LAST_BLANK.sub(lambda blank: b"=%02X" % blank[0][0], escaped).removesuffix(CRLF).split(CRLF)
    return b"".join(b"=\r\n".join(_pieces(line)) + CRLF for line in lines)


def _pieces(line: bytes) -> Iterator[bytes]:
    """An escaped line in pieces, none of which ends within an escape, is a dot alone or begins as a box's mails do."""
    while len(line) > _PIECE:
        start = line.rfind(b"=", _PIECE - 2, _PIECE)
        end = _PIECE if start < 0 else start
        yield _harmless(line[:end])
        line = line[end:]
    yield _harmless(line)


def _harmless(piece: bytes) -> bytes:
    return b"=%02X%b" % (piece[0], piece[1:]) if piece == b"." or piece.startswith(b"From ") else piece


def _base64(file: File) -> bytes:
    return encodebytes(file.content).replace(b"\n", CRLF) or CRLF


def _file_headers(file: File) -> bytes:
    # A composite type may not travel as base64 (RFC 2046 5.2.1), and must arrive byte for byte: so it is opaque here.
    opaque = file.content_type.lower().startswith(_COMPOSITE)
    kind = b"application/octet-stream" if opaque else file.content_type.encode("ascii")
    return b"".join(
        (
            b"Content-Type: " + kind + type_name(file.name) + CRLF,
            b"Content-Disposition: attachment" + file_name(file.name) + CRLF,
            b"Content-ID: <%b>\r\n" % file.content_id.encode("ascii") if file.content_id else b"",
            b"Content-Transfer-Encoding: base64\r\n",
        )
    )
