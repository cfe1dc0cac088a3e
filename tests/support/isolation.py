"""Where somebody else's words stand in HTML: each must be in an element that keeps their direction to itself."""

from html.parser import HTMLParser

VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "wbr"})
HIDDEN = ("display:none", "visibility:hidden", "opacity:0;", "max-height:0", "font-size:1px", "text-indent:-")


class Elements(HTMLParser):
    """Reads HTML for one marker.

    Args:
        marker: what stands in place of each text of others.

    Attributes:
        found: for each text with the marker, whether its nearest element is ``bdi`` or has ``dir=auto``.
        attributes: the elements and attributes with the marker in them.
        hidden: the styles that hide something.
    """

    def __init__(self, marker: str) -> None:
        super().__init__()
        self.marker, self.open = marker, list[tuple[str, bool]]()
        self.found, self.attributes, self.hidden = list[bool](), list[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.attributes += [f"{tag} {name}" for name, value in said.items() if self.marker in value]
        style = said.get("style", "").replace(" ", "") + ";"
        self.hidden += [style for sign in HIDDEN if sign in style] + [tag for name in said if name == "hidden"]
        if tag not in VOID:
            self.open.append((tag, tag == "bdi" or said.get("dir") == "auto"))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.marker in data:
            self.found.append(self.open[-1][1])


def elements(html: str, marker: str) -> Elements:
    """What ``Elements`` finds in a whole page or mail."""
    seen = Elements(marker)
    seen.feed(html)
    seen.close()
    return seen
