"""A letter as exact bytes: strict MIME of our own, because these bytes are evidence.

For the use cases that send. Clauses: RFC 5322, RFC 2045-2047, RFC 2231, RFC 3834 (Auto-Submitted), RFC 3282
(Content-Language). CRLF only, 7-bit (except an address in UTF-8), lines of at most 76 octets where we choose them,
texts quoted-printable, files base64, one fixed order of headers, a boundary that neither encoding can contain
(``=_``, RFC 2045 6.7). Same letter, same bytes. The result is read back before it is returned (``mail/reread``).
"""

from binascii import b2a_qp
from email.utils import format_datetime
from hashlib import sha256

from pybase64 import encodebytes

from sealpost.mail.headers import CRLF, file_parameter, mailbox_field, text_field
from sealpost.mail.letter import File, Letter, check_letter
from sealpost.mail.reread import Assembly, check_assembly, text_octets

_COMPOSITE = ("message/", "multipart/")


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
    inner = mark + b".t" if letter.files else mark
    opening = _headers(letter) + (_multipart(b"mixed", mark) + b"\r\n--%b\r\n" % mark if letter.files else b"")
    frame = [opening + _multipart(b"alternative", inner) + CRLF + _front(inner, _text_headers(b"plain"))]
    frame.append(_front(inner, _text_headers(b"html")))
    closing = b"--%b--\r\n" % inner
    for file in letter.files:
        frame.append(closing + _front(mark, _file_headers(file)))
        closing = b""
    frame.append(b"--%b--\r\n" % mark)
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
    """Ends with CRLF; the encoder takes its line ends from the text, so the text is given CRLF first."""
    return b2a_qp(text_octets(text))


def _base64(file: File) -> bytes:
    return encodebytes(file.content).replace(b"\n", CRLF) or CRLF


def _file_headers(file: File) -> bytes:
    # A composite type may not travel as base64 (RFC 2046 5.2.1), and must arrive byte for byte: so it is opaque here.
    opaque = file.content_type.lower().startswith(_COMPOSITE)
    kind = b"application/octet-stream" if opaque else file.content_type.encode("ascii")
    return b"".join(
        (
            b"Content-Type: " + kind + file_parameter(b"name", file.name) + CRLF,
            b"Content-Disposition: attachment" + file_parameter(b"filename", file.name) + CRLF,
            b"Content-Transfer-Encoding: base64\r\n",
        )
    )
