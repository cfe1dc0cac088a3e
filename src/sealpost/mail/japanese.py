"""ISO-2022-JP (RFC 1468), taken only where all decoders read the same.

For ``mail/mime_fields``. Taken are ASCII, JIS X 0208 of 1983, and JIS X 0201 Roman without the two characters in which it differs
from ASCII, which half of the readers show as ASCII's. Every line begins and ends in ASCII or Roman.
"""

import re

ASCII = re.compile(rb"[^\x0e\x0f\x1b\x80-\xff]*")
ROMAN = re.compile(rb"[ -\[\]-}]*")
PAIRS = re.compile(rb"(?:[!-~]{2})+")


def japanese(octets: bytes) -> str:
    """The text.

    Args:
        octets: encoded; in ASCII at their end.

    Raises:
        UnicodeDecodeError: another escape sequence, a character without a place in JIS X 0208, or one that Windows' table and
            the standard's read differently (the wave dash, the double bar and four more).
    """
    first, *pieces = octets.split(b"\x1b")
    if not ASCII.fullmatch(first) or (pieces and not pieces[-1].startswith(b"(B")):
        raise _unreadable(octets)
    return first.decode("ascii") + "".join(_piece(piece) for piece in pieces)


def _piece(piece: bytes) -> str:
    set_, text = piece[:2], piece[2:]
    if set_ == b"(B" and ASCII.fullmatch(text):
        return text.decode("ascii")
    if set_ == b"(J" and ROMAN.fullmatch(text):
        return text.decode("ascii")
    if set_ == b"$B" and PAIRS.fullmatch(text):
        read = bytes(octet | 0x80 for octet in text).decode("euc_jp")
        if read == b"".join(_shifted(*text[at : at + 2]) for at in range(0, len(text), 2)).decode("cp932"):
            return read
    raise _unreadable(piece)


def _shifted(row: int, cell: int) -> bytes:
    """A character of JIS X 0208 as Shift JIS places it, for the second decoder."""
    lead = (row - 0x21) // 2 + (0x81 if row < 0x5F else 0xC1)
    trail = cell + 0x7E if row % 2 == 0 else cell + (0x1F if cell < 0x60 else 0x20)
    return bytes((lead, trail))


def _unreadable(octets: bytes) -> UnicodeDecodeError:
    return UnicodeDecodeError("iso-2022-jp", octets, 0, len(octets), "not read alike by all")
