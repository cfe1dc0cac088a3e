"""Everything that can be made wrong with a bundle is found: no exit 0, with the right trust folder or without any."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealpost.verifier.report import Unusable
from sealpost.verifier.trust import Trust
from sealpost.verifier.verify import verify
from tests.verifier import tampering
from tests.verifier.lives import Plan, World

SHARES = 8
LEAST = 700
# The file is no bundle at all: exit 3.
NO_BUNDLE = ("zip first header", "mimetype", "cut in half", "flip mimetype")


def found(octets: bytes, trust: Trust | None) -> tuple[int, set[str]]:
    try:
        report = verify(octets, trust)
    except Unusable:
        return 3, set()
    return report.exit_code, {one.why for one in report.claims if one.verdict == "FAIL"}


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_every_change_is_found(world: World, right: Plan, good: bytes, trust: Trust, share: int) -> None:
    codes, count = Counter[str](), 0
    for number, (name, make) in enumerate(tampering.cases(world, right, good)):
        if number % SHARES != share:
            continue
        count += 1
        octets = make()
        assert octets != good, name
        exit_code, failed = found(octets, trust)
        assert exit_code == 1 or (exit_code == 3 and name.startswith(NO_BUNDLE)), (name, exit_code)
        if name.startswith(("resealed", "swap", "life", "record")) and "certificate.pdf" not in name:
            inner = {one for one in failed if not one.startswith(("container.", "pdf."))}
            assert inner, (name, failed)  # not only the outer wrapping notices
        assert not any(one.endswith(".malformed") and one.startswith("inclusion") for one in failed) or "proof" in name
        codes.update(failed)
    print(f"share {share}: {count} bundles made wrong, all found; {len(codes)} different reasons")


def test_there_are_enough_of_them(world: World, right: Plan, good: bytes) -> None:
    names = [name for name, _ in tampering.cases(world, right, good)]
    print(f"{len(names)} ways to make a bundle wrong")
    assert len(names) >= LEAST
    assert len(set(names)) == len(names)


@pytest.mark.slow
def test_nothing_wrong_is_right_without_trust(world: World, right: Plan, good: bytes) -> None:
    for number, (name, make) in enumerate(tampering.cases(world, right, good)):
        if number % 5 == 0:
            assert found(make(), None)[0] in {1, 3}, name


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_octets_in_any_member(world: World, good: bytes, trust: Trust, data: st.DataObject) -> None:
    members = tampering.members_of(good)
    number = data.draw(st.integers(0, len(members) - 1))
    name, octets = members[number]
    begin = data.draw(st.integers(0, len(octets)))
    changed = octets[:begin] + data.draw(st.binary(max_size=40)) + octets[begin + data.draw(st.integers(0, 40)) :]
    if changed != octets:
        made = tampering.zipped(tampering.replaced(members, name, changed))
        assert found(made, trust)[0] in {1, 3}
        if not name.startswith(tampering.UNJUDGED):
            assert found(tampering.resealed(world, tampering.replaced(members, name, changed)), trust)[0] == 1


@given(place=st.floats(0, 1, exclude_max=True), octets=st.binary(min_size=1, max_size=8))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_octets_anywhere(good: bytes, trust: Trust, place: float, octets: bytes) -> None:
    begin = int(place * len(good))
    changed = good[:begin] + octets + good[begin + len(octets) :]
    if changed != good:
        assert found(changed, trust)[0] in {1, 3}


@given(octets=st.binary(max_size=200))
def test_anything_is_no_bundle(trust: Trust, octets: bytes) -> None:
    assert found(octets, trust)[0] == 3
