"""Base64 as callers write it, undone strictly but for white space (contract, section 3; RFC 4648, section 4).

For ``usecases/encode``. MIME encoders and command line tools break lines and end with one, so blanks, tabs, CR and LF
are skipped. Everything else is one way to write one content: a second one would be a second reading of a letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pybase64

from sealpost.domain.errors import InvalidInput

WHITE_SPACE = b" \t\r\n"
_FOREIGN = re.compile(rb"[^A-Za-z0-9+/=]")
_WHITE = re.compile(rb"[ \t\r\n]")
_PREFIX = re.compile(rb"data:", re.IGNORECASE)
URL_SAFE = b"-_"


def decode_pieces(field: str, encoded: Iterable[bytes]) -> Iterator[bytes]:
    """The content, piece by piece.

    Args:
        field: the field's name for the error.
        encoded: the text in pieces of any size.

    Raises:
        InvalidInput: naming the field and what is wrong: a foreign character, the padding, the alphabet, a prefix.
    """
    rest, ended, first = b"", False, True
    for piece in encoded:
        if first and _PREFIX.match(piece.lstrip(WHITE_SPACE)):
            raise InvalidInput(field, "begins with data:; only what stands behind its comma is base64")
        first = first and not piece.strip(WHITE_SPACE)
        text = rest + (piece.translate(None, WHITE_SPACE) if _WHITE.search(piece) else piece)
        whole = len(text) - len(text) % 4
        rest = text[whole:]
        if whole:
            if ended:
                raise InvalidInput(field, "is base64 that goes on behind its padding")
            ended = text[whole - 1 : whole] == b"="
            yield _decode(field, text[:whole])
    if rest:
        raise InvalidInput(
            field, _fault(rest) or "is base64 that is cut off: characters or padding are missing at its end"
        )


def _decode(field: str, text: bytes) -> bytes:
    try:
        decoded = pybase64.b64decode(text, validate=True)
    except ValueError:
        raise InvalidInput(field, _fault(text) or "is base64 whose padding is wrong") from None
    # Padding in the middle, and stray bits behind the last octet, would be a second way to write the same octets.
    last = text[-4:]
    padding = last.count(b"=")
    if len(decoded) != len(text) // 4 * 3 - padding:
        raise InvalidInput(field, "is base64 whose padding is wrong")
    if pybase64.b64encode(decoded[len(decoded) + padding - 3 :]) != last:
        raise InvalidInput(field, "is base64 with stray bits behind its last octet")
    return decoded


def _fault(text: bytes) -> str:
    """What is wrong with text that base64 does not hold; empty: none of its characters is."""
    found = _FOREIGN.search(text)
    if found is None:
        return ""
    if found[0] in URL_SAFE:
        return "is base64 of the URL-safe alphabet; + and / are needed in place of - and _"
    character = found[0].decode("latin-1")
    shown = f"the character {character}" if "!" <= character <= "~" else f"an octet 0x{found[0].hex()}"
    return f"is not base64: it has {shown}"
