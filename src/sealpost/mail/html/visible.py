"""How each text of a letter would be painted: its size, its colour against what is behind it, its place.

For `check`. A small part of CSS (cascade, inheritance, the boxes' bounds), as much as decides whether a text can be seen;
what would need more than that is no part of a letter's style (`style.RULES`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import tinycss2

from sealpost.mail.html.sheet import Rule
from sealpost.mail.html.style import (
    BLACK,
    CURRENT,
    SIZES,
    WHITE,
    BadStyle,
    Colour,
    Declaration,
    Token,
    colour,
    length,
    read_declarations,
    significant,
)
from sealpost.mail.html.tree import Element, Text, Tree

SMALLEST, LEAST_CONTRAST, LEAST_LINE = 6.0, 1.5, 0.7
FARTHEST_LEFT, FARTHEST_IN, NARROWEST = -20.0, 800.0, 48.0
TABLE = frozenset({"table", "tbody", "thead", "tfoot", "tr", "td", "th", "html", "body", "caption"})
COLOURED = TABLE - {"caption", "html"}
BOXES = (TABLE - {"html", "body", "caption"}) | {"img", "hr", "col", "colgroup"}
HEADINGS = {"h1": 2.0, "h2": 1.5, "h3": 1.17, "h4": 1.0, "h5": 0.83, "h6": 0.67, "small": 1 / 1.2, "big": 1.2, "sub": 1 / 1.2, "sup": 1 / 1.2, "tt": 0.8125, "code": 0.8125, "kbd": 0.8125, "samp": 0.8125, "pre": 0.8125}  # fmt: skip
SPECIAL = frozenset({*HEADINGS, "table", "body", "mark", "ul", "ol", "dd", "blockquote", "menu", "dir"})
"""Elements that browsers paint in their own way."""
FONT_SIZES = (10.0, 13.0, 16.0, 18.0, 24.0, 32.0, 48.0)
MOST_SYMBOLS = 2
OVERFLOWS = ("overflow", "overflow-x", "overflow-y")
SYMBOLS = re.compile(r"wingdings|webdings|symbol|dingbats|marlett", re.IGNORECASE)
LINK = (0.0, 0.0, 238 / 255, 1.0)
NOT_SHOWN = frozenset({"head", "title", "style", "meta", "script", "template"})


@dataclass(frozen=True, slots=True)
class Painted:
    """What an element passes on to what is in it, in pixels and colours, and why nothing in it could be seen."""

    ink: Colour = BLACK
    behind: Colour = WHITE
    size: float = 16.0
    line: float | None = None
    left: float = 0.0
    indent: float = 0.0
    symbols: bool = False
    hidden: str = ""
    link: Colour = LINK
    quirks: Colour | None = None
    """In quirks mode what tables have instead of the colour around them: the body's (HTML, 15.3.10)."""


NIGHT = Painted(ink=WHITE, behind=(0.07, 0.07, 0.07, 1.0), link=(0.62, 0.62, 1.0, 1.0))
"""Where nothing else is said, in a reader's dark mode."""


@dataclass(slots=True)
class Way:
    """The winning declarations of each element, by its key, in one way of painting."""

    styles: dict[int, dict[str, Declaration]]
    start: Painted = field(default_factory=Painted)


def cascade(tree: Tree, rules: list[Rule]) -> Way:
    """Applies rules and attributes (CSS Cascade Level 3, 6).

    Args:
        tree: the letter.
        rules: those that hold, in their order.

    Raises:
        ValueError: a selector that the tree's engine does not know.
    """
    ranked: dict[int, list[tuple[tuple[bool, bool, tuple[int, int, int], int], Declaration]]] = {}
    for order, rule in enumerate(rules):
        for element in tree.select(rule.selector.text):
            known = ranked.setdefault(element.key, [])
            known += [((one.important, False, rule.selector.weight, order), one) for one in rule.declarations]
    for element in tree.elements():
        try:
            own = read_declarations(element.attributes.get("style", ""))
        except BadStyle:
            own = []
        if own:
            known = ranked.setdefault(element.key, [])
            known += [((one.important, True, (0, 0, 0), 0), one) for one in own]
    return Way({key: _winning(known) for key, known in ranked.items()})


def _winning(known: list[tuple[tuple[bool, bool, tuple[int, int, int], int], Declaration]]) -> dict[str, Declaration]:
    """The last of the strongest for each property, in the order in which they would be written one after the other."""
    found: dict[str, Declaration] = {}
    for _, one in sorted(known, key=lambda pair: pair[0]):
        found.pop(one.name, None)
        found[one.name] = one
    return found


def judge(tree: Tree, way: Way) -> Iterator[tuple[Element, str, str]]:
    """What cannot be seen in one way of painting: the element, its text and why."""
    waiting: list[tuple[Element, Painted]] = [(tree.root, _paint(tree.root, way.start, way.styles))]
    faults: dict[Painted, str] = {}
    while waiting:
        element, painted = waiting.pop()
        for child in element.children:
            if isinstance(child, Element) and child.tag not in NOT_SHOWN:
                waiting.append((child, _paint(child, painted, way.styles)))
                if child.tag == "img" and painted.hidden:
                    yield child, "", painted.hidden
            elif isinstance(child, Text) and not is_blank(child.text):
                if painted not in faults:
                    faults[painted] = _fault(painted)
                why = faults[painted] or _symbols_fault(painted, child.text)
                if why:
                    yield element, child.text, why


def is_blank(text: str) -> bool:
    """Whether nothing of it would be painted: white space, joiners and the like."""
    return all(
        char.isspace()
        or unicodedata.category(char) in {"Cf", "Cc", "Zs", "Mn"}
        or char in "\u3164\u115f\u1160\uffa0\u2800"
        for char in text
    )


def _symbols_fault(painted: Painted, text: str) -> str:
    return "words in a font of symbols" if painted.symbols and len(text.strip()) > MOST_SYMBOLS else ""


def _fault(painted: Painted) -> str:
    """Why a text cannot be seen, the first reason; empty: it can."""
    left = min(painted.left, painted.left + painted.indent)
    faults = {
        painted.hidden: bool(painted.hidden),
        f"text of {painted.size:.2g} pixels; it needs {SMALLEST:g}": painted.size < SMALLEST,
        "lines that lie upon each other (line-height)": painted.line is not None
        and painted.line < LEAST_LINE * painted.size,
        "text in (nearly) the colour that is behind it": contrast(painted.ink, painted.behind) < LEAST_CONTRAST,
        "text beyond the left edge": left < FARTHEST_LEFT,
        "text far beyond the right edge": painted.left > FARTHEST_IN,
    }
    return next((why for why, holds in faults.items() if holds), "")


def contrast(ink: Colour, behind: Colour) -> float:
    """Of two colours (WCAG 2.2, relative luminance): 1 to 21; ``behind`` is opaque."""
    first, second = sorted((_luminance(_over(ink, behind)), _luminance(behind)))
    return (second + 0.05) / (first + 0.05)


def _over(front: Colour, behind: Colour) -> Colour:
    share = front[3]
    mixed = [front[at] * share + behind[at] * (1 - share) for at in range(3)]
    return mixed[0], mixed[1], mixed[2], 1.0


def _luminance(one: Colour) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in one[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _paint(element: Element, above: Painted, styles: Mapping[int, dict[str, Declaration]]) -> Painted:
    """How an element is painted within another one."""
    own = styles.get(element.key, {})
    if not own and not element.attributes and element.tag not in SPECIAL:
        return above
    if element.tag == "table" and above.quirks:
        above = replace(above, ink=above.quirks, size=16.0, line=None)
    size, line = _size(element, own, above)
    ink = _ink(element, own, above)
    return replace(
        above,
        quirks=ink if above.quirks and element.tag == "body" else above.quirks,
        size=size,
        line=line,
        ink=ink,
        behind=_behind(element, own, above, ink),
        left=above.left + _left(element, own, size),
        indent=_indent(own, above, size, element),
        symbols=_symbols(element, own, above),
        hidden=above.hidden or _hidden(element, own),
        link=_attribute_colour(element, "link") or above.link,
    )


def _size(element: Element, own: dict[str, Declaration], above: Painted) -> tuple[float, float | None]:
    size = above.size * HEADINGS.get(element.tag, 1.0)
    if element.tag == "font" and (
        number := re.fullmatch(r"\s*([+-]?)(\d{1,2})\s*", element.attributes.get("size", ""))
    ):
        steps = int(number[2]) if not number[1] else 3 + int(number[1] + number[2])
        size = FONT_SIZES[min(max(steps, 1), 7) - 1]
    line = above.line
    for name, one in own.items():
        found = significant(one.tokens)
        if name == "font-size" and found:
            size = _font_size(found[0], above.size)
        elif name == "font":
            size, line = _font(found, above.size)
        elif name == "line-height" and found:
            line = _line_height(found[0], size)
    return size, line


def _font_size(token: Token, above: float) -> float:
    if token.type == "percentage":
        return above * token.value / 100
    if token.type == "ident":
        known = SIZES | {"smaller": above / 1.2, "larger": above * 1.2, "inherit": above, "unset": above}
        return known.get(token.lower_value, 16.0)
    pixels = length(token, above)
    return 0.0 if pixels is None else pixels


def _font(found: list[Token], above: float) -> tuple[float, float | None]:
    """The shorthand: words, a size, perhaps a slash and a line height, families."""
    for at, token in enumerate(found):
        kind = getattr(token, "type", "")
        nothing = kind == "number" and getattr(token, "value", 1) == 0  # every other number is a weight
        if (
            nothing
            or kind in {"dimension", "percentage"}
            or getattr(token, "lower_value", "") in {*SIZES, "smaller", "larger"}
        ):
            size = _font_size(token, above)
            slash = at + 2 < len(found) and getattr(found[at + 1], "value", "") == "/"
            return size, _line_height(found[at + 2], size) if slash else None
    return above if not found or getattr(found[0], "lower_value", "") in {"inherit", "unset"} else 16.0, None


def _line_height(token: Token, size: float) -> float | None:
    if token.type == "number":
        return token.value * size
    if token.type == "percentage":
        return token.value * size / 100
    return length(token, size)


def _ink(element: Element, own: dict[str, Declaration], above: Painted) -> Colour:
    base = above.ink
    if element.tag == "a" and "href" in element.attributes:
        base = above.link
    if element.tag == "mark":
        base = BLACK
    legacy = {"body": "text", "font": "color"}.get(element.tag)
    base = (legacy and _attribute_colour(element, legacy)) or base
    if "color" in own:
        found = significant(own["color"].tokens)
        said = colour(found[0]) if len(found) == 1 else None
        if isinstance(said, tuple):
            return said
        if found and getattr(found[0], "lower_value", "") in {"inherit", "unset", CURRENT}:
            return above.ink
        return BLACK if found and getattr(found[0], "lower_value", "") == "initial" else base
    return base


def _behind(element: Element, own: dict[str, Declaration], above: Painted, ink: Colour) -> Colour:
    behind = (1.0, 1.0, 0.0, 1.0) if element.tag == "mark" else above.behind
    behind = (element.tag in COLOURED and _attribute_colour(element, "bgcolor")) or behind
    for name, one in own.items():
        if name not in {"background", "background-color"}:
            continue
        said = [found for token in significant(one.tokens) if (found := colour(token)) is not None]
        behind = _over(said[-1] if isinstance(said[-1], tuple) else ink, above.behind) if said else above.behind
    return behind


def _attribute_colour(element: Element, name: str) -> Colour | None:
    text = element.attributes.get(name, "").strip()
    if not text:
        return None
    if re.fullmatch("[0-9a-fA-F]{6}", text):
        text = f"#{text}"
    found = significant(tinycss2.parse_component_value_list(text))
    said = colour(found[0]) if len(found) == 1 else None
    return said if isinstance(said, tuple) else None


def _sides(own: dict[str, Declaration], name: str, size: float) -> tuple[float, float, float, float]:
    """Top, right, bottom and left of a margin or padding, later declarations over earlier ones."""
    sides = [0.0, 0.0, 0.0, 0.0]
    for known, one in own.items():
        values = [length(token, size) or 0.0 for token in significant(one.tokens)][:4]
        if known == name and values:
            sides = [
                values[0],
                values[1 % len(values)],
                values[2 % len(values)],
                values[3 if len(values) == 4 else 1 % len(values)],
            ]
            if len(values) == 3:
                sides[3] = values[1]
        elif known.startswith(f"{name}-") and values:
            sides[("top", "right", "bottom", "left").index(known.removeprefix(f"{name}-"))] = values[0]
    return sides[0], sides[1], sides[2], sides[3]


def _left(element: Element, own: dict[str, Declaration], size: float) -> float:
    default = 40.0 if element.tag in {"ul", "ol", "dd", "blockquote", "menu", "dir"} else 0.0
    return (
        _sides(own, "margin", size)[3]
        + _sides(own, "padding", size)[3]
        + (default if "padding" not in own and "padding-left" not in own else 0.0)
    )


def _indent(own: dict[str, Declaration], above: Painted, size: float, element: Element) -> float:
    if element.tag == "table":
        return 0.0
    found = significant(own["text-indent"].tokens) if "text-indent" in own else []
    return (length(found[0], size) or 0.0) if found else above.indent


def _symbols(element: Element, own: dict[str, Declaration], above: Painted) -> bool:
    first = element.attributes.get("face", "") if element.tag == "font" else ""
    for name in ("font", "font-family"):
        if name in own:
            first = own[name].value
    family = re.split(",", first)[0]
    return bool(SYMBOLS.search(family)) if first and first != "inherit" else above.symbols


def _hidden(element: Element, own: dict[str, Declaration]) -> str:
    """Why nothing in it could be seen, or would lie upon something else; empty: no reason in this element."""
    if not own and "hidden" not in element.attributes:
        return ""
    return _invisible(element, own) or _overlaid(element, own)


def _invisible(element: Element, own: dict[str, Declaration]) -> str:
    if "hidden" in element.attributes:
        return "hidden text (the attribute hidden)"
    said = {name: one.words for name, one in own.items()}
    if "none" in said.get("display", ()) or "hidden" in said.get("visibility", ()):
        return "hidden text (display, visibility); leave the element out"
    return ""


def _overlaid(element: Element, own: dict[str, Declaration]) -> str:
    margin = _sides(own, "margin", 16.0)
    if margin[0] < 0 or margin[2] < 0:
        return "text that lies upon other text (a margin below 0)"
    bounded = any(_is_bound(own[name]) for name in ("height", "max-height") if name in own)
    narrow = any(_is_bound(own[name]) for name in ("width", "max-width") if name in own)
    clipped = any({"hidden", "auto"} & set(own[name].words) for name in OVERFLOWS if name in own)
    if clipped and (bounded or narrow):
        return "text that may be cut off (overflow with a height or width)"
    if element.tag not in BOXES and any(
        _is_below(own[name], NARROWEST) for name in ("width", "max-width") if name in own
    ):
        return f"text in a box of less than {NARROWEST:g} pixels"
    if bounded and element.tag not in TABLE:
        return "text that may lie upon other text (a height); leave the height out"
    return ""


def _is_below(one: Declaration, least: float) -> bool:
    return any((pixels := length(token, 16.0)) is not None and pixels < least for token in significant(one.tokens))


def _is_bound(one: Declaration) -> bool:
    return any(token.type in {"dimension", "number"} for token in significant(one.tokens))
