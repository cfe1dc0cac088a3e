"""The ticket's state machine (design, section 4): two axes, both derived from records.

*Decision*: open → accepted | refused | expired | withdrawn, exactly once. *Transport* of a mail: what servers said.
Facts about transport are always recorded, however late; they are added and revert nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sealpost.domain.errors import Conflict
from sealpost.domain.records import ADOPTED
from sealpost.domain.status import status_of

Decision = Literal["accepted", "refused", "expired", "withdrawn"]
DECISIONS: tuple[Decision, ...] = ("accepted", "refused", "expired", "withdrawn")

TRANSPORT = ("offered", "uncertain", "accepted", "delayed", "failed")
FACTS = frozenset(f"{mail}_{fact}" for mail in ("announcement", "reminder") for fact in (*TRANSPORT, "delivered"))
AFTER_ACCEPTANCE = frozenset(
    {f"content_{fact}" for fact in (*TRANSPORT, "delivered", "downloaded")} - {"content_accepted"}
)
REACHED = frozenset(f"{mail}_{fact}" for mail in ("announcement", "reminder") for fact in ("accepted", "delivered"))
KNOWN = frozenset({"announcement_opened", "accepted", "refused"})
DELIVERED = frozenset({"announcement_delivered", "reminder_delivered"})
ERASED = "content_erased"
KINDS = FACTS | AFTER_ACCEPTANCE | set(DECISIONS) | {"submitted", "announcement_opened", ERASED, ADOPTED}


@dataclass(frozen=True, slots=True)
class TicketState:
    """What the rules need of a ticket.

    Args:
        expire_at: the instant at and after which no recipient's decision counts.
        decision: None while open.
        status: code of the current status.
        reached_at: when a server first took an announcement or a reminder.
        could_know_at: the first sign of a person.
        decided_at: when it ended: the decision fell, the term was over, or it was withdrawn.
        event: what the current status comes from, see `domain.statement.event_of`.
    """

    expire_at: datetime
    decision: Decision | None = None
    status: int = 10
    reached_at: datetime | None = None
    could_know_at: datetime | None = None
    decided_at: datetime | None = None
    event: str = "submitted"


class AlreadyDecided(Conflict):
    """The ticket has its one decision."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"already {decision}")
        self.decision: Decision = decision


class TermOver(Conflict):
    """The collection period has ended, though no job may have said so yet."""


def apply(state: TicketState, kind: str, at: datetime, event: str = "") -> TicketState:
    """The state after a record of this kind.

    Args:
        state: before.
        kind: a record kind, one of ``KINDS``.
        at: the event's time.
        event: what it is called by, see `domain.statement.event_of`; empty: its kind.

    Raises:
        AlreadyDecided: a second decision.
        TermOver: accepted, refused or withdrawn at or after ``expire_at``.
        Conflict: the kind does not fit the state (content before acceptance, expiry before its time, erasure before the end).
    """
    if kind not in KINDS or kind == "submitted":
        raise Conflict(f"no ticket goes on with {kind}")
    for decision in DECISIONS:
        if kind == decision:
            return _decide(state, decision, at, event or kind)
    if kind in AFTER_ACCEPTANCE and state.decision != "accepted":
        raise Conflict(f"{kind} on a ticket that was not accepted")
    if kind == ERASED:
        return _erase(state)
    if kind == ADOPTED:
        return state
    return _observe(state, kind, at, event or kind)


def _decide(state: TicketState, decision: Decision, at: datetime, event: str) -> TicketState:
    if state.decision is not None:
        raise AlreadyDecided(state.decision)
    over = at >= state.expire_at
    if over and decision != "expired":
        raise TermOver("the collection period is over")
    if not over and decision == "expired":
        raise Conflict("the collection period is not over")
    known = at if decision in KNOWN else None
    return replace(
        state,
        decision=decision,
        decided_at=at,
        status=status_of(decision).code,
        event=event,
        could_know_at=state.could_know_at or known,
    )


def _erase(state: TicketState) -> TicketState:
    """What became of the ticket stays what it shows: that its content is gone is one more fact."""
    if state.decision is None:
        raise Conflict("the content of an open ticket is kept")
    return state


def _observe(state: TicketState, kind: str, at: datetime, event: str) -> TicketState:
    reached = kind in REACHED
    late = state.decision is not None and kind not in AFTER_ACCEPTANCE
    late = late or (
        kind in DELIVERED and state.could_know_at is not None
    )  # a report that comes after a sign of a person
    return replace(
        state,
        # A late fact about an announcement is added; it does not replace what the decision, or the person, says.
        status=state.status if late else status_of(kind).code,
        event=state.event if late else event,
        reached_at=state.reached_at or (at if reached else None),
        could_know_at=state.could_know_at or (at if kind in KNOWN else None),
    )
