"""Text of people, in one line or several: what is taken in names, subjects, file names and reasons."""

from __future__ import annotations

import re
import unicodedata

from sealpost.domain.errors import InvalidInput

# Controls, line and paragraph separators, and the characters that reorder text: none belongs in a name or an address.
FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
FORBIDDEN_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufff9-\ufffb]")
# What a reader may show as nothing at all: the property Default_Ignorable_Code_Point of Unicode 17.0
# (DerivedCoreProperties.txt, 4174 code points). Later versions assign some of them and add none outside these ranges.
IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Of these, what writing needs: hyphenation and breaks, joiners of Persian, Hindi and emoji, variants of CJK and emoji.
_SHAPING = re.compile("[\u00ad\u034f\u180b-\u180d\u180f\u200b-\u200d\u2060\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# An emoji that is joined to the next one has two of them behind it; more in a row can only hide something.
_RUN = re.compile(f"(?:{IGNORABLE.pattern}){{3}}")
SURROGATE = re.compile("[\ud800-\udfff]")


def line(field: str, text: str, longest: int, *, empty: bool = False) -> str:
    """One line of text (a name, a subject): normalised to NFC, nothing that controls, reorders or hides text.

    Args:
        field: the field's name for the error.
        text: as it was given.
        longest: characters at most.
        empty: whether nothing at all will do.

    Raises:
        InvalidInput: naming ``field``.
    """
    if SURROGATE.search(text):
        raise InvalidInput(field, "is not valid Unicode")
    if FORBIDDEN.search(text):
        raise InvalidInput(field, "has a control character")
    if len(text) > longest:
        raise InvalidInput(field, f"is longer than {longest} characters")
    if _RUN.search(text) or IGNORABLE.search(_SHAPING.sub("", text)):
        raise InvalidInput(field, "has an invisible character")
    if not visible(text).strip() and not (empty and visible(text) == text):
        raise InvalidInput(field, "is empty")
    return unicodedata.normalize("NFC", text)


def visible(text: str) -> str:
    """A text without what a reader may show as nothing."""
    return IGNORABLE.sub("", text)


def paragraph(field: str, text: str, longest: int) -> str:
    """Text of several lines: no controls but tab and line ends, at most ``longest`` characters.

    Raises:
        InvalidInput: naming ``field``.
    """
    if SURROGATE.search(text):
        raise InvalidInput(field, "is not valid Unicode")
    if FORBIDDEN_IN_TEXT.search(text):
        raise InvalidInput(field, "has a control character")
    if len(text) > longest:
        raise InvalidInput(field, f"is longer than {longest} characters")
    return text
