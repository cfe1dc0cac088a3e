"""Decides whether a letter in HTML is taken; says everything that is in the way at once, each with its place (contract, 3).

For the use cases that take letters in. The tree is the one that browsers see; a second parser of another make must see the
same, or the letter is refused: what two readers see differently is no one letter.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

import nh3
import pybase64

from sealpost.domain.errors import InvalidInput
from sealpost.mail.html.sheet import Fault, Rule, read_sheet, ways
from sealpost.mail.html.style import BadStyle, check_declaration, read_declarations
from sealpost.mail.html.tree import Comment, Element, Node, Text, TooLarge, Tree, names, nodes
from sealpost.mail.html.visible import NIGHT, Painted, cascade, is_blank, judge

MOST_OBSTACLES, MOST_WORK = 50, 20_000_000
STRUCTURE = frozenset({"html", "head", "body"})
ELEMENTS = STRUCTURE | names(
    "title meta style a abbr acronym address article aside b bdi big blockquote br caption center cite code col "
    "colgroup data dd del dfn dir div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img "
    "ins kbd li main mark menu nav nobr ol p pre q s samp section small span strike strong sub sup table tbody td "
    "tfoot th thead time tr tt u ul var wbr"
)
OFFICE = re.compile(r"(?:o|w|st1|u1|m):[a-z][a-z0-9]*")
"""Elements of Word's, which browsers show as the words in them."""
ATTRIBUTES = names(
    "style class id title lang xml:lang dir align valign width height bgcolor color role name target rel border "
    "cellpadding cellspacing nowrap colspan rowspan scope headers abbr summary start type value reversed compact "
    "noshade size face clear cite datetime alt hspace vspace span link vlink alink text leftmargin topmargin "
    "rightmargin bottommargin marginheight marginwidth itemscope itemprop itemtype bordercolor frame rules char "
    "charoff axis tabindex spellcheck translate w:st xml:space hidden media http-equiv content charset property "
    "scheme loading decoding moz-do-not-send moz-signature vertical-align"
)
FREE = re.compile(r"(?:data-|aria-|xmlns(?::|$)|mc:|v:ext|o:|w:)[\w.:-]*")
LINKS = re.compile(r"(?:https?://|mailto:|tel:|#)", re.IGNORECASE)
IMAGES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "jpg": b"\xff\xd8\xff", "gif": b"GIF8"}
_DATA = re.compile(r"data:image/(png|jpe?g|gif);base64,(.*)", re.IGNORECASE | re.DOTALL)
_CONDITION = re.compile(r"\s*\[if\s+([^\]]*)\]>?\s*(?:<!)?\s*", re.IGNORECASE)
_END = re.compile(r"(?:<!)?\s*\[endif\]\s*(?:--)?\s*", re.IGNORECASE)
_MARKUP = re.compile(r"\[CDATA\[|\?(?!xml)", re.IGNORECASE)
"""What browsers read as a comment and others as something else; Word begins with ``<?xml …>``."""
_OVERRIDES = re.compile("[\u202d\u202e]")
BOXES = {"width", "height", "border", "cellpadding", "cellspacing", "hspace", "vspace"}
DIRECTIONS = frozenset({"ltr", "rtl", "auto", ""})
INERT_META = frozenset({"content-type", "x-ua-compatible", "content-language", "content-style-type"})
LARGEST_BOX, LONGEST_MARKER = 4000, 8
ADVICE = {
    "link": "put the rules into a style element",
    "script": "a letter runs nothing",
    "base": "write whole addresses",
}


class Obstacles:
    """What is in the way, each once, with its place."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, node: Node | None, what: str) -> None:
        element = node if isinstance(node, Element) else node.parent if node else None
        place = f"line {element.line}: " if element and element.line else ""
        self._add(f"{place}{what}")

    def add_fault(self, style: Element, fault: Fault) -> None:
        line = style.line + fault.line - 1 if style.line else 0
        self._add(f"line {line}: {fault.what}" if line else fault.what)

    def _add(self, said: str) -> None:
        if said not in self.found and len(self.found) < MOST_OBSTACLES:
            self.found.append(said)


def check_html(field: str, html: str, images: Collection[str] = ()) -> None:
    """Refuses a letter that would load, run, send, hide or overlay anything, or that readers would see differently.

    Args:
        field: the field's name for the error.
        html: a document or a fragment.
        images: names of the message's attachments, which ``cid:`` may mean.

    Raises:
        InvalidInput: naming all obstacles, at most ``MOST_OBSTACLES``, in the order of the letter.
    """
    try:
        tree = Tree(html)
    except TooLarge:
        raise InvalidInput(field, "is HTML of more elements, or nested deeper, than a letter has") from None
    found = Obstacles()
    if html.count("\0"):
        found.add(None, "a NUL")
    _check_nodes(tree, frozenset(images), found)
    rules = _check_styles(tree, found)
    _check_conditions(tree, found)
    if not found.found:  # what is computed from refused rules says nothing
        _check_ways(tree, rules, found)
    if not found.found and not _same(html, tree):
        found.add(None, "HTML that two readers would see differently: close what is opened, and nest it properly")
    if found.found:
        raise InvalidInput(field, "cannot be taken as it is: " + "; ".join(found.found))


def _check_nodes(tree: Tree, images: frozenset[str], found: Obstacles) -> None:
    for element in tree.elements():
        if element.tag not in ELEMENTS and not OFFICE.fullmatch(element.tag):
            advice = ADVICE.get(element.tag, "")
            found.add(element, f"the element {element.tag[:40]}" + (f"; {advice}" if advice else ""))
            continue
        for name, value in element.attributes.items():
            why = _attribute_fault(element, name, value, images)
            if why:
                found.add(element, f"{why} on {element.tag}")
    for node in nodes(tree.root):
        if isinstance(node, Comment) and _MARKUP.match(node.text):
            found.add(node, "an instruction or a section of another markup")
        if isinstance(node, Text) and _OVERRIDES.search(node.text):
            found.add(node, "a character that turns the reading direction by force (U+202D, U+202E)")


def _attribute_fault(element: Element, name: str, value: str, images: frozenset[str]) -> str:
    """Why an attribute is not taken; empty: it is."""
    special = {
        ("img", "src"): lambda: _image_fault(value, images),
        ("a", "href"): lambda: _link_fault(value),
        (element.tag, "style"): lambda: _style_fault(value),
        ("style", "type"): lambda: (
            "" if value.strip().lower() in {"", "text/css"} else "a style sheet of another language"
        ),
        (element.tag, "dir"): lambda: (
            "" if value.strip().lower() in DIRECTIONS else "a reading direction that there is not"
        ),
        (element.tag, "contenteditable"): lambda: "" if value == "false" else "a text that the reader may change",
        ("meta", "http-equiv"): lambda: "" if value.strip().lower() in INERT_META else "a meta that acts",
    }.get((element.tag, name))
    if special:
        return special()
    if element.tag == "meta":
        return ""
    if name not in ATTRIBUTES and not FREE.fullmatch(name):
        return f"the attribute {name[:40]}"
    number = re.match(r"\s*(\d{1,9})", value) if name in BOXES else None
    return f"a very large {name}" if number and int(number[1]) > LARGEST_BOX else ""


def _link_fault(value: str) -> str:
    return "" if LINKS.match(value.strip()) or not value.strip() else "a link of a kind that is not taken"


def _image_fault(value: str, images: frozenset[str]) -> str:
    """An image stands in the letter itself, or comes with it."""
    text = value.strip()
    if text.lower().startswith("cid:"):
        name = text[4:]
        carried = name in images or name.rpartition("@")[0] in images
        return (
            "" if carried else f"an image that the message does not carry (cid:{name[:60]}); attach a file of that name"
        )
    data = _DATA.fullmatch(text)
    if data is None:
        return "an image that is loaded from elsewhere; put it in as data: or as cid: of an attachment" if text else ""
    try:
        octets = pybase64.b64decode(re.sub(r"\s", "", data[2]).encode(), validate=True)
    except ValueError:
        octets = b""
    return "" if octets.startswith(IMAGES[data[1].lower()]) else "an image that is not of its type"


def _style_fault(value: str) -> str:
    try:
        for one in read_declarations(value):
            check_declaration(one)
    except BadStyle as bad:
        return str(bad)
    return ""


def _check_styles(tree: Tree, found: Obstacles) -> list[Rule]:
    """The rules of all style sheets, those that Word alone would read among them."""
    rules: list[Rule] = []
    for element in tree.elements():
        if element.tag == "style":
            sheet = read_sheet(_css(element), element.attributes.get("media", "").strip().lower().replace("all", ""))
            rules += sheet.rules
            for fault in sheet.faults:
                found.add_fault(element, fault)
    if len(rules) * len(tree.by_key) > MOST_WORK:
        found.add(None, "more rules of style than a letter of this size has")
        return []
    return rules


def _check_ways(tree: Tree, rules: list[Rule], found: Obstacles) -> None:
    canvases = [Painted(), NIGHT] if _knows_the_dark(tree, rules) else [Painted()]
    if not tree.is_standard and any(element.tag == "table" for element in tree.elements()):
        canvases += [replace(one, quirks=one.ink) for one in canvases]
    word = _rules_of_comments(tree)
    for way in [*ways(rules), *([ways(rules)[0] + word] if word else [])]:
        try:
            painted = cascade(tree, way)
        except ValueError as bad:
            found.add(None, f"the selector {str(bad)[:60]}")
            continue
        for canvas in canvases:
            for element, text, why in judge(tree, replace(painted, start=canvas)):
                shown = " ".join(text.split())[:40]
                found.add(element, f"{why}: “{shown}”" if shown else why)


def _rules_of_comments(tree: Tree) -> list[Rule]:
    """Those that Word alone would read."""
    inner = [
        Tree(node.text[begins.end() :])
        for node in nodes(tree.root)
        if isinstance(node, Comment) and (begins := _CONDITION.match(node.text))
    ]
    return [
        rule
        for one in inner
        for element in one.elements()
        if element.tag == "style"
        for rule in read_sheet(_css(element)).rules
    ]


def _css(style: Element) -> str:
    return "".join(child.text for child in style.children if isinstance(child, Text))


def _knows_the_dark(tree: Tree, rules: list[Rule]) -> bool:
    """Whether the letter asks to be painted in light colours upon dark where the reader likes that."""
    said = [one.value for rule in rules for one in rule.declarations if one.name == "color-scheme"]
    said += [
        one.attributes.get("content", "")
        for one in tree.elements()
        if one.attributes.get("name", "").lower() == "color-scheme"
    ]
    said += [one.attributes["style"] for one in tree.elements() if "color-scheme" in one.attributes.get("style", "")]
    return any("dark" in text.lower() for text in said)


def _check_conditions(tree: Tree, found: Obstacles) -> None:
    """Comments that Word alone reads may hold scaffolding; what it alone leaves out, too."""
    without: Comment | None = None  # for what it alone leaves out
    for node in nodes(tree.root):
        if isinstance(node, Comment):
            begins = _CONDITION.match(node.text)
            rest = _END.sub("", node.text[begins.end() :]) if begins else ""
            if begins and (fault := _scaffolding_fault(rest)):
                found.add(node, f"a conditional comment with {fault}, which only some readers would see")
            if begins and not _END.search(node.text):
                without = node
            elif not begins and _END.search(node.text):
                without = None
        elif without and _says_something(node) and not _is_marker(without, node):
            found.add(node, "text, an image or a link that some readers would not see (between [if …] and [endif])")


def _is_marker(begin: Comment, node: Node) -> bool:
    """A list's bullet or number, which Word writes for those who do not know its lists."""
    return "!support" in begin.text and isinstance(node, Text) and len("".join(node.text.split())) <= LONGEST_MARKER


def _says_something(node: Node) -> bool:
    if isinstance(node, Text):
        return node.parent.tag not in {"style", "title"} and not is_blank(node.text)
    return isinstance(node, Element) and (node.tag == "img" or (node.tag == "a" and "href" in node.attributes))


def _scaffolding_fault(html: str) -> str:
    try:
        inner = Tree(html)
    except TooLarge:
        return "too much in it"
    for node in nodes(inner.root):
        if isinstance(node, Element) and node.tag.startswith("v:"):
            return "a drawing (VML)"
        if isinstance(node, Element) and node.tag == "style":
            if faults := read_sheet(_css(node)).faults:
                return faults[0].what
        elif _says_something(node) and not _is_in_settings(node):
            return "text, an image or a link"
    return ""


def _is_in_settings(node: Node) -> bool:
    """Within Word's ``<xml>``, which holds its settings and is never shown."""
    above = node.parent
    while above is not None:
        if above.tag == "xml":
            return True
        above = above.parent
    return False


def _same(html: str, tree: Tree) -> bool:
    """Whether html5ever sees what lexbor does: the same elements with the same attributes around the same words."""
    tags = {element.tag for element in tree.elements()} - STRUCTURE
    attributes = {tag: set[str]() for tag in tags}
    for element in tree.elements():
        if element.tag in attributes:
            attributes[element.tag] |= set(element.attributes)
    again = nh3.clean(
        html, tags=tags, attributes=attributes, clean_content_tags=set(), strip_comments=True, link_rel=None,
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"}, generic_attribute_prefixes=None,
    )  # fmt: skip
    return list(_events(tree)) == list(_events(Tree(again)))


def _events(tree: Tree) -> Iterator[tuple[str, ...]]:
    """Begin of each element and the words between, as one reader sees them; the frame of a document is anybody's."""
    words = ""
    for node in nodes(tree.root):
        if isinstance(node, Text):
            words += node.text
        elif isinstance(node, Element) and node.tag not in STRUCTURE:
            if words.strip():
                yield ("words", " ".join(words.split()))
            words = ""
            depth, above = 0, node.parent
            while above is not None:
                depth, above = depth + (above.tag not in STRUCTURE), above.parent
            yield (
                "element",
                node.tag,
                str(depth),
                *sorted(f"{name}={value}" for name, value in node.attributes.items()),
            )
    if words.strip():
        yield ("words", " ".join(words.split()))
