"""Each line of the certificate's time line: what is claimed, and what is proven of it, by the verifier's own rule."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sealpost.seal.certificate import words
from sealpost.seal.certificate.dating import PROMISED, Dating, date_records
from sealpost.seal.certificate.story import read
from sealpost.seal.timestamps.local import POLICY as OWN_POLICY
from sealpost.text.catalogue import LANGUAGES
from sealpost.verifier.tables import RULES
from tests.seal.bundle.tools import need, run
from tests.seal.certificate.test_certificate import shown
from tests.verifier.authority import Authority
from tests.verifier.lives import Plan, World, certified, entries, plan, seal_records
from tests.verifier.story import EXPIRE_AT, START, write_life

LATE = timedelta(days=180)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("dating") / "keys")


def datings(found: Plan) -> dict[int, Dating]:
    return date_records(read(found.records), found.records, found.checkpoints)


def test_it_is_the_verifiers_rule() -> None:
    assert RULES.get("promisedSeconds", PROMISED.total_seconds()) == PROMISED.total_seconds()


def test_each_record_is_proven_by_the_first_token_over_it(world: World) -> None:
    found = plan(world, entries(world))
    dated = datings(found)
    assert all(one.proves and one.at for one in dated.values())
    times = {one.seq: one.at for one in read(found.records).told}
    (accepted,) = [one.seq for one in read(found.records).told if one.kind == "accepted"]
    waited = {seq: one.at - times[seq] for seq, one in dated.items() if one.at}
    assert waited[accepted] < timedelta(seconds=5), "its own token"
    assert all(timedelta() < one < PROMISED for one in waited.values())
    assert max(waited.values()) > timedelta(seconds=20)


def test_what_waits_for_the_log_is_not_proven_yet(world: World) -> None:
    found = plan(world, entries(world), pending=2)
    dated = datings(found)
    assert [dated[one.seq] == Dating() for one in found.records][-2:] == [True, True]
    assert dated[1].proves


def test_a_token_of_half_a_year_later_proves_no_claimed_time(world: World) -> None:
    found = plan(world, entries(world), tokens_at=START + LATE)
    dated = datings(found)
    assert not dated[1].proves
    assert dated[1].at is not None
    assert dated[1].at >= START + LATE
    (accepted,) = [one.seq for one in read(found.records).told if one.kind == "accepted"]
    assert dated[accepted].proves, "its own token is of that day"


def test_the_end_of_a_term_follows_from_the_record_that_states_it(world: World) -> None:
    life = ("submitted", "announcement_offered", "announcement_accepted", "expired")
    made = seal_records(world, write_life(life), own_tokens_at=EXPIRE_AT + LATE)
    found = plan(world, made)
    late = [one if one.seq < 4 else type(one)(one.seq, one.octets, one.seal, one.salt, None) for one in found.records]
    dated = date_records(read(late), late, found.checkpoints)
    assert dated[4].at is not None
    assert dated[4].at > EXPIRE_AT + PROMISED
    assert dated[4].proves


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_certificate_shows_both(world: World, tmp_path: Path, language: str) -> None:
    need("pdftotext")
    found = plan(world, entries(world), pending=1)
    (tmp_path / "a.pdf").write_bytes(
        certified(world, found.records, language, checkpoints=found.checkpoints, trust=found.trust)
    )
    said = " ".join(run("pdftotext", "-raw", tmp_path / "a.pdf", "-").replace("\u200b", "").split())
    dated = datings(found)
    wanted = [f"{one.at:%Y-%m-%d %H:%M:%S} UTC" for one in dated.values() if one.at]
    assert [one for one in wanted if one not in said] == []
    assert said.count(shown(words.NOT_DATED, language)) >= 1
    assert shown(words.NOT_DATED_THEN, language) in said
    assert shown(words.TIMES, language) in said
    assert shown(words.ONLY_CLAIMED, language) not in said, "what it speaks of is proven"
    assert re.search("[0-9a-f]{64}", said.partition(shown(words.TRUST, language))[2])


@pytest.mark.parametrize("authority", [{"policy": OWN_POLICY}, {"organisation": "Voorbeeld Post B.V."}])
def test_the_services_own_authority_proves_nothing(tmp_path: Path, authority: dict[str, Any]) -> None:
    need("pdftotext")
    own = World(tmp_path / "keys", authority=Authority(**authority))
    found = plan(own, entries(own))
    dated = datings(found)
    assert all(one.own and not one.proves for one in dated.values())
    pdf = certified(own, found.records, "en", checkpoints=found.checkpoints, trust=found.trust)
    (tmp_path / "a.pdf").write_bytes(pdf)
    said = " ".join(run("pdftotext", "-raw", tmp_path / "a.pdf", "-").split())
    assert said.count(words.DATED_BY_ITSELF) >= len(found.records)
    assert said.count(words.ONLY_CLAIMED) == 4, "submitted, reached, known, decided"
