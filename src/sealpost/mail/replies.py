"""A server's reply, and what it means for the mail.

For ``mail/session``. The outcome follows the first digit (RFC 5321, 4.2.1) and the stage; the class is that of
``mail/reply_classes``.
"""

import re
from dataclasses import dataclass

from sealpost.mail.reply_classes import class_of
from sealpost.mail.transport import Outcome, Reason, Stage

_ENHANCED = re.compile(rb"[0-9]{3}[ -]([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
_ABOUT_THE_RECIPIENT: tuple[Stage, ...] = ("rcpt", "data", "body", "dot")


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its code and all its lines, literally, without line ends."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def final(self) -> bytes:
        """The whole reply, its lines joined by LF."""
        return b"\n".join(self.lines)

    @property
    def enhanced(self) -> str | None:
        """The enhanced code of any line that has one of the reply's class; of different ones the last line's."""
        found = (_ENHANCED.match(line) for line in reversed(self.lines))
        codes = (match[1].decode("ascii") for match in found if match)
        return next((code for code in codes if int(code[0]) == self.code // 100), None)

    @property
    def text(self) -> str:
        """The lines without their codes, as the EHLO parser wants them."""
        return "\n".join(line[4:].decode("utf-8", "replace") for line in self.lines)


def outcome_of(stage: Stage, reply: Reply) -> Outcome:
    """What a reply that was not the hoped-for one means.

    What is said before RCPT is about us, or about this one server, and says nothing about the recipient, so it is not
    final; but that a mail is too large is, at MAIL (RFC 1870). An answer that is no answer (1xx, 3xx) leaves the mail's
    fate open if the dot had been written, else it was not taken.
    """
    if stage == "dot" and reply.code // 100 == 2:
        return "accepted"
    too_large = stage == "mail" and reason_of(stage, reply) == "too_large"
    if reply.code // 100 == 5 and (stage in _ABOUT_THE_RECIPIENT or too_large):
        return "failed"
    return "uncertain" if stage == "dot" and reply.code // 100 not in {4, 5} else "delayed"


def reason_of(stage: Stage, reply: Reply) -> Reason:
    """The class of a reply (contract 6, status 40; evidence 1, ``class``)."""
    if reply.code // 100 not in {4, 5}:
        return "accepted" if stage == "dot" and reply.code // 100 == 2 else "other"
    return class_of(reply.text, code=reply.code, enhanced=reply.enhanced, stage=stage)
