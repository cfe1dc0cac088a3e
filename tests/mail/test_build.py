"""Exact bytes: what is built reads back as meant, and nothing hostile gets into a header."""

import re
from base64 import b64decode
from binascii import a2b_qp
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from itertools import product
from quopri import decodestring
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealpost.mail.build import assemble, build
from sealpost.mail.letter import File, Letter, Mailbox, UnsafeMail, needs_smtputf8
from sealpost.mail.mime_fields import words
from sealpost.mail.mime_strict import read_entity
from sealpost.mail.reread import Assembly, check_assembly, text_octets

HEADERS = [
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Language",
    "Auto-Submitted",
    "Content-Type",
]
PDF = File("notice.pdf", "application/pdf", bytes(range(256)) * 400)
NAMES = [
    "a.pdf",
    "besluit é.pdf",
    "日本語の長い名前" * 10 + ".pdf",
    'quo"te;name=x.pdf',
    "100% zeker; x*0*=UTF-8''y.txt",
    "=?utf-8?Q?x?=.pdf",
    "two  spaces .txt",
    "x" * 250 + ".txt",
    ".hidden",
    "no extension",
    "a.b.c.tar.gz",
    "'single'.txt",
]
SUBJECTS = [
    "",
    "plain",
    "with  two spaces",
    " leading and trailing ",
    "é",
    "💩" * 200,
    "x" * 900,
    "=?utf-8?Q?literal?=",
    "=?broken",
    "a =?utf-8?q?b?= c",
    '100% (sure), <b> "quoted" \\ back; a@b: c',
    "%0d%0aBcc: charlie@example.com",
    "long words with é somewhere in the middle of it, again and again, " * 5,
]


def seen(mail: bytes):
    return message_from_bytes(mail, policy=policy.SMTP)


def check_form(mail: bytes) -> None:
    assert mail.endswith(b"\r\n")
    assert mail.count(b"\r") == mail.count(b"\n") == mail.count(b"\r\n")
    assert b"\0" not in mail
    assert mail.isascii()
    assert max(map(len, mail.split(b"\r\n"))) <= 76


def test_a_whole_letter(letter):
    mail = build(letter(files=(PDF, File("message.txt", "text/plain; charset=utf-8", "Hé\n.\r\n".encode()))))
    check_form(mail)
    got = seen(mail)
    assert list(got.keys()) == HEADERS
    assert (got["To"], got["Date"]) == ("Bob <bob@example.com>", "Mon, 23 Nov 2026 08:00:00 +0000")
    assert got["Message-ID"] == "<019dab50-1@sealpost.test>"
    assert (got["Auto-Submitted"], got["Content-Language"]) == ("auto-generated", "en")
    assert [part.get_content_type() for part in got.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "application/pdf",
        "text/plain",
    ]
    files = list(got.iter_attachments())
    assert [(file.get_filename(), file.get_payload(decode=True)) for file in files] == [
        ("notice.pdf", PDF.content),
        ("message.txt", "Hé\n.\r\n".encode()),
    ]


def test_the_same_letter_gives_the_same_bytes(letter):
    assert build(letter(files=(PDF,))) == build(letter(files=(PDF,)))


def test_without_files_reply_to_or_automatic(letter):
    got = seen(build(letter(reply_to=None, automatic=False)))
    assert list(got.keys()) == [name for name in HEADERS if name not in {"Reply-To", "Auto-Submitted"}]
    assert got.get_content_type() == "multipart/alternative"


@pytest.mark.parametrize("subject", SUBJECTS)
def test_subjects_arrive_as_they_are(subject, letter):
    mail = build(letter(subject=subject))
    check_form(mail)
    assert list(seen(mail).keys()) == HEADERS
    for word in re.findall(rb"=\?utf-8\?B\?([^?]*)\?=", mail):
        assert b64decode(word, validate=True).decode()  # RFC 2047 5: no character is cut in two
    if "=?" not in subject:  # the standard library decodes twice what we protect once
        assert str(seen(mail)["Subject"]) == subject


@pytest.mark.parametrize(
    "name", ["", "Alice", 'Alice "A." O\'Neil', "Alíce 💌", "A, B; C <x>", "x" * 300, "=?utf-8?Q?x?="]
)
def test_names_arrive_as_they_are(name, letter):
    mail = build(letter(sender=Mailbox("alice@example.org", name)))
    check_form(mail)
    assert list(seen(mail).keys()) == HEADERS
    if "=?" not in name:
        (got,) = seen(mail)["From"].addresses
        # The standard library puts spaces between the encoded words of a long name; RFC 2047 6.2 has none.
        assert (got.display_name.replace(" ", ""), got.addr_spec) == (name.replace(" ", ""), "alice@example.org")


@pytest.mark.parametrize("name", NAMES)
def test_file_names_arrive_as_they_are(name, letter):
    mail = build(letter(files=(File(name, "application/pdf", b"x"),)))
    check_form(mail)
    (file,) = seen(mail).iter_attachments()
    assert file.get_payload(decode=True) == b"x"
    root = read_entity(mail)
    disposition, kind = root.parts[1].disposition, root.parts[1].content
    assert disposition
    assert (disposition.parameters, words(kind.parameters["name"])) == ({"filename": name}, name)
    part: Any = list(message_from_bytes(mail).walk())[-1]
    assert part.get_filename() == name
    assert str(make_header(decode_header(part.get_param("name").replace("\r\n", "")))) == name


@pytest.mark.parametrize("name", NAMES)
def test_a_file_has_its_name_once_in_each_field(name, letter):
    """Of `filename` and `filename*` in one field most readers take the wrong one."""
    _, _, head = build(letter(files=(File(name, "application/pdf", b"x"),))).rpartition(
        b"Content-Type: application/pdf"
    )
    plain = name in {"a.pdf", ".hidden", "no extension", "a.b.c.tar.gz", "'single'.txt"}
    assert (f'filename="{name}"'.encode() in head) == (f' name="{name}"'.encode() in head) == plain
    assert (b"filename*=" in head or b"filename*0*=" in head) == (b' name="=?utf-8?B?' in head) == (not plain)
    assert b" name*" not in head


HOSTILE = [
    " ",
    "\t",
    ".",
    "..",
    "=",
    "=_",
    "=20",
    "From ",
    "--",
    "a",
    "é",
    "💩",
    "\u2028",
    "\0",
    "\x85",
    "\n",
    "\r\n",
    "\r",
    "\n.\n",
]


@given(st.lists(st.one_of(st.sampled_from(HOSTILE), st.integers(60, 80).map("x".__mul__)), max_size=40).map("".join))
@settings(max_examples=400, deadline=None)
def test_quoted_printable_has_short_lines_that_nobody_changes(text):
    """RFC 2045 6.7: 76 at most, no blank at the end of a line. A dot alone and `From ` are what relays and boxes escape."""
    letter = Letter(
        Mailbox("a@example.org"), Mailbox("b@example.com"), None, "x", text, "x", (), "<1@x.test>", DATE, "nl"
    )
    body = assemble(letter).texts[0]
    assert build(letter)
    assert a2b_qp(body) == decodestring(body) == text_octets(text)
    for line in body.split(b"\r\n"):
        assert len(line) <= 76
        assert line == line.rstrip(b" \t")
        assert line != b"."
        assert not line.startswith(b"From ")
    assert b"=_" not in body


@pytest.mark.parametrize("size", [0, 1, 2, 3, 56, 57, 58, 113, 114, 115, 16_383, 16_384, 16_385, 300_000])
def test_files_of_any_size_arrive_whole(size, letter):
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    mail = build(letter(files=(File("a.bin", "application/octet-stream", content), PDF)))
    check_form(mail)
    assert [file.get_payload(decode=True) for file in seen(mail).iter_attachments()] == [content, PDF.content]


@pytest.mark.parametrize("kind", ["message/rfc822", "multipart/mixed", "Message/Partial"])
def test_a_mail_as_attachment_stays_closed(kind, letter):
    content = b"From: charlie@example.com\r\nTo: charlie@example.com\r\n\r\nhello\r\n"
    (file,) = seen(build(letter(files=(File("mail.eml", kind, content),)))).iter_attachments()
    assert (file.get_content_type(), file.get_payload(decode=True)) == ("application/octet-stream", content)


@given(st.text(), st.text())
@settings(max_examples=150, deadline=None)
def test_any_text_arrives(text, html):
    letter = Letter(
        Mailbox("a@example.org"), Mailbox("b@example.com"), None, "x", text, html, (), "<1@x.test>", DATE, "nl"
    )
    try:
        mail = build(letter)
    except UnicodeEncodeError:
        assert any("\ud800" <= character <= "\udfff" for character in text + html)
        return
    check_form(mail)
    parts = [part for part in seen(mail).walk() if not part.is_multipart()]
    wanted = [text_octets(text), text_octets(html)]
    assert [bytes(part.get_payload(decode=True)) + b"\r\n" for part in parts] == wanted


@given(st.text(max_size=300), st.text(max_size=100), st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_header_text_arrives_or_is_refused(subject, name, file):
    letter = Letter(
        Mailbox("a@example.org", name),
        Mailbox("b@example.com"),
        Mailbox("r@example.com", name),
        subject,
        "x",
        "x",
        (File(file, "text/plain", b"x"),),
        "<1@x.test>",
        DATE,
        "nl",
    )
    try:
        mail = build(letter)
    except UnsafeMail:
        return
    check_form(mail)
    assert list(seen(mail).keys()) == HEADERS


DATE = datetime(2026, 11, 23, tzinfo=UTC)

BREAKS = [
    "\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\x7f", "\x1b", "\t",
    "=?UTF-8?Q?=0A?=", "=?utf-8?q?=0d=0a?=", "=?utf-8?B?Cg==?=", "=?utf-8?b?DQo=?=", "=?iso-8859-1?Q?=0A?=",
    "=?utf-8*en?Q?=0A?=", "=?utf-7?Q?+AAo-?=", "=?utf-16?B?/v8ACg==?=", "=?nonsense?Q?=0A?=", "=??Q?=0A?=",
    "=?utf-8?Q?=E2=80=A8?=", "=?utf-8?Q?=C2=85?=", "=?utf-8?Q?=00?=",
    "=?utf-8?Q?=3D=3Futf-8=3FQ=3F=3D0A=3F=3D?=", "=?utf-8?B?PT91dGYtOD9RPz0wQT89?=", "=?utf-8?B?Cg?=",
    "=?utf-8?Q?_x=0Ay_?=", "=?us-ascii?Q?=0D?=", "=?utf-8?Q?=0?==?utf-8?Q?=0A?=",
]  # fmt: skip
SHAPES = [
    "Hi{}Bcc: charlie@example.com",
    "{}Bcc: charlie@example.com{}",
    "Hi{}{}\r\nbody",
    "💩 x{}Cc:<charlie@example.com>",
]
FIELDS = ["subject", "sender", "recipient", "reply_to", "file"]


def changed(field: str, text: str) -> dict[str, object]:
    box = {"sender": "alice@example.org", "recipient": "bob@example.com", "reply_to": "alice@example.org"}
    if field in box:
        return {field: Mailbox(box[field], text)}
    return {"files": (File(text, "text/plain", b"x"),)} if field == "file" else {"subject": text}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(("line_break", "shape"), list(product(BREAKS, SHAPES)))
def test_no_header_can_be_smuggled_in(line_break, shape, field, letter):
    with pytest.raises(UnsafeMail, match=field):
        build(letter(**changed(field, shape.format(line_break, line_break))))


ADDRESSES = [
    "", "bob", "@example.com", "bob@", "bob@example.com, charlie@example.com", "bob@example.com>,<charlie@example.com",
    "bob@example.com\r\nBcc: charlie@example.com", "bob@example.com\n", "bob@@example.com", "bob(c)@example.com",
    "alice@example.org)bob@example.com", '"bob"@example.com', "bob @example.com", "=?utf-8?Q?bob?=@example.com",
    "bob@example.com;charlie@example.com", "group:bob@example.com;", "bob\u2028@example.com", "b\0b@example.com",
    "bob@[127.0.0.1]", "bob@exam\\ple.com", "b" * 400 + "@example.com",
]  # fmt: skip


@pytest.mark.parametrize("field", ["sender", "recipient", "reply_to"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_no_address_is_more_than_one(address, field, letter):
    with pytest.raises(UnsafeMail, match=rf"{field}\.address"):
        build(letter(**{field: Mailbox(address, "x")}))


@pytest.mark.parametrize("field", ["sender", "recipient", "reply_to", "file"])
@pytest.mark.parametrize("turn", ["\u202e", "\u202a", "\u2066", "\u200f", "\u061c", "=?utf-8?Q?=E2=80=AE?="])
def test_a_name_cannot_turn_the_reading_direction(turn, field, letter):
    with pytest.raises(UnsafeMail, match=field):
        build(letter(**changed(field, f"invoice{turn}fdp.exe")))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"message_id": "no brackets"}, "message_id"),
        ({"message_id": "<a@b>\r\nBcc: charlie@example.com"}, "message_id"),
        ({"message_id": "<a b@c>"}, "message_id"),
        ({"language": "nl\r\nBcc: x"}, "language"),
        ({"date": DATE.replace(tzinfo=None)}, "date"),
        ({"files": (File("a", "text/plain\r\nBcc: x", b""),)}, "file.content_type"),
        ({"files": (File("a", 'text/plain; name="x"', b""),)}, "file.content_type"),
        ({"files": (File("a", "", b""),)}, "file.content_type"),
        ({"files": (File("../a", "text/plain", b""),)}, "file.name"),
        ({"files": (File("a\\b", "text/plain", b""),)}, "file.name"),
        ({"files": (File("..", "text/plain", b""),)}, "file.name"),
        ({"files": (File("", "text/plain", b""),)}, "file.name"),
        ({"subject": "x" * 2001}, "subject"),
    ],
)
def test_other_fields_have_one_shape(changes, field, letter):
    with pytest.raises(UnsafeMail) as caught:
        build(letter(**changes))
    assert caught.value.field == field


def test_an_address_beyond_ascii_goes_out_in_utf8(letter):
    wide = letter(recipient=Mailbox("bób@example.com", "Bób"))
    assert needs_smtputf8(wide)
    assert not needs_smtputf8(letter())
    assert "<bób@example.com>\r\n".encode() in build(wide)


TAMPERED = {
    "a header more": lambda a: Assembly((b"Bcc: <c@example.com>\r\n" + a.frame[0], *a.frame[1:]), a.texts, a.files),
    "a header less": lambda a: Assembly((a.frame[0].replace(b"MIME-Version: 1.0\r\n", b""), *a.frame[1:]), a.texts, a.files),
    "another recipient": lambda a: Assembly((a.frame[0].replace(b"bob@", b"charlie@"), *a.frame[1:]), a.texts, a.files),
    "two recipients": lambda a: Assembly((a.frame[0].replace(b"<bob@", b"<charlie@x.test>, <bob@"), *a.frame[1:]), a.texts, a.files),
    "another subject": lambda a: Assembly((a.frame[0].replace(b"Registered", b"Regretted"), *a.frame[1:]), a.texts, a.files),
    "a bare newline": lambda a: Assembly((a.frame[0].replace(b"Subject:", b"Subject:\n"), *a.frame[1:]), a.texts, a.files),
    "another text": lambda a: Assembly(a.frame, (a.texts[0].replace(b"Hello", b"Adieu"), a.texts[1]), a.files),
    "a part more": lambda a: Assembly((*a.frame[:-1], a.frame[2] + a.frame[-1]), a.texts, a.files),
    "another name in the type": lambda a: Assembly((*a.frame[:2], a.frame[2].replace(b' name="notice', b' name="invoice'), a.frame[3]), a.texts, a.files),
    "no name in the type": lambda a: Assembly((*a.frame[:2], a.frame[2].replace(b" name=", b" game="), a.frame[3]), a.texts, a.files),
    "a name in the type alone": lambda a: Assembly((*a.frame[:2], a.frame[2].replace(b" filename=", b" title="), a.frame[3]), a.texts, a.files),
    "another file name": lambda a: Assembly((*a.frame[:2], a.frame[2].replace(b"notice", b"invoice"), a.frame[3]), a.texts, a.files),
    "a file that ends its part": lambda a: Assembly(a.frame, a.texts, (a.files[0][:-2] + b"--x\r\n",)),
    "a file with another line end": lambda a: Assembly(a.frame, a.texts, (a.files[0][:-1] + b"\n\n",)),
    "a file with moved line ends": lambda a: Assembly(a.frame, a.texts, (a.files[0].replace(b"\r\n", b"", 1)[:-2] + b"\r\n\r\n",)),
    "a text with the boundary": lambda a: Assembly(a.frame, (a.texts[0] + b"--=_x\r\n", a.texts[1]), a.files),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERED)
def test_reading_back_finds_what_was_not_meant(what, letter):
    meant = letter(files=(PDF,))
    check_assembly(assemble(meant), meant)
    with pytest.raises(UnsafeMail):
        check_assembly(TAMPERED[what](assemble(meant)), meant)
