"""The recipient's cookie: the links that this browser has opened, newest first (design, section 4, Links)."""

from __future__ import annotations

import re
from collections.abc import Sequence

PICKUP = "pickup"
MOST = 8
SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def is_secret(text: str) -> bool:
    """Whether a text has the shape of a link's secret; nothing else is looked up."""
    return SECRET.fullmatch(text) is not None


def read(value: str) -> tuple[str, ...]:
    """The secrets in a cookie's value: well-formed ones, each once, at most eight."""
    longest = MOST * 44
    pieces = value[:longest].split(".")
    return tuple(dict.fromkeys(piece for piece in pieces if is_secret(piece)))[:MOST]


def write(secret: str, known: Sequence[str]) -> str:
    """A cookie's value with this secret in front; beyond eight, the oldest is forgotten."""
    return ".".join(tuple(dict.fromkeys((secret, *known)))[:MOST])
