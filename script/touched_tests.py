#!/usr/bin/env python3
"""Prints the test files of the rooms that a change touches, nearest first, for `script/test --fast [ROOM ...]`.

The change is what stands in the tree and differs from where this branch left `main`; on `main` itself, what is not
committed, or else the last commit. A test file is near when it names a changed module or is itself changed. Rooms are
folders of tests/: `script/touched_tests.py mail web` prints those, whatever was changed.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Rooms of src/sealpost whose tests stand in a folder of another name.
TESTED_IN = {
    "api": "http",
    "xmlapi": "http",
    "access": "http",
    "bootstrap": "cli",
    "settings.py": "cli",
    "clock.py": "usecases",
}
ALWAYS = ("tests/docs/test_docs.py",)


def changed_files(root: Path) -> list[str]:
    """Paths below the checkout that the change adds or alters; also what is not yet known to git."""
    base = _git(root, "merge-base", "HEAD", "main")[:1] or ["HEAD"]
    dirty = _git(root, "status", "--porcelain", "--untracked-files=all")
    if base == _git(root, "rev-parse", "HEAD"):
        base = ["HEAD"] if dirty else ["HEAD~1"]
    tracked = _git(root, "diff", "--name-only", "--diff-filter=d", base[0])
    return sorted({*tracked, *_git(root, "ls-files", "--others", "--exclude-standard")})


def _git(root: Path, *words: str) -> list[str]:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def rooms_of(paths: Iterable[str]) -> set[str]:
    """The folders of tests/ that test these files."""
    rooms = set[str]()
    for path in paths:
        top, _, rest = path.removeprefix("src/sealpost/").partition("/")
        if path.startswith("src/sealpost/"):
            rooms.add(TESTED_IN.get(top, top))
        elif path.startswith("tests/") and "/" in path.removeprefix("tests/"):
            rooms.add(path.split("/")[1])
        elif top in {"docs", "script"} or not rest:
            rooms.add("script" if top == "script" else "docs")
    return rooms


def nearest_first(root: Path, rooms: Iterable[str], changed: Iterable[str]) -> list[str]:
    """The rooms' test files: those that were changed or name a changed module first."""
    changed = set(changed)
    modules = {module for path in changed if (module := _module(path))}
    named = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(modules)))})\b") if modules else None
    near, rest = list[str](), list[str]()
    for path in _test_files(root, rooms):
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        is_near = name in changed or (named is not None and named.search(_joined_imports(text)))
        (near if is_near else rest).append(name)
    return near + rest


def _module(path: str) -> str:
    """``sealpost.usecases.decide`` for ``src/sealpost/usecases/decide.py``; empty for what is no module."""
    if not path.startswith("src/") or not path.endswith(".py"):
        return ""
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _joined_imports(text: str) -> str:
    """The text, and for each ``from a.b import c, d`` also ``a.b.c a.b.d``."""
    found = re.findall(r"^from (sealpost[\w.]*) import \(?([\w ,\n]+)", text, re.MULTILINE)
    return text + " ".join(f"{module}.{name}" for module, names in found for name in re.findall(r"\w+", names))


def _test_files(root: Path, rooms: Iterable[str]) -> Iterator[Path]:
    for room in sorted(rooms):
        yield from sorted((root / "tests" / room).rglob("test_*.py"))


def main(asked: list[str]) -> int:
    unknown = [room for room in asked if not (ROOT / "tests" / room).is_dir()]
    if unknown:
        print(f"no such room in tests/: {', '.join(unknown)}", file=sys.stderr)
        return 2
    changed = changed_files(ROOT)
    files = nearest_first(ROOT, asked or rooms_of(changed), changed)
    print(*(files or ALWAYS), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
