"""What it means to hand one mail to one server: the words that every transport and its callers share.

For the use cases that send (through ``Transport``) and for the evidence (through ``Handover``, which becomes the
record's ``smtp`` extension and its TransactionLog). Clauses: RFC 5321 (SMTP), RFC 3461 (ENVID), RFC 6531 (SMTPUTF8).
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from sealpost.mail.letter import UnsafeMail

Outcome = Literal["accepted", "delayed", "failed", "uncertain"]
Reason = Literal[
    "accepted", "unknown", "full", "policy", "reputation", "server", "unreachable", "greylisted", "content", "too_large", "other"
]  # fmt: skip
"""What an outcome is about: ``accepted``, and the classes of docs/bounces.md."""
Stage = Literal[
    "route", "connect", "greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot"
]  # fmt: skip

_PATH = re.compile("[^\x00-\x20\x7f-\x9f<>\u2028\u2029]+@[^\x00-\x20\x7f-\x9f<>@\u2028\u2029]+")
_PATH_LIMIT = 320
_ENVID_LIMIT = 80


@dataclass(frozen=True, slots=True)
class Why:
    """What decided where no reply did, in our words.

    Args:
        code: by which projections translate it, one of `text.statements.CAUSES`.
        text: in English, with its particulars, for those who read records.
    """

    code: str = ""
    text: str = ""


REPLIED = Why()
"""A reply decided: it speaks for itself."""


class By(StrEnum):
    """Who spoke: client (we) or server."""

    client = "c"
    server = "s"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the dialogue, literally, without its line end, at the time it was written or had arrived."""

    by: By
    at: datetime
    line: bytes


@dataclass(frozen=True, slots=True)
class Presented:
    """A certificate that a server showed: its octets (DER, whether or not anybody can read them) and their SHA-256."""

    sha256: bytes
    octets: bytes


@dataclass(frozen=True, slots=True)
class Tls:
    """The encryption of a connection.

    ``certificate_sha256`` is 32 octets over the DER form; ``name_check`` is ``match``, ``mismatch`` or ``none`` (no
    certificate or no name in it). Whether a valid chain was demanded is the policy's matter, recorded beside this.
    ``chain`` is what the server showed, its own certificate first, as far as it is kept; ``shown`` how many there were.
    """

    version: str
    cipher: str
    certificate_sha256: bytes | None
    name_check: str
    chain: tuple[Presented, ...] = ()
    shown: int = 0


@dataclass(frozen=True, slots=True)
class Envelope:
    """One recipient per transaction.

    ``envid`` (may be empty) comes back in delivery status notifications; ``tls_verified``: over verified TLS or not at
    all.
    """

    mail_from: str
    rcpt_to: str
    smtputf8: bool
    envid: str
    tls_verified: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What was demanded of a connection's encryption, and why.

    ``kind``: ``none`` (opportunistic), ``mta-sts`` (RFC 8461, with the policy's id and mode), ``dane`` (RFC 7672), or
    ``demanded``: the sender wants verified TLS or no delivery. ``demanded`` may also be said beside the first two.
    """

    kind: Literal["none", "mta-sts", "dane", "demanded"] = "none"
    id: str = ""
    mode: str = ""
    demanded: bool = False


@dataclass(frozen=True, slots=True)
class Mx:
    """What the DNS said of a domain's mail servers.

    Args:
        domain: that was asked for.
        exchanges: preference and name of each, in the order of preference.
        implicit: there is no MX; the domain's own address counts (RFC 5321 5.1).
        secure: a validating resolver vouched for it (DNSSEC).
        status: found, empty, nxdomain or failed.
    """

    domain: str
    exchanges: tuple[tuple[int, str], ...]
    implicit: bool
    secure: bool
    status: str


@dataclass(frozen=True, slots=True)
class Handover:
    """What became of one attempt.

    ``uncertain``: the final dot was written and no answer came, so the server may have the mail. ``stage`` is where
    it ended; ``final`` the whole deciding reply, literally, its lines joined by LF (empty if there was none); ``code`` and
    ``enhanced`` from it; ``address`` the IP address that was tried, None if it is not known or none was. ``host`` is
    empty if there was none to go to; ``why`` says then what was wrong. ``earlier``: addresses that were tried before
    this one in the same attempt, and did not take the mail. ``relayed``: the server is a relay of ours, not the recipient's.
    """

    outcome: Outcome
    stage: Stage
    code: int | None
    enhanced: str | None
    final: bytes
    reason: Reason
    host: str
    address: str | None
    port: int
    our_name: str
    tls: Tls | None
    transcript: tuple[Line, ...]
    started_at: datetime
    ended_at: datetime
    policy: Policy = Policy()
    mx: Mx | None = None
    relayed: bool = False
    why: Why = REPLIED
    earlier: tuple["Handover", ...] = ()


class Transport(Protocol):
    """A way to hand mails over: to one relay, or directly to the recipient's servers."""

    async def hand_over(self, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]]) -> Handover:
        """Tries once to hand one mail over.

        Never raises for anything that the network or the server does. ``before_dot`` is awaited when everything but
        the final ``.CRLF`` has been written: the caller commits a durable mark there. If it raises, the dot is not
        sent, the connection is closed and the exception goes on to the caller.

        Args:
            envelope: sender and recipient of this transaction.
            mail: the exact bytes, CRLF lines, ending with CRLF; unstuffed.
            before_dot: called at most once, and always before the dot.

        Raises:
            UnsafeMail: envelope or bytes could smuggle a second command or mail; nothing was sent.
        """
        ...

    async def book(self, recipient: str, *, pressing: bool = False) -> float:
        """Books a place with this recipient's servers, until ``unbook``; ``hand_over`` itself does not ask for one.

        A destination that does not answer, or has enough under way, shall not hold those who send to others; so this
        waits some seconds at most, where a place may come free.

        Args:
            recipient: whom the mail is for.
            pressing: the mail has waited so long that it is tried also where another one has just failed.

        Returns:
            0: booked; else the seconds for which trying is no use, and nothing is booked.
        """
        ...

    def unbook(self, recipient: str) -> None:
        """Gives a booked place back, whatever became of the mail."""
        ...

    async def close(self) -> None:
        """Ends idle connections politely."""
        ...


def check_handover(envelope: Envelope, mail: bytes) -> None:
    """Refuses what could end a command or a mail early (SMTP smuggling, CVE-2023-51764).

    Raises:
        UnsafeMail: an address with a space, control or angle bracket, or bytes with a bare CR, bare LF or NUL.
    """
    for field, path in (("mail_from", envelope.mail_from), ("rcpt_to", envelope.rcpt_to)):
        if len(path) > _PATH_LIMIT or not _PATH.fullmatch(path):
            raise UnsafeMail(field)
    if len(envelope.envid) > _ENVID_LIMIT or not envelope.envid.isascii():
        raise UnsafeMail("envid")
    ends = mail.count(b"\r\n")
    if mail.count(b"\r") != ends or mail.count(b"\n") != ends or b"\0" in mail or not mail.endswith(b"\r\n"):
        raise UnsafeMail("mail")
