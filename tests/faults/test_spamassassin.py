"""What SpamAssassin, which many servers ask, makes of every mail in every language: by its rules alone, without network.

For ``script/faults``: it fetches Debian's package and the Perl modules that it needs, unpacked and never installed. The mails
are those of ``tests/mail/test_compose``, built and signed as they go out, with the field on top that the recipient's server adds.
"""

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sealpost.mail.build import build
from sealpost.mail.dkim import DkimKey, new_key, signed
from sealpost.mail.letter import File, Letter, Mailbox
from sealpost.text.catalogue import LANGUAGES
from tests.debian import CannotUnpack, unpack
from tests.mail.test_compose import KINDS, compose

COMPLETE = bool(os.environ.get("SEALPOST_FAULTS_COMPLETE"))
MOST = 0.2  # of five points, from which on a mail is mostly taken for spam
MODULES = (
    "html-parser", "html-tagset", "net-dns", "netaddr-ip", "mail-dkim", "mail-spf", "error", "digest-hmac", "www", "uri",
    "io-socket-ssl", "http-message", "http-date", "encode-locale", "sys-hostname-long", "timedate",
)  # fmt: skip
AT = datetime.now(UTC)  # a Date far from now costs points
STATUS = re.compile(
    rb"(?sm)^X-Spam-Status: \w+, score=(-?[0-9.]+) .*?tests=(.*?) autolearn=.*?^Message-ID: <[0-9a-f-]*-(\w+)@"
)
HIDDEN = '<div style="display:none;font-size:1px;color:#ffffff;max-height:0px;opacity:0;overflow:hidden;">Preview</div>'
FILES = (File("besluit é.pdf", "application/pdf", b"%PDF-1.7\n" * 40), File("message.txt", "text/plain", b"Dear Bob"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that cannot be had is named in the last line of ``script/faults``."""
    if not COMPLETE:
        pytest.skip("script/faults runs this: it fetches Debian's SpamAssassin")
    try:
        return unpack(tmp_path_factory.mktemp("spamassassin"), "spamassassin", *(f"lib{name}-perl" for name in MODULES))
    except CannotUnpack as why:
        pytest.skip(f"SpamAssassin: {why}")


def sent(kind: str, language: str, number: int, key: DkimKey, hidden: str = "") -> bytes:
    """A mail as it goes out, in a box's line ends; ``hidden`` stands before its text."""
    words = compose(kind, language)
    letter = Letter(
        Mailbox("post@post.example", "Alice"),
        Mailbox("bob@example.com"),
        Mailbox("alice@example.org", "Alice"),
        words.subject,
        words.text,
        re.sub("(<body[^>]*>)", rf"\1{hidden}", words.html),
        FILES if kind in {"content", "html"} else (),
        f"<0199a1de-41ad-7c1e-9d0b-{number:012x}@post.example>",
        AT,
        language,
    )
    return signed(build(letter), (key,), AT).replace(b"\r\n", b"\n")


def judged(root: Path, box: Path) -> dict[int, tuple[float, str]]:
    """What each mail in a box scores, by its number, and by which rules. They come in any order."""
    modules = [root / "usr/share/perl5", *sorted(root.glob("usr/lib/*/perl5/5*"))]
    rules = ["--configpath", root / "usr/share/spamassassin", "--siteconfigpath", root / "etc/spamassassin"]
    # Tainted, as its own first line has it; -L: no network. It keeps its state beside the box.
    command = ["perl", "-T", *(f"-I{path}" for path in modules), root / "usr/bin/spamassassin", "-L", "-x", *rules]
    state = {"PATH": "/usr/bin:/bin", "HOME": str(box.parent), "LANG": "C.UTF-8"}
    state |= {"PERL5LIB": ":".join(map(str, modules))}
    done = subprocess.run([*command, "--mbox", box], env=state, capture_output=True, timeout=900, check=True)
    found = STATUS.findall(done.stdout)
    return {int(number, 16): (float(score), b"".join(tests.split()).decode()) for score, tests, number in found}


def test_no_mail_costs_points(unpacked: Path, tmp_path: Path) -> None:
    key = DkimKey("post.example", "s2026", new_key())
    cases = [(kind, language) for kind in KINDS for language in LANGUAGES]
    mails = [sent(kind, language, number, key) for number, (kind, language) in enumerate(cases)]
    mails.append(sent("announcement", "en", len(mails), key, HIDDEN))
    box = tmp_path / "box"
    box.write_bytes(b"".join(b"From post@post.example Mon Nov 23 08:00:00 2026\n%b\n" % mail for mail in mails))
    scores = judged(unpacked, box)
    assert sorted(scores) == list(range(len(mails)))
    assert scores.pop(len(cases))[0] > MOST  # what it would find
    costly = [(*cases[number], *score) for number, score in scores.items() if not -1 <= score[0] <= MOST]
    assert costly == []
