"""Genuine bundles of past states get no FAIL, ever: whoever holds one must be able to rely on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealpost.verifier.trust import trust_of
from sealpost.verifier.verify import verify

BUNDLES = Path(__file__).parents[1] / "vectors" / "bundles"
FOUND = sorted(BUNDLES.glob("*/*.asice"))


def test_there_are_some() -> None:
    assert len({path.parent.name for path in FOUND}) >= 3


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.stem}")
@pytest.mark.parametrize("trusted", [True, False])
def test_nothing_fails(path: Path, *, trusted: bool) -> None:
    folder = path.parent / "trust"
    files = {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}
    report = verify(path.read_bytes(), trust_of(files) if trusted else None)
    assert [(claim.check, claim.why) for claim in report.claims if claim.verdict == "FAIL"] == []
    assert report.exit_code in {0, 2}
