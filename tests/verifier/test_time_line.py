"""The verifier's time line of a record of every kind and outcome, in each suite: a failure has its reason, nothing else one."""

from __future__ import annotations

import pytest

from sealpost.domain.canonical import canonical
from sealpost.verifier import verify
from sealpost.verifier.case import Dated, Record, parsed
from sealpost.verifier.tables import WORDS
from tests.records import CASES, SUITES, Case, record

LANGUAGES = ("nl", "en", "de", "fr")


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_only_a_failure_has_a_reason(case: Case, suite: str) -> None:
    octets = canonical(record(case, suite))
    moment = verify._moment(Record(1, "records/001.json", octets, parsed(octets)), Dated(None, is_close=False))
    wanted = case.code if case.kind.endswith("_failed") else ""
    assert moment.reason == moment.as_json()["reason"] == wanted
    for language in LANGUAGES:
        reasons = {name: WORDS[f"reason.{name}"][language] for name in ("unknown", "content", "other", wanted) if name}
        shown = {name for name, words in reasons.items() if moment.words(language).endswith(words)}
        assert shown == ({wanted} if wanted else set())
