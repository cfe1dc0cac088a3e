"""What verification says: claims with a verdict, heads and remarks without, a time line. For command, JSON and tests.

A check never raises outward: it raises `Said` to end with a code, and whatever else it meets on hostile octets becomes
``<check>.malformed``, which is a FAIL. A fault of the verifier itself, or of the machine, is raised: it is no verdict.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sealpost.verifier.tables import CHECKS, FAIL, NOT_PROVEN, PASS, VALUES, VERDICTS, WORDS, reason, said

_OF_OCTETS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, zlib.error)


class Unusable(ValueError):
    """Nothing could be verified: not a readable file, no bundle at all, or a bad trust folder (exit 3).

    Args:
        why: a key of `tables.REASONS`.
        values: what it names.
    """

    def __init__(self, why: str, **values: Any) -> None:
        super().__init__(why)
        self.values = {"reason": why, **values}


class Fault(Exception):
    """A fault of the verifier itself (exit 3)."""


class Said(Exception):
    """Ends a check with a code of the table, whatever its verdict.

    Args:
        code: a key of `tables.VERDICTS`.
        values: what its sentence names.
    """

    def __init__(self, code: str, /, **values: Any) -> None:
        super().__init__(code)
        self.code, self.values = code, values


@dataclass(frozen=True, slots=True)
class Claim:
    """One finding.

    Args:
        check: one of `tables.CHECKS`.
        about: a member's name, or empty for the whole.
        verdict: PASS, FAIL or NOT PROVEN.
        why: the code.
        values: what the sentence of the code names.
    """

    check: str
    about: str
    verdict: str
    why: str
    values: dict[str, Any] = field(default_factory=dict[str, Any])

    def words(self, language: str) -> str:
        """The sentence in nl, en, de or fr."""
        return said(self.why, language, self.values)


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to know that is no finding."""

    why: str
    values: dict[str, Any]

    def words(self, language: str) -> str:
        """The sentence in nl, en, de or fr."""
        return said(self.why, language, self.values)

    def as_json(self, language: str) -> dict[str, Any]:
        """For machines: the code, its values and the sentence."""
        return {"why": self.why, "values": self.values, "words": self.words(language)}


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the verifier's own time line, made from a record alone.

    Args:
        claimed: EventTime as the record writes it.
        record: its number.
        event: its name; of one that this verifier does not know what its URI ends with.
        line: the server's last reply, literally, its lines joined by LF; or empty.
        by: ``relay`` or ``bounce`` where it is the word of a relay, or of a mail that came back, ``program`` where an act
            bears signs of one; else empty.
        proven: not later than this, or empty: nothing is proven of its time.
        verdict: PASS where the two fit, else NOT PROVEN.
        signs: of a program instead of a person, named.
        signed: what the record says of the signatures on a returned mail, a fact of the service's: ``pass``, ``none``,
            ``temperror``, ``other``, or empty: nothing.
        signers: the domains of valid ones, and how.
        reason: class of a failure, one of the rules, or empty: nothing failed.
    """

    claimed: str
    record: int
    event: str
    line: str
    by: str
    proven: str
    verdict: str
    signs: tuple[str, ...]
    signed: str = ""
    signers: tuple[str, ...] = ()
    reason: str = ""

    def words(self, language: str) -> str:
        """What happened, and whose word it is, in nl, en, de or fr."""
        code = f"event.{self.event}.{self.by}" if self.by else f"event.{self.event}"
        told = WORDS[code][language] if code in WORDS else said("event.unknown", language, {"event": self.event})
        marked = self.signs and self.by != "program"  # else the sentence has the mark
        told += said("event.automation", language, {"signs": ", ".join(self.signs)}) if marked else ""
        return told + (WORDS[f"reason.{self.reason}"][language] if self.reason else "")

    def as_json(self) -> dict[str, Any]:
        """For machines; ``at`` is ``claimed``, as earlier versions called it."""
        return {
            "at": self.claimed,
            "claimed": self.claimed,
            "provenNotLaterThan": self.proven or None,
            "verdict": self.verdict,
            "record": self.record,
            "event": self.event,
            "by": self.by,
            "automation": list(self.signs),
            "reason": self.reason,
            "line": self.line,
            **({"authenticated": {"result": self.signed, "by": list(self.signers)}} if self.signed else {}),
        }

    def signed_words(self, language: str) -> str:
        """What the record says of a returned mail's signatures, in a sentence; empty for nothing."""
        return said(f"signed.{self.signed}", language, {"by": ", ".join(self.signers)}) if self.signed else ""


@dataclass(slots=True)
class Findings:
    """Claims, heads and remarks while checks run."""

    claims: list[Claim] = field(default_factory=list[Claim])
    heads: list[Remark] = field(default_factory=list[Remark])
    remarks: list[Remark] = field(default_factory=list[Remark])
    _known: set[str] = field(default_factory=set[str])

    def say(self, code: str, about: str = "", /, **values: Any) -> None:
        """Adds the claim of a code; its verdict stands in the table."""
        if code not in VERDICTS:
            raise Fault(code)
        check = code.partition(".")[0]
        if "reason" in values:
            values["reason"] = reason(values["reason"])
        self.claims.append(Claim(check, about, VERDICTS[code], code, {"about": about, **values}))

    def head(self, code: str, /, **values: Any) -> None:
        """Adds a line for the head, where nobody overlooks it: what the whole report is about, and is not."""
        self.heads.append(Remark(code, values))

    def remark(self, code: str, /, **values: Any) -> None:
        """Adds a remark, once."""
        key = f"{code} {sorted(values.items())}"
        if key not in self._known:
            self._known.add(key)
            self.remarks.append(Remark(code, values))

    @contextmanager
    def about(self, check: str, about: str = "", /, **values: Any) -> Generator[None]:
        """Runs one check about one member: `Said` ends it with its code, any other exception with a FAIL."""
        try:
            yield
        except Said as end:
            self.say(end.code, about, **{**values, **end.values})
        except Exception as error:
            if not _is_of_octets(error):
                raise
            named = dict.fromkeys(VALUES[f"{check}.malformed"], "?")
            self.say(f"{check}.malformed", about, **{**named, "about": about, **values, **reasons_of(error)})


def reasons_of(error: BaseException) -> dict[str, Any]:
    """What a sentence says of an exception: ``reason`` and what it names."""
    return {**getattr(error, "values", {}), "reason": reason(error)}


def _is_of_octets(error: Exception) -> bool:
    """Whether hostile octets can have raised it; all else is a fault of ours or of the machine, and no verdict."""
    return isinstance(error, _OF_OCTETS) or type(error).__module__.partition(".")[0] in {"cryptography", "asn1crypto"}


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome.

    Args:
        claims: in the order of `tables.CHECKS`.
        heads: what whoever reads a verdict must know before it.
        remarks: what else is no finding.
        time_line: from the records, in their order.
        parties: reference, sender, recipient, as the first record has them; empty where none can be read.
        language: of `words`.
        as_of: the time of the bundle's own time token, or empty: it has none that is right.
    """

    claims: tuple[Claim, ...]
    heads: tuple[Remark, ...]
    remarks: tuple[Remark, ...]
    time_line: tuple[Moment, ...]
    parties: dict[str, str]
    language: str
    as_of: str

    @property
    def exit_code(self) -> int:
        """0 all PASS, 1 any FAIL, 2 only PASS and NOT PROVEN; no claim at all is never 0."""
        verdicts = {one.verdict for one in self.claims}
        if FAIL in verdicts or not verdicts:
            return 1
        return 2 if NOT_PROVEN in verdicts else 0

    def of(self, check: str) -> tuple[Claim, ...]:
        """The claims of one check."""
        return tuple(one for one in self.claims if one.check == check)

    def verdict(self, check: str) -> str | None:
        """The worst verdict of a check, or None where it had nothing to look at."""
        verdicts = {one.verdict for one in self.of(check)}
        return next((one for one in (FAIL, NOT_PROVEN, PASS) if one in verdicts), None)

    def as_json(self) -> dict[str, Any]:
        """The report for machines; claims as in the page."""
        return {
            "format": "sealpost-report/1",
            "exit": self.exit_code,
            "stateAsOf": self.as_of or None,
            "checks": {check: verdict for check in CHECKS if (verdict := self.verdict(check))},
            "claims": [
                {"check": one.check, "about": one.about, "verdict": one.verdict, "why": one.why}
                | {"values": one.values, "words": one.words(self.language)}
                for one in self.claims
            ],
            "heads": [one.as_json(self.language) for one in self.heads],
            "remarks": [one.as_json(self.language) for one in self.remarks],
            "timeLine": [one.as_json() for one in self.time_line],
            **self.parties,
        }


def finished(
    findings: Findings, time_line: tuple[Moment, ...], parties: dict[str, str], language: str, as_of: str = ""
) -> Report:
    """The report, its claims in the order of the checks."""
    claims = sorted(findings.claims, key=lambda one: CHECKS.index(one.check))
    heads, remarks = tuple(findings.heads), tuple(findings.remarks)
    return Report(tuple(claims), heads, remarks, time_line, parties, language, as_of)
