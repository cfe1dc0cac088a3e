"""What was given out before, against the bundle of now: records may be added, never changed or dropped.

For ``--receipt``: an earlier bundle of the ticket, or a single ``.tlog-proof``. Two checkpoints of one log and size must
have one root; whether a smaller state is the beginning of a larger one shows only with a copy of the log (`audit`).

What somebody hands in as received before may be made up, too: it is checked first, as any bundle, and only what is
genuine under the chosen trust folder can accuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

from sealpost.domain.checkpoint import PROOF, Checkpoint, Proof, read_proof
from sealpost.domain.merkle import includes, leaf_hash
from sealpost.domain.seals import commitment
from sealpost.verifier.case import Case, Record
from sealpost.verifier.members import Members
from sealpost.verifier.notes import Signed, Unable, read_signed, wrong_algorithm
from sealpost.verifier.report import Said
from sealpost.verifier.tables import FAIL, MEMBERS, RULES

Examine = Callable[[Members], Case]
"""Runs every check over a bundle, under the same trust."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What somebody received before.

    Args:
        name: for people.
        octets: of a bundle or of a proof.
    """

    name: str
    octets: bytes


def check(case: Case, receipts: tuple[Receipt, ...], examine: Examine) -> list[Signed]:
    """Says earlier.

    Returns:
        The checkpoints of the receipts that are genuine, for the audit.
    """
    states = list[Signed]()
    for receipt in receipts:
        with case.findings.about("earlier", receipt.name, receipt=receipt.name):
            if receipt.octets.startswith(PROOF.encode()):
                states += _check_proof(case, receipt)
            else:
                states += _check_bundle(case, receipt, examine)
    return states


def _check_proof(case: Case, receipt: Receipt) -> list[Signed]:
    proof = read_proof(receipt.octets)
    signed = read_signed(proof.checkpoint)
    if not _is_signed(case, signed):
        raise Said("earlier.trust")
    _require_one_root(case, receipt, [signed])
    holder = next((one for one in case.records.values() if _stands(one, proof, signed)), None)
    if holder is None:
        raise Said("earlier.unplaced")
    _remark_sizes(case, receipt, [signed])
    case.findings.say("earlier.ok", receipt.name, receipt=receipt.name, count=1)
    return [signed]


def _stands(record: Record, proof: Proof, signed: Signed) -> bool:
    """Whether it is this record that the proof is of."""
    if record.salt is None or len(record.salt) != 32 or record.seal is None:
        return False
    leaf = leaf_hash(commitment(record.salt, record.octets, record.seal.signature))
    return includes(proof.index, signed.checkpoint.size, leaf, proof.path, signed.checkpoint.root)


def _is_signed(case: Case, signed: Signed) -> bool:
    keys = [one for one in (case.trust.policy.logs if case.trust else ()) if one.name == signed.checkpoint.origin]
    try:
        needed = RULES["suites"][0]["log"]
        return bool(keys) and wrong_algorithm(signed, keys, needed, alone=False) is None
    except Unable:
        return False


def _check_bundle(case: Case, receipt: Receipt, examine: Examine) -> list[Signed]:
    before = examine(Members(BytesIO(receipt.octets)))
    if _ticket(before) is None or _ticket(before) != _ticket(case):
        raise Said("earlier.other")
    if any(one.verdict == FAIL for one in before.findings.claims):
        raise Said("earlier.forged")
    states = list(_states(before))
    try:
        _require_same(case, before)
        _require_one_root(case, receipt, states)
    except Said as end:
        if case.trust is None:  # nobody knows whose either of the two is
            raise Said("earlier.trust") from end
        raise
    _remark_sizes(case, receipt, states)
    case.findings.say("earlier.ok", receipt.name, receipt=receipt.name, count=len(before.records))
    return states if case.trust else []


def _require_same(case: Case, before: Case) -> None:
    for seq, record in before.records.items():
        now = case.records.get(seq)
        if now is None:
            raise Said("earlier.newer" if _is_newer(before, case) else "earlier.gone", record=seq)
        if (now.octets, now.salt) != (record.octets, record.salt) or _signature(now) != _signature(record):
            raise Said("earlier.changed", record=seq)


def _is_newer(one: Case, other: Case) -> bool:
    """Whether a container was stamped after another: then it was no earlier one, whatever somebody says."""
    first, second = (case.sealers.get(MEMBERS["signature"]) for case in (one, other))
    if first is None or second is None or first.at is None or second.at is None:
        return False
    return first.at > second.at


def _signature(record: Record) -> bytes | None:
    """What of a seal stays for ever; a time token may be added to it."""
    return record.seal.signature if record.seal else None


def _ticket(case: Case) -> object:
    first = next(iter(case.records.values()), None)
    return first.value.get("MessageIdentifier") if first and first.value else None


def _states(case: Case) -> Iterator[Signed]:
    for record in case.records.values():
        if record.proof is not None:
            yield read_signed(read_proof(record.proof).checkpoint)


def _require_one_root(case: Case, receipt: Receipt, states: list[Signed]) -> None:
    known = {_key(one.checkpoint): one.checkpoint.root for one in case.signed.values()}
    for one in states:
        if known.setdefault(_key(one.checkpoint), one.checkpoint.root) != one.checkpoint.root:
            raise Said("earlier.fork", log=one.checkpoint.origin, size=one.checkpoint.size, receipt=receipt.name)


def _key(checkpoint: Checkpoint) -> tuple[str, int]:
    return checkpoint.origin, checkpoint.size


def _remark_sizes(case: Case, receipt: Receipt, states: list[Signed]) -> None:
    known = {_key(one.checkpoint) for one in case.signed.values()}
    if any(_key(one.checkpoint) not in known for one in states):
        case.findings.remark("remark.sizes", receipt=receipt.name)
