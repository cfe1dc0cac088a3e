"""A letter's tree as browsers see it (HTML5, by lexbor), bounded, with the place of each element in the source.

For the other modules of this folder. Nothing recurses: the nesting of a letter is its author's choice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

MOST_NODES, DEEPEST = 40_000, 200
_COMMENT = re.compile(r"<!--(?:-?>|.*?(?:--!?>|\Z))", re.DOTALL)
_RAW = re.compile(
    r"(<(style|title|script|textarea|xmp|iframe|noembed|noframes)\b[^<>]*>)(.*?)(?=</\2\b|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_START = re.compile(r"<([a-zA-Z][^\s/>\0]*)")


def names(text: str) -> frozenset[str]:
    """A table of names, written with blanks between them."""
    return frozenset(text.split())


class TooLarge(Exception):
    """More nodes, or deeper, than a letter has."""


@dataclass(slots=True, eq=False)
class Text:
    """Characters, entities undone."""

    parent: Element
    text: str


@dataclass(slots=True, eq=False)
class Comment:
    """A comment, or what browsers read as one, such as ``<![endif]>``."""

    parent: Element
    text: str


@dataclass(slots=True, eq=False)
class Element:
    """One element; names of tag and attributes in lower case. ``line``: of its start tag, from 1; 0: not written."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None
    key: int
    line: int = 0
    children: list[Element | Text | Comment] = field(default_factory=list["Element | Text | Comment"])


Node = Element | Text | Comment


class Tree:
    """The tree of a document or fragment.

    Args:
        html: the source.
        bounded: of a letter that was taken before there were bounds, all is read.

    Raises:
        TooLarge: more than ``MOST_NODES`` nodes, or nested deeper than ``DEEPEST``.
    """

    def __init__(self, html: str, *, bounded: bool = True) -> None:
        self._bounded = bounded
        self._parser = LexborHTMLParser(html)
        lines = _lines(html)
        self.by_key: dict[int, Element] = {}
        self._seen: Counter[str] = Counter()
        root = self._parser.root
        assert root is not None, "lexbor makes a root of anything"
        self.root = self._element(root, None)
        before, after = _comments(root, "prev"), _comments(root, "next")
        self.root.children += [Comment(self.root, text) for text in reversed(before)]
        self._fill(root)
        self.root.children += [Comment(self.root, text) for text in after]
        doctype = next((one for one in _before(root) if one.tag == "-doctype"), None)
        self.is_standard = doctype is not None and (doctype.html or "").lower() == "<!doctype html>"
        """Whether every browser paints it in standards mode; else some of them, in *quirks*, pass less on to tables."""
        for element in self.by_key.values():
            found = lines.get(element.tag, [])
            at = self._seen[element.tag]
            self._seen[element.tag] += 1
            element.line = found[at] if at < len(found) else 0

    def _element(self, node: LexborNode, parent: Element | None) -> Element:
        tag = (node.tag or "").lower()
        values = {name.lower(): value or "" for name, value in node.attributes.items()}
        element = self.by_key[node.mem_id] = Element(tag, values, parent, node.mem_id)
        return element

    def _fill(self, root: LexborNode) -> None:
        """Depth first, so that ``by_key`` has the order of the source."""
        waiting, count = [(root.child, self.root, 1)], 0
        while waiting:
            node, parent, depth = waiting.pop()
            if node is None:
                continue
            count += 1
            if self._bounded and (count > MOST_NODES or depth > DEEPEST):
                raise TooLarge
            waiting.append((node.next, parent, depth))
            if node.is_text_node:
                parent.children.append(Text(parent, node.text_content or ""))
            elif node.is_element_node:
                element = self._element(node, parent)
                parent.children.append(element)
                waiting.append((node.child, element, depth + 1))
            else:
                parent.children.append(Comment(parent, _comment_text(node)))

    def select(self, selector: str) -> list[Element]:
        """The elements that a selector means.

        Raises:
            ValueError: it is no selector.
        """
        try:
            found = self._parser.css(selector)
        except Exception as error:  # the library raises a bare one
            raise ValueError(selector) from error
        return [self.by_key[node.mem_id] for node in found if node.mem_id in self.by_key]

    def elements(self) -> Iterator[Element]:
        """All, in the order of the source."""
        yield from self.by_key.values()


def _comments(root: LexborNode, way: str) -> list[str]:
    """Those beside the root, which a document may begin and end with; the nearest first."""
    found: list[str] = []
    node: LexborNode | None = getattr(root, way)
    while node is not None:
        if node.tag != "-doctype":
            found.append(_comment_text(node))
        node = getattr(node, way)
    return found


def _before(root: LexborNode) -> Iterator[LexborNode]:
    node = root.prev
    while node is not None:
        yield node
        node = node.prev


def _comment_text(node: LexborNode) -> str:
    """What browsers would read as a comment: lexbor sees instructions (``<?php``) as nodes of their own."""
    return (node.comment_content or "") if node.is_comment_node else (node.html or "").strip("<>")


def nodes(start: Element) -> Iterator[Node]:
    """Everything below an element, in the order of the source."""
    waiting: list[Node] = list(reversed(start.children))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Element):
            waiting += reversed(node.children)


def _lines(html: str) -> dict[str, list[int]]:
    """The lines of the start tags of each name; those in comments and raw text are none."""
    blanked = _COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), html)
    blanked = _RAW.sub(lambda match: match[1] + re.sub(r"[^\n]", " ", match[3]), blanked)
    found: dict[str, list[int]] = {}
    line, at = 1, 0
    for match in _START.finditer(blanked):
        line += blanked.count("\n", at, match.start())
        at = match.start()
        found.setdefault(match[1].lower(), []).append(line)
    return found
