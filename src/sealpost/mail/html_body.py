"""Bodies in HTML (contract, section 3): taken only when a strict allow-list would leave every octet's meaning as it is.

nh3 is used to *refuse*, never to alter: a registered letter is not silently changed. What is refused: script, style
sheets, forms, frames, remote loads, unknown elements and attributes.
"""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

import nh3

from sealpost.domain.errors import InvalidInput

LOOKS_HTML = re.compile(
    r"(?is)^\s*(?:<!doctype\s+html|<(?:html|head|body|div|p|h[1-6]|table|ul|ol|span|section|article)\b)|</(?:p|div|body|html|table|ul|ol|a|b|i|strong|em|h[1-6]|span)\s*>"
)
DOCUMENT = frozenset({"html", "head", "body", "title", "meta"})
TAGS = frozenset(
    [
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "caption",
        "center",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "del",
        "div",
        "dl",
        "dt",
        "em",
        "font",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "ins",
        "kbd",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
    ]
)
ATTRIBUTES: dict[str, set[str]] = {
    "*": {"title", "lang", "dir", "align", "valign", "width", "height", "class", "id", "style"},
    "a": {"href", "name"},
    "ol": {"start", "type"},
    "td": {"colspan", "rowspan", "bgcolor"},
    "th": {"colspan", "rowspan", "scope", "bgcolor"},
    "table": {"border", "cellpadding", "cellspacing", "bgcolor"},
    "font": {"color", "face", "size"},
    "col": {"span"},
}
# Inline declarations of plain values: nothing that loads, moves or hides (url, expression, position, escapes).
SAFE_STYLE = re.compile(
    r"(?is)(?!.*(?:url|expression|position|behaviou?r|binding|content|display\s*:\s*none))[\w\s#%.,:;()'\"!-]*"
)
SCHEMES = {"http", "https", "mailto", "tel"}


def is_html(text: str) -> bool:
    """Whether a body is an HTML document or fragment rather than plain text."""
    return LOOKS_HTML.search(text) is not None


class _Reader(HTMLParser):
    """Finds the first thing that the allow-list does not hold."""

    def __init__(self, field: str) -> None:
        super().__init__(convert_charrefs=True)
        self._field = field
        self.seen: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS | DOCUMENT:
            raise InvalidInput(self._field, f"has the element {tag[:40]}, which a message does not take")
        for name, value in attrs:
            self._check(tag, name, value or "")
        if tag not in DOCUMENT:
            self.seen[f"{tag} {sorted(name for name, _ in attrs)}"] += 1

    def _check(self, tag: str, name: str, value: str) -> None:
        if tag == "meta" and name in {"charset", "content", "name"}:
            return
        if name == "http-equiv" and value.lower() == "content-type":
            return
        if name not in ATTRIBUTES["*"] | ATTRIBUTES.get(tag, set()):
            raise InvalidInput(self._field, f"has the attribute {name[:40]} on {tag}, which is not taken")
        if name == "style" and not SAFE_STYLE.fullmatch(value):
            raise InvalidInput(self._field, f"has a style on {tag} that is not taken")
        if name == "href" and not re.match(r"(?i)(?:https?://|mailto:|tel:|#)", value.strip()):
            raise InvalidInput(self._field, f"has a link of a kind that is not taken, on {tag}")

    def handle_pi(self, data: str) -> None:
        del data
        raise InvalidInput(self._field, "has a processing instruction")

    def unknown_decl(self, data: str) -> None:
        del data
        raise InvalidInput(self._field, "has a declaration that is not HTML")


def check_html(field: str, text: str) -> None:
    """Refuses HTML that the allow-list would change.

    Args:
        field: the field's name for the error.
        text: an HTML document or fragment.

    Raises:
        InvalidInput: naming the element or attribute.
    """
    reader = _Reader(field)
    reader.feed(text)
    reader.close()
    # A second parser, of another make, must find nothing to take away: what two readers see differently is refused.
    again = _Reader(field)
    again.feed(shown(text))
    again.close()
    if reader.seen - again.seen:
        raise InvalidInput(field, "is HTML that two readers would see differently")


def shown(text: str) -> str:
    """The part of a checked document that a mail can show inside its own frame: elements of the allow-list only."""
    return nh3.clean(
        text,
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel=None,
        strip_comments=True,
        clean_content_tags={"script", "style", "title"},
    )
