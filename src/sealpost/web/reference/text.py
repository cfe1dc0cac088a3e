"""The little CommonMark that the API's description uses, for the page ``/docs``: paragraphs, code, strong, emphasis."""

from __future__ import annotations

import re
from typing import NamedTuple

MARKED = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*")
KINDS = ("code", "strong", "em")


class Piece(NamedTuple):
    """Some characters of one look: ``code``, ``strong``, ``em``, or nothing special."""

    kind: str
    text: str


Line = tuple[Piece, ...]
Paragraphs = tuple[Line, ...]


def paragraphs(text: str) -> Paragraphs:
    """A description; an empty line begins a paragraph."""
    return tuple(line(part) for part in text.split("\n\n") if part.strip())


def line(text: str) -> Line:
    """One paragraph, its marks read."""
    pieces: list[Piece] = []
    end = 0
    for found in MARKED.finditer(text):
        pieces.append(Piece("", text[end : found.start()]))
        assert found.lastindex is not None
        pieces.append(Piece(KINDS[found.lastindex - 1], found[found.lastindex]))
        end = found.end()
    pieces.append(Piece("", text[end:]))
    return tuple(piece for piece in pieces if piece.text)
