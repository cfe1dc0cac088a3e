"""Texts from outside as the certificate can print them: hostile ones lose their effect, foreign ones stay readable.

PDF/A forbids a character without a glyph. What the two pinned fonts do not have, and what is invisible or turns the
direction of writing, is shown by its number, as ⟨U+202E⟩; the exact text stands in the embedded records.
"""

from __future__ import annotations

import re
from unicodedata import category, combining

# What Libertinus Serif and DejaVu Sans Mono print between them (of typst 0.15) in every weight, without fillers; a test tries each.
_RANGES = """
20-7e a1-ac ae-344 351 357-363 370-377 37a-37f 384-38a 38c 38e-3a1 3a3-482 48a-4ff 510-513 51a-51d 531-556 559-58a
5d0-5ea 10d0-10ff 1e00-1f15 1f18-1f1d 1f20-1f45 1f48-1f4d 1f50-1f57 1f59 1f5b 1f5d 1f5f-1f7d 1f80-1fb4 1fb6-1fc4
1fc6-1fd3 1fd6-1fdb 1fdd-1fef 1ff2-1ff4 1ff6-1ffe 2010-2027 2030-2040 2042 2044-2052 2054-205e 2070-2071 2074-208e
2090-209c 20a0-20c0 2100-211e 2120 2122 2124 2126-2151 2153-2184 2189 2190-23ff 2460-262f 2638-268b 2690-269c
26a0-26a7 26aa-26b2 2701-2704 2706-2709 270c-2727 2729-274b 274d 274f-2752 2756 2758-275e 2761-277f 2794 2798-27af
27b1-2b73 2b76-2b95 2b97-2bff fb00-fb06 fffd
"""
ZERO_WIDTH_SPACE = "\u200b"  # where a long word may be broken; ours alone, never from outside
RUN = 12  # characters of a long word between two places to break
MOST_MARKS = 2  # combining marks on one letter; a tower of them would cover the lines above
_SEPARATE = re.compile(r"\s+")


def _printed() -> frozenset[str]:
    found: set[str] = set()
    for one in _RANGES.split():
        first, _, last = one.partition("-")
        found.update(map(chr, range(int(first, 16), int(last or first, 16) + 1)))
    return frozenset(found)


PRINTED = _printed()


def printable(text: str, *, word: int = 28, marks: int = MOST_MARKS) -> str:
    """A text on one line, each character printed or shown by its number, long words breakable.

    Args:
        text: from anywhere; a lone surrogate is no problem.
        word: the most characters in a row that may not be broken.
        marks: the most combining marks on one letter; none where no font has letter and mark together.
    """
    shown = "".join(_shown(_SEPARATE.sub(_space, text), marks))
    return " ".join(_breakable(one, word) for one in shown.split(" "))


def _space(found: re.Match[str]) -> str:
    """Spaces stay, so that a literal line stays literal; tabs, newlines and odd spaces are shown by their number."""
    return "".join(one if one == " " else _number(one) for one in found[0])


def _shown(text: str, most: int) -> list[str]:
    shown: list[str] = []
    marks = 0
    for one in text:
        marks = marks + 1 if combining(one) or category(one)[0] == "M" else 0
        fits = one in PRINTED and marks <= most
        shown.append(one if fits else _number(one))
    return shown


def _number(one: str) -> str:
    return f"\u27e8U+{ord(one):04X}\u27e9"


def _breakable(word: str, longest: int) -> str:
    """With a place to break after every few characters, never before a mark; as few as do, for whoever copies it."""
    if len(word) <= longest:
        return word
    found: list[str] = []
    run = 0
    for one in word:
        if run >= RUN and category(one)[0] != "M":
            found.append(ZERO_WIDTH_SPACE)
            run = 0
        found.append(one)
        run += 1
    return "".join(found)
