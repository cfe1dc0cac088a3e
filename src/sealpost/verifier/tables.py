"""The two tables that command and page share: sentences (`words.json`) and rules (`rules.json`). For every check.

Nothing is said or decided in two places: a code's verdict, the events, the order rules, the dated suites, the member
names and the limits are data, read here and embedded in the page. Source: evidence format, sections 1, 5 and 6.
"""

from __future__ import annotations

import json
import re
from datetime import date
from importlib.resources import files
from string import Formatter
from typing import Any

LANGUAGES = ("nl", "en", "de", "fr")
PASS, FAIL, NOT_PROVEN = "PASS", "FAIL", "NOT PROVEN"
_here = files("sealpost.verifier")
WORDS: dict[str, dict[str, str]] = json.loads(_here.joinpath("words.json").read_text("utf-8"))
"""Sentence by code and language, with ``{named}`` values."""
RULES: dict[str, Any] = json.loads(_here.joinpath("rules.json").read_text("utf-8"))
VALUES: dict[str, tuple[str, ...]] = {
    code: tuple(name for _, name, _, _ in Formatter().parse(texts["en"]) if name) for code, texts in WORDS.items()
}
"""The names of the values in the sentence of a code."""
CHECKS: tuple[str, ...] = tuple(RULES["checks"])
VERDICTS: dict[str, str] = {code: verdict for verdict, codes in RULES["verdicts"].items() for code in codes}
MEMBERS: dict[str, Any] = RULES["members"]
LIMITS: dict[str, int] = RULES["limits"]
ORDER: dict[str, frozenset[str]] = {name: frozenset(events) for name, events in RULES["order"].items()}
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def said(code: str, language: str, values: dict[str, Any]) -> str:
    """The sentence of a code, in which no value can move a terminal's cursor or turn the direction of a line.

    Args:
        code: a key of `WORDS`.
        language: one of `LANGUAGES`.
        values: what the sentence names.
    """
    return WORDS[code][language].format(**{name: safe(value) for name, value in values.items()})


def safe(value: object) -> str:
    """A value as text for people: no control or direction character."""
    return _UNSAFE.sub("\ufffd", str(value))


def suite(name: object) -> dict[str, Any] | None:
    """The suite of a name, or None: evidence of an unknown suite is refused, never guessed at."""
    return next((one for one in RULES["suites"] if one["name"] == name), None)


def covers(found: dict[str, Any], day: date) -> bool:
    """Whether a suite counts on a day (UTC)."""
    return date.fromisoformat(found["since"]) <= day <= date.fromisoformat(found["until"])
