"""Style sheets of a letter: rules, whom they mean and when, for `visible`, which applies them.

A letter may be painted in several ways: with a rule for narrow screens or not, in the dark, under the pointer. Each `Way`
is computed and judged on its own, so that no text disappears in any of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import tinycss2

from sealpost.mail.html.style import BadStyle, Declaration, check_declaration, read_declarations

MOST_RULES, MOST_MEDIA = 2_000, 30
_NAME = r"(?:[A-Za-z_-]|\\:)(?:[\w-]|\\:)*"
_SIMPLE = re.compile(
    rf"(?P<kind>\*|{_NAME})|(?P<id>#{_NAME})|(?P<class>\.{_NAME})"
    r"|(?P<attribute>\[\s*[A-Za-z][\w:-]*\s*(?:[~|^$*]?=\s*(?:\"[^\"\\]*\"|'[^'\\]*'|[\w-]+)\s*)?\])"
    r"|(?P<place>:(?:first-child|last-child|only-child|first-of-type|last-of-type|root|link|nth-child\((?:odd|even|\d{1,3})\)))"
    r"|(?P<state>:(?:hover|visited|active|focus))"
)
_COMBINATOR = re.compile(r"\s*([>+~])\s*|\s+")
INERT = frozenset({"page", "list", "charset", "-ms-viewport", "viewport"})
"""At-rules of printing and of Word's numbering; what they hold is read by nothing that paints a mail."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Whom a rule means; ``weight``: numbers of ids, classes and kinds (Selectors Level 3, 9); ``state``: under the pointer alone."""

    text: str
    weight: tuple[int, int, int]
    state: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule for one selector; ``media`` is its condition as written, empty: always."""

    selector: Selector
    declarations: tuple[Declaration, ...]
    media: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not taken, at a line of the sheet."""

    line: int
    what: str


@dataclass(slots=True)
class Sheet:
    """All rules of a letter in their order, and what is wrong with them."""

    rules: list[Rule]
    faults: list[Fault]


def read_sheet(css: str, media: str = "") -> Sheet:
    """Reads one ``<style>``.

    Args:
        css: its content.
        media: its own condition, from the attribute ``media``.
    """
    sheet = Sheet([], [])
    for item in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        _read_item(item, sheet, media)
        if len(sheet.rules) > MOST_RULES:
            sheet.faults.append(Fault(item.source_line, f"a style sheet of more than {MOST_RULES} rules"))
            break
    return sheet


def _read_item(item: Any, sheet: Sheet, media: str) -> None:
    if item.type == "qualified-rule":
        _read_rule(item, sheet, media)
    elif item.type == "at-rule":
        _read_at_rule(item, sheet, media)
    else:
        sheet.faults.append(Fault(item.source_line, "a style sheet that is malformed"))


def _read_at_rule(item: Any, sheet: Sheet, media: str) -> None:
    name = item.lower_at_keyword
    if name == "media" and not media and item.content is not None:
        condition = re.sub(r"\s+", " ", tinycss2.serialize(item.prelude)).strip().lower()
        for inner in tinycss2.parse_rule_list(item.content, skip_comments=True, skip_whitespace=True):
            _read_item(inner, sheet, condition or "all")
    elif name == "font-face" and item.content is not None:
        _read_font(item, sheet)
    elif name not in INERT:
        what = f"@{name[:30]} in a style sheet"
        sheet.faults.append(
            Fault(item.source_line, f"{what}; put the rules themselves here" if name == "import" else what)
        )


def _read_font(item: Any, sheet: Sheet) -> None:
    """A font that is described, as Word does, and not loaded."""
    try:
        sources = [one for one in read_declarations(item.content) if one.name == "src"]
    except BadStyle:
        sources = []
    if sources:
        sheet.faults.append(
            Fault(item.source_line, "a font that is loaded from elsewhere; name fonts that every system has")
        )


def _read_rule(item: Any, sheet: Sheet, media: str) -> None:
    try:
        declarations = read_declarations(item.content)
    except BadStyle as bad:
        sheet.faults.append(Fault(item.source_line, str(bad)))
        return
    for one in declarations:
        try:
            check_declaration(one)
        except BadStyle as bad:
            sheet.faults.append(Fault(one.line, str(bad)))
    for text in tinycss2.serialize(item.prelude).split(","):
        selector = read_selector(text)
        if selector is None:
            sheet.faults.append(Fault(item.source_line, f"the selector {text.strip()[:60]}"))
        else:
            sheet.rules.append(Rule(selector, tuple(declarations), media))


def read_selector(text: str) -> Selector | None:
    """A selector of names, ids, classes, attributes and places; None: it is of another kind."""
    at, ids, classes, kinds, state, plain = 0, 0, 0, 0, False, ""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL).strip()
    while at < len(text):
        found = _SIMPLE.match(text, at)
        if found is None:
            found = _COMBINATOR.match(text, at)
            if found is None or not plain or plain[-1] in " >+~":
                return None
            plain += f" {found[1]} " if found[1] else " "
        elif found["state"]:
            state, classes = True, classes + 1
        else:
            plain += found[0]
            ids += bool(found["id"])
            classes += bool(found["class"] or found["attribute"] or found["place"])
            kinds += bool(found["kind"] and found["kind"] != "*")
        at = found.end()
    if not plain.strip() or plain.rstrip()[-1] in ">+~":
        plain = f"{plain}*" if state else ""
    return Selector(plain.strip(), (ids, classes, kinds), state) if plain.strip() else None


def ways(rules: list[Rule]) -> list[list[Rule]]:
    """Each way in which a letter may be painted: plainly, with one condition that holds, under the pointer."""
    conditions = list(dict.fromkeys(rule.media for rule in rules if rule.media))
    found = [[rule for rule in rules if not rule.media and not rule.selector.state]]
    found += [[rule for rule in rules if rule.media in {"", one} and not rule.selector.state] for one in conditions]
    if any(rule.selector.state for rule in rules):
        found.append([replace(rule, selector=replace(rule.selector, state=False)) for rule in rules if not rule.media])
    return found
