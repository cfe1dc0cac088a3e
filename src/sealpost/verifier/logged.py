"""Commitment, place in the log, the log's signatures, witnesses (evidence format, section 3; RFC 6962; C2SP tlog-proof).

What a proof says is believed only where the record, its seal and its salt lead to the root that the log has signed. Two
states of one log and size with different roots are the log's own contradiction, whoever signed them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sealpost.domain.checkpoint import read_proof
from sealpost.domain.merkle import includes, leaf_hash
from sealpost.domain.policy import Witness, is_independent
from sealpost.domain.seals import commitment
from sealpost.verifier.case import Case, Record
from sealpost.verifier.notes import ALGORITHMS, Signed, Unable, is_right, key_of, read_signed, wrong_algorithm
from sealpost.verifier.report import Said
from sealpost.verifier.tables import MEMBERS, RULES, suite

_LOG = re.compile(MEMBERS["log"], re.ASCII)


def check(case: Case) -> None:
    """Says commitment, inclusion, log and witness."""
    salts, places = dict[bytes, int](), dict[tuple[str, int], int]()
    notes = dict[str, dict[bytes, Signed]]()
    for record in case.records.values():
        _commit(case, record, salts)
        _place(case, record, places, notes)
    _check_agreement(case, notes)
    for name in sorted(notes):
        _check_log(case, name, notes[name])
        _check_witnesses(case, name, notes[name].values())
    for name, _ in case.named("checkpoint"):
        if name not in notes:
            case.findings.say("log.unused", name)


def checkpoint_name(signed: Signed) -> str:
    """The member that holds a checkpoint as the time token is over it."""
    return f"checkpoints/{signed.name}-{signed.checkpoint.size}.txt"


def _commit(case: Case, record: Record, salts: dict[bytes, int]) -> None:
    findings = case.findings
    with findings.about("commitment", record.name, record=record.seq):
        if record.salt is None or len(record.salt) != 32:
            raise Said("commitment.salt")
        if record.salt in salts:
            raise Said("commitment.reused", other=salts[record.salt])
        salts[record.salt] = record.seq
        if record.seal is None:
            raise Said("commitment.malformed", reason=record.seal_fault or "no seal")
        leaf = leaf_hash(commitment(record.salt, record.octets, record.seal.signature))
        case.leaves[record.seq] = leaf
        findings.say("commitment.ok", record.name, record=record.seq)


def _place(
    case: Case,
    record: Record,
    places: dict[tuple[str, int], int],
    notes: dict[str, dict[bytes, Signed]],
) -> None:
    findings, about = case.findings, f"proofs/{record.seq:03}.tlog-proof"
    with findings.about("inclusion", about, record=record.seq):
        if record.proof is None:
            raise Said("inclusion.pending")
        proof = read_proof(record.proof)
        signed = read_signed(proof.checkpoint)
        name, origin, size = checkpoint_name(signed), signed.checkpoint.origin, signed.checkpoint.size
        notes.setdefault(name, {})[proof.checkpoint] = signed
        leaf = case.leaves.get(record.seq)
        if leaf is None or not includes(proof.index, size, leaf, proof.path, signed.checkpoint.root):
            raise Said("inclusion.path")
        if (origin, proof.index) in places:
            raise Said("inclusion.reused", other=places[origin, proof.index])
        places[origin, proof.index] = record.seq
        record.place, record.covered = (origin, proof.index, size), name
        findings.say("inclusion.ok", about, record=record.seq, index=proof.index, log=origin)


def _check_agreement(case: Case, notes: dict[str, dict[bytes, Signed]]) -> None:
    """One operator's logs, named by years, and one root for each size."""
    findings = case.findings
    roots, first = dict[tuple[str, int], bytes](), None
    for signed in (one for found in notes.values() for one in found.values()):
        checkpoint = signed.checkpoint
        first = first or signed
        if signed.operator != first.operator or not _LOG.fullmatch(signed.name):
            findings.say("log.several", log=checkpoint.origin, other=first.checkpoint.origin)
        if roots.setdefault((checkpoint.origin, checkpoint.size), checkpoint.root) != checkpoint.root:
            findings.say("log.fork", log=checkpoint.origin, size=checkpoint.size)


def _check_log(case: Case, name: str, found: dict[bytes, Signed]) -> None:
    findings = case.findings
    first = next(iter(found.values()))
    log, size = first.checkpoint.origin, first.checkpoint.size
    with findings.about("log", name, log=log, size=size):
        case.signed[name] = first
        stamped = _stamped_text(case, name, first)
        _require_signed(case, log, [*found.values(), *stamped], stamped)
        findings.say("log.ok" if case.trust else "log.trust", name, log=log, size=size)


def _stamped_text(case: Case, name: str, first: Signed) -> list[Signed]:
    """The checkpoint that the time token is over; where it is missing, the time is what is not proven."""
    if name not in case.members:
        return []
    stamped = read_signed(case.members.read(name))
    if stamped.note.text != first.note.text:
        raise Said("log.differs")
    return [stamped]


def _require_signed(case: Case, log: str, notes: list[Signed], alone: list[Signed]) -> None:
    trust = case.judged_by
    keys = [one for one in trust.policy.logs if one.name == log] if trust else []
    if not keys:
        raise Said("log.unknown" if case.trust else "log.trust")
    unable = ""
    for signed in notes:
        try:
            wrong = wrong_algorithm(signed, keys, _needed(case), alone=signed in alone)
        except Unable as error:
            unable = str(error)
            continue
        if wrong is not None:
            raise Said("log.signature", algorithm=wrong)
    if unable:
        raise Said("log.unable", algorithm=unable)


def _needed(case: Case) -> list[str]:
    named = (suite(record.extension.get("suite")) for record in case.records.values())
    return next((one for one in named if one), RULES["suites"][0])["log"]


def _check_witnesses(case: Case, name: str, notes: Iterable[Signed]) -> None:
    findings = case.findings
    checkpoint = next(iter(notes)).checkpoint
    with findings.about("witness", name, log=checkpoint.origin, size=checkpoint.size):
        trust = case.judged_by
        if trust is None:
            raise Said("witness.trust")
        seen = _seen(trust.policy.witnesses, notes)  # a wrong line is a FAIL without trust too
        if case.trust is None:
            raise Said("witness.trust")
        names = ", ".join(sorted({one.name for one in seen}))
        if trust.policy.is_met(frozenset()):
            raise Said("witness.quorum")
        if not seen:
            raise Said("witness.none")
        if not trust.policy.is_met({one.label for one in seen}):
            raise Said("witness.unmet", witnesses=names)
        apart = sorted({one.name for one in seen if is_independent(one.name, checkpoint.origin)})
        if not apart:
            raise Said("witness.dependent", witnesses=names)
        findings.say("witness.ok", name, log=checkpoint.origin, size=checkpoint.size, witnesses=", ".join(apart))


def _seen(witnesses: Iterable[Witness], notes: Iterable[Signed]) -> list[Witness]:
    """The witnesses whose lines are right; lines of others are ignored."""
    seen = list[Witness]()
    for signed in notes:
        for line in signed.note.signatures:
            witness = key_of(line, witnesses)
            if witness is None:
                continue
            try:
                right = is_right(line, witness, signed)
            except Unable as error:
                raise Said("witness.unable", algorithm=str(error)) from error
            if not right:
                raise Said("witness.signature", witnesses=f"{witness.name} ({ALGORITHMS[witness.kind]})")
            seen.append(witness)
    return seen
