"""Who sealed: one signer, whom the records name, by certificates for evidence, with lists that were not stale."""

from __future__ import annotations

import pytest

from sealpost.domain import suites
from sealpost.verifier import tables
from sealpost.verifier.verify import verify
from tests.verifier.lives import World
from tests.verifier.signers import Forged, chosen, forged


@pytest.fixture(scope="module")
def table(world: World) -> list[Forged]:
    return list(forged(world))


def test_each_seal_of_somebody_else_is_found(table: list[Forged]) -> None:
    wrong = dict[str, object]()
    for one in table:
        report = verify(one.octets, chosen(one.trust))
        found = {claim.why for claim in report.claims if claim.verdict != "PASS"}
        failed = {code for code in one.expected if tables.VERDICTS[code] == "FAIL"}
        code = 1 if failed else 2 if one.expected else 0
        if (found, report.exit_code) != (set(one.expected), code) or not one.remarks <= {r.why for r in report.remarks}:
            wrong[one.name] = found, report.exit_code
    assert wrong == {}
    assert len(table) > 50


def test_what_contradicts_itself_does_so_without_a_trust_folder(table: list[Forged]) -> None:
    for one in table:
        report = verify(one.octets)
        failed = {claim.why for claim in report.claims if claim.verdict == "FAIL"}
        if "lists" not in one.name:  # what the folder alone can excuse
            assert failed == {code for code in one.expected if tables.VERDICTS[code] == "FAIL"}, one.name
        assert report.exit_code == (1 if failed else 2), one.name


def test_the_rules_are_those_of_who_seals() -> None:
    assert tables.RULES["evidencePurpose"] == suites.EVIDENCE_PURPOSE
    assert tables.RULES["evidencePurposeSince"] == suites.EVIDENCE_PURPOSE_SINCE.isoformat()
