"""The fingerprint of a trust folder: what public tools compute, over what evidence is recognised by and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sealpost.domain.anchors import ANCHORS, trust_fingerprint

FILES = {
    "policy": b"quorum none\n",
    "roots.pem": b"a root\n",
    "tsa-roots.pem": b"another\n",
    "revoked/root-1.crl": b"1",
}


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not here")
@pytest.mark.parametrize("missing", ["", "tsa-roots.pem"])
def test_anybody_can_compute_it(tmp_path: Path, missing: str) -> None:
    files = {name: octets for name, octets in FILES.items() if name in ANCHORS and name != missing}
    for name, octets in files.items():
        (tmp_path / name).write_bytes(octets)
    command = f"sha256sum {' '.join(sorted(files))} | sha256sum"
    said = subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert said.split() == [trust_fingerprint(files), "-"]


def test_each_anchor_counts_and_nothing_else() -> None:
    first = trust_fingerprint(FILES)
    assert trust_fingerprint(FILES | {"revoked/root-1.crl": b"2", "README.txt": b"-"}) == first
    others = {trust_fingerprint(FILES | {name: b"other\n"}) for name in ANCHORS}
    assert len(others | {first}) == 4
