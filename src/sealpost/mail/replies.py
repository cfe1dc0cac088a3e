"""A server's reply, and what it means for the mail.

For ``mail/session`` and for bounces. Clauses: RFC 5321 4.2 (replies), RFC 3463 (enhanced codes), RFC 5248 (their
registry), RFC 1870 (SIZE), RFC 6647 (greylisting). The enhanced code decides the class where there is one, the plain
code and the stage otherwise; the outcome always follows the first digit.
"""

import re
from dataclasses import dataclass

from sealpost.mail.transport import Outcome, Reason, Stage

_ENHANCED = re.compile(rb"[0-9]{3}[ -]([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
_GREYLIST = re.compile(rb"gr[ea]y-?\s?list", re.IGNORECASE)

# Subject and detail of RFC 3463 3.2-3.8 and the registry of RFC 5248; a subject alone is the rule for its details.
_BY_ENHANCED: dict[str, Reason] = {
    "1": "unknown",  # addressing: bad mailbox, bad system, bad syntax, moved
    "1.7": "policy",  # bad sender's mailbox: about us, not about the recipient
    "1.8": "policy",  # bad sender's system
    "1.10": "unreachable",  # the domain accepts no mail (null MX, RFC 7505)
    "2": "other",
    "2.1": "unknown",  # mailbox disabled
    "2.2": "full",
    "2.3": "too_large",
    "3": "unreachable",  # the destination system: not accepting, not capable
    "3.1": "full",
    "3.4": "too_large",
    "4": "unreachable",  # network and routing
    "5": "other",  # protocol
    "6": "content",
    "7": "policy",
}
_BY_CODE: dict[int, Reason] = {
    421: "unreachable",
    432: "policy",
    452: "full",
    454: "policy",
    521: "unreachable",
    530: "policy",
    534: "policy",
    535: "policy",
    538: "policy",
    541: "policy",
    551: "unknown",
    552: "too_large",
    553: "unknown",
    554: "policy",
    556: "unreachable",
}
_BY_CODE_AT_RCPT: dict[int, Reason] = {550: "unknown", 552: "full", 554: "policy"}
_GREYLISTING_CODES = (450, 451)
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
    if reply.code // 100 == 2:
        return "accepted" if stage == "dot" else "other"
    if reply.code // 100 == 4 and _is_greylisting(stage, reply):
        return "greylisted"
    if reply.enhanced:
        return reason_of_enhanced(reply.enhanced)
    if stage == "rcpt" and reply.code in _BY_CODE_AT_RCPT:
        return _BY_CODE_AT_RCPT[reply.code]
    return "policy" if reply.code == 550 else _BY_CODE.get(reply.code, "other")


def reason_of_enhanced(code: str) -> Reason:
    """The class of an enhanced code alone, such as ``5.1.1``: all that a bounce may have (RFC 3464, 2.3.4)."""
    _, subject, detail = code.split(".")
    return _BY_ENHANCED.get(f"{subject}.{detail}") or _BY_ENHANCED.get(subject) or "other"


def _is_greylisting(stage: Stage, reply: Reply) -> bool:
    named = any(_GREYLIST.search(line) for line in reply.lines)
    usual = stage == "rcpt" and reply.code in _GREYLISTING_CODES and reply.enhanced == "4.7.1"
    return named or usual
