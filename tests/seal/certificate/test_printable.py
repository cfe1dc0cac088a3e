"""Hostile and foreign text: shown by its number where it cannot be printed, and never able to do anything."""

import json
from unicodedata import category, combining

import pytest
import typst
from hypothesis import given
from hypothesis import strategies as st

from sealpost.seal.certificate.printable import PRINTED, RUN, ZERO_WIDTH_SPACE, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Łukasz Ωμέγα Жанна", "Łukasz Ωμέγα Жанна"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("a\u2066b\u200bc\u200dd\ufeffe", "a⟨U+2066⟩b⟨U+200B⟩c⟨U+200D⟩d⟨U+FEFF⟩e"),
        ("a\r\nb\tc\0", "a⟨U+000D⟩⟨U+000A⟩b⟨U+0009⟩c⟨U+0000⟩"),
        ("a  b\u00a0c", "a  b⟨U+00A0⟩c"),
        ("中😀", "⟨U+4E2D⟩⟨U+1F600⟩"),
        ("\ud800\ue000", "⟨U+D800⟩⟨U+E000⟩"),
        ("e\u0301\u0302\u0303", "e\u0301\u0302⟨U+0303⟩"),
        ("#set page() *b* $x$ `c` @d <e> \\f", "#set page() *b* $x$ `c` @d <e> \\f"),
    ],
)
def test_shown(text: str, shown: str) -> None:
    assert printable(text, word=100) == shown


def test_a_long_word_can_be_broken() -> None:
    assert printable("a" * 30, word=28) == ZERO_WIDTH_SPACE.join(["a" * RUN, "a" * RUN, "a" * (30 - 2 * RUN)])
    assert printable("a" * 28, word=28) == "a" * 28


@given(st.text())
def test_only_printed_characters_and_our_own_breaks_come_out(text: str) -> None:
    assert set(printable(text)) <= PRINTED | {ZERO_WIDTH_SPACE}
    assert not any(combining(one) for one in printable(text, marks=0))


def test_nothing_invisible_is_in_the_table() -> None:
    assert {category(one)[0] for one in PRINTED} <= set("LMNPSZ")
    assert [one for one in PRINTED if category(one)[0] == "Z"] == [" "]


def test_the_pinned_fonts_print_every_character_of_the_table() -> None:
    source = b"""#set document(date: datetime(year: 2026, month: 1, day: 1, hour: 1, minute: 1, second: 1))
#let d = json(bytes(sys.inputs.d))
#for weight in ("regular", "semibold", "bold") {
  text(font: ("Libertinus Serif", "DejaVu Sans Mono"), weight: weight, d.t)
  text(font: ("DejaVu Sans Mono", "Libertinus Serif"), weight: weight, d.t)
}"""
    shown = " ".join(f"{one} a{one}" for one in sorted(PRINTED))
    made = typst.Compiler(ignore_system_fonts=True).compile(
        source, format="pdf", sys_inputs={"d": json.dumps({"t": shown})}, pdf_standards=["a-3b"], pdf_tags=False
    )
    assert made
