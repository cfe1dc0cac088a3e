"""kill -9 of the whole demo with requests in flight, five times; ``script/faults`` does it as often as one likes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults.killing import main


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_five_kills(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state.json"
    assert main(["--rounds", "5", "--state", str(state)]) == 0, capfd.readouterr().out
    assert set(json.loads(state.read_text())) == {"1", "2", "3", "4", "5"}
    assert main(["--rounds", "5", "--state", str(state)]) == 0
    assert "0 rounds to go" in capfd.readouterr().out, "what is done is not done again"
