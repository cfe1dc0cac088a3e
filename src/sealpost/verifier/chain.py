"""Whether a ticket's records are complete from 1 on and each continues the one before (evidence format, section 1)."""

from __future__ import annotations

import hashlib

from sealpost.verifier.case import Case
from sealpost.verifier.report import Said
from sealpost.verifier.structure import digest_of


def check(case: Case) -> None:
    """Says chain; that nothing followed afterwards no bundle can show, which is a remark."""
    findings = case.findings
    with findings.about("chain"):
        _require_chain(case)
        findings.say("chain.ok", count=len(case.records))
    findings.remark("remark.later")


def _require_chain(case: Case) -> None:
    before, seen = None, dict[object, int]()
    for number in range(1, max(case.records, default=1) + 1):
        record = case.records.get(number)
        if record is None:
            raise Said("chain.gap", record=number)
        if record.extension.get("seq") != number:
            raise Said("chain.number", about=record.name, record=record.extension.get("seq"))
        prev = record.extension.get("prev")
        if (prev is not None) if before is None else (digest_of(prev) != before):
            raise Said("chain.prev", record=number)
        identifier = str((record.value or {}).get("EvidenceIdentifier"))
        if identifier in seen:
            raise Said("chain.identifier", record=number, other=seen[identifier])
        seen[identifier] = number
        before = hashlib.sha256(record.octets).digest()
