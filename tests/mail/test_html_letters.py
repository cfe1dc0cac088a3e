"""Letters as business software writes them are taken as they are; the known tricks are refused, each with its place."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from time import process_time

import pytest

from sealpost.domain.errors import InvalidInput
from sealpost.mail.html.check import check_html
from sealpost.mail.html.show import show
from sealpost.mail.html.tree import Element, Text, Tree, nodes
from sealpost.mail.html.visible import NOT_SHOWN, is_blank
from sealpost.mail.text_twin import text_twin

FOLDER = Path(__file__).parent / "letters"
LETTERS = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.html"))}
TRICKS = [line.replace("\\n", "\n") for line in (FOLDER / "tricks.txt").read_text().splitlines()[1:]]
CARRIED = {"image001.png"}
REFUSED = {  # what authors must change: what is loaded from elsewhere, and hidden text
    "mjml-preheader": ["line 42: the style opacity: 0"],
    "mjml-remote-logo": ["line 48: an image that is loaded from elsewhere"],
    "webfont-template": ["line 1: the element link"],
}


def test_there_are_thirty_letters_and_nine_of_ten_are_taken() -> None:
    assert len(LETTERS) >= 30
    assert len(LETTERS) - len(REFUSED) >= 0.9 * len(LETTERS)


@pytest.mark.parametrize("name", LETTERS)
def test_letters(name: str) -> None:
    if name not in REFUSED:
        check_html("message_body", LETTERS[name], CARRIED)
        return
    with pytest.raises(InvalidInput) as refused:
        check_html("message_body", LETTERS[name], CARRIED)
    for words in REFUSED[name]:
        assert words in refused.value.why


@pytest.mark.parametrize("name", sorted(LETTERS.keys() - REFUSED.keys()))
def test_mail_and_text_say_the_same_words_in_the_same_order(name: str) -> None:
    fragment = show(LETTERS[name], {"image001.png": "part1@example.org"})
    assert said(Tree(LETTERS[name])) == said(Tree(fragment))
    marks = re.compile(r"<(?:https?:|mailto:)[^>]*>|\[[^\]]*\]|[-~\d.]")  # where links lead, images, bullets
    assert re.sub(r"\s", "", marks.sub("", text_twin(fragment))) == re.sub(
        r"\s", "", marks.sub("", said(Tree(fragment)))
    )
    assert not re.search(r"<(?:style|script|link|meta|html|body|head)\b|class=|id=|mso-", fragment)


def said(tree: Tree) -> str:
    texts = (node for node in nodes(tree.root) if isinstance(node, Text))
    words = [one.text for one in texts if not is_blank(one.text) and not _is_within(one.parent, NOT_SHOWN)]
    return "".join("".join(words).split())


def _is_within(element: Element | None, names: frozenset[str]) -> bool:
    while element is not None:
        if element.tag in names:
            return True
        element = element.parent
    return False


def test_what_was_taken_before_there_were_bounds_is_shown() -> None:
    assert show("<b>" * 500 + "x" + "</b>" * 500).count("<b>") == 500


@pytest.mark.parametrize("html", TRICKS, ids=range(len(TRICKS)))
def test_tricks_are_refused(html: str) -> None:
    with pytest.raises(InvalidInput):
        check_html("message_body", html)


def test_all_obstacles_are_named_at_once_each_with_its_line() -> None:
    html = "<p>a</p>\n<p onclick=x>b</p>\n<img src=http://x/y.png>\n<p style='color:red;position:fixed'>c</p>\n<script>\n</script>"
    with pytest.raises(InvalidInput) as refused:
        check_html("message_body", html)
    assert [part[:6] for part in refused.value.why.removeprefix("cannot be taken as it is: ").split("; line")] == [
        "line 2",
        " 3: an",
        " 4: th",
        " 5: th",
    ]


@pytest.mark.parametrize(
    "html",
    [
        "<p>" * 90_000, "<b>" * 90_000, "<p style='color:red'>x</p>" * 20_000, "<style>" + ".a .b .c{color:red}" * 1_900 + "</style>" + "<p class=a>x" * 5_000,
        "<!--" * 100_000, "<" * 300_000, "<p>" + "&lt;" * 200_000, "<style>" + "@media (a){" * 5_000 + "</style>", "<p style='" + "(" * 50_000 + "'>x", "<!--[if mso]>" + "<td>" * 100_000 + "<![endif]-->",
        "<style>" + "a," * 100_000 + "b{color:red}</style><p>x", "<p a=b " * 60_000, "<style " * 140_000, "<title" * 140_000,
    ],
    ids=range(14),
)  # fmt: skip
def test_work_is_bounded(html: str) -> None:
    began = process_time()
    with suppress(InvalidInput):
        check_html("message_body", html)
    assert process_time() - began < 5
