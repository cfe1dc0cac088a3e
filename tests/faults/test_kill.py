"""kill -9 of the whole demo with requests in flight, once; ``script/faults`` does it as often as one likes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.demo_process import ROOT


def rounds(state: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "tests.faults.killing", "--rounds", "1", "--state", str(state)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_kill(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    played = rounds(state)
    print(played.stdout)
    assert played.returncode == 0, played.stdout + played.stderr
    assert json.loads(state.read_text()) == {str(number): "held" for number in range(1, 2)}
    assert rounds(state).stdout.endswith("0 rounds, 0 violations\n"), "what is done is not done again"
