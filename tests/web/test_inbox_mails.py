"""Reading mails for the demo's inbox: ours, and hostile ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.usecases.reads.inbox import InboxMail
from sealpost.web.inbox.api import member
from sealpost.web.inbox.mails import heading, links, read_mail
from sealpost.web.inbox.pane import BASE, framed
from tests.web.specimens import AT, MAIL, RAW


def mail(raw: bytes) -> InboxMail:
    return InboxMail("1", "bounce@x.example", "bob@example.com", AT, raw)


def test_ours() -> None:
    assert member(MAIL) == {
        "id": "1",
        "from": "registered@x.example",
        "to": "bob@example.com",
        "subject": "Hello",
        "received_at": "2026-11-23T10:15:02Z",
        "text": "Look: http://127.0.0.1:8025/p/abc, now.",
        "html": '<p><a href="https://x.example/q?a=1&amp;b=2">Go</a></p>',
        "links": ["http://127.0.0.1:8025/p/abc", "https://x.example/q?a=1&b=2"],
    }
    assert MAIL.sender_name == "Alice via Sealpost ✉"
    assert [(file.name, file.content_type, file.octets) for file in MAIL.files] == [
        ("a.pdf", "application/pdf", b"%PDF-")
    ]
    assert heading(mail(RAW)).subject == "Hello"


def test_attached_texts_are_files() -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=A\r\n\r\n--A\r\nContent-Type: text/plain\r\n\r\nHere it is.\r\n"
        b"--A\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=message.txt\r\n\r\nDear Bob\r\n"
        b"--A\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=message.html\r\n\r\n<p>x</p>\r\n--A--\r\n"
    )
    read = read_mail(mail(raw))
    assert (read.text, read.html) == ("Here it is.", "")
    assert [file.name for file in read.files] == ["message.txt", "message.html"]


def test_a_mail_in_the_mail_is_one_file() -> None:
    raw = (
        b"Content-Type: multipart/report; boundary=A\r\n\r\n--A\r\n\r\nIt failed.\r\n"
        b"--A\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nhttp://inner.example/\r\n--A--\r\n"
    )
    read = read_mail(mail(raw))
    assert read.text == "It failed."
    assert read.links == ()
    assert [(file.name, file.content_type) for file in read.files] == [("part-1", "message/rfc822")]
    assert b"Subject: inner" in read.files[0].octets


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n",
        b"no header",
        b"From: <\r\nTo: ,,,\r\nSubject: =?x?y?z?=\r\n\r\n\xff\xfe",
        b"From: " + b"(" * 2000 + b"\r\n\r\n",
        b"Subject: =?utf-8?b?////?=\r\nContent-Type: text/plain; charset=nonsense\r\n\r\n\xff",
        b"Content-Type: text/plain; charset=unicode_escape\r\n\r\n\\ud800",
        b"Content-Type: text/plain; charset=base64\r\n\r\nAAAA",
        b"Content-Type: text/plain; charset=idna\r\n\r\n\xff..",
        b"Content-Type: multipart/mixed; boundary=A\r\n\r\nno part",
        b"Content-Type: multipart/mixed\r\n\r\n--A\r\n",
        b"Content-Type: multipart/alternative; boundary=A\r\n\r\n--A\r\n--A\r\n--A--",
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!!=",
        b"Content-Type: text/html\r\n\r\n<a href='http://[::1'>x</a><!-- <![endif <a",
        b"Content-Type: application/x; name*=utf-8''%ff%fe\r\n\r\nx",
        b"To: \"\r\nContent-Disposition: attachment; filename*0*=x''\r\n\r\n",
    ],
)
def test_hostile(raw: bytes) -> None:
    read = read_mail(mail(raw))
    assert read.sender
    assert member(read)["to"]
    assert heading(mail(raw)).subject == read.subject
    assert all(file.name for file in read.files)


@given(st.binary(max_size=300))
def test_anything(raw: bytes) -> None:
    member(read_mail(mail(raw)))


@pytest.mark.parametrize(
    ("text", "html", "found"),
    [
        ("(http://a.example/x).", "", ("http://a.example/x",)),
        ("<http://a.example/>", "", ("http://a.example/",)),
        ("http://a.example http://a.example", '<a href="http://a.example">', ("http://a.example",)),
        ("https://a.example/p/" + "-" * 43, "", ("https://a.example/p/" + "-" * 43,)),
        ("", '<a href="javascript:x"><a href="mailto:x"><a href="/x"><a href="HTTP">', ()),
        ("", '<a href=" https://b.example/?a=1&amp;b=2 ">', ("https://b.example/?a=1&b=2",)),
        ("ftp://a.example httpx://b.example", "", ()),
    ],
)
def test_links(text: str, html: str, found: tuple[str, ...]) -> None:
    assert links(text, html) == found


def test_framed() -> None:
    assert framed("<p>x</p>") == BASE + "<p>x</p>"
    assert framed('<!doctype html><HEAD lang="x"><title>') == f'<!doctype html><HEAD lang="x">{BASE}<title>'
    assert framed("<header>x</header>") == BASE + "<header>x</header>"
