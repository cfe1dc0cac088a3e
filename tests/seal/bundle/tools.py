"""Programs from others that check what we make; a test that needs a missing one is skipped by its Debian name."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGES = {
    "pdfsig": "poppler-utils",
    "pdftotext": "poppler-utils",
    "qpdf": "qpdf",
    "openssl": "openssl",
    "unzip": "unzip",
}


def need(*programs: str) -> None:
    missing = sorted({PACKAGES[one] for one in programs if shutil.which(one) is None})
    if missing:
        pytest.skip(f"NOT TESTED: needs Debian's {', '.join(missing)} (apt-get install {' '.join(missing)})")


def run(*words: str | Path, at: Path | None = None, ok: bool | None = True) -> str:
    """What a program prints; it must succeed, fail, or do either (None)."""
    surroundings = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    done = subprocess.run(words, capture_output=True, check=False, cwd=at, env=surroundings, timeout=60)
    printed = (done.stdout + done.stderr).decode(errors="replace")
    assert ok is None or (done.returncode == 0) is ok, printed
    return printed
