"""The order of what was said of each mail: offered, then answered, then no more attempts. For the order rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sealpost.verifier.case import CLOCK, Record, an_object, event_time
from sealpost.verifier.report import Said
from sealpost.verifier.tables import ORDER


@dataclass(slots=True)
class _Mail:
    """What is known of a mail so far: when it was offered, its last attempt, and the record that ended it."""

    offered: list[datetime] = field(default_factory=list[datetime])
    is_uncertain: bool = False
    attempt: int = 0
    ended: Record | None = None

    def was_offered_by(self, at: datetime) -> bool:
        """An uncertain handover is noticed later than it happened."""
        return self.is_uncertain or any(one <= at + CLOCK for one in self.offered)


def check(records: list[Record]) -> None:
    """Nothing is answered that was not offered, and nothing is tried again that was taken or refused.

    Raises:
        Said: with a code of the order rules.
    """
    mails = dict[str, _Mail]()
    for record in records:
        came_back = "bounce" in record.extension
        facts: dict[str, Any] = an_object(record.extension.get("bounce" if came_back else "smtp", {}))
        mail_id = facts.get("messageId")
        if isinstance(mail_id, str) and record.event:
            mail = mails.setdefault(mail_id, _Mail())
            answered = came_back or record.event in ORDER["taken"]
            if answered and not mail.was_offered_by(event_time(record)):
                raise Said("order.offered", record=record.seq)
            if not came_back:
                _go_on(mail, record, facts.get("attempt"))


def _go_on(mail: _Mail, record: Record, attempt: object) -> None:
    if mail.ended is not None:
        raise Said("order.ended", record=record.seq, other=mail.ended.seq)
    if type(attempt) is int:
        if attempt < mail.attempt:
            raise Said("order.attempt", record=record.seq)
        mail.attempt = attempt
    if record.event in ORDER["offered"]:
        mail.offered.append(event_time(record))
    mail.is_uncertain = mail.is_uncertain or record.event in ORDER["uncertain"]
    if record.event in ORDER["taken"] or record.event in ORDER["failed"]:
        mail.ended = record
