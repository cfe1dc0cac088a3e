"""What the use cases that send mail tell the handing over: how to make the mail, and what is particular to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sealpost.domain.timetable import QUEUE_LIFETIME
from sealpost.mail.letter import Letter, Mailbox
from sealpost.mail.transport import Handover
from sealpost.store import mails, tickets
from sealpost.store.pool import Connection


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link in a mail: only its hash is stored."""

    sha256: bytes
    purpose: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail to be built; ``on_behalf``: the ticket's sender, under whose address it goes if that may be shown."""

    letter: Letter
    link: NewLink | None = None
    on_behalf: Mailbox | None = None


Compose = Callable[[mails.Claim, tickets.Ticket | None], Awaitable[Draft | None]]
"""Makes the mail, once, or says None: there is nothing to send."""

Further = Callable[[Connection, tickets.Ticket, Handover], Awaitable[None]]
"""Further writes of an outcome's transaction."""


TO_RECIPIENT = frozenset({"announcement", "reminder", "content", "collection"})
"""Purposes of mails to a ticket's recipient; the others go to somebody of the account."""
AFTER_ACCEPTANCE = frozenset({"content", "collection"})
"""Purposes of mails that follow an acceptance, whatever the term does, and nothing else."""


def always(_ticket: tickets.Ticket | None) -> bool:
    """Wanted whatever became of the ticket."""
    return True


@dataclass(frozen=True, slots=True)
class Sending:
    """What differs between the use cases that send.

    Args:
        compose: makes the mail.
        wanted: whether the mail is still to be sent; ``is_wanted`` asks it.
        kinds: first part of the record kinds (``announcement``), or empty: no evidence is made of it.
        taken: the kind of record of a server's 250.
        ends_at_expiry: no more tries after the ticket's term.
        plans: purpose of the mail that is planned when this one is built, before anything is sent; or empty.
        afterwards: further writes of the outcome's transaction.
    """

    compose: Compose
    wanted: Callable[[tickets.Ticket | None], bool] = always
    kinds: str = ""
    taken: str = "accepted"
    ends_at_expiry: bool = False
    plans: str = ""
    afterwards: Further | None = None

    def is_wanted(self, claim: mails.Claim, ticket: tickets.Ticket | None) -> bool:
        """Whether the mail is still to be sent, to be asked in the transaction of each durable step of an attempt."""
        if claim.purpose in AFTER_ACCEPTANCE:
            return ticket is not None and ticket.state.decision == "accepted"
        return self.wanted(ticket)

    def ends_at(self, claim: mails.Claim, ticket: tickets.Ticket | None) -> datetime:
        """From when on the mail is not tried any more."""
        lifetime = claim.planned_at + QUEUE_LIFETIME
        return min(lifetime, ticket.state.expire_at) if self.ends_at_expiry and ticket else lifetime

    def kind(self, outcome: str) -> str:
        """The record kind of an outcome."""
        return f"{self.kinds}_{self.taken if outcome == 'accepted' else outcome}"
