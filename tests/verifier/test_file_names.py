"""What a bundle calls contents and mails is what its records call them; command and page say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealpost.domain.content import plain_name, shown_name
from sealpost.verifier.trust import Trust
from sealpost.verifier.verify import verify
from tests.verifier.lives import World
from tests.verifier.page.node import verify_in_node
from tests.verifier.tampering import members_of, replaced, resealed

RENAMED = {
    "another name": ("content/02-notice.pdf", "content/02-receipt.pdf", "content.name"),
    "another ending": ("content/02-notice.pdf", "content/02-notice.exe", "content.name"),
    "another case": ("content/02-notice.pdf", "content/02-Notice.pdf", "content.name"),
    "the body as a page": ("content/01-message.txt", "content/01-message.html", "content.name"),
    "the body as an attachment": ("content/01-message.txt", "content/01-notice.pdf", "content.name"),
    "a number of three digits": ("content/02-notice.pdf", "content/002-notice.pdf", "content.name"),
    "a name that hides": ("content/02-notice.pdf", "content/02-notice.pdf\u200b", "content.name"),
    "a mail that reminds": ("mail/2-announcement.eml", "mail/2-reminder.eml", "mail.name"),
    "a mail that decides": ("mail/2-announcement.eml", "mail/2-accepted.eml", "mail.name"),
}


def test_each_renamed_file_is_found(world: World, good: bytes, trust: Trust, tmp_path: Path) -> None:
    members = members_of(good)
    assert verify(good, trust).exit_code == 0
    made = [
        resealed(world, replaced(members, old, dict(members)[old], as_name=new)) for old, new, _ in RENAMED.values()
    ]
    page = verify_in_node(tmp_path, [good, *made], world.trust_files())
    assert page[0]["report"]["exit"] == 0
    for (name, (_, new, why)), octets, shown in zip(RENAMED.items(), made, page[1:], strict=True):
        report = verify(octets, trust)
        ours = [(one.why, one.about) for one in report.claims if one.verdict == "FAIL"]
        theirs = [(one["why"], one["about"]) for one in shown["report"]["claims"] if one["verdict"] == "FAIL"]
        assert ours == theirs == [(why, new)], name


@pytest.mark.parametrize(
    ("name", "content_type", "shown"),
    [
        ("message_body", "text/plain; charset=utf-8", "message.txt"),
        ("message_body", "text/html; charset=utf-8", "message.html"),
        ("Überweisung März.pdf", "application/pdf", "Uberweisung_Marz.pdf"),
    ],
)
def test_a_file_name(name: str, content_type: str, shown: str) -> None:
    assert plain_name(shown_name(name, content_type)) == shown
