"""The built page is what its sources make, needs nothing from elsewhere, and lets nothing else run."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from tests.verifier.page.conftest import PAGE

BUILT = PAGE / "verify.html"
ROOT = PAGE.parents[3]
LARGEST = 480_000
NO_REGISTRY = 69


def sources_hash() -> str:
    """As `build.mjs` makes it: over the names and hashes of all sources."""
    inner = sorted(f"src/{one.name}" for one in (PAGE / "src").iterdir())
    names = ["../reasons.json", "../rules.json", "../words.json", "build.mjs", "package.json", "template.html", *inner]
    lines = [f"{hashlib.sha256((PAGE / one).read_bytes()).hexdigest()}  {one}\n" for one in names]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def inside(name: str) -> str:
    return re.findall(rf"<{name}>(.*?)</{name}>", BUILT.read_text("utf-8"), re.DOTALL)[-1]


def test_it_is_up_to_date() -> None:
    named = re.search(r'<meta name="sources" content="([0-9a-f]{64})">', BUILT.read_text("utf-8"))
    assert named is not None
    assert named[1] == sources_hash(), "run script/build-verifier-page"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None or shutil.which("npm") is None, reason="node or npm is missing")
def test_building_gives_the_same_octets(tmp_path: Path) -> None:
    place = tmp_path / "verify.html"
    done = subprocess.run(
        [ROOT / "script" / "build-verifier-page", place], capture_output=True, timeout=200, check=False
    )
    if done.returncode == NO_REGISTRY:
        pytest.skip("the npm registry is out of reach")
    assert done.returncode == 0, done.stderr
    assert place.read_bytes() == BUILT.read_bytes()


def test_its_policy_allows_its_own_script_and_style_only() -> None:
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', BUILT.read_text("utf-8"))
    assert len(policy) == 1
    rules = dict(one.strip().split(" ", 1) for one in policy[0].split(";"))
    for name in ("script", "style"):
        digest = b64encode(hashlib.sha256(inside(name).encode()).digest()).decode()
        assert rules[f"{name}-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert not {"connect-src", "frame-src", "worker-src"} & rules.keys()


def test_it_is_one_file() -> None:
    text = BUILT.read_text("utf-8")
    assert len(text.encode()) <= LARGEST
    markup = text.replace(inside("script"), "").replace(inside("style"), "")
    assert not re.search(r"\b(?:src|srcset|action|formaction|on[a-z]+)=", markup)
    assert re.findall(r'href="([^"]*)"', markup) == ["data:,"]
    assert "url(" not in inside("style")
    assert "@import" not in inside("style")
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "sendBeacon", "innerHTML", "localStorage", "eval("):
        assert word not in inside("script"), word


def test_the_tables_are_in_it() -> None:
    script = inside("script")
    for code, texts in json.loads((PAGE.parent / "words.json").read_text("utf-8")).items():
        assert json.dumps(code) in script or f"{code}:" in script, code
        assert set(texts) == {"nl", "en", "de", "fr"}


def test_every_word_of_the_page_is_in_four_languages() -> None:
    words = json.loads((PAGE / "src" / "page_words.json").read_text("utf-8"))
    for name, texts in words.items():
        assert list(texts) == ["nl", "en", "de", "fr"], name
        assert len({tuple(sorted(re.findall(r"\{\w+\}", one))) for one in texts.values()}) == 1, name
