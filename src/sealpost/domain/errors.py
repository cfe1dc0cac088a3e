"""The error tree of the whole service. HTTP, XML and page answers are made from these at the edge only.

SealpostError
├── InvalidInput        the caller's input breaks a rule; names the field
│   └── TooLarge        it is larger than a limit
├── PreconditionFailed  well-formed, but a condition of the account does not hold
├── NotAllowed          known caller, not this act
├── NotFound            no such thing for this caller (also: another account's)
├── Conflict            the thing's state does not allow it (any more)
│   └── KeyBusy         the first request with an idempotency key is still running
├── KeyReused           an idempotency key came with another request before
├── NoEvidence          a record of the ticket is not this service's own, or waits for the operator: asking again is no help
├── Unavailable         a part we need is away; nothing was taken in
└── Fenced              another worker has taken this work over; this one may not write
"""

from __future__ import annotations


class SealpostError(Exception):
    """An error with a sentence for its reader."""


class InvalidInput(SealpostError):
    """Input that breaks a rule.

    Args:
        field: the name of the field at fault, as the caller wrote it.
        why: what is wrong, in a few words, without repeating the value.
    """

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


class TooLarge(InvalidInput):
    """Larger than the limit that stands in the sentence."""


class PreconditionFailed(SealpostError):
    """A condition of the account does not hold, for example a sender address that is not usable."""


class NotAllowed(SealpostError):
    """The caller is known, but may not do this."""


class NotFound(SealpostError):
    """There is no such thing for this caller."""


class Conflict(SealpostError):
    """The state of the thing does not allow the act (any more)."""


class KeyBusy(Conflict):
    """The first request with an idempotency key is still running: ask again in a second."""


class KeyReused(SealpostError):
    """An idempotency key that stands for another request."""


class NoEvidence(SealpostError):
    """A record of the ticket has no seal and gets none by itself; the sentence says why."""


class Unavailable(SealpostError):
    """A part that we need is away (database, content store, keys). Nothing was accepted."""


class Fenced(SealpostError):
    """Another worker took the work over; what this one holds is stale and must not be written."""
