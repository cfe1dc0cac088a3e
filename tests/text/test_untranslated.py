"""No text reaches a person untranslated: no English in what is rendered, no words outside the gettext calls."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sealpost.text.catalogue import LANGUAGES, LOCALE, SOURCE
from sealpost.text.statuses import VENDOR_TEXTS
from sealpost.web.pages import render
from tests.mail.test_compose import KINDS, compose
from tests.text.catalogues import translations
from tests.text.shown import shown, unmarked_in_python, unmarked_in_template
from tests.web.specimens import FACE, pages

SEALPOST = LOCALE.parents[1]
OTHERS = [language for language in LANGUAGES if language != SOURCE]
EVERY = [pytest.param(language, *page, id=f"{language}: {page[0]}") for language in OTHERS for page in pages(language)]
# The same in every language: names, formats, and pieces of a tag that stand in a block of their own.
NO_WORDS = {
    "Sealpost", "S", "SHA-256", "HTML", "POST", "/oauth/client_credential/accesstoken", "/webservice/mailsender/send",
    'class="wide"', 'class="inbox',
    "email",  # aria-roledescription, written by the MJML compiler
}  # fmt: skip
NO_PYTHON_WORDS = {
    *VENDOR_TEXTS.values(),  # the XML interface's, which keeps them in Dutch
    "Nederlands", "English", "Deutsch", "Français",  # each language is called by its own name
    "Location", "From", "Subject", "To",  # header fields
    "public, max-age=31536000, immutable", "public, max-age=5", "public, max-age=300", "allow-popups allow-popups-to-escape-sandbox", "d MMM y HH:mm:ss",
}  # fmt: skip


def english_left(texts: list[str], language: str) -> list[str]:
    """English texts of the catalogue, or long pieces of them, that stand among these texts."""
    whole, left = " ".join(texts), list[str]()
    for translation in translations(language):
        for english in {*translation.english} - {*translation.texts}:
            pieces = [piece.strip(" .:()") for piece in re.split(r"%\(\w+\)s", english)]
            long = [piece for piece in pieces if piece.count(" ") >= 2 and piece in whole]
            left += [english] if english in texts or long else []
    return left


@pytest.mark.parametrize(("language", "name", "template", "context"), EVERY)
def test_no_page_shows_english(language: str, name: str, template: str, context: dict[str, Any]) -> None:
    html = render(FACE, template, language, switches=(), **context)
    assert english_left(shown(html), language) == [], name


@pytest.mark.parametrize("demo", [True, False])
@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_mail_shows_english(kind: str, language: str, demo: bool) -> None:
    mail = compose(kind, language, demo=demo)
    labels = [label for line in mail.text.splitlines() for label in (line.strip(" *"), line.partition(":")[0])]
    assert english_left([mail.subject, *labels], language) == []
    assert english_left(shown(mail.html), language) == []


@pytest.mark.parametrize(
    ("texts", "left"),
    [
        (["Afzender", "Alice"], []),
        (["Sender", "Alice"], ["Sender"]),
        (["From Sender to Bob"], []),
        (["Alice accepted your message.", "x"], ["%(recipient)s accepted your message."]),
        (["Hier: Nothing is decided yet!"], ["Nothing is decided yet"]),
        (["Dashboard", "Demo"], []),
    ],
)
def test_english_is_found(texts: list[str], left: list[str]) -> None:
    assert english_left(texts, "nl") == left


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=str(path.relative_to(SEALPOST)))
        for path in sorted(SEALPOST.glob("*/templates/**/*"))
        if path.suffix in {".html", ".txt", ".xml"}
    ],
)
def test_no_template_has_unmarked_words(path: Path) -> None:
    assert set(unmarked_in_template(path.read_text(), is_html=path.suffix != ".txt")) - NO_WORDS == set()


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=str(path.relative_to(SEALPOST)))
        for path in sorted(
            [*SEALPOST.glob("web/**/*.py"), *SEALPOST.glob("text/*.py"), SEALPOST / "mail" / "compose.py"]
        )
        if path.stat().st_size
    ],
)
def test_no_module_has_unmarked_words(path: Path) -> None:
    assert set(unmarked_in_python(path.read_text())) - NO_PYTHON_WORDS == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>{{ _('Good day') }}</p>", []),
        ("<p>Good day</p>", ["Good day"]),
        ("<p>{{ _('Good') }} day</p>", ["day"]),
        ("<p>{% if x %}Yes{% else %}{{ _('No') }}{% endif %}</p>", ["Yes"]),
        ('<a title="Help" href="/x y">{{ _("Help") }}</a>', ["Help"]),
        ('<img alt="A seal">', ["A seal"]),
        ("<nav aria-label=\"{{ _('Pages') }} here\"></nav>", ["here"]),
        ('<input placeholder="Name" value="x">', ["Name"]),
        ('<input type="submit" value="Send">', ["Send"]),
        ('<p{% if x %} class="note"{% endif %} id="a">{{ x }}</p>', []),
        ("<p>{{ x or 'Nothing yet' }}</p>", ["Nothing yet"]),
        ("{% set title = 'Hello' %}<p>{{ title }}</p>", ["Hello"]),
        ("<p>{{ box(_('Oh'), 'accept', _('No')) }} · {{ 3 }} –</p>", []),
        ("{% trans %}Good day{% endtrans %}", ["Good day"]),
        ("{# A remark #}<style>p { color: red }</style><!-- no -->", []),
    ],
)
def test_unmarked_words_of_a_template_are_found(source: str, found: list[str]) -> None:
    assert unmarked_in_template(source, is_html=True) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""A module."""\nX = marked("Good day")', []),
        ('TITLE = "Good day"', ["Good day"]),
        ('X = {"a": "Refused"}', ["Refused"]),
        ('def f():\n    return gettext("Good day")', []),
        ('def f():\n    """Does it."""\n    raise ValueError("not that one")', []),
        ('f(title="Not found", key="not_found", path="/a b")', ["Not found"]),
        ('page(f"Good day {name}")', ["Good day "]),
    ],
)
def test_unmarked_words_of_a_module_are_found(source: str, found: list[str]) -> None:
    assert unmarked_in_python(source) == found
