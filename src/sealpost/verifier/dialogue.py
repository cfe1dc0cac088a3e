"""An SMTP dialogue read back from a record's literal lines: what was asked, what was answered, which reply decided.

For the check of agreement within a record. Texts are octets here, one character each, since a line need not be UTF-8.
RFC 5321 4.2 (replies), RFC 2920 (commands sent together).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sealpost.domain.note import strict_base64
from sealpost.verifier.case import an_object

_REPLY = re.compile(r"([2-5][0-9]{2})(?:([ -])[\s\S]*)?")
_DOT = re.compile(r"\(([0-9]{1,15}) octets, final dot\)")
_CUT = re.compile(r"\([0-9]{1,9} lines before are left out\)")
_CUT_SHORT = "(the line before is not whole)"
_CREDENTIALS = "(credentials)"
DOT = "."


@dataclass(frozen=True, slots=True)
class Command:
    """What we said: the line, or ``.`` for the end of the mail; its place among the lines, its time as written."""

    line: str
    index: int
    at: str

    @property
    def verb(self) -> str:
        """In capital letters."""
        return self.line.partition(" ")[0].upper()


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said: all lines of one reply, the time of the last one, and the command that it answers."""

    lines: tuple[str, ...]
    index: int
    at: str
    command: str

    @property
    def code(self) -> str:
        """Three digits."""
        return self.lines[0][:3]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The lines of one host in one attempt.

    Args:
        commands: ours, in their order.
        replies: the server's; what is no reply is left out.
        begun: place of the last greeting; what comes before it was another connection. -1: there is none.
        size: octets of the mail whose final dot was written, or None.
        is_cut: the beginning is left out, for its length.
        length: lines in all.
    """

    commands: tuple[Command, ...]
    replies: tuple[Reply, ...]
    begun: int
    size: int | None
    is_cut: bool
    length: int

    @property
    def deciding(self) -> tuple[Reply, ...]:
        """The replies after which we said no more than goodbye; the one that decided is among them.

        To the final dot it is the first. Where MAIL and RCPT were sent together there may be one for each.
        """
        last = max((one.index for one in self.commands if one.verb != "QUIT"), default=-1)
        end = min((one.index for one in self.commands if one.verb == "QUIT"), default=None)
        found = tuple(one for one in self.replies if last < one.index and (end is None or one.index < end))
        return found[:1] if self.size is not None else found

    def said(self, verb: str) -> list[Command]:
        """Commands of the last connection."""
        return [one for one in self.commands if one.verb == verb and one.index > self.begun]

    @property
    def is_encrypted(self) -> bool | None:
        """Whether STARTTLS was taken on the last connection. None: the lines do not tell.

        Where it was never answered, the greeting of the next connection, in clear, stands where the answer would. A
        server that offers STARTTLS again behind it speaks in clear, unless it breaks RFC 3207, section 4.2.
        """
        taken = [one for one in self.replies if one.command == "STARTTLS" and one.code == "220"]
        taken = [one for one in taken if one.index > self.begun]
        if not taken:
            return False
        later = [one for one in self.replies if one.command == "EHLO" and one.index > taken[-1].index]
        is_offered = any(line[4:].strip().upper() == "STARTTLS" for one in later for line in one.lines)
        return None if is_offered else True


def octets_of_text(members: dict[str, Any], name: str) -> str:
    """A literal text as octets, from ``name`` or ``nameB64``; empty where there is neither.

    Raises:
        ValueError: another kind of value.
    """
    if name in members:
        if not isinstance(members[name], str):
            raise ValueError(f"{name} is no text")
        return members[name].encode("utf-8", "replace").decode("latin-1")
    if f"{name}B64" in members:
        return strict_base64(members[f"{name}B64"]).decode("latin-1")
    return ""


def read_dialogue(lines: Sequence[Any]) -> Dialogue:
    """Reads the lines of a transcript.

    Raises:
        ValueError: lines that are none.
    """
    commands, replies, waiting, said = list[Command](), list[Reply](), list[str](), list[str]()
    begun, size, is_cut = -1, None, False
    for index, value in enumerate(lines):
        one = an_object(value)
        if one.get("by") not in {"c", "s"} or not isinstance(one.get("at"), str):
            raise ValueError("a line without who and when")
        text, at = octets_of_text(one, "line"), one["at"]
        if one["by"] == "c":
            is_cut = is_cut or bool(_CUT.fullmatch(text))
            if text == _CUT_SHORT:
                said, replies = [], [one for one in replies if one.index != index - 1]
            if dot := _DOT.fullmatch(text):
                text, size = DOT, int(dot[1])
            if not text.startswith("(") or text == _CREDENTIALS:  # else a remark of ours
                commands.append(Command(text, index, at))
                waiting.append(commands[-1].verb)
            continue
        said = _continued(said, text)
        if not said or said[-1][3:4] == "-":
            continue
        if said[0][:3] == "220" and waiting[:1] != ["STARTTLS"]:
            begun, waiting, command = index, [], ""
            size = None  # what was sent on another connection before
        else:
            command = waiting.pop(0) if waiting else ""
        replies.append(Reply(tuple(said), index, at, command))
        said = []
    return Dialogue(tuple(commands), tuple(replies), begun, size, is_cut, len(lines))


def _continued(said: list[str], text: str) -> list[str]:
    """The lines of a reply so far; a line that is none, or of another code, ends what was begun."""
    if not _REPLY.fullmatch(text) or (said and said[0][:3] != text[:3]):
        return []
    return [*said, text]
