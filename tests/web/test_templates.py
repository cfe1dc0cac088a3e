"""Every page in every language: all variables given, everything escaped, one heading, a title, nothing inline."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sealpost import web
from sealpost.text.catalogue import LANGUAGES, translator
from sealpost.text.sources import source_note
from sealpost.text.statuses import SOURCED_TEXTS, event_text
from sealpost.usecases.reads.ticket import TicketView
from sealpost.web.pages import render
from sealpost.web.ticket.page import told
from tests.web.specimens import FACE, HOSTILE, PERSON, VIEW, pages, sourced

EVERY = [
    pytest.param(language, *page, id=f"{language}: {page[0]}") for language in LANGUAGES for page in pages(language)
]


@pytest.mark.parametrize(("language", "name", "template", "context"), EVERY)
def test_page(language: str, name: str, template: str, context: dict[str, Any]) -> None:
    html = render(FACE, template, language, switches=(("nl", "Nederlands", "?lang=nl"),), **context)
    assert html.startswith(("<!doctype html>", "\n<!doctype html>")), name
    assert f'<html lang="{language}">' in html
    assert len(re.findall(r"<h1[ >]", html)) == 1
    assert re.search(r'<title dir="auto">\S.* \u2013 Sealpost</title>', html)
    assert HOSTILE not in html
    assert "<b>" not in html
    assert not re.search(r"<script|\sstyle=|\son\w+=|javascript:", html)
    assert not re.search(r"%\(\w+\)s|None\b|\{\{|\}\}|&amp;lt;|&lt;time|&lt;code", html), "a hole in a text"
    levels = [int(level) for level in re.findall(r"<h(\d)", html)]
    assert all(after - before <= 1 for before, after in pairwise(levels) if after > before)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("source", ["relay", "bounce"])
def test_the_ticket_page_says_whose_word_it_is(language: str, source: str) -> None:
    plain, html = (ticket_page(language, view) for view in (VIEW, sourced(source)))
    gettext = translator(language).gettext
    reached, relay = gettext("Reached the recipient’s mail server"), gettext("Accepted by a relay server")
    assert (reached in html, relay in html) == (source != "relay", source == "relay")
    assert (reached in plain, relay in plain) == (True, False)
    # Beside "when it counts", and under every status.
    assert html.count(source_note(source, language)) == len(VIEW.statuses) + 1
    assert source_note(source, language) not in plain
    for name in SOURCED_TEXTS[source]:
        assert f"<strong>{event_text(f'{name}.{source}', language)}</strong>" in html
        assert f"<strong>{event_text(name, language)}</strong>" not in html


def ticket_page(language: str, view: TicketView) -> str:
    return render(FACE, "ticket/ticket.html", language, session=PERSON, is_open=True, late=False, **told(view))


def test_every_template_is_shown() -> None:
    folder = Path(web.__path__[0]) / "templates"
    parts = {"base.html", "pieces.html", "pickup/facts.html"}
    written = {str(path.relative_to(folder)) for path in folder.rglob("*.html")}
    assert {template for _, template, _ in pages("en")} == written - parts


def test_the_banner_stands_in_the_demo_only() -> None:
    for demo in (True, False):
        html = render(replace(FACE, demo=demo), "pickup/no_link.html", "en")
        assert ("Demo: no legal value" in html) is demo
