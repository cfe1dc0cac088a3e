"""The part of a checked letter that stands within a mail of ours: its body, each element with its own style.

For ``usecases/deliver``. A mail has a frame of its own, which a letter's style sheet must not reach, so that the rules that
hold plainly are written to the elements that they mean. The letter itself goes along as it came, to the octet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from sealpost.mail.html.sheet import read_sheet, ways
from sealpost.mail.html.style import Declaration
from sealpost.mail.html.tree import Element, Node, Text, Tree, names
from sealpost.mail.html.visible import cascade

VOID = frozenset({"br", "hr", "img", "col", "wbr"})
DROPPED = frozenset({"head", "title", "style", "meta"})
KEPT = names(
    "align valign width height bgcolor color href name target border cellpadding cellspacing nowrap colspan "
    "rowspan scope start type value reversed compact noshade size face clear hspace vspace span alt src lang dir "
    "title cite datetime"
)


def show(html: str, cids: Mapping[str, str] | None = None) -> str:
    """The body of a letter as a fragment.

    Args:
        html: a document or fragment that has passed ``check_html``.
        cids: by which Content-ID the mail carries an image: name in the letter → id. Without one its words stand there.
    """
    tree = Tree(html, bounded=False)
    css = [
        child.text for one in tree.elements() if one.tag == "style" for child in one.children if isinstance(child, Text)
    ]
    rules = [rule for text in css for rule in read_sheet(text).rules]
    styles = cascade(tree, ways(rules)[0]).styles
    return "".join(_pieces(tree, styles, cids or {}))


def _pieces(tree: Tree, styles: Mapping[int, dict[str, Declaration]], cids: Mapping[str, str]) -> Iterator[str]:
    waiting: list[Node | str] = [tree.root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, Text):
            yield escape(node.text, quote=False)
        elif isinstance(node, Element) and node.tag not in DROPPED:
            # Document and body become boxes, so that their colours and fonts are kept.
            tag = "div" if node.tag in {"html", "body"} else "span" if ":" in node.tag else node.tag
            yield _start(node, tag, styles.get(node.key, {}), cids)
            if tag not in VOID:
                waiting += [f"</{tag}>", *reversed(node.children)]


def _start(element: Element, tag: str, style: dict[str, Declaration], cids: Mapping[str, str]) -> str:
    given = {name: value for name, value in element.attributes.items() if name in KEPT}
    if element.tag == "body":
        legacy = {"background-color": given.pop("bgcolor", ""), "color": element.attributes.get("text", "")}
        before = "".join(f"{name}:{value};" for name, value in legacy.items() if value.replace("#", "").isalnum())
    else:
        before = ""
    if element.tag == "img" and given.get("src", "").strip().lower().startswith("cid:"):
        name = given["src"].strip()[4:]
        found = cids.get(name) or cids.get(name.rpartition("@")[0])
        given["src"] = f"cid:{found}" if found else ""
    css = before + ";".join(f"{name}:{one.value}" for name, one in style.items() if not name.startswith("mso-"))
    if css:
        given["style"] = css
    return f"<{tag}" + "".join(f' {name}="{escape(value)}"' for name, value in given.items()) + ">"
