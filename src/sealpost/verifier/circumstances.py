"""Under which circumstances records were made: environment, and the clock of the service against a second source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sealpost.verifier.case import Case, Record
from sealpost.verifier.report import Said
from sealpost.verifier.tables import RULES

_LIMIT: int = RULES["tolerance"]["secondSourceMilliseconds"]


def check_environment(case: Case) -> None:
    """Says environment."""
    with case.findings.about("environment"):
        if any(one.extension.get("environment") == "test" for one in case.records.values()):
            raise Said("environment.test")
        case.findings.say("environment.ok")


def check_clock(case: Case) -> None:
    """Says clock: once for each kind of doubt, with the records that it is about."""
    findings, doubts = case.findings, dict[str, list[int]]()
    with findings.about("clock"):
        for record in case.records.values():
            for doubt in _doubts(record):
                doubts.setdefault(doubt, []).append(record.seq)
        for doubt, numbers in doubts.items():
            findings.say(doubt, "", records=listed(numbers))
        if not doubts:
            sources = {str(_clock(one).get("source"))[:60] for one in case.records.values()}
            findings.say("clock.ok", "", sources=", ".join(sorted(sources)))


def _clock(record: Record) -> dict[str, Any]:
    found = record.extension.get("clock")
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType] - JSON


def _doubts(record: Record) -> list[str]:
    clock = _clock(record)
    source, offset = clock.get("source", "none"), clock.get("offsetMs")
    shifted = ["clock.shifted"] if clock.get("demoShiftSeconds") else []
    if source == "none":
        return ["clock.none", *shifted]
    if type(offset) is not int:
        return ["clock.silent", *shifted]
    return ["clock.off", *shifted] if abs(offset) > _LIMIT else shifted


def listed(numbers: Sequence[int]) -> str:
    """Numbers in short: ``1-4, 7``."""
    spans = list[list[int]]()
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in spans)
