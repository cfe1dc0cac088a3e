"""The text of an HTML body, for the plain part of the content mail: the same words in the same order, nothing left out.

For ``sealpost.usecases.deliver``, with HTML as ``html.show`` writes it. Layout is kept where it carries
meaning: paragraphs, lists and their numbers, table rows, where links lead, and what is struck out.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "hr"})
LINES = frozenset({"div", "li", "dt", "dd", "tr", "caption", "center", "br", "title"})
CELLS = frozenset({"td", "th"})
MARKS = {"del": "~~", "s": "~~", "strike": "~~", "q": '"', "hr": "-" * 20 + "\n\n", "dd": "    "}
STRUCK = frozenset({"del", "s", "strike", "q"})
DEEPEST = 20
BLANKS = re.compile("[ \t\n\r\f]+")  # HTML's white space; a no-break space is a character
BLANK_LINES = re.compile(r"\n{3,}")
LINE_ENDS = re.compile(r"[ \t]+\n")


def text_twin(html: str) -> str:
    """The text.

    Args:
        html: a document or fragment of the allow-list's elements.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return BLANK_LINES.sub("\n\n", LINE_ENDS.sub("\n", reader.text)).strip("\n ")


class _Reader(HTMLParser):
    """Writes text as it reads; ``_lists`` has the next number of each open list, or None for one without numbers."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._end = "\n\n"  # the last two characters so far; the beginning is an empty line
        self._lists: list[int | None] = []
        self._links: list[tuple[str, int]] = []
        self._kept = 0
        self._title = False

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._break(tag)
        given = dict(attrs)
        if tag in {"ul", "ol"}:
            self._lists.append(_number(given.get("start")) if tag == "ol" else None)
        elif tag == "li":
            self._write(self._bullet())
        elif tag == "img" and given.get("alt"):
            self._write(f"[{given['alt']}]")
        elif tag == "a":
            self._links.append((given.get("href") or "", len(self._pieces)))
        elif tag in CELLS and not self._end.endswith("\n"):
            self._write("  ")
        self._kept += tag == "pre"
        self._title = self._title or tag == "title"
        self._write(MARKS.get(tag, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in {"ul", "ol"} and self._lists:
            self._lists.pop()
        if tag == "a" and self._links:
            self._lead(*self._links.pop())
        self._kept -= tag == "pre" and self._kept > 0
        self._title = self._title and tag != "title"
        if tag in STRUCK:
            self._write(MARKS[tag])
        self._break(tag if tag != "br" else "")

    def handle_data(self, data: str) -> None:
        if self._title:
            return
        words = data if self._kept else BLANKS.sub(" ", data)
        self._write(words.lstrip(" ") if not self._kept and self._end[-1] in " \n" else words)

    def _write(self, text: str) -> None:
        if text:
            self._pieces.append(text)
            self._end = (self._end + text)[-2:]

    def _break(self, tag: str) -> None:
        """Ends the line, and where a paragraph begins or ends leaves one empty."""
        if tag not in PARAGRAPHS | LINES or not self._pieces:
            return
        if tag == "br" or not self._end.endswith("\n"):
            self._write("\n")
        if tag in PARAGRAPHS and not (tag in {"ul", "ol"} and self._lists) and self._end != "\n\n":
            self._write("\n")

    def _bullet(self) -> str:
        indent = "  " * (min(len(self._lists), DEEPEST) - 1)
        number = self._lists[-1] if self._lists else None
        if number is None:
            return f"{indent}- "
        self._lists[-1] = number + 1
        return f"{indent}{number}. "

    def _lead(self, target: str, begin: int) -> None:
        """Writes where a link leads, unless its words say so already: no reader may see less than the other."""
        shown = "".join(self._pieces[begin:]).strip()
        if target and not target.startswith("#") and shown not in {target, target.removeprefix("mailto:")}:
            self._write(f" <{target}>")


def _number(start: str | None) -> int:
    return int(start) if start and re.fullmatch(r"-?[0-9]{1,6}", start) else 1
