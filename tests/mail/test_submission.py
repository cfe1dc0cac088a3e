"""Mails that are handed in: what the usual programs make is read, what two readers could read differently is refused."""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealpost.mail import mime_fields, mime_strict, mime_twice, submission
from sealpost.mail.mime_fields import words
from sealpost.mail.mime_strict import read_entity
from sealpost.mail.mime_twice import check_twice
from sealpost.mail.submission import Refused, Submitted, read_outline, read_submission
from tests.mail.submission_table import BASE, HOSTILE, TAKEN, crlf, header, instead, named


@pytest.mark.parametrize("name", HOSTILE)
def test_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        read_submission(HOSTILE[name])
    assert refused.value.code in {"550 5.6.0", "550 5.7.1"}
    assert refused.value.reply.isascii()
    assert refused.value.reply.isprintable()
    assert len(refused.value.reply) < 400


def test_there_are_enough() -> None:
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name: str) -> None:
    octets, body, files = TAKEN[name]
    read = read_submission(octets)
    assert read.body == body
    assert [
        (one.name, one.content_type, base64.b64decode(one.encoded, validate=True)) for one in read.attachments
    ] == files
    assert read.outline == read_outline(octets)


def test_the_header() -> None:
    outline = read_outline(
        crlf(
            'From: =?utf-8?q?Alice_=C3=85?= =?utf-8?q?=2E?= Smith <alice@example.org>\nTo: "Bob, B." <bob@example.com>,\n'
            " charlie@example.net\nCc: Bob B.V. <c@example.com>\nSubject: =?utf-8?b?SMOpbGxv?=\n =?iso-8859-1?q?_Bob?= now\n"
            "Message-ID: <1@example.org>\nDate: Mon, 23 Nov 2026 10:00:00 +0100 (CET)\nDKIM-Signature: x\n\nHello\n"
        )
    )
    assert outline.sender == ("Alice Å. Smith", "alice@example.org")
    assert outline.to == (("Bob, B.", "bob@example.com"), ("", "charlie@example.net"))
    assert outline.cc == (("Bob B.V.", "c@example.com"),)
    assert outline.subject == "Héllo Bob now"
    assert outline.date == datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert outline.signed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a  b", "a  b"),
        ("=?utf-8?q?a?=", "a"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?=  =?utf-8?q?b?= c", "ab c"),
        ("x =?utf-8?q?a?= y =?utf-8?q?b?=", "x a y b"),
        ("=?utf-8?q?a_?= b", "a  b"),
    ],
)
def test_encoded_words(value: str, text: str) -> None:
    assert words(value) == text


@pytest.mark.parametrize(
    ("line", "subject"),
    [
        ("Subject: folded\n\twith tab", "folded with tab"),
        ("Subject: folded \n \t with tab", "folded with tab"),
        ("Subject: bare\ttab  two", "bare tab  two"),
        ("Subject:\n\t=?utf-8?q?a?=\n\t=?utf-8?q?b?=\n\tc", "ab c"),
        ("Subject: =?utf-8?q?a=09b?=", "a\tb"),  # no folding: a control character, which no ticket takes
    ],
)
def test_a_subject_that_is_folded(line: str, subject: str) -> None:
    assert read_submission(instead("Subject", line)).outline.subject == subject


@pytest.mark.parametrize(
    "value",
    [
        'From: "Alice\n\tSmith" <alice@example.org>',
        "From: Alice\n\tSmith\n\t<alice@example.org>",
        'From: "Alice\tSmith"\t<alice@example.org>',
        'From: "Alice\\\tSmith" <alice@example.org>',
        'From: =?utf-8?q?Al?=\n\t=?utf-8?q?ice?=\n\t"Smith"\n <alice@example.org>',
    ],
)
def test_a_name_that_is_folded(value: str) -> None:
    assert read_submission(instead("From", value)).outline.sender == ("Alice Smith", "alice@example.org")


@pytest.mark.parametrize(
    "group",
    [
        "undisclosed-recipients:;", "Undisclosed recipients: ;", '"Bob, B.":;', "Verborgene Empfänger:\n\t;",
        "=?UTF-8?Q?Verborgene_Empf=C3=A4nger?=:;",
    ],
)  # fmt: skip
def test_an_empty_group_is_nobody(group: str) -> None:
    outline = read_submission(instead("To", f"To: {group}")).outline
    assert (outline.to, outline.cc) == ((), ())
    assert read_outline(header(f"Cc: {group}")).cc == ()


def test_the_fingerprint_of_the_same_mail() -> None:
    """What relays put on top does not make it another mail; everything else does."""
    plain = read_submission(crlf(BASE + "\nHello Bob\n")).content_sha256
    for line in ("Received: from a by b\n\twith c", "Return-Path: <alice@example.org>", "DKIM-Signature: v=1; a=x"):
        assert read_submission(header(line)).content_sha256 == plain
    for other in (header("X-A: b"), instead("Subject", "Subject: Other"), crlf(BASE + "\nHello  Bob\n")):
        assert read_submission(other).content_sha256 != plain


def test_names_that_submission_must_refuse_itself_are_not_changed() -> None:
    """Paths and controls are judged where every face's names are; here they stay what they are."""
    assert read_submission(named("attachment; filename*=utf-8''..%2Fa.pdf")).attachments[0].name == "../a.pdf"


def test_a_large_file_is_still_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second reader sees a stand-in for it; its decoding is compared all the same."""
    octets = TAKEN["a large file in quoted-printable"][0]
    monkeypatch.setattr(submission, "_octet", lambda _found: b"")
    with pytest.raises(Refused, match="differently"):
        read_submission(octets)


def test_the_second_reader_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of our own walker does not go through: here it takes a boundary's line for text."""
    octets = HOSTILE["a boundary with more behind"]
    good = octets.replace(b"--bc", b"--b")
    monkeypatch.setattr(mime_strict, "_ranges", lambda _octets, start, end, _boundary: [(start + 5, end - 7)])
    with pytest.raises(Refused, match="differently"):
        root = read_entity(good)
        check_twice(root, {leaf: leaf.body for leaf in root.leaves()})


def test_too_many_lines_for_the_second_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mime_twice, "MOST_SECOND", 50)
    with pytest.raises(Refused, match="base64"):
        read_submission(TAKEN["a large text with dashes"][0])


@pytest.mark.parametrize(
    "octets",
    [
        crlf(BASE + "\n") + b"a\r\n" * 1_000_000,
        crlf(BASE + "\n") + b" " * 996 + b"x\r\n" + (b"\t " * 400 + b"x\r\n") * 2_000,
        crlf(f"X-A: {'=?utf-8?q?' * 90}\n{instead('Subject', 'Subject: ' + '=?utf-8?q?' * 90).decode()}"),
        header("Cc: " + ",\n ".join(["a@b.example"] * 3_000)),
        named("attachment; " + ";\n ".join(f"x{n}=y" for n in range(350)) + '; filename="a.pdf"'),
    ],
)
def test_much_of_something_ends_soon(octets: bytes) -> None:
    began = datetime.now(UTC)
    try:
        read_submission(octets)
    except Refused as refused:
        assert refused.code.startswith("5")
    assert (datetime.now(UTC) - began).total_seconds() < 5


@given(st.binary(max_size=400))
def test_any_octets(octets: bytes) -> None:
    with pytest.raises(Refused):
        read_submission(octets)


PIECES = [
    b"--b", b"--b--", b"--c", b"--c--", b"", b"Content-Type: text/plain", b"Content-Type: multipart/mixed; boundary=c",
    b"Content-Type: multipart/alternative; boundary=c", b"Content-Transfer-Encoding: base64", b"SGk=", b"Hello", b"--", b" --b",
    b"--b ", b'Content-Disposition: attachment; filename="a"', b"Content-Type: message/rfc822", b"Content-Type: text/html",
]  # fmt: skip


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_any_order_of_lines(lines: list[bytes]) -> None:
    """Whatever the structure: refused, or both readers agree (else ``Refused`` says so, never anything else)."""
    head = crlf(BASE + "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n")
    try:
        read = read_submission(head + b"\r\n".join([b"--b", *lines, b"--b--", b""]))
    except Refused as refused:
        assert refused.text != mime_twice.DIFFERENT, lines
    else:
        assert isinstance(read, Submitted)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf"]), max_size=120)
NAME = TEXT.map(str.strip).filter(lambda text: "=?" not in text and " " not in text.strip(" ")[:1])
FILE_NAME = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=60)
FILES = st.lists(st.tuples(FILE_NAME, st.binary(max_size=6000)), max_size=3, unique_by=lambda file: file[0])


@settings(max_examples=150)
@given(subject=NAME, sender=NAME, text=st.lists(TEXT, max_size=5), files=FILES, utf8=st.booleans(), twin=st.booleans())
def test_what_the_library_writes(
    subject: str, sender: str, text: list[str], files: list[tuple[str, bytes]], utf8: bool, twin: bool
) -> None:
    """Any mail of the standard library's making reads as it was meant, or is refused; never otherwise."""
    mail = EmailMessage(policy=SMTPUTF8 if utf8 else SMTP)
    mail["From"] = Address(sender, "alice", "example.org")
    mail["To"] = "bob@example.com"
    mail["Subject"] = subject
    mail["Message-ID"] = "<1@example.org>"
    body = "".join(line + "\n" for line in text)
    mail.set_content(body, cte="base64" if utf8 else "quoted-printable")
    if twin:
        mail.add_alternative("<p>Hello</p>", subtype="html")
    for name, content in files:
        mail.add_attachment(content, maintype="application", subtype="x-test", filename=name)
    try:
        read = read_submission(mail.as_bytes())
    except Refused:
        return
    # The library folds with blanks that it then cannot tell from those of the text.
    assert "".join(read.outline.subject.split()) == "".join(subject.split())
    assert "".join(read.outline.sender[0].split()) == "".join(sender.split())
    if read.body.strip() != "<p>Hello</p>":
        assert read.body.rstrip("\n").splitlines() == body.rstrip("\n").splitlines()
    assert [(one.name, base64.b64decode(one.encoded)) for one in read.attachments] == files


def test_the_library_s_mails_are_seldom_refused() -> None:
    """The negative control of the property above."""
    refused = 0
    for number, utf8 in itertools.product(range(50), (False, True)):
        mail = EmailMessage(policy=SMTPUTF8 if utf8 else SMTP)
        mail["From"], mail["To"] = Address(f"Alice Åström {number}", "alice", "example.org"), "bob@example.com"
        mail["Subject"], mail["Message-ID"] = "Ingebrekestelling €" + " wórd" * number, f"<{number}@example.org>"
        mail.set_content("Beste Bob,\n\n" + "tekst é\n" * number)
        mail.add_attachment(
            bytes(range(256)) * number, maintype="application", subtype="pdf", filename=f"ä{number}.pdf"
        )
        try:
            read_submission(mail.as_bytes())
        except Refused:
            refused += 1
    assert refused == 0


def test_charsets_are_those_that_are_told() -> None:
    single = {"us-ascii", "iso-8859-1", "iso-8859-2", "iso-8859-15", "windows-1250", "windows-1252", "koi8-r"}
    assert frozenset({"utf-8", "iso-2022-jp"} | single) == mime_fields.CHARSETS


def test_japanese_is_what_two_tables_read_alike() -> None:
    taken, apart = 0, ""
    for row, cell in itertools.product(range(0x21, 0x7F), repeat=2):
        octets = b"\x1b$B%c%c\x1b(B" % (row, cell)
        try:
            assert mime_fields.decoded(octets, "ISO-2022-JP") == octets.decode("iso2022_jp")
            taken += 1
        except Refused:
            apart += octets.decode("iso2022_jp", "ignore")
    assert (taken, apart) == (6873, "\u301c\u2016\u2212\u00a2\u00a3\u00ac")
