"""Addresses, names, files and types: what is taken and what is refused, as data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.domain.content import file_name, media_type
from sealpost.domain.errors import InvalidInput
from sealpost.domain.ids import Buffered, is_ticket_token, ticket_token, uuid7
from sealpost.domain.lines import FORBIDDEN, IGNORABLE, line, visible
from sealpost.domain.parties import address, check_name, kept_address


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
        ("bob@straße.example", "bob@xn--strae-oqa.example"),
        ("bob@STRAẞE.example", "bob@xn--strae-oqa.example"),
        ("bob@βόλος.example", "bob@xn--nxasmm1c.example"),
        ("bob@example。com", "bob@example.com"),
        ("bob@ＥＸＡＭＰＬＥ．com", "bob@example.com"),
        ("bob@xn--i-7iq.example", "bob@xn--i-7iq.example"),  # a domain that IDNA 2008 knows in this form only
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
        "bob@☕.example", "bob@exam\u00adple.com", "bob@example.com ", " bob@example.com", "bob@example.com\u2028", "(c)bob@example.com", "bob@example.123",
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


@given(
    st.sampled_from(
        "\u00ad\u034f\u115f\u1160\u17b4\u180e\u200b\u200d\u2060\u3164\ufe0f\uffa0\U0001d173\U000e0041\U000e0100"
    )
)
def test_no_part_of_an_address_holds_what_nobody_sees(hidden: str) -> None:
    for text in (
        f"b{hidden}ob@example.com",
        f"bob@ex{hidden}ample.com",
        f"{hidden}bob@example.com",
        f"bob@example.com{hidden}",
    ):
        with pytest.raises(InvalidInput):
            address("recipient_email", text)


def test_the_table_of_invisible_characters_is_unicodes() -> None:
    """DerivedCoreProperties.txt gives their number."""
    assert sum(IGNORABLE.fullmatch(chr(code)) is not None for code in range(0x110000)) == 4174


@given(st.text(st.characters(max_codepoint=0x2FFF, exclude_categories=["Cs"]), min_size=1, max_size=12))
def test_a_domain_is_kept_in_letters_that_every_server_reads(text: str) -> None:
    try:
        read = address("x", f"bob@{text}.example")
    except InvalidInput:
        return
    assert read.domain.isascii()
    assert read.domain == read.domain.lower()
    assert address("x", read.normalised).normalised == read.normalised  # what is kept reads as itself


@pytest.mark.parametrize("local", [".bob", "bob.", "b..b", "..b...b.."])
def test_dots_in_odd_places_are_taken_where_they_are_allowed(local: str) -> None:
    with pytest.raises(InvalidInput):
        address("recipient_email", f"{local}@example.com")
    assert address("recipient_email", f"{local}@example.com", odd_dots=True).normalised == f"{local}@example.com"


@pytest.mark.parametrize("local", ["", ".", "...", "b .b", '"b"..b', "b..(c)", "=?.?="])
def test_dots_alone_are_no_address(local: str) -> None:
    with pytest.raises(InvalidInput):
        address("recipient_email", f"{local}@example.com", odd_dots=True)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("bob@☕.example", "bob@xn--53h.example"),
        ("b\u115fob@example.com", "b\u115fob@example.com"),
        ("bob@exam\u00adple.com", "bob@example.com"),
        ("b..b@example.com", "b..b@example.com"),
        ("bob@straße.example", "bob@xn--strae-oqa.example"),
    ],
)
def test_an_address_that_an_earlier_release_took_stays_what_it_was(text: str, normalised: str) -> None:
    assert kept_address(text).normalised == normalised


@pytest.mark.parametrize(
    "text", ["", "bob", "bob\r\n@example.com", "bob@localhost", "b b@example.com", "bob@\ud800.com"]
)
def test_what_no_release_took_is_no_address(text: str) -> None:
    with pytest.raises(InvalidInput):
        kept_address(text)


ALICE = address("sender_email", "Alice@straße.example")


@pytest.mark.parametrize(
    "name",
    [
        "Bank <service@example.com>", "service@example.com", "Bank service@example.com", "Bank (service@example.com)",
        "Bank service＠example.com", "Bank service﹠﹫example.com", "Bank service@example。com", "Bank service@exam\u200bple.com",
        "Bank service@exam\u00adple.com", "Bank <service @ example.com>", "Bank <service@localhost>", "service@[192.0.2.1]",
        "xalice@straße.example", "alice@straße.example.com", "alice@xn--strae-oqa.example, service@example.com",
        "Alice <alice@straße.example> <service@example.com>", '"service desk"@example.com', "service@münchen.example",
        "mailto:service@example.com", "ｓｅｒｖｉｃｅ@example.com",
    ],
)  # fmt: skip
def test_a_name_with_somebody_elses_address_is_refused(name: str) -> None:
    for own in (ALICE, None):
        with pytest.raises(InvalidInput) as refused:
            check_name("sender_real_name", name, own)
        assert refused.value.field == "sender_real_name"


@pytest.mark.parametrize(
    "name",
    ["Alice", "Kids@Home", "Caf@", "@alice", "Alice @ Example", "Rock @ St. Pauli", "P@rade 2.0", "A&B <3", "Prix 5 @ 3.20",
     "a < b@c"],
)  # fmt: skip
def test_a_name_with_an_at_sign_alone_is_a_name(name: str) -> None:
    check_name("sender_real_name", name, None)


@pytest.mark.parametrize(
    "name",
    ["alice@straße.example", "ALICE@XN--STRAE-OQA.EXAMPLE", "'alice@straße.example'", "Alice <Alice@straße.example>",
     "Alice (alice＠straße.example)", "mailto:alice@straße.example."],
)  # fmt: skip
def test_the_own_address_may_stand_in_a_name(name: str) -> None:
    check_name("sender_real_name", name, ALICE)
    with pytest.raises(InvalidInput):
        check_name("sender_real_name", name, None)


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_words_around_an_address_make_it_a_name(before: str, after: str) -> None:
    with pytest.raises(InvalidInput):
        check_name("x", f"{before} <service@example.com> {after}", ALICE)


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("نامه\u200cها", True),  # Persian needs the non-joiner
        ("👩\u200d❤\ufe0f\u200d👨 1\ufe0f\u20e3", True),
        ("葛\U000e0100城", True),
        ("Kündi\u00adgung", True),
        ("ភាសា\u200bខ្មែរ", True),
        ("a\u3164b", False),
        ("a\u115fb", False),
        ("a\uffa0b", False),
        ("a\u2063b", False),
        ("\u200b \u2060", False),
        ("\ufe0f", False),
        ("a" + "\ufe00\ufe01\ufe02", False),  # octets can be hidden in these
    ],
)
def test_a_line_has_the_invisible_characters_that_writing_needs_and_no_other(text: str, taken: bool) -> None:
    for empty in (False, True):
        if taken:
            assert visible(line("subject", text, 40, empty=empty))
        else:
            with pytest.raises(InvalidInput):
                line("subject", text, 40, empty=empty)


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
     "com1.pdf", "é" * 200, "a" * 256, "message_body", "a.ex\u200de", "a.exe\ufe0f", "\u200da.pdf"],
)  # fmt: skip
def test_file_names_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        file_name("attachments[0].attachment_name", name)


@pytest.mark.parametrize(
    "name",
    [
        "notice.pdf",
        "Brief (kopie) – 2026.pdf",
        "契約.pdf",
        "a.b.c",
        "‘quoted’.txt",
        ".env",
        "نامه\u200cها",
        "葛\U000e0100.pdf",
    ],
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
