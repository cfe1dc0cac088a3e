"""Records that an upgrade adopted: not proven before that time, never false; what names them must be right."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sealpost.domain.canonical import canonical, digest, sha256
from sealpost.verifier.trust import Trust
from sealpost.verifier.verify import verify
from tests.verifier.lives import World, bundled, certified, plan, recorded_at, seal_records
from tests.verifier.story import extension_of, issuer, set_times, write_life


def adopted_bundle(world: World, forge: Callable[[dict[str, Any]], None] | None = None) -> bytes:
    """A life of which all was adopted a day later; ``forge`` changes what the record of the adoption says."""
    values = write_life()
    last = deepcopy(values[0])
    at = recorded_at(values[-1]) + timedelta(days=1)
    last["EvidenceIdentifier"] = last["EvidenceIdentifier"][:-4] + "adad"
    last["ERDSEventId"] = f"{issuer().base}/event#adopted"
    set_times(last, at)
    values.append(last)

    def change(seq: int, value: dict[str, Any]) -> None:
        if seq == len(values):
            named = [{"seq": number, **digest(sha256(canonical(one)))} for number, one in enumerate(values[:-1], 1)]
            extension_of(value)["adopted"] = {"count": len(named), "records": named}
            if forge:
                forge(extension_of(value)["adopted"])

    made = plan(world, seal_records(world, values, change=change, times=[at] * len(values)))
    # Of what is malformed no certificate of ours tells.
    pdf = certified(world, made.records, prose=made.records[:-1]) if forge else None
    return bundled(world, replace(made, certificate=pdf))


def test_what_was_adopted_is_not_proven_before(world: World, trust: Trust) -> None:
    report = verify(adopted_bundle(world), trust)
    assert [claim.why for claim in report.claims if claim.verdict == "FAIL"] == []
    said = [claim for claim in report.claims if claim.why == "time.adopted"]
    assert [claim.values["record"] for claim in said] == list(range(1, len(write_life()) + 1))
    assert report.exit_code == 2
    for language in ("nl", "en", "de", "fr"):
        assert said[0].values["time"] in said[0].words(language)


def _of_itself(said: dict[str, Any]) -> None:
    said["records"].append({**said["records"][0], "seq": len(said["records"]) + 1})


FORGED: dict[str, Callable[[dict[str, Any]], None]] = {
    "another hash": lambda said: said["records"][0].update(digest(sha256(b"x"))),
    "itself": _of_itself,
    "none that is here": lambda said: said["records"][0].update(seq=99),
    "no number": lambda said: said["records"][0].update(seq=True),
    "no hash": lambda said: said["records"][0].pop("DigestValue"),
    "no list": lambda said: said.update(records="all"),
    "no objects": lambda said: said.update(records=[1]),
    "nothing": lambda said: said.clear(),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_names_others_wrongly_fails(world: World, trust: Trust, name: str) -> None:
    report = verify(adopted_bundle(world, FORGED[name]), trust)
    assert report.exit_code == 1
    found = {claim.why for claim in report.claims if claim.verdict == "FAIL"}
    assert found & {"chain.adopted", "chain.malformed", "structure.hash"}, found
