"""The table of suites: the one that records state is in it, and its days are kept to."""

import dataclasses
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from sealpost.domain import records, seals
from sealpost.domain.suites import SUITES, UnknownSuite, suite
from sealpost.seal.jades import seal
from sealpost.seal.key_files import KeyFolder
from sealpost.seal.signer import SigningFailed
from sealpost.verifier.tables import RULES


def test_records_state_a_suite_of_the_table_and_keys_are_of_it(keys: KeyFolder) -> None:
    found = suite(records.SUITE)
    assert found.record_seal == seals.ALGORITHM == keys.signer("record-seal").algorithm
    assert found.container_seal == keys.signer("pdf-seal").algorithm
    assert found.log == (keys.signer("log-ed25519").algorithm, keys.signer("log-mldsa44").algorithm)


def test_names_are_unique_and_days_in_order() -> None:
    assert len({one.name for one in SUITES}) == len(SUITES)
    assert all(one.since <= one.until for one in SUITES)


@pytest.mark.parametrize("name", ["", "2026", "2026-3", "2026-1 ", "2026-1\n", "none"])
def test_an_unknown_suite_is_refused(name: str) -> None:
    with pytest.raises(UnknownSuite):
        suite(name)


EAST = timezone(timedelta(hours=14))
DAYS = [
    (datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), False),
    (datetime(2026, 1, 1, tzinfo=UTC), True),
    (datetime(2026, 1, 1, 13, tzinfo=EAST), False),
    (datetime(2030, 12, 31, 23, 59, 59, tzinfo=UTC), True),
    (datetime(2031, 1, 1, 13, tzinfo=EAST), True),
    (datetime(2031, 1, 1, tzinfo=UTC), False),
]


@pytest.mark.parametrize(("at", "good"), DAYS)
def test_a_suite_is_for_its_days_of_utc(at: datetime, good: bool) -> None:
    assert suite("2026-1").covers(at) is good


@pytest.mark.parametrize(("at", "good"), DAYS)
def test_nothing_is_sealed_outside_its_days(keys: KeyFolder, at: datetime, good: bool) -> None:
    signer = dataclasses.replace(
        keys.signer("record-seal"), valid=(datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))
    )
    if good:
        assert seal(signer, b"{}", at)
    else:
        with pytest.raises(SigningFailed, match="suite"):
            seal(signer, b"{}", at)


def test_the_verifier_has_the_same_table() -> None:
    fields = [
        (one.name, one.since, one.until, one.record_seal, one.digest, one.log, one.time_digests) for one in SUITES
    ]
    shown = [
        (
            one["name"], date.fromisoformat(one["since"]), date.fromisoformat(one["until"]), one["seal"], one["digest"],
            tuple(one["log"]), tuple(one["timeDigests"]),
        )
        for one in RULES["suites"]
    ]  # fmt: skip
    assert shown == fields
