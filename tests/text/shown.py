"""What a person is shown: the texts of an HTML page or mail, and those that a template or a module has unmarked."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser

from jinja2 import Environment, nodes

ATTRIBUTES = {
    "title",
    "alt",
    "aria-label",
    "aria-description",
    "aria-roledescription",
    "placeholder",
    "label",
    "summary",
}
MARKS = {"_", "gettext", "ngettext", "marked"}
# What is said to a person begins with a capital or has several words; keys, classes and ids do neither.
WORDS = re.compile(r"\s*(?:[^\W\d_][\w’'-]*[\s:,]+[^\W\d_]|[A-ZÀ-Þ][a-zß-ÿ]+[.:?!…]?\s*$)")
# Apart, so that a tag around it stays a tag: `<li{% if … %} class="x"{% endif %}>`.
_HOLE = " \ufffc "
_JINJA = Environment(extensions=["jinja2.ext.i18n"])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._unseen = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen = tag if tag in {"style", "script"} else self._unseen
        button = tag == "input" and dict(attrs).get("type") in {"submit", "button", "reset"}
        for name, value in attrs:
            if name in ATTRIBUTES or (button and name == "value"):
                self.texts.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._unseen = "" if tag == self._unseen else self._unseen

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.texts.append(data)


def shown(html: str) -> list[str]:
    """Every text of the page that is seen or read aloud, in order, blanks made one."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return [" ".join(text.split()) for text in reader.texts if text.strip()]


def unmarked_in_template(source: str, *, is_html: bool) -> list[str]:
    """Texts of a Jinja template that stand outside the gettext calls."""
    pieces: list[str] = []
    for _line, kind, value in _JINJA.lex(source):
        pieces.append(value if kind == "data" else _HOLE)
    bare = "".join(pieces)
    texts = shown(bare) if is_html else bare.splitlines()
    words = [one.strip() for text in texts for one in text.split(_HOLE.strip())]
    return [word for word in words if re.search(r"[^\W\d_]", word)] + list(_constants(_JINJA.parse(source)))


def _constants(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in MARKS:
        return
    if isinstance(node, nodes.Const) and isinstance(node.value, str) and WORDS.match(node.value):
        yield node.value
    for child in node.iter_child_nodes():
        yield from _constants(child)


def unmarked_in_python(source: str) -> list[str]:
    """Strings of a module that read as words; not its docstrings, what it raises, its annotations and what is marked."""
    tree = ast.parse(source)
    left = {id(one) for node in ast.walk(tree) for hidden in _unseen(node) for one in ast.walk(hidden)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left
        if WORDS.match(node.value)
    ]


def _unseen(node: ast.AST) -> list[ast.AST]:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Raise():
            return [node]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in MARKS | {"cast"}:
            return [node]
        case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=annotation) if annotation is not None:
            return [annotation]
        case _:
            return []
