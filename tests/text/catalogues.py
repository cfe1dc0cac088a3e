"""The catalogues as their files have them, with types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from sealpost.text.catalogue import LOCALE


@dataclass(frozen=True)
class Translation:
    """One text: English (two forms where it is counted), and its forms in the other language; empty ones are not done."""

    english: tuple[str, ...]
    texts: tuple[str, ...]
    fuzzy: bool


def catalogue(language: str) -> Catalog:
    with (LOCALE / language / "LC_MESSAGES" / "sealpost.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def translations(language: str) -> Iterator[Translation]:
    for message in catalogue(language):
        english: Any = message.id
        texts: Any = message.string or ""
        if english:
            yield Translation(_forms(english), _forms(texts), message.fuzzy)


def _forms(text: Any) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)
