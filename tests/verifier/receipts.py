"""What an opponent may hand in as received before, and what it must get: only what is genuine itself accuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sealpost.verifier.earlier import Receipt
from tests.verifier.lives import START, Log, Plan, World, bundled, certified, entries, plan
from tests.verifier.signers import certify, sealed_by
from tests.verifier.tampering import flipped, members_of, replaced, resealed, zipped


@dataclass(frozen=True, slots=True)
class HandedIn:
    """An earlier file beside a bundle.

    Args:
        name: for people.
        octets: of the bundle.
        receipt: what somebody says to have received before.
        expected: the one code of the check, with the operator's trust folder.
        code: the exit code then.
    """

    name: str
    octets: bytes
    receipt: Receipt
    expected: str
    code: int


def handed_in(world: World, right: Plan, good: bytes, folder: Path) -> Iterator[HandedIn]:
    """All of them; ``folder`` takes a stranger's keys."""
    stranger = World(folder)
    anew = bundled(world, plan(world, entries(world, change=_other_policy)))
    early = replace(right, records=right.records[:3], checkpoints=right.checkpoints[:1])
    before = bundled(world, replace(early, certificate=certified(world, early.records)))
    later = START + timedelta(hours=5)
    dropped = bundled(world, replace(early, certificate=certified(world, early.records), closed=later))
    inside = members_of(good)

    def against(name: str, receipt: bytes, expected: str, octets: bytes = good) -> HandedIn:
        code = 0 if expected == "earlier.ok" else 1 if expected in ACCUSING else 2
        return HandedIn(name, octets, Receipt(f"{name}.asice", receipt), expected, code)

    # genuine ones accuse, and are right where nothing is wrong
    yield against("the same", good, "earlier.ok")
    yield against("an earlier one", before, "earlier.ok")
    yield against("another history by the operator", anew, "earlier.changed")
    yield against("an earlier one with more records", good, "earlier.gone", dropped)
    yield against("a later one with more records", good, "earlier.newer", before)
    yield against("another message's", bundled(world, plan(world, entries(world, token="K.Another"))), "earlier.other")
    # forged ones do not
    strange = bundled(stranger, plan(stranger, entries(stranger, change=_other_policy)))
    yield against("another history by a stranger", strange, "earlier.forged")
    yield against("the same by a stranger", bundled(stranger, plan(stranger, entries(stranger))), "earlier.forged")
    octets = dict(inside)["records/003.json"]
    changed = octets.replace(b"bob@example.com", b"bob@example.org")
    yield against("a changed record", zipped(replaced(inside, "records/003.json", changed)), "earlier.forged")
    octets = resealed(world, replaced(inside, "records/003.json", changed))
    yield against("a changed record in a new container", octets, "earlier.forged")
    salt = dict(inside)["records/002.salt"]
    yield against("another salt", zipped(replaced(inside, "records/002.salt", flipped(salt, 3, 2))), "earlier.forged")
    octets = sealed_by(world, container=certify(world, organisation="Charlie Post B.V."), change=_other_policy)
    yield against("another history, sealed by another", octets, "earlier.forged")
    yield against("a log of another operator's", _in_log_of(world, stranger), "earlier.forged")
    yield against("no bundle", b"rubbish", "earlier.malformed")
    yield against("a bundle cut short", good[:-1], "earlier.malformed")
    # proofs alone
    yield against("a proof of it", dict(inside)["proofs/005.tlog-proof"], "earlier.ok")
    yield against("a proof by a stranger", dict(members_of(strange))["proofs/005.tlog-proof"], "earlier.trust")
    other = _proof_of_another(world)
    yield against("a proof of another message", other, "earlier.unplaced")
    yield against("a proof that is none", b"c2sp.org/tlog-proof@v1\nrubbish", "earlier.malformed")


ACCUSING = frozenset({"earlier.changed", "earlier.gone", "earlier.fork"})


def _other_policy(_seq: int, value: dict[str, Any]) -> None:
    value["EvidenceIssuerPolicyID"] = {"PolicyID": ["https://sealpost.example/evidence/policy/2"]}


def _in_log_of(world: World, stranger: World) -> bytes:
    """Sealed by the operator, and logged by somebody else in a log of the same name."""
    made = entries(world, change=_other_policy)
    elsewhere = plan(stranger, made)
    return bundled(world, replace(elsewhere, certificate=certified(world, elsewhere.records)))


def _proof_of_another(world: World) -> bytes:
    """Of the same log, longer: no state of it contradicts one that the bundle shows."""
    log = Log(world)
    log.others(40)
    return plan(world, entries(world, token="K.Another"), log=log).records[0].proof or b""
