"""Declarations of style: which properties with which values a letter may have, and what they mean in pixels and colours.

For `sheet` and `visible`. Whatever is not listed is refused: it could load, move, cover or hide. What is listed is inert by
its values; what depends on its surroundings (sizes, colours, offsets) is judged in `visible`, where they are known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import tinycss2
import tinycss2.color4

Token = Any  # tinycss2 has no types
PIXELS = {"px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54, "mm": 9.6 / 2.54, "q": 2.4 / 2.54}
RELATIVE = {"em": 1.0, "ex": 0.5, "ch": 0.5}
SIZES = {"xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0, "x-large": 24.0, "xx-large": 32.0, "xxx-large": 48.0}  # fmt: skip
COLOUR_FUNCTIONS = frozenset({"rgb", "rgba", "hsl", "hsla", "hwb", "lab", "lch", "oklab", "oklch"})
PLAIN = frozenset({"ident", "number", "percentage", "dimension", "string", "whitespace", "hash", "literal"})
BLACK, WHITE = (0.0, 0.0, 0.0, 1.0), (1.0, 1.0, 1.0, 1.0)
SYSTEM = {"windowtext": BLACK, "window": WHITE, "canvastext": BLACK, "canvas": WHITE, "buttontext": BLACK}
CURRENT = "currentcolor"
Colour = tuple[float, float, float, float]
"""Red, green, blue and opacity, each from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declaration as it was written; ``tokens`` without comments."""

    name: str
    tokens: tuple[Token, ...]
    important: bool
    line: int = 0

    @property
    def value(self) -> str:
        return tinycss2.serialize(self.tokens).strip()

    @property
    def words(self) -> list[str]:
        """Its identifiers, in lower case."""
        return [token.lower_value for token in self.tokens if token.type == "ident"]


class BadStyle(ValueError):
    """A declaration that is not taken; its text says why."""


def read_declarations(text_or_tokens: str | list[Token]) -> list[Declaration]:
    """The declarations of an attribute or of a rule.

    Raises:
        BadStyle: something that is none.
    """
    found: list[Declaration] = []
    for item in tinycss2.parse_declaration_list(text_or_tokens, skip_comments=True, skip_whitespace=True):
        if item.type != "declaration":
            raise BadStyle("a style that is malformed")
        tokens = tuple(token for token in item.value if token.type != "comment")
        found.append(Declaration(item.lower_name, tokens, item.important, item.source_line))
    return found


def colour(token: Token) -> Colour | str | None:
    """What a token means as a colour: its parts, ``currentcolor``, or None: it is none."""
    if token.type == "ident" and token.lower_value in SYSTEM:
        return SYSTEM[token.lower_value]
    if token.type not in {"ident", "hash", "function"}:
        return None
    parsed: Any = tinycss2.color4.parse_color(token)
    if parsed is None or parsed == CURRENT:
        return parsed
    try:
        red, green, blue = parsed.to("srgb").coordinates[:3]
    except NotImplementedError:
        return None
    return (_part(red), _part(green), _part(blue), _part(parsed.alpha))


def _part(value: float | None) -> float:
    return min(max(value or 0.0, 0.0), 1.0)


def length(token: Token, size: float) -> float | None:
    """Pixels of a length; None: it is none, or relative to what is not known here.

    Args:
        token: one value.
        size: pixels of the font, for ``em``.
    """
    if token.type == "number":
        return 0.0 if token.value == 0 else None
    if token.type != "dimension":
        return None
    unit = token.lower_unit
    if unit == "rem":
        return token.value * 16.0
    factor = PIXELS.get(unit) or RELATIVE.get(unit, 0) * size
    return token.value * factor if factor else None


def significant(tokens: Iterable[Token]) -> list[Token]:
    """The tokens but white space."""
    return [token for token in tokens if token.type != "whitespace"]


# What a value may be, by kinds of tokens; sizes are bounded so that nothing is pushed out of sight.


def _plain(declaration: Declaration) -> bool:
    """Words, numbers, strings, colours; nothing that is computed or loaded."""
    for token in declaration.tokens:
        if token.type == "function":
            if token.lower_name not in COLOUR_FUNCTIONS or colour(token) is None:
                return False
        elif token.type not in PLAIN or (token.type == "literal" and token.value not in {",", "/"}):
            return False
    return True


def _within(least: float, most: float, percent: tuple[float, float] = (0, 100)) -> Callable[[Declaration], bool]:
    """Lengths within bounds (pixels, ``em`` taken as 16), percentages within theirs."""

    def check(declaration: Declaration) -> bool:
        for token in significant(declaration.tokens):
            if token.type == "percentage":
                good = percent[0] <= token.value <= percent[1]
            elif token.type == "number":
                good = least <= token.value <= most
            elif token.type == "dimension":
                pixels = length(token, 16.0)
                good = pixels is not None and least <= pixels <= most
            else:
                good = True
            if not good:
                return False
        return _plain(declaration)

    return check


def _one_of(*words: str) -> Callable[[Declaration], bool]:
    def check(declaration: Declaration) -> bool:
        found = significant(declaration.tokens)
        return len(found) == 1 and found[0].type == "ident" and found[0].lower_value in words

    return check


def _none(declaration: Declaration) -> bool:
    found = significant(declaration.tokens)
    return all(
        (token.type == "ident" and token.lower_value == "none") or getattr(token, "value", None) == 0 for token in found
    )


def _opacity(declaration: Declaration) -> bool:
    found = significant(declaration.tokens)
    least = {"number": 0.7, "percentage": 70}
    return len(found) == 1 and found[0].type in least and found[0].value >= least[found[0].type]


def _behaviour(declaration: Declaration) -> bool:
    """``url(#default#VML)``, by which Word and Outlook switch VML on, and which nothing else reads."""
    return [token.value.lower() for token in declaration.tokens if token.type == "url"] == ["#default#vml"]


def _radius(declaration: Declaration) -> bool:
    return _within(0, 1000)(declaration)


_words = _plain
_INHERIT = ("inherit", "initial", "unset")
RULES: dict[str, Callable[[Declaration], bool]] = {
    # judged in `visible`
    "color": _plain, "background": _plain, "background-color": _plain, "font": _plain, "font-size": _plain,
    "font-family": _plain, "line-height": _plain, "width": _within(0, 2000), "min-width": _within(0, 2000),
    "max-width": _within(0, 4000, (0, 1000)), "height": _within(0, 4000), "min-height": _within(0, 4000), "max-height": _within(0, 8000),
    "overflow": _one_of("visible", "hidden", "auto"), "overflow-x": _one_of("visible", "hidden", "auto"),
    "overflow-y": _one_of("visible", "hidden", "auto"), "text-indent": _within(-200, 200),
    "display": _one_of("block", "inline", "inline-block", "list-item", "none", "table", "inline-table", "table-row", "table-cell",
                       "table-row-group", "table-header-group", "table-footer-group", "table-column", "table-column-group", "table-caption"),
    "visibility": _one_of("visible", "hidden"), "opacity": _opacity, "filter": _opacity,
    "margin": _within(-40, 500), "margin-left": _within(-40, 400), "margin-right": _within(-40, 400), "margin-top": _within(0, 500),
    "margin-bottom": _within(0, 500), "padding": _within(0, 500), "padding-left": _within(0, 400), "padding-right": _within(0, 400),
    "padding-top": _within(0, 500), "padding-bottom": _within(0, 500),
    "color-scheme": _words, "supported-color-schemes": _words,
    # inert by their values
    **dict.fromkeys(("border", "border-top", "border-right", "border-bottom", "border-left", "border-width", "border-top-width",
        "border-right-width", "border-bottom-width", "border-left-width", "border-spacing"), _within(0, 50)),
    **dict.fromkeys(("border-radius", "border-top-left-radius", "border-top-right-radius", "border-bottom-left-radius",
        "border-bottom-right-radius", "-webkit-border-radius", "-moz-border-radius"), _radius),
    **dict.fromkeys(("border-color", "border-style", "border-top-color", "border-right-color", "border-bottom-color", "border-left-color",
        "border-top-style", "border-right-style", "border-bottom-style", "border-left-style", "border-collapse", "font-style",
        "font-variant", "font-variant-caps", "font-weight", "font-stretch", "font-kerning", "font-feature-settings", "font-variant-ligatures",
        "text-align", "text-decoration", "text-decoration-line", "text-decoration-color", "text-decoration-style", "text-transform",
        "white-space", "word-break", "word-wrap", "overflow-wrap", "hyphens", "line-break", "text-justify", "text-autospace",
        "punctuation-wrap", "text-underline", "text-underline-offset", "text-rendering", "text-overflow", "text-size-adjust",
        "-webkit-text-size-adjust", "-ms-text-size-adjust", "-moz-text-size-adjust", "-ms-interpolation-mode", "-webkit-font-smoothing",
        "-moz-osx-font-smoothing", "-webkit-tap-highlight-color", "list-style", "list-style-type", "list-style-position", "table-layout",
        "caption-side", "empty-cells", "float", "clear", "cursor", "quotes", "orphans", "widows", "page-break-before", "page-break-after",
        "page-break-inside", "break-before", "break-after", "break-inside", "page", "size", "tab-stops", "tab-interval", "tab-size",
        "layout-grid-mode", "layout-grid", "layout-grid-line", "layout-grid-char", "box-sizing", "-webkit-box-sizing", "-moz-box-sizing",
        "text-line-through", "text-effect", "ruby-align", "user-select", "-webkit-user-select", "panose-1", "font-display", "src"), _words),
    "vertical-align": _within(-20, 20), "letter-spacing": _within(-1.5, 20), "word-spacing": _within(-1.5, 20),
    "outline": _none, "text-shadow": _none, "box-shadow": _none, "background-image": _none, "list-style-image": _none, "-webkit-box-shadow": _none,
    "background-repeat": _words, "background-position": _words, "background-size": _words, "background-attachment": _one_of("scroll"),
    "direction": _one_of("ltr", "rtl"), "unicode-bidi": _one_of("normal", "embed", "isolate"),
    "position": _one_of("static", "relative"), "writing-mode": _one_of("horizontal-tb", "lr-tb"), "text-orientation": _one_of("mixed"),
    "zoom": _one_of("normal"), "behavior": _behaviour, "-webkit-line-clamp": _none,
}  # fmt: skip
ADVICE = {
    "display": "hidden text has no place in a letter: leave the element out",
    "visibility": "hidden text has no place in a letter: leave the element out",
    "opacity": "write the colour that is meant",
    "position": "lay out with tables, margins and padding",
    "background": "name a colour; images stand in img elements as data: or cid:",
    "background-image": "name a colour; images stand in img elements as data: or cid:",
    "font-size": "write a size of at least 6 pixels",
}
_OWN = re.compile(r"(?:mso|so)-[a-z0-9-]+|-webkit-nbsp-mode")
"""Read by Word, LibreOffice or an editor alone."""


def check_declaration(declaration: Declaration) -> None:
    """Refuses a property or a value that is not listed.

    Raises:
        BadStyle: saying which, and what to do.
    """
    name, found = declaration.name, significant(declaration.tokens)
    if len(found) == 1 and found[0].type == "ident" and found[0].lower_value in _INHERIT and name in RULES:
        if found[0].lower_value == "inherit" and name in {"position", "float"}:
            raise BadStyle(_words_for(declaration))
        return
    if _OWN.fullmatch(name):
        hides = name == "mso-hide" and "none" not in declaration.words
        small = name == "mso-font-width" and any(token.type == "percentage" and token.value < 70 for token in found)
        loads = any(
            token.type in {"url", "error"}
            or (token.type == "function" and token.lower_name in {"url", "expression", "image-set"})
            for token in declaration.tokens
        )
        if hides or small or loads:
            raise BadStyle(_words_for(declaration))
        return
    rule = RULES.get(name)
    if rule is None or not rule(declaration):
        raise BadStyle(_words_for(declaration))


def _words_for(declaration: Declaration) -> str:
    advice = ADVICE.get(declaration.name, "")
    said = f"the style {declaration.name}: {declaration.value[:60]}"
    return f"{said}; {advice}" if advice else said
