"""Records that an upgrade adopted: those of a release that neither sealed nor logged. A later record names them.

For `verify`, and for the order rules: what is adopted gets its place in the log when it is, which may be behind that of
younger records. Nothing proves such a record before that time, so that is said of each; of none is it said that it is false.
"""

from __future__ import annotations

from typing import Any

from sealpost.domain.canonical import sha256
from sealpost.verifier.case import Case, Record
from sealpost.verifier.report import Said
from sealpost.verifier.structure import digest_of

ADOPTED = "adopted"


def check(case: Case) -> None:
    """Says of each record that was adopted that nothing proves it before; of a record that names others, that it is wrong."""
    for record in case.records.values():
        if record.event != ADOPTED:
            continue
        with case.findings.about("chain", record.name, record=record.seq):
            time = str((record.value or {})["EventTime"])
            for seq in _named(case, record):
                case.findings.say(
                    "time.adopted", case.records[seq].name, about=case.records[seq].name, record=seq, time=time
                )


def adopted(case: Case) -> frozenset[int]:
    """The numbers of all records that were adopted."""
    found = set[int]()
    for record in case.records.values():
        if record.event == ADOPTED:
            try:
                found.update(_named(case, record))
            except (Said, ValueError, KeyError, TypeError, AttributeError):
                continue
    return frozenset(found)


def _named(case: Case, record: Record) -> list[int]:
    """The numbers that a record names: of records before it, which are as it says.

    Raises:
        Said: they are not.
        ValueError, KeyError, TypeError, AttributeError: it says so in another form.
    """
    named: list[dict[str, Any]] = record.extension[ADOPTED]["records"]
    for one in named:
        seq = one["seq"]
        other = case.records.get(seq) if type(seq) is int and seq < record.seq else None
        if other is None or sha256(other.octets) != digest_of(one):
            raise Said("chain.adopted", record=record.seq)
    return [one["seq"] for one in named]
