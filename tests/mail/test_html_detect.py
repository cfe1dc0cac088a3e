"""No body with a tag becomes text, and none is guessed where nobody can tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.domain.errors import InvalidInput
from sealpost.mail.html.detect import ELEMENTS, INLINE, is_html

WORDS = st.text(alphabet="abc é.,&;()'\"", max_size=20)


@given(
    WORDS,
    st.sampled_from(sorted(ELEMENTS)),
    st.sampled_from(["<{}>", "</{}>", "<{}/>", "<{} a=b>", "<{}\t\n>", "<{}\n"]),
    WORDS,
    st.booleans(),
)
def test_every_elements_tag_makes_html(before: str, name: str, form: str, after: str, upper: bool) -> None:
    tag = form.format(name.upper() if upper else name)
    try:
        assert is_html("f", f"{before}{tag}{after}")
    except InvalidInput:
        assert name in INLINE
        assert "\n" in tag


@pytest.mark.parametrize(
    "text",
    [
        "Geachte heer,<br>U moet betalen.", "a<u>b</u>", "<center>a</center>", "<img src=x>", "<script>a</script>", "<!DOCTYPE html>a",
        "one\ntwo<br>three", "<b>a</b> <i>b</i>", "<P>a\nb",
    ],
)  # fmt: skip
def test_html(text: str) -> None:
    assert is_html("f", text)


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d",
        "<alice@example.org>",
        "1<2\n3>2",
        "<charlie@evil.example>",
        "x <- y",
        "<3",
        "<bold>",
        "a <b",
        "if a<b:\n  c",
    ],
)
def test_text(text: str) -> None:
    assert not is_html("f", text)


@pytest.mark.parametrize("text", ["one\ntwo <b>three</b>", "<b>a</b>\r\nb", "a\r<i>b</i>"])
def test_what_nobody_can_tell_is_refused_with_advice(text: str) -> None:
    with pytest.raises(InvalidInput, match="message_format"):
        is_html("f", text)
    assert is_html("f", text, "html")
    assert not is_html("f", text, "text")
