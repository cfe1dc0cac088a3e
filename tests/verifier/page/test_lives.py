"""Forged lives get their verdict, genuine ones however odd get none, and the page says what the command says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sealpost.cli.verify import run
from sealpost.seal.bundle.bundle import SealedRecord
from sealpost.verifier.tables import LANGUAGES, VERDICTS
from sealpost.verifier.trust import read_trust
from tests.verifier.authority import CHARLIE, Authority
from tests.verifier.forgeries import EXPIRED, FORGERIES, HOUR, SEPTEMBER, Forgery
from tests.verifier.lives import (
    EXPIRE_AT,
    LIFE,
    START,
    Value,
    World,
    extension_of,
    issuer,
    make_bundle,
    plan,
    seal_records,
    set_times,
    smtp_of,
    write_life,
)
from tests.verifier.odd_lives import ODD, write_odd
from tests.verifier.page.conftest import Verifier
from tests.verifier.page.test_agreement import Files, differences, told

OLD = Path(__file__).parents[2] / "vectors" / "bundles"
BESIDE = {"order.termless"}  # what is said as well, where a term is taken away


@pytest.fixture(scope="session")
def files(world: World) -> Files:
    return world.trust_files()


def codes(report: dict[str, Any], verdict: str) -> set[str]:
    return {one["why"] for one in report["claims"] if one["verdict"] == verdict}


async def bundle(*given: Any, **options: Any) -> bytes:
    """In a thread, where its own loop can run."""
    return await asyncio.to_thread(make_bundle, *given, **options)


async def judge(verifier: Verifier, octets: bytes, files: Files) -> dict[str, Any]:
    """The command's report, which is the page's too."""
    command, page = told(octets, files), await verifier.verify(octets, files)
    assert differences(command, page, able=verifier.able) == []
    assert command["stateAsOf"] == page["stateAsOf"]
    return command


_twins: dict[tuple[Sequence[str], str], Sequence[SealedRecord]] = {}


def twin(world: World, kinds: Sequence[str], suite: str) -> Sequence[SealedRecord]:
    """The unforged records, of which certificates tell."""
    if (kinds, suite) not in _twins:
        _twins[kinds, suite] = plan(world, seal_records(world, write_life(kinds, suite=suite))).records
    return _twins[kinds, suite]


TWINS = sorted({(tuple(one.kinds), one.suite) for one in FORGERIES})


@pytest.mark.parametrize(("kinds", "suite"), TWINS, ids=[f"{kinds[-1]}-{suite}" for kinds, suite in TWINS])
async def test_an_unforged_life_is_all_right(
    verifier: Verifier, world: World, files: Files, kinds: Sequence[str], suite: str
) -> None:
    report = await judge(verifier, await bundle(world, write_life(kinds, suite=suite)), files)
    assert report["exit"] == 0, [one["words"] for one in report["claims"] if one["verdict"] != "PASS"]
    assert all(one["verdict"] == "PASS" and one["provenNotLaterThan"] for one in report["timeLine"])


@pytest.mark.parametrize("forgery", FORGERIES, ids=[one.name for one in FORGERIES])
async def test_a_forged_life_is_told(verifier: Verifier, world: World, files: Files, forgery: Forgery) -> None:
    prose = twin(world, tuple(forgery.kinds), forgery.suite)
    octets = await bundle(world, forgery.values(), prose=prose, **forgery.options)
    report = await judge(verifier, octets, files)
    if VERDICTS[forgery.code] == "FAIL":
        assert codes(report, "FAIL") == {forgery.code}
        assert report["exit"] == 1
    else:
        assert codes(report, "FAIL") == set()
        assert forgery.code in codes(report, "NOT PROVEN") <= {forgery.code, *BESIDE}
        assert report["exit"] == 2


@pytest.mark.parametrize("suite", ["2026-1", "2026-2"])
@pytest.mark.parametrize("name", ODD)
async def test_an_odd_life_is_genuine(verifier: Verifier, world: World, files: Files, name: str, suite: str) -> None:
    octets = await bundle(world, write_odd(name, suite), prose=twin(world, tuple(ODD[name][1]), suite))
    report = await judge(verifier, octets, files)
    assert codes(report, "FAIL") == set()
    assert codes(report, "NOT PROVEN") <= {"mail.absent"}


@pytest.mark.parametrize("path", sorted(OLD.glob("*/*.asice")), ids=lambda one: f"{one.parent.name}-{one.stem}")
async def test_bundles_of_past_states_never_fail(verifier: Verifier, path: Path) -> None:
    trust = {
        str(one.relative_to(path.parent / "trust")): one.read_bytes()
        for one in (path.parent / "trust").rglob("*")
        if one.is_file()
    }
    report = await judge(verifier, path.read_bytes(), trust)
    assert codes(report, "FAIL") == set()
    assert codes(report, "NOT PROVEN") >= {"environment.test", "time.own", "clock.none"}
    assert read_trust(path.parent / "trust").roots


def test_an_old_class_that_does_not_fit_is_a_remark(world: World, files: Files) -> None:
    values = write_life(suite="2026-1")
    smtp_of(values[2])["class"] = "unknown"
    report = told(make_bundle(world, values), files)
    assert (report["exit"], [one["why"] for one in report["remarks"]][-1]) == (0, "remark.read")
    assert "remark.class" in {one["why"] for one in report["remarks"]}


# Claimed and proven times


def line(report: dict[str, Any], event: str) -> dict[str, Any]:
    return next(one for one in report["timeLine"] if one["event"] == event)


async def test_a_decisions_own_token_counts(verifier: Verifier, world: World, files: Files) -> None:
    octets = await bundle(world, write_life(), tokens_at=SEPTEMBER, closed=SEPTEMBER + HOUR)
    report = await judge(verifier, octets, files)
    accepted, opened = line(report, "ConsignmentAcceptance"), line(report, "NotificationAccessTracking")
    assert accepted["claimed"] == "2026-03-04T09:40:00.120Z"
    assert (accepted["verdict"], accepted["provenNotLaterThan"]) == ("PASS", "2026-03-04T09:40:02.127Z")
    assert (opened["verdict"], opened["provenNotLaterThan"]) == ("NOT PROVEN", "2026-09-01T10:00:03Z")
    assert report["stateAsOf"] == "2026-09-01T11:00:00Z"


async def test_an_expiry_follows_from_its_term(verifier: Verifier, world: World, files: Files) -> None:
    """However late it was recorded, as long as the term was proven to be stated before."""
    values = write_life(EXPIRED)
    set_times(values[3], EXPIRE_AT, EXPIRE_AT + timedelta(days=7))
    assert (await judge(verifier, await bundle(world, values), files))["exit"] == 0
    late = await bundle(world, write_life(EXPIRED), tokens_at=SEPTEMBER, closed=SEPTEMBER + HOUR)
    report = await judge(verifier, late, files)
    expired = line(report, "AcceptanceRejectionExpiry")
    assert (report["exit"], expired["verdict"]) == (2, "PASS")  # by its own token
    late = await bundle(world, values, tokens_at=SEPTEMBER, own_tokens_at=SEPTEMBER, closed=SEPTEMBER + HOUR)
    assert line(await judge(verifier, late, files), "AcceptanceRejectionExpiry")["verdict"] == "NOT PROVEN"


@pytest.mark.parametrize(("minutes", "exit_code"), [(55, 0), (65, 2)])
async def test_the_promised_delay(verifier: Verifier, world: World, files: Files, minutes: int, exit_code: int) -> None:
    octets = await bundle(
        world, write_life(LIFE[:1]), tokens_at=START + timedelta(minutes=minutes), closed=START + 2 * HOUR
    )
    report = await judge(verifier, octets, files)
    assert (report["exit"], codes(report, "NOT PROVEN")) == (exit_code, {"dating.late"} if exit_code else set())


async def test_nothing_is_proven_without_a_trust_folder(verifier: Verifier, good: bytes) -> None:
    command, page = told(good, None), await verifier.verify(good)
    assert command["timeLine"] == page["timeLine"]
    assert {(one["verdict"], one["provenNotLaterThan"]) for one in page["timeLine"]} == {("NOT PROVEN", None)}
    assert page["stateAsOf"] == command["stateAsOf"] != None  # noqa: E711 - in one chain


# Whose time it is

OWN = issuer().legal_name
OWN_AUTHORITIES = {
    "its name": {"organisation": OWN},
    "its name, written otherwise": {"organisation": f" {OWN.upper()}".replace(" ", "  ")},
    "its identifier": {"organisation": issuer().legal_id},
    "its root's name": {"root_organisation": OWN},
    "the demo's policy": {"policy": "2.999.3161.1"},
}


@pytest.mark.parametrize("given", OWN_AUTHORITIES.values(), ids=OWN_AUTHORITIES)
async def test_the_issuers_own_authority(verifier: Verifier, tmp_path: Path, given: dict[str, Any]) -> None:
    found = World(tmp_path / "keys", authority=Authority(**given))
    report = await judge(verifier, await bundle(found, write_life()), found.trust_files())
    assert (report["exit"], codes(report, "FAIL")) == (2, set())
    assert codes(report, "NOT PROVEN") == {"time.own", "dating.none"}
    assert {one["provenNotLaterThan"] for one in report["timeLine"]} == {None}


async def test_an_authority_under_the_issuers_root(verifier: Verifier, world: World, files: Files) -> None:
    root = world.keys.certificates("root", 1)[0], world.keys.key("root", 1)
    theirs, world.authority = world.authority, Authority(CHARLIE, root=root)
    try:
        report = await judge(verifier, await bundle(world, write_life()), world.trust_files())
    finally:
        world.authority = theirs
    assert (report["exit"], codes(report, "NOT PROVEN")) == (2, {"time.own", "dating.none"})


async def test_a_whole_test_environment(verifier: Verifier, tmp_path: Path) -> None:
    found = World(tmp_path / "keys", environment="test")
    octets = await bundle(found, write_life(environment="test"))
    report = await judge(verifier, octets, found.trust_files())
    assert (report["exit"], codes(report, "NOT PROVEN")) == (2, {"environment.test"})


# The time line


def unknown(values: list[Value]) -> list[Value]:
    values[7]["ERDSEventId"] = "https://sealpost.example/evidence/event#term_extended"
    return values


def test_an_unknown_event_has_its_name(
    world: World, files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, prose = tmp_path / "a.asice", twin(world, LIFE, "2026-2")
    path.write_bytes(make_bundle(world, unknown(write_life(suite="2026-2")), prose=prose))
    assert told(path.read_bytes(), files)["timeLine"][7]["event"] == "term_extended"
    for language in LANGUAGES:
        assert run([str(path), "--language", language]) == 2
        assert capsys.readouterr().out.count("term_extended") == 2


async def test_signs_of_automation_stand_beside_the_moment(
    verifier: Verifier, world: World, files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values, path = write_life(), tmp_path / "a.asice"
    extension_of(values[3])["web"]["automation"] = ["webdriver", "headless"]
    path.write_bytes(await bundle(world, values))
    report = await judge(verifier, path.read_bytes(), files)
    assert [one["automation"] for one in report["timeLine"] if one["automation"]] == [["webdriver", "headless"]]
    run([str(path), "--language", "en"])
    told_ = capsys.readouterr().out
    assert "Somebody used the pickup page (with signs of a program instead of a person)" in told_
    assert told_.count("signs of a program") == 1


def test_the_head_says_the_state_as_of(
    world: World, good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.asice"
    path.write_bytes(good)
    assert run([str(path), "--language", "en"]) == 2
    head = capsys.readouterr().out.partition("\n\n")[0]
    assert "State as of 2026-03-04T11:10:00.127Z (time stamp of the bundle)" in head
    del world
