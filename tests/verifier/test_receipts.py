"""An earlier file that is not genuine accuses nobody."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sealpost.verifier.earlier import Receipt
from sealpost.verifier.trust import Trust
from sealpost.verifier.verify import verify
from tests.verifier.lives import START, Log, Plan, World, bundled, certified, entries, plan
from tests.verifier.receipts import ACCUSING, HandedIn, handed_in


def test_without_a_trust_folder_no_state_is_one_for_the_audit(world: World, tmp_path: Path) -> None:
    """The same records in a log that somebody else made up, of other sizes."""
    stranger = World(tmp_path / "keys")
    made, log, elsewhere = entries(world), Log(world), Log(stranger)
    octets = bundled(world, plan(world, made, log=log))
    elsewhere.others(9)
    what = plan(stranger, made, log=elsewhere)
    receipt = bundled(world, replace(what, certificate=certified(world, what.records)))
    log.others(40)
    log.write(tmp_path / "log", len(log.leaves), START + timedelta(hours=5))
    report = verify(octets, None, [Receipt("x", receipt)], log=tmp_path / "log")
    assert [one.why for one in report.of("earlier")] == ["earlier.ok"]
    assert {one.why for one in report.of("audit")} == {"audit.trust"}


@pytest.fixture(scope="module")
def table(world: World, right: Plan, good: bytes, tmp_path_factory: pytest.TempPathFactory) -> list[HandedIn]:
    return list(handed_in(world, right, good, tmp_path_factory.mktemp("stranger") / "keys"))


def test_only_what_is_genuine_accuses(table: list[HandedIn], trust: Trust) -> None:
    wrong = dict[str, object]()
    for one in table:
        report = verify(one.octets, trust, [one.receipt])
        found = [claim.why for claim in report.of("earlier")]
        if (found, report.exit_code) != ([one.expected], one.code):
            wrong[one.name] = found, report.exit_code
    assert wrong == {}


def test_without_a_trust_folder_nothing_does(table: list[HandedIn]) -> None:
    for one in table:
        report = verify(one.octets, None, [one.receipt])
        assert report.exit_code == 2, one.name
        assert not {claim.why for claim in report.of("earlier")} & ACCUSING, one.name


def test_a_forged_state_is_none_for_the_audit(
    world: World, trust: Trust, table: list[HandedIn], tmp_path: Path
) -> None:
    """A log is not said to be rolled back on the word of somebody who has not its keys."""
    log = Log(world)
    octets = bundled(world, plan(world, entries(world), log=log))
    log.write(tmp_path / "log", len(log.leaves), START + timedelta(hours=5))
    forged = [one.receipt for one in table if one.expected in {"earlier.forged", "earlier.trust"}]
    report = verify(octets, trust, forged, log=tmp_path / "log")
    assert {one.why for one in report.of("audit")} == {"audit.ok"}
    assert report.exit_code == 2
