"""The class of each reply, and the interpreter's parser."""

from email.parser import BytesParser
from typing import Any

import pytest

from sealpost.mail import reread
from sealpost.mail.replies import Reply, outcome_of, reason_of
from sealpost.mail.selftest import BrokenMailParser, check_parser

CLASSES = [
    ("rcpt", b"550 5.1.1 no such user", "failed", "unknown"),
    ("rcpt", b"550 5.1.10 null MX", "failed", "unknown"),
    ("rcpt", b"550 5.1.8 your domain", "failed", "policy"),
    ("rcpt", b"550 5.2.1 disabled", "failed", "unknown"),
    ("rcpt", b"552 5.2.2 over quota", "failed", "full"),
    ("rcpt", b"452 4.2.2 over quota", "delayed", "full"),
    ("rcpt", b"550 no such user", "failed", "unknown"),
    ("rcpt", b"552 over quota", "failed", "full"),
    ("rcpt", b"554 blocked", "failed", "policy"),
    ("rcpt", b"450 4.7.1 come back later", "delayed", "greylisted"),
    ("rcpt", b"451 Greylisted, see http://example.com", "delayed", "greylisted"),
    ("mail", b"451 grey listing in action", "delayed", "greylisted"),
    ("rcpt", b"450 4.2.0 busy", "delayed", "other"),
    ("rcpt", b"550 5.7.1 greylisted for ever", "failed", "policy"),
    ("mail", b"552 5.3.4 too big", "failed", "too_large"),
    ("mail", b"552 too big", "failed", "too_large"),
    ("dot", b"552 5.2.3 too long", "failed", "too_large"),
    ("dot", b"554 5.6.0 malformed", "failed", "content"),
    ("dot", b"554 5.7.1 spam", "failed", "policy"),
    ("dot", b"550 spam", "failed", "policy"),
    ("dot", b"451 4.3.0 try again", "delayed", "server"),
    ("dot", b"250 2.0.0 ok", "accepted", "accepted"),
    ("dot", b"354 go on", "uncertain", "other"),
    ("data", b"250 ok", "delayed", "other"),
    ("mail", b"550 5.7.1 not from you", "delayed", "policy"),
    ("data", b"554 5.7.1 no", "failed", "policy"),
    ("greeting", b"554 no service here", "delayed", "policy"),
    ("greeting", b"421 4.3.2 closing", "delayed", "server"),
    ("ehlo", b"521 no mail here", "delayed", "server"),
    ("starttls", b"554 5.7.0 no", "delayed", "policy"),
    ("auth", b"535 5.7.8 no", "delayed", "policy"),
    ("rcpt", b"550 4.2.2 digits disagree", "failed", "unknown"),
    ("rcpt", b"550 5.9.9 nobody knows", "failed", "other"),
    ("rcpt", b"599 what", "failed", "other"),
]


@pytest.mark.parametrize(("stage", "line", "outcome", "reason"), CLASSES)
def test_what_a_reply_means(stage, line, outcome, reason):
    reply = Reply(int(line[:3]), (line,))
    assert (outcome_of(stage, reply), reason_of(stage, reply)) == (outcome, reason)


GMAIL = (
    b"550-5.7.26 This mail has been blocked because the sender is unauthenticated.",
    b"550-5.7.26 Gmail requires all senders to authenticate",
    b"550 with either SPF or DKIM. - gsmtp",
)


@pytest.mark.parametrize(
    ("lines", "enhanced"),
    [
        (GMAIL, "5.7.26"),
        ((b"550-5.1.1 one", b"550 5.7.1 another"), "5.7.1"),
        ((b"550-5.1.1 one", b"550-5.7.1 another", b"550 and none"), "5.7.1"),
        ((b"550-5.1.1 one", b"550 4.7.1 of another class"), "5.1.1"),
        ((b"550-see https://example.com/5.7.1", b"550 none at all"), None),
        ((b"250-2.0.0 ok", b"250 2.1.5 queued"), "2.1.5"),
        ((b"550-5.7.1.1 is none", b"550"), None),
    ],
)
def test_a_reply_is_all_its_lines(lines: tuple[bytes, ...], enhanced: str | None) -> None:
    reply = Reply(int(lines[0][:3]), lines)
    assert reply.final.split(b"\n") == list(lines)
    assert reply.enhanced == enhanced


def test_this_interpreter_reads_mail_well_enough():
    check_parser()


def splits_encoded_newlines(raw: bytes) -> bytes:
    return raw.replace(b"=?UTF-8?Q?=0A?=", b"\r\n")


def overlooks_headers(raw: bytes) -> bytes:
    return raw.replace(b"Bcc: injected", b" injected")


@pytest.mark.parametrize("fault", [splits_encoded_newlines, overlooks_headers])
def test_a_faulty_parser_is_found(fault, monkeypatch):
    class Faulty(BytesParser):
        def parsebytes(self, text: Any, headersonly: bool = False) -> Any:
            return super().parsebytes(fault(text), headersonly)

    monkeypatch.setattr(reread, "_PARSER", Faulty())
    with pytest.raises(BrokenMailParser):
        check_parser()
