"""Member names: plain ASCII, whatever a sender calls a file."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.domain.content import plain_name
from sealpost.seal.bundle import names


@pytest.mark.parametrize(
    ("given_name", "safe"),
    [
        ("notice.pdf", "notice.pdf"),
        ("Überweisung März.pdf", "Uberweisung_Marz.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        (".htaccess", "htaccess"),
        ("\u202efdp.exe", "fdp.exe"),
        ("中文", "file"),
        ("a" * 300 + ".pdf", "a" * 76 + ".pdf"),
        ("x." + "y" * 300, ("x." + "y" * 300)[:80]),
        ('a"b<c>&.txt', "a_b_c_.txt"),
        ("", "file"),
    ],
)
def test_a_safe_name(given_name: str, safe: str) -> None:
    assert plain_name(given_name) == safe


@given(st.text(max_size=400))
def test_every_name_becomes_a_plain_one(name: str) -> None:
    assert re.fullmatch(r"content/01-[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}", names.content(1, name))


def test_numbers_have_three_digits_or_more() -> None:
    assert [names.record(1), names.seal(12), names.salt(123), names.proof(1234)] == [
        "records/001.json",
        "records/012.jades.json",
        "records/123.salt",
        "proofs/1234.tlog-proof",
    ]
    assert names.mail(2, "announcement.eml") == "mail/2-announcement.eml"
    assert names.checkpoint("2026", 47) == "checkpoints/2026-47.txt"
    assert names.token("2026", 47) == "checkpoints/2026-47.tsr"
