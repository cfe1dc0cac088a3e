"""Addresses, names, files and types: what is taken and what is refused, as data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.domain.content import file_name, media_type
from sealpost.domain.errors import InvalidInput
from sealpost.domain.ids import Buffered, is_ticket_token, ticket_token, uuid7
from sealpost.domain.parties import FORBIDDEN, address, line


@pytest.mark.parametrize(
    ("given", "normalised"),
    [
        ("bob@example.com", "bob@example.com"),
        ("Bob.O'Neil+tag@Example.COM", "Bob.O'Neil+tag@example.com"),
        ("jürgen@example.de", "jürgen@example.de"),
        ("ju\u0308rgen@example.de", "jürgen@example.de"),
        ("bob@münchen.example", "bob@xn--mnchen-3ya.example"),
        ("用户@例子.example", "用户@xn--fsqu00a.example"),
        ("a@b.co", "a@b.co"),
    ],
)
def test_addresses_taken(given: str, normalised: str) -> None:
    read = address("recipient_email", given)
    assert (read.given, read.normalised) == (given, normalised)


@pytest.mark.parametrize(
    "text",
    [
        "", "bob", "@example.com", "bob@", "bob@localhost", "bob@@example.com", "a b@example.com", '"bob"@example.com',
        "bob@[192.0.2.1]", "bob@192.0.2.1", ".bob@example.com", "bob.@example.com", "b..b@example.com",
        "Bob <bob@example.com>", "bob@example.com,charlie@example.com", "bob@example.com\r\nBcc: charlie@example.com",
        "bob@exam\u202eple.com", "bob\u0000@example.com", "alice@example.org)bob@example.com", "bob@-example.com",
        "bob@example-.com", "bob@exa_mple.com", "bob@.example.com", "bob@example..com", f"{'a' * 65}@example.com",
        f"bob@{'a' * 64}.com", f"a@{'b.' * 130}com", "bob\ud800@example.com", "b\u00a0b@example.com", "b\u200bb@example.com",
        "bob@straße.example", "bob@example.com ", " bob@example.com", "bob@example.com\u2028", "(c)bob@example.com", "bob@example.123",
    ],
)  # fmt: skip
def test_addresses_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        address("recipient_email", text)
    assert refused.value.field == "recipient_email"


@given(st.text())
def test_an_address_never_carries_what_splits_a_mail(text: str) -> None:
    try:
        read = address("x", text)
    except InvalidInput:
        return
    assert not FORBIDDEN.search(read.normalised)
    assert not set(read.normalised) & set(' <>,;:"()[]\\\r\n\0')
    assert read.normalised.count("@") == 1


@given(st.text(min_size=1, max_size=50))
def test_a_line_is_one_line(text: str) -> None:
    try:
        read = line("subject", text, 40)
    except InvalidInput:
        return
    assert len(read.splitlines()) == 1


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "a/b", "..\\b", "/etc/passwd", "a\0b", "a\nb", "a\u202ecod.exe", " a", "a ", "CON", "nul.txt",
     "com1.pdf", "é" * 200, "a" * 256, "message_body"],
)  # fmt: skip
def test_file_names_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        file_name("attachments[0].attachment_name", name)


@pytest.mark.parametrize(
    "name", ["notice.pdf", "Brief (kopie) – 2026.pdf", "契約.pdf", "a.b.c", "‘quoted’.txt", ".env"]
)
def test_file_names_taken(name: str) -> None:
    assert file_name("f", name) == name


@pytest.mark.parametrize(
    ("declared", "head", "taken"),
    [
        ("application/pdf", b"%PDF-1.7", True),
        ("APPLICATION/PDF", b"%PDF-1.7", True),
        ("image/png", b"%PDF-1.7", False),
        ("application/pdf", b"\x89PNG\r\n\x1a\n", False),
        ("image/jpeg", b"\x89PNG\r\n\x1a\n", False),
        ("application/pdf", b"PK\x03\x04", False),
        ("text/plain", b"%PDF-1.7", False),
        ("text/plain", b"MZ is how this text begins", True),
        ("application/octet-stream", b"%PDF-1.7", True),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK\x03\x04", True),
        ("application/x-unknown", b"%PDF-1.7", True),
        ("application/pdf", b"hello", True),
        ("text/csv", b"", True),
        ("application", b"", False),
        ("application/pdf; x=y", b"%PDF-", False),
        ("multipart/mixed", b"", False),
        ("message/rfc822", b"", False),
        ("text/plain\r\nX: y", b"", False),
    ],
)
def test_declared_types(declared: str, head: bytes, taken: bool) -> None:
    if taken:
        assert media_type("t", declared, head) == declared.lower()
    else:
        with pytest.raises(InvalidInput):
            media_type("t", declared, head)


@given(st.binary(min_size=16, max_size=16))
def test_ticket_tokens_keep_the_vendors_shape(octets: bytes) -> None:
    assert is_ticket_token(ticket_token(lambda _: octets))


@given(
    st.datetimes(timezones=st.just(__import__("datetime").UTC), min_value=__import__("datetime").datetime(1971, 1, 1))
)
def test_uuid7_sorts_by_time(at) -> None:
    made = uuid7(at, lambda size: b"\xff" * size)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int(at.timestamp() * 1000)


def test_buffered_randomness_hands_out_each_octet_once() -> None:
    given = iter(range(100))
    source = Buffered(lambda size: next(given).to_bytes(2, "big") * (size // 2))
    first = [source(1000) for _ in range(5)]
    assert [octets[:2] for octets in first] == [b"\0\0"] * 4 + [b"\0\1"]
    assert len(source(10_000)) == 10_000
