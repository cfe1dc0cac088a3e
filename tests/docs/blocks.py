"""The code blocks of the documentation: where they stand, what they are, and which answer is shown under them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^( *)```(\w*)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
RUN = ("sh", "python")
SHOWN = ("json", "xml")
MARK = "not-run"


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Args:
        page: as ``api/send.md``.
        line: where it begins.
        language: ``sh``, ``python``, ``json``, ``xml`` or another.
        mark: what else stands behind the fence.
        text: what is in it.
    """

    page: str
    line: int
    language: str
    mark: str
    text: str

    @property
    def place(self) -> str:
        return f"docs/{self.page}:{self.line}"

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0]


@dataclass(frozen=True)
class Example:
    """A block to run, and the answer that is shown directly under it, if one is."""

    block: Block
    answer: Block | None


def blocks(page: Path) -> list[Block]:
    text, name = page.read_text(), str(page.relative_to(DOCS))
    return [
        Block(name, text.count("\n", 0, found.start()) + 1, found[2], found[3].strip(), dedent(found[4]))
        for found in FENCE.finditer(text)
    ]


def examples(page: Path) -> list[Example]:
    """The blocks of a page that can run, in order, the marked ones left out."""
    found = blocks(page)
    following = [*found[1:], None]
    return [
        Example(block, shown if shown and shown.language in SHOWN else None)
        for block, shown in zip(found, following, strict=True)
        if block.language in RUN and block.mark != MARK
    ]


def shape(language: str, text: str) -> Any:
    """What an answer looks like, without its values: members of JSON, elements and attributes of XML."""
    return _of_json(json.loads(text)) if language == "json" else frozenset(_of_xml(ET.fromstring(text), ""))


def _of_json(value: Any) -> Any:
    if isinstance(value, dict):
        return frozenset((name, _of_json(one)) for name, one in value.items())
    if isinstance(value, list):
        return ("list", frozenset(map(_of_json, value)))
    return "value"


def _of_xml(element: ET.Element, path: str) -> set[tuple[str, frozenset[str]]]:
    here = f"{path}/{element.tag}"
    found = {(here, frozenset(element.keys()))}
    return found.union(*(_of_xml(child, here) for child in element))
