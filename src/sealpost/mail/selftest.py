"""Start-up check of the interpreter's mail parser: "Python 3.11 or newer" is not a safe floor for mail.

For bootstrap and ``sealpost doctor``. The parser is the second opinion on every mail that we build (``mail/reread``),
so it must not itself see headers that are not there, lose one that is, or take two addresses for one
(CVE-2024-6923, CVE-2026-1299, CVE-2023-27043).
"""

from sealpost.mail.letter import Mailbox
from sealpost.mail.reread import mailboxes, parsed

_SUBJECTS = (
    "A \N{PILE OF POO} subject=?UTF-8?Q?=0A?=Bcc: injected@example.com",
    "=?UTF-8?Q?=0ABcc:_injected@example.com?=",
    "=?UTF-8?B?DQpCY2M6IGluamVjdGVkQGV4YW1wbGUuY29t?=",
    "=?utf-7?Q?+AAo-Bcc:_injected@example.com?=",
    "x\r\n =?UTF-8?Q?=0D=0ABcc=3A?= injected@example.com",
)
_INJECTIONS = ("x\r\nBcc: injected@example.com", "x\nBcc: injected@example.com")
_TRICKS = (
    "alice@example.org)bob@example.com",
    "alice@example.org, bob@example.com",
    "alice@example.org;bob@example.com",
    "alice@example.org(bob@example.com)",
    '"alice@example.org" <bob@example.com>',
    "<alice@example.org> bob@example.com",
    "alice@example.org <bob@example.com>",
)
_GOOD = {
    "<alice@example.org>": Mailbox("alice@example.org"),
    '"Alice, \\"A.\\"" <alice@example.org>': Mailbox("alice@example.org", 'Alice, "A."'),
    "=?utf-8?B?QWxpY2Ugw6k=?= <alice@example.org>": Mailbox(
        "alice@example.org", "Alice \N{LATIN SMALL LETTER E WITH ACUTE}"
    ),
}


class BrokenMailParser(RuntimeError):
    """This interpreter's mail parser cannot be trusted; the service must not start."""


def check_parser() -> None:
    """Shows the parser a handful of known attacks.

    Raises:
        BrokenMailParser: it missed one.
    """
    for subject in _SUBJECTS:
        if _names(subject) != ["from", "subject", "to"]:
            raise BrokenMailParser("an encoded newline made a header")
    for subject in _INJECTIONS:
        if _names(subject) != ["from", "subject", "bcc", "to"]:
            raise BrokenMailParser("a header was overlooked")
    for trick in _TRICKS:
        if mailboxes(trick) == (Mailbox("alice@example.org"),):
            raise BrokenMailParser("an address was overlooked")
    for text, box in _GOOD.items():
        if mailboxes(text) != (box,):
            raise BrokenMailParser("a mailbox was misread")


def _names(subject: str) -> list[str]:
    mail = f"From: <a@example.org>\r\nSubject: {subject}\r\nTo: <b@example.com>\r\n\r\n"
    return [name.lower() for name in parsed(mail.encode()).keys()]  # noqa: SIM118 - a message's keys() may repeat
