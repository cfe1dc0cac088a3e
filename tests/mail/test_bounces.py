"""What comes back, read: a corpus in the forms of many mail systems, and mails made to break a reader.

The corpus (``bounces/``) is written by hand after the forms that these systems use; people and domains are examples.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealpost.mail import incoming
from sealpost.mail.bounces import ReturnedMail, read_returned

CORPUS = Path(__file__).parent / "bounces"
BOB = "bob@example.com"
BOB_UTF8 = "böb@example.com"
OURS = "<019dab50-0000-7000-8000-00000000b0b0@post.example.org>"
PERSON = "bob@example.com"


def mail(name: str) -> bytes:
    return (CORPUS / f"{name}.eml").read_bytes().replace(b"\n", b"\r\n")


# name → kind, status, reason, who told; then the envelope's sender and what else is expected.
EXPECTED: dict[str, tuple[Any, ...]] = {
    "postfix-unknown-user": ("failed", "5.1.1", "unknown", "report"),
    "postfix-mailbox-full": ("failed", "5.2.2", "full", "report"),
    "postfix-delayed": ("delayed", "4.4.1", "unreachable", "report"),
    "postfix-expired": ("failed", "4.4.1", "unreachable", "report"),
    "postfix-greylisted-delayed": ("delayed", "4.7.1", "greylisted", "report"),
    "postfix-delivered": ("delivered", "2.0.0", "other", "report"),
    "postfix-relayed": ("relayed", "2.0.0", "other", "report"),
    "postfix-expanded": ("expanded", "2.0.0", "other", "report"),
    "postfix-alias-forwarded": ("failed", "5.2.2", "full", "report"),
    "postfix-somebody-else": ("unclear", "", "other", ""),
    "postfix-xtext": ("failed", "5.7.1", "policy", "report"),
    "postfix-letter-case": ("failed", "5.1.1", "unknown", "report"),
    "postfix-too-large": ("failed", "5.3.4", "too_large", "report"),
    "postfix-bare-code": ("failed", "5.0.0", "unknown", "report"),
    "two-recipients-ours-delivered": ("delivered", "2.1.5", "other", "report"),
    "two-recipients-none-ours": ("unclear", "", "other", ""),
    "status-against-action": ("unclear", "5.1.1", "other", "report"),
    "unknown-action": ("unclear", "", "other", ""),
    "no-action": ("unclear", "", "other", ""),
    "utf8-address": ("failed", "5.1.1", "unknown", "report"),
    "utf8-address-literal": ("failed", "5.2.2", "full", "report"),
    "utf8-address-base64": ("failed", "5.1.1", "unknown", "report"),
    "exim-unknown-user": ("failed", "5.0.0", "unknown", "report"),
    "exim-delayed": ("delayed", "4.0.0", "full", "report"),
    "exim-old": ("failed", "5.1.1", "unknown", "text"),
    "exchange-unknown-user": ("failed", "5.1.10", "unknown", "report"),
    "exchange-quota": ("failed", "5.2.2", "full", "report"),
    "office365-policy": ("failed", "5.7.1", "policy", "report"),
    "office365-relayed": ("relayed", "2.0.0", "other", "report"),
    "office365-delivered": ("delivered", "2.0.0", "other", "report"),
    "gmail-unknown-user": ("failed", "5.1.1", "unknown", "report"),
    "gmail-delayed": ("delayed", "4.4.1", "unreachable", "report"),
    "gmail-old": ("failed", "5.2.1", "unknown", "text"),
    "qmail-unknown-user": ("failed", "5.1.1", "unknown", "text"),
    "qmail-remote-refusal": ("failed", "5.2.2", "full", "text"),
    "qmail-somebody-else": ("unclear", "", "other", ""),
    "yahoo-unknown-user": ("failed", "", "unknown", "text"),
    "sendmail-unknown-user": ("failed", "5.1.1", "unknown", "report"),
    "sendmail-warning": ("delayed", "4.2.0", "other", "report"),
    "sendmail-old": ("failed", "", "unknown", "text"),
    "opensmtpd-unknown-user": ("failed", "5.1.1", "unknown", "report"),
    "domino-unknown-user": ("failed", "5.1.1", "unknown", "report"),
    "smtpsvc": ("failed", "5.1.1", "unknown", "report"),
    "mailenable": ("failed", "5.1.1", "unknown", "text"),
    "kundenserver": ("failed", "5.2.2", "full", "text"),
    "foreign-daemon": ("unclear", "", "other", ""),
    "out-of-office-nl": ("auto_reply", "", "other", ""),
    "out-of-office-de": ("auto_reply", "", "other", ""),
    "out-of-office-fr": ("auto_reply", "", "other", ""),
    "out-of-office-en": ("auto_reply", "", "other", ""),
    "vacation-null-sender": ("auto_reply", "", "other", ""),
    "mdn-displayed": ("auto_reply", "", "other", ""),
    "mdn-deleted-unread": ("auto_reply", "", "other", ""),
    "reply": ("reply", "", "other", ""),
    "reply-not-automatic": ("auto_reply", "", "other", ""),
    "reply-html": ("reply", "", "other", ""),
    "reply-with-forwarded-bounce": ("reply", "", "other", ""),
    "report-within-a-reply": ("auto_reply", "", "other", ""),
    "report-not-called-so": ("failed", "5.1.1", "unknown", "report"),
    "wrapped-by-a-gateway": ("failed", "5.1.6", "unknown", "report"),
    "no-blank-line": ("failed", "5.1.1", "unknown", "report"),
    "mime-headers-only": ("unclear", "", "other", ""),
}  # fmt: skip
FROM_A_PERSON = {"out-of-office-nl", "out-of-office-de", "out-of-office-fr", "out-of-office-en", "mdn-displayed", "report-within-a-reply"} | {
    name for name in EXPECTED if name.startswith("reply")
}  # fmt: skip


def reading(name: str) -> ReturnedMail:
    return read_returned(
        mail(name), BOB_UTF8 if name.startswith("utf8") else BOB, PERSON if name in FROM_A_PERSON else ""
    )


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_corpus(name: str) -> None:
    read = reading(name)
    assert (read.kind, read.status, read.reason, read.by) == EXPECTED[name], read


def test_the_corpus_is_whole() -> None:
    assert {path.stem for path in CORPUS.iterdir()} == set(EXPECTED)
    assert len(EXPECTED) >= 40


def test_what_else_is_read() -> None:
    read = reading("gmail-unknown-user")
    assert read.diagnostic.startswith("550-5.1.1 The email account that you tried to reach does not exist.")
    assert "\n" not in read.diagnostic
    assert read.remote_mta == "mx.example.com. (192.0.2.26, the server for the domain example.com.)"
    assert read.reporting_mta == "mail.example.net"
    assert str(read.arrived_at) == "2026-11-23 02:15:05-08:00"
    assert str(read.last_attempt_at) == "2026-11-23 02:15:06-08:00"
    assert read.recipient_matched
    assert read.subject == "Delivery Status Notification (Failure)"
    assert reading("qmail-remote-refusal").diagnostic == "Remote host said: 552 5.2.2 Over quota"


def test_a_forwarded_mail_is_marked() -> None:
    assert not reading("postfix-alias-forwarded").recipient_matched
    assert [name for name in EXPECTED if not reading(name).recipient_matched] == ["postfix-alias-forwarded"]


def test_replies_have_their_words() -> None:
    read = reading("reply")
    assert read.subject == "Re: Registered e-mail from Alice \u2013 a question"
    assert read.text == "Dear Alice,\n\nwhat is this? Grüße\n\nBob\n\n> Registered e-mail from Alice"
    assert read.message_ids == (OURS, "<a@example.org>")
    assert reading("reply-html").text == "Dear Alice,\n\nno <thanks>."
    assert reading("reply-with-forwarded-bounce").text == "Look, Alice: déjà vu."


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_for_another_recipient_nothing_fails(name: str) -> None:
    """The same mails, had ours gone to Charlie: at most the one that could be about a forwarded mail counts."""
    read = read_returned(mail(name), "charlie@example.edu.example.org", "")
    assert read.kind in {"unclear", "auto_reply", "delivered", "relayed", "expanded", "failed", "delayed"}
    if read.by:
        assert not read.recipient_matched or read.kind == "unclear"
        assert b"Original-Recipient" not in mail(name).split(b"Final-Recipient")[-1].split(b"\r\n\r\n")[0]


@pytest.mark.parametrize("name", sorted(name for name in EXPECTED if EXPECTED[name][3] == "text"))
def test_older_forms_are_believed_from_nobody_only(name: str) -> None:
    assert read_returned(mail(name), BOB, "charlie@example.org").kind in {"reply", "auto_reply"}


def dsn(fields: bytes, extra: bytes = b"", about: bytes = b"Reporting-MTA: dns; mx.example.com") -> bytes:
    return (
        b"From: MAILER-DAEMON@mx.example.com\r\n" + extra + b"MIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="B"\r\n\r\n--B\r\n\r\nhi\r\n--B\r\n'
        b"Content-Type: message/delivery-status\r\n\r\n" + about + b"\r\n\r\n" + fields + b"\r\n--B--\r\n"
    )


FAILED = b"Final-Recipient: rfc822; bob@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n"
NESTED = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(5000))
HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "NULs": b"\0" * 100_000,
    "no header": b"\r\n\r\nhi",
    "only CR": b"\r" * 1_000_000,
    "only LF": b"\n" * 1_000_000,
    "random": bytes(range(256)) * 4000,
    "deep multiparts": NESTED,
    "deep multiparts within the limit": b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(39)) + b"x\r\n" * 300_000,
    "deep messages": b"Content-Type: message/rfc822\r\n\r\n" * 30_000,
    "deep messages within the limit": b"Content-Type: message/rfc822\r\n\r\n" * 299,
    "deep digests": b"".join(b'Content-Type: multipart/digest; boundary="%d"\r\n\r\n--%d\r\n\r\n' % (n, n) for n in range(39)),
    "ten thousand parts": b'Content-Type: multipart/mixed; boundary="B"\r\n\r\n' + b"--B\r\n\r\nx\r\n" * 10_000,
    "ten thousand typed parts": b'Content-Type: multipart/mixed; boundary="B"\r\n\r\n' + b"--B\r\nContent-Type: text/plain\r\n\r\nx\r\n" * 10_000,
    "giant header": b"Subject: " + b"x" * 2_000_000 + b"\r\n\r\nhi",
    "giant folded header": b"Subject: x\r\n" + b" =?utf-8?q?x?=\r\n" * 60_000 + b"\r\nhi",
    "many headers": b"X-A: b\r\n" * 150_000 + b"\r\nhi",
    "semicolons": b"Content-Type: multipart/mixed" + b";" * 1_000_000 + b"boundary=x\r\n\r\n--x\r\n\r\nhi",
    "quotes": b'Content-Type: multipart/mixed; a="' + b'\\";' * 300_000 + b"\r\n\r\nhi",
    "continuations": b"Content-Type: multipart/report; " + b"".join(b"boundary*%d=x;\r\n " % n for n in range(35)) + b"\r\n\r\nhi",
    "empty boundary": b'Content-Type: multipart/report; boundary=""\r\n\r\n--\r\n\r\nhi\r\n----',
    "bad charset": b'Content-Type: text/plain; charset="\0\xff"\r\n\r\nhi',
    "charset punycode": b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a" * 900_000,
    "charset of no text": b"Content-Type: text/plain; charset=zip\r\nSubject: =?zip?q?x?=\r\n\r\nhi",
    "charset RFC 2231": b"Content-Type: text/plain; charset*=zip'%00'%ff%fe\r\n\r\nhi",
    "subject of punycode": b"Subject: =?punycode?q?" + b"a" * 5000 + b"?=\r\n\r\nhi",
    "subject of bad base64": b"Subject: =?utf-8?b?a?= =?utf-8?b?====?= =?x\r\n\r\nhi",
    "bad base64 body": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"a" * 1001,
    "uuencode": b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\r\n\xff\xff\r\nend\r\n",
    "odd encodings": b"Content-Transfer-Encoding: \xff\xfe\r\nContent-Type: \xff/\xfe\r\n\r\nhi",
    "HTML comments": b"Content-Type: text/html\r\n\r\n" + b"<!--" * 200_000,
    "HTML tags": b"Content-Type: text/html\r\n\r\n" + b"<a " * 300_000,
    "HTML declarations": b"Content-Type: text/html\r\n\r\n" + b"<![if<!x[" * 50_000,
    "HTML entities": b"Content-Type: text/html\r\n\r\n" + b"&#" * 300_000,
    "report of many": dsn((FAILED.replace(b"bob", b"alice") + b"\r\n") * 9000),
    "report of blank lines": dsn(b"\r\n" * 400_000),
    "report of one long field": dsn(b"Final-Recipient: " + b"rfc822;" * 100_000),
    "report of backslashes": dsn(b"Final-Recipient: utf-8; " + b"\\x{110000}\\x{D800}\\x{" * 100 + b"\r\nAction: failed\r\n"),
    "report in base64": dsn(b"A" * 900_000).replace(b"status\r\n\r\n", b"status\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
    "addresses": dsn(b"x", extra=b"X-Failed-Recipients: " + b"<<(a" * 100_000 + b"\r\n"),
    "old forms": b"From: MAILER-DAEMON@x\r\n\r\n" + b"\r\n".join([
        b"A message that you sent could not be delivered", b"Hi. This is the", b"failed addresses follow:", b"The following address failed:",
        b"Delivery to the following recipient failed", b"Your message has encountered delivery problems", b"Did not reach the following recipient",
    ]) + (b"\r\n" + b"x" * 990) * 1000,
    "references": b"From: x\r\nReferences: " + b"<a@b>" * 200_000 + b"\r\n\r\nhi",
    "dates": dsn(FAILED + b"Last-Attempt-Date: " + b"9" * 5000 + b"\r\n", about=b"Arrival-Date: Mon, 99 Foo 99999 99:99:99 +9999"),
    "surrogates": "Subject: \ud800\r\n\r\n\udfff".encode("utf-8", "surrogatepass"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("sender", ["", "charlie@example.org"])
def test_hostile_mails_cost_little_and_say_nothing(name: str, sender: str) -> None:
    began = time.process_time()
    read = read_returned(HOSTILE[name], BOB, sender)
    assert read.kind in ({"unclear", "auto_reply", "reply"} if name != "dates" else {"failed"})
    assert time.process_time() - began < 2.0
    assert len(read.text.encode()) <= 4 * incoming.TEXT
    assert len(read.subject) <= 500
    assert len(read.message_ids) <= 50


def test_what_is_too_intricate_is_not_read() -> None:
    def nested(depth: int) -> bytes:
        return b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(depth))

    assert incoming.read(nested(40)) is not None
    assert incoming.read(nested(41)) is None
    assert incoming.read(b"Content-Type: a/b\r\n" * 301 + b"\r\nhi") is None
    assert incoming.decoded(b"caf-dma", "punycode") == "caf-dma", "only character sets that decode fast"
    assert incoming.decoded(b"caf\xe9", "ISO-8859-1") == "caf\u00e9"


def test_diagnostics_are_bounded_and_harmless() -> None:
    said = b"Diagnostic-Code: smtp; 550 5.1.1 a\0b\x1b[31m \xe2\x80\xaeevil \xff\r\n and " + b"x" * 3000 + b"\r\n"
    read = read_returned(dsn(FAILED + said), BOB)
    assert read.kind == "failed"
    assert len(read.diagnostic) <= 4000
    assert read.diagnostic.isprintable() or "\ufffd" in read.diagnostic
    assert read.diagnostic.startswith("550 5.1.1 a b [31m  evil \ufffd and xxx")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("550 user over quota", "full"), ("550 Mailbox full", "full"), ("554 <bob@example.com> mailbox is FULL", "full"),
        ("550 bob: mailbox quota exceeded for this recipient", "full"), ("550 No Bob here", "unknown"),
        ("550 5.1.1 user over quota", "unknown"), ("550 5.7.1 Mailbox full", "full"), ("550 fully booked", "unknown"),
    ],
)  # fmt: skip
def test_a_full_mailbox_without_an_enhanced_code(said: str, reason: str) -> None:
    """In the text of an old bounce, and in a report, where the other server's own code then is 5.0.0."""
    old = mail("qmail-remote-refusal").replace(b"552 5.2.2 Over quota", said.encode())
    assert old != mail("qmail-remote-refusal")
    assert (read_returned(old, BOB).reason, read_returned(old, BOB).by) == (reason, "text")
    report = FAILED.replace(b"5.1.1", b"5.0.0") + f"Diagnostic-Code: smtp; {said}\r\n".encode()
    assert read_returned(dsn(report), BOB).reason == reason
    assert read_returned(dsn(report.replace(b"5.0.0", b"5.1.1")), BOB).reason == reason, "the reporter's code does not"


def test_of_two_reports_on_bob_the_failure_counts() -> None:
    delivered = FAILED.replace(b"failed", b"delivered").replace(b"5.1.1", b"2.0.0")
    assert read_returned(dsn(delivered + b"\r\n" + FAILED), BOB).kind == "failed"
    assert read_returned(dsn(FAILED + b"\r\n" + delivered), BOB).kind == "failed"


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (b"Auto-Submitted: no", "reply"), (b"Auto-Submitted: NO; x", "reply"), (b"Auto-Submitted: auto-replied; x=y", "auto_reply"),
        (b"auto-submitted: auto-notified", "auto_reply"), (b"Precedence: bulk", "auto_reply"), (b"Precedence: first-class", "reply"),
        (b"X-Autoreply: no", "reply"), (b"X-AUTORESPOND: :)", "auto_reply"), (b"Subject: Out of office", "auto_reply"),
        (b"Subject: Re: Out of office", "reply"), (b"Subject: Automatische Antwort: x", "auto_reply"), (b"Subject: Afwezig tot maandag", "auto_reply"),
        (b"Subject: =?utf-8?q?R=C3=A9ponse_automatique?= : x", "auto_reply"), (b"Subject: AUTO: away", "auto_reply"), (b"Subject: Autos for sale", "reply"),
        (b"X-Auto-Response-Suppress: All", "auto_reply"), (b"X-Auto-Response-Suppress: DR, OOF, AutoReply", "reply"), (b"Preference: auto_reply", "auto_reply"),
        (b"X-Autoreply-From: bob@example.com", "auto_reply"), (b"X-FC-MachineGenerated: true", "auto_reply"), (b"X-Apple-Action: JEMI/1", "auto_reply"),
        (b"Precedence: list", "auto_reply"), (b"List-Id: <desk.example.com>", "reply"), (b"X-POST-MessageClass: 9; Autoresponder", "auto_reply"),
        (b"From: No Reply <no-reply@example.com>", "auto_reply"), (b"From: Noreen Reply <noreen@example.com>", "reply"), (b"From: donotreply@example.com", "auto_reply"),
        (b"Return-Path: <postmaster@example.com>", "auto_reply"), (b"Content-Type: multipart/report; boundary=x", "auto_reply"),
    ],
)  # fmt: skip
def test_what_makes_an_answer_automatic(header: bytes, kind: str) -> None:
    sender = b"" if header.startswith(b"From") else b"From: bob@example.com\r\n"
    octets = sender + header + b"\r\nIn-Reply-To: " + OURS.encode() + b"\r\n\r\nhi"
    assert read_returned(octets, BOB, PERSON, OURS).kind == kind


@pytest.mark.parametrize(
    ("header", "kind"), [(b"In-Reply-To", "reply"), (b"References", "reply"), (b"X-Else", "unclear")]
)
def test_a_reply_refers_to_a_mail_of_ours(header: bytes, kind: str) -> None:
    octets = b"From: bob@example.com\r\n" + header + b": <a@b> " + OURS.encode() + b"\r\n\r\nhi"
    got = read_returned(octets, BOB, PERSON, OURS)
    assert (got.kind, got.text) == (kind, "hi")
    assert read_returned(octets, BOB, PERSON, "<another@post.example.org>").kind == "unclear"
    assert read_returned(octets, BOB, "", OURS).kind == "auto_reply", "from nobody"


def test_an_abuse_report_is_its_own_kind() -> None:
    octets = (
        b"From: <abuse@mx.example.com>\r\nIn-Reply-To: " + OURS.encode() + b"\r\nSubject: complaint about message\r\n"
        b'Content-Type: multipart/report; report-type=feedback-report; boundary="x"\r\n\r\n--x\r\n\r\nThis is an abuse report.\r\n'
        b"--x\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\n\r\n--x--\r\n"
    )
    for sender in ("", "abuse@mx.example.com"):
        assert read_returned(octets, BOB, sender, OURS).kind == "abuse"


@given(st.binary(max_size=3000), st.sampled_from(["", PERSON]))
def test_any_octets_are_read(octets: bytes, sender: str) -> None:
    assert isinstance(read_returned(octets, BOB, sender), ReturnedMail)


@settings(max_examples=300)
@given(st.sampled_from(sorted(EXPECTED)), st.data())
def test_damaged_mails_are_read(name: str, data: st.DataObject) -> None:
    """A mail of the corpus with pieces cut out, doubled and replaced."""
    octets = bytearray(mail(name))
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(octets)))
        end = data.draw(st.integers(begin, min(len(octets), begin + 200)))
        octets[begin:end] = data.draw(st.binary(max_size=20) | st.just(bytes(octets[begin:end]) * 2))
    read = read_returned(bytes(octets), BOB)
    assert read.diagnostic == incoming.clean(read.diagnostic, 4000)
    assert not set(read.text) & set(map(chr, [*range(9), *range(11, 32), 127]))


@given(
    st.from_regex(rb"(Final-Recipient|Action|Status|Original-Recipient|[A-Za-z-]+): [ -~]*", fullmatch=True).map(
        lambda line: line[:900]
    ),
    st.binary(max_size=200),
)
def test_any_fields_are_read(line: bytes, rest: bytes) -> None:
    assert isinstance(read_returned(dsn(line + b"\r\n" + rest), BOB), ReturnedMail)


def test_a_reply_of_several_lines_in_a_bounces_text_is_told_whole() -> None:
    said = b"""Remote host said: 550-5.7.26 This mail has been blocked because the sender is unauthenticated.\r
550-5.7.26 Gmail requires all senders to authenticate\r
550 with either SPF or DKIM. - gsmtp\r
550 5.1.1 is of another story"""
    octets = (CORPUS / "qmail-remote-refusal.eml").read_bytes()
    read = read_returned(octets.replace(b"Remote host said: 552 5.2.2 Over quota", said), "bob@example.com")
    assert read.status == "5.7.26"
    assert read.reason == "policy"
    assert read.diagnostic == (
        "Remote host said: 550-5.7.26 This mail has been blocked because the sender is unauthenticated. "
        "550-5.7.26 Gmail requires all senders to authenticate 550 with either SPF or DKIM. - gsmtp"
    )
