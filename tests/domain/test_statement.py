"""What a record states, in the form of each suite: no success has a reason, and each failure exactly its own."""

from __future__ import annotations

import pytest

from sealpost.domain.statement import read_statement
from tests.records import CASES, SUITES, Case, record


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_it_states(case: Case, suite: str) -> None:
    states = read_statement(record(case, suite))
    assert states.kind == case.kind
    assert states.source == case.source
    assert states.reasons == case.reasons
    assert states.reply == case.reply(suite)
    assert (states.purpose, states.attempt) == ((case.purpose, 2) if case.purpose else ("", 0))
    assert states.given_up is case.given_up
    assert states.signs == case.signs
    assert states.recipients_words == case.recipients_words
