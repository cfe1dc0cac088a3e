"""The plain twin of an HTML body says what the HTML says."""

from __future__ import annotations

import re
from html import escape
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.mail.html.check import check_html
from sealpost.mail.text_twin import text_twin

TABLE = [
    ("<p>Dear Bob,</p><p>pay &euro;&nbsp;10&lt;5.</p>", "Dear Bob,\n\npay €\u00a010<5."),
    ("<p>one<br>two<br/><br>four</p>", "one\ntwo\n\nfour"),
    ("<div>a</div><div>b</div>", "a\nb"),
    ("<ul><li>one</li><li>two<ol start='3'><li>three</li><li>four</li></ol></li></ul>end", "- one\n- two\n  3. three\n  4. four\n\nend"),
    ('<p>See <a href="https://example.org/x">the terms</a>.</p>', "See the terms <https://example.org/x>."),
    ('<p><a href="https://example.org/x">https://example.org/x</a></p>', "https://example.org/x"),
    ('<p><a href="https://evil.example">https://bank.example</a></p>', "https://bank.example <https://evil.example>"),
    ('<p><a href="mailto:a@b.nl">a@b.nl</a> <a href="#top">up</a></p>', "a@b.nl up"),
    ("<table><tr><th>What</th><th>Sum</th></tr><tr><td>Rent</td><td>10</td></tr></table>", "What  Sum\nRent  10"),
    ("<p>now <del>100</del> <s>90</s> 80</p>", "now ~~100~~ ~~90~~ 80"),
    ("<pre>a  b\n  c</pre>x", "a  b\n  c\n\nx"),
    ("<p>  many \n blanks  </p>\n\n<p>\n</p><p>x</p>", "many blanks\n\nx"),
    ("<h1>Notice</h1>text<hr>end", "Notice\n\ntext\n\n--------------------\n\nend"),
    ("<html><head><meta charset='utf-8'><title>No</title></head><body><p>Yes <b>bo</b>ld</p></body></html>", "Yes bold"),
    ("<dl><dt>Term</dt><dd>Fourteen days</dd></dl>", "Term\n    Fourteen days"),
    ("</p></ul></a></pre><p>x", "x"),
    ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("html", "text"), TABLE)
def test_text(html: str, text: str) -> None:
    assert text_twin(html) == text


@pytest.mark.parametrize("html", [html for html, _ in TABLE if html and not html.startswith("</")])
def test_the_table_is_html_that_is_taken(html: str) -> None:
    check_html("message_body", html)


@pytest.mark.parametrize(
    "piece", ["<ul><li>", "<a href='#x'>", "x<br>", "<b>x</b> ", "<pre>", "<ol><li>x</li></ol>", "<del>"]
)
def test_a_hostile_megabyte_takes_no_minute(piece: str) -> None:
    began = perf_counter()
    text_twin(piece * (1_000_000 // len(piece)))
    assert perf_counter() - began < 10


WORDS = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1), min_size=1)
TAGS = st.sampled_from(["p", "div", "b", "i", "span", "li", "td", "h1", "blockquote", "u", "center"])


@given(st.lists(st.tuples(TAGS, WORDS), max_size=8))
def test_no_word_is_lost(pieces: list[tuple[str, list[str]]]) -> None:
    html = "".join(f"<{tag}>{escape(' '.join(words))}</{tag}>\n" for tag, words in pieces)
    expected = [word for _, words in pieces for word in words]
    found = re.split("[ \n]+", text_twin(html))
    assert [word for word in found if word not in {"", "-"}] == [word for word in expected if word != "-"]
