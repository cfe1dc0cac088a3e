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
REASONS: dict[str, dict[str, str]] = json.loads(_here.joinpath("reasons.json").read_text("utf-8"))
"""Why something is refused: our own words in English, which are the key, and in the other languages."""
OTHER_REASON = "it is not in the prescribed form"
"""Said of whatever a library complains of in words of its own."""
_TRANSLATED = frozenset({"reason", "cause"})


def _shown_by_number() -> re.Pattern[str]:
    spans = [one.split("-") for one in RULES["shownByNumber"].split()]
    inner = "".join(f"{chr(int(one[0], 16))}-{chr(int(one[-1], 16))}" for one in spans)
    return re.compile(f"[{inner}]")


_UNSEEN = _shown_by_number()


def reason(why: object) -> str:
    """A reason in our own words: what the table does not have, a library's exception for one, is never repeated."""
    text = str(why)
    return text if text in REASONS else OTHER_REASON


def said(code: str, language: str, values: dict[str, Any]) -> str:
    """The sentence of a code, in which nothing is unseen, moves a terminal's cursor or turns the direction of a line.

    Args:
        code: a key of `WORDS`.
        language: one of `LANGUAGES`.
        values: what the sentence names.
    """
    shown = {name: safe(value) for name, value in values.items()}
    for name in sorted(_TRANSLATED & values.keys()):  # a cause stands in its reason
        why = reason(values[name])
        shown[name] = (why if language == "en" else REASONS[why][language]).format(**shown)
    return WORDS[code][language].format(**shown)


def safe(value: object) -> str:
    """A value as text for people: control, direction and invisible characters are shown by their number, as ⟨U+202E⟩."""
    return _UNSEEN.sub(lambda one: f"\u27e8U+{ord(one[0]):04X}\u27e9", str(value))


def suite(name: object) -> dict[str, Any] | None:
    """The suite of a name, or None: evidence of an unknown suite is refused, never guessed at."""
    return next((one for one in RULES["suites"] if one["name"] == name), None)


def covers(found: dict[str, Any], day: date) -> bool:
    """Whether a suite counts on a day (UTC)."""
    return date.fromisoformat(found["since"]) <= day <= date.fromisoformat(found["until"])
