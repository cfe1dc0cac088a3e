"""What was given out before binds: changed, dropped, forked or rolled back is found; and a log recomputed from a copy."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sealpost.domain.merkle import Peaks, leaf_hash
from sealpost.seal import jades
from sealpost.verifier.audit import BadLog, audit_log
from sealpost.verifier.bulk import Wrong, audit_records
from sealpost.verifier.earlier import Receipt
from sealpost.verifier.trust import Trust
from sealpost.verifier.verify import verify
from tests.verifier.lives import LIFE, START, Log, Plan, World, bundled, certified, entries, logged, plan
from tests.verifier.tampering import members_of

LATER = START + timedelta(hours=5)


def worst(octets: bytes, trust: Trust | None, receipts: list[bytes], log: Path | None = None) -> set[str]:
    given = [Receipt(f"receipt {number}", one) for number, one in enumerate(receipts)]
    report = verify(octets, trust, given, log=log)
    return {one.why for one in report.claims if one.check in {"earlier", "audit"}}


def test_records_may_only_be_added(world: World, right: Plan, good: bytes, trust: Trust) -> None:
    first = replace(right, records=right.records[:3], checkpoints=right.checkpoints[:1])
    before = bundled(world, replace(first, certificate=certified(world, first.records)))
    assert verify(before, trust).exit_code == 0
    assert worst(good, trust, [before, good]) == {"earlier.ok"}
    dropped = bundled(world, replace(first, certificate=certified(world, first.records), closed=LATER))
    assert verify(dropped, trust).exit_code == 0
    assert worst(dropped, trust, [good]) == {"earlier.gone"}
    assert worst(before, trust, [good]) == {"earlier.newer"}  # which was no earlier one
    assert verify(before, trust, [Receipt("x", good)]).exit_code == 2
    assert verify(good, trust, [Receipt("x", before)]).exit_code == 0


def test_a_history_made_anew_is_found(world: World, good: bytes, trust: Trust) -> None:
    """By the operator itself, with all of its keys: everything passes but what somebody kept."""

    def change(_seq: int, value: dict[str, object]) -> None:
        value["EvidenceIssuerPolicyID"] = {"PolicyID": ["https://sealpost.example/evidence/policy/2"]}

    anew = bundled(world, plan(world, entries(world, change=change)))
    assert verify(anew, trust).exit_code == 0
    assert worst(anew, trust, [good]) == {"earlier.changed"}
    proof = dict(members_of(good))["proofs/005.tlog-proof"]
    assert worst(good, trust, [proof]) == {"earlier.ok"}
    assert worst(anew, trust, [proof]) in ({"earlier.fork"}, {"earlier.unplaced"})
    assert worst(good, None, [proof]) == {"earlier.trust"}


def test_other_receipts(world: World, good: bytes, trust: Trust) -> None:
    other = bundled(world, plan(world, entries(world, token="K.Another")))
    assert worst(good, trust, [other]) == {"earlier.other"}
    # A proof does not say whose entry it is of: another ticket's looks like that of a record that was taken out.
    assert worst(good, trust, [dict(members_of(other))["proofs/001.tlog-proof"]]) <= {
        "earlier.unplaced",
        "earlier.fork",
    }
    assert worst(good, trust, [b"rubbish"]) == {"earlier.malformed"}
    assert worst(good, trust, [b"c2sp.org/tlog-proof@v1\nrubbish"]) == {"earlier.malformed"}


def test_a_copy_of_the_log(world: World, trust: Trust, tmp_path: Path) -> None:
    log = Log(world)
    log.others(700)
    octets = bundled(world, plan(world, log=log))
    log.others(300)
    size = len(log.leaves)
    folder = tmp_path / "2026"
    log.write(folder, size, LATER)
    assert worst(octets, trust, [], folder) == {"audit.ok"}
    assert worst(octets, None, [], folder) == {"audit.trust"}
    assert verify(octets, trust, log=folder).exit_code == 0
    for name in sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()):
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        path = copy / name
        found = path.read_bytes()
        path.write_bytes(found[:40] + bytes([found[40] ^ 1]) + found[41:])
        assert not worst(octets, trust, [], copy) & {"audit.ok"}, name
        path.unlink()
        if name != "checkpoint":
            assert not worst(octets, trust, [], copy) & {"audit.ok"}, name
        shutil.rmtree(copy)


def test_roll_back_and_fork(world: World, trust: Trust, tmp_path: Path) -> None:
    log = Log(world)
    octets = bundled(world, plan(world, log=log))
    log.write(tmp_path / "short", 12, LATER)
    assert worst(octets, trust, [], tmp_path / "short") == {"audit.rollback"}
    twin = Log(world)
    twin.others(50)
    twin.write(tmp_path / "twin", 50, LATER)
    assert worst(octets, trust, [], tmp_path / "twin") == {"audit.fork"}
    other = World(tmp_path / "keys", origin="log.other.example/log/2026")
    elsewhere = Log(other)
    elsewhere.others(50)
    elsewhere.write(tmp_path / "else", 50, LATER)
    assert worst(octets, None, [], tmp_path / "else") == {"audit.other"}
    assert worst(octets, trust, [], tmp_path / "else") == {"audit.signature"}


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 700, 1024])
def test_roots_are_those_of_the_tree(world: World, tmp_path: Path, size: int) -> None:
    log = Log(world)
    log.others(size)
    log.write(tmp_path / "log", size, LATER)
    sizes = {0, 1, size // 2, size - 1, size} & set(range(size + 1))
    found = audit_log(tmp_path / "log", size, sizes=sizes, indices=range(size))
    for one in sizes:
        tree = Peaks()
        tree.extend(log.leaves[:one])
        assert found.roots.get(one, tree.root() if one == 0 else b"") == tree.root(), one
    assert found.leaves == dict(enumerate(log.leaves))


def test_a_missing_entry(world: World, tmp_path: Path) -> None:
    log = Log(world)
    log.others(300)
    log.write(tmp_path / "log", 300, LATER)
    with pytest.raises(BadLog):
        audit_log(tmp_path / "log", 301)


def test_many_records(world: World, trust: Trust) -> None:
    made = entries(world)
    records, _ = logged(world, made)
    given = [(one.octets, one.seal, one.salt, number) for number, one in enumerate(records)]
    leaves = [leaf_hash(jades.commitment(one.salt, one.octets, one.seal)) for one in records]
    assert audit_records(given, trust, leaves.__getitem__) == (len(LIFE), [])
    wrong = [
        (b"{}", *given[0][1:]),
        (given[1][0], _other_signature(given[1][1]), *given[1][2:]),
        (given[2][0], b"{}", *given[2][2:]),
        (*given[3][:3], 0),
        (*given[5][:2], bytes(32), 5),
    ]
    found = audit_records(wrong, trust, leaves.__getitem__)[1]
    assert [one.why for one in found][2:] == ["seal.malformed", "audit.entry", "audit.entry"]
    assert found[0] == Wrong(0, "seal.signature")
    assert len(found) == 5


def _other_signature(seal: bytes) -> bytes:
    """Its last digit carries two bits, so that only A, Q, g and w stand there: one of them that it does not have."""
    return seal[:-3] + (b"Q" if seal[-3:-2] == b"A" else b"A") + b'"}'
