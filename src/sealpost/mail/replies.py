"""A server's reply, and what it means for the mail.

For ``mail/session``. The outcome follows the first digit alone (RFC 5321, 4.2.1); the class is that of
``mail/reply_classes``.
"""

import re
from dataclasses import dataclass

from sealpost.mail.reply_classes import class_of
from sealpost.mail.transport import Outcome, Reason, Stage

_ENHANCED = re.compile(rb"[0-9]{3}[ -]([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
_NEVER_FINAL: tuple[Stage, ...] = ("starttls", "auth")


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

    A refusal of STARTTLS or of our credentials says nothing about the recipient, so it is never final. An answer
    that is no answer (1xx, 3xx) leaves the mail's fate open if the dot had been written, else it was not taken.
    """
    if stage == "dot" and reply.code // 100 == 2:
        return "accepted"
    if reply.code // 100 == 5 and stage not in _NEVER_FINAL:
        return "failed"
    return "uncertain" if stage == "dot" and reply.code // 100 not in {4, 5} else "delayed"


def reason_of(stage: Stage, reply: Reply) -> Reason:
    """The class of a reply (contract 6, status 40; evidence 1, ``class``)."""
    if reply.code // 100 not in {4, 5}:
        return "accepted" if stage == "dot" and reply.code // 100 == 2 else "other"
    return class_of(reply.text, code=reply.code, enhanced=reply.enhanced, stage=stage)
