"""What a ticket's records say, read for the certificate: no more is in it than stands in them.

The records are ours and were sealed by us, so a malformed one is a fault of ours and raises; checking them is the
verifier's. Member names: evidence format, section 1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sealpost.domain import checkpoint, note
from sealpost.domain.canonical import sha256
from sealpost.domain.statement import RELAY, Statement, read_statement
from sealpost.seal.bundle.bundle import SealedRecord

DECISIONS = ("accepted", "refused", "expired", "withdrawn")
REACHED = ("announcement_accepted", "reminder_accepted")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands in the log.

    Args:
        index: of its entry, from 0.
        tree: the checkpoint that its proof leads to.
    """

    index: int
    tree: checkpoint.Checkpoint


@dataclass(frozen=True, slots=True)
class Told:
    """One record.

    Args:
        seq: its number.
        states: what it states.
        at: when it happened, UTC.
        recorded_at: when it was written, UTC.
        members: of the whole record.
        extension: its ``sealpost/1``.
        sha256: of its octets.
        place: None while it is pending.
    """

    seq: int
    states: Statement
    at: datetime
    recorded_at: datetime
    members: dict[str, Any]
    extension: dict[str, Any]
    sha256: bytes
    place: Place | None

    @property
    def kind(self) -> str:
        """One of ``domain.records.EVENTS``, or what our own event URI says."""
        return self.states.kind

    @property
    def smtp(self) -> dict[str, Any]:
        """The facts of the attempt, empty where it was none."""
        return self.extension.get("smtp", {})

    @property
    def source(self) -> str:
        """Whose word it is: see `text.sources`."""
        return self.states.source


@dataclass(frozen=True, slots=True)
class Story:
    """All records of a ticket, by seq; at least one."""

    told: tuple[Told, ...]

    @property
    def first(self) -> Told:
        """The submission."""
        return self.told[0]

    @property
    def last(self) -> Told:
        """What was recorded last."""
        return self.told[-1]

    @property
    def reference(self) -> str:
        """The ticket's token."""
        return self.first.members["MessageIdentifier"]

    @property
    def is_test(self) -> bool:
        """Whether any record says that it is a test's."""
        return any(one.extension["environment"] != "live" for one in self.told)

    def earliest(self, *kinds: str) -> Told | None:
        """The first event of some kinds by the time when it happened."""
        return min((one for one in self.told if one.kind in kinds), key=lambda one: one.at, default=None)

    @property
    def reached(self) -> Told | None:
        """The first acceptance by a server of the recipient's domain; where there is none, by a relay."""
        taken = [one for one in self.told if one.kind in REACHED]
        return min(taken, key=lambda one: (one.source == RELAY, one.at), default=None)

    def heard_from(self, source: str, *kinds: str) -> bool:
        """Whether a record, of some kinds or of any, is the word of that source."""
        return any(one.source == source and (not kinds or one.kind in kinds) for one in self.told)


def read(records: Sequence[SealedRecord]) -> Story:
    """What the records say, by seq.

    Raises:
        ValueError: no records, or not ours.
        KeyError: not ours.
    """
    if not records:
        raise ValueError("a certificate needs records")
    return Story(tuple(_told(one) for one in sorted(records, key=lambda one: one.seq)))


def _told(record: SealedRecord) -> Told:
    members: dict[str, Any] = json.loads(record.octets)
    extension: dict[str, Any] = members["Extensions"][0]["sealpost/1"]
    return Told(
        record.seq,
        read_statement(members),
        datetime.fromisoformat(members["EventTime"]),
        datetime.fromisoformat(extension["recordedAt"]),
        members,
        extension,
        sha256(record.octets),
        _place(record.proof),
    )


def _place(proof: bytes | None) -> Place | None:
    if proof is None:
        return None
    found = checkpoint.read_proof(proof)
    return Place(found.index, checkpoint.read_checkpoint(note.read(found.checkpoint).text))


def attribute(details: dict[str, Any], name: str) -> str:
    """An attribute of a person by its friendly name, or an empty text."""
    found: list[dict[str, Any]] = details.get("Identity", {}).get("Attribute", [])
    return next((one["AttributeValue"][0] for one in found if one["FriendlyName"] == name), "")
