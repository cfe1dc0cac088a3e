"""The status table (contract, section 6): the one place that knows its numbers and names. Released ones never change.

A status is what a *record kind* means to a reader; it is derived from records and never stored as the truth itself.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Status:
    """One row of the table: its number in the XML interface and its stable name."""

    code: int
    name: str


TABLE = tuple(
    Status(code, name)
    for code, name in (
        (10, "submitted"),
        (20, "announcement_offered"),
        (25, "announcement_uncertain"),
        (30, "announcement_accepted"),
        (35, "announcement_delayed"),
        (40, "announcement_failed"),
        (50, "announcement_opened"),
        (60, "recipient_identified"),
        (65, "identification_failed"),
        (70, "accepted"),
        (75, "content_offered"),
        (76, "content_delayed"),
        (80, "content_delivered"),
        (81, "content_failed"),
        (85, "signed"),
        (90, "refused"),
        (92, "expired"),
        (93, "withdrawn"),
        (95, "reminder_offered"),
        (96, "reminder_accepted"),
        (97, "reminder_failed"),
        (98, "content_erased"),
    )
)

BY_NAME = {status.name: status for status in TABLE}
BY_CODE = {status.code: status for status in TABLE}

# Kinds of record that have no number of their own, and the status under which a reader sees them.
SHOWN_AS = {
    "reminder_uncertain": "announcement_uncertain",
    "reminder_delayed": "announcement_delayed",
    "announcement_delivered": "announcement_accepted",
    "reminder_delivered": "reminder_accepted",
    "content_uncertain": "content_delayed",
    "content_downloaded": "content_delivered",
}


def status_of(kind: str) -> Status:
    """The status that a record of this kind shows.

    Raises:
        KeyError: for a kind that is not in the table.
    """
    return BY_NAME[SHOWN_AS.get(kind, kind)]
