#!/usr/bin/env python3
"""Refuses sources that grew too large: modules of more than 500 lines, functions of more than 60.

For everybody, through `script/test`. `script/check_sizes.py [--verbose] [FOLDER ...]` lists path:line of each and exits
with 1; the folder is src unless told otherwise. `--verbose` also lists functions of more than 30 lines, which are worth
a look but not refused. Migrations are exempt: they are history, which is never shortened.
"""

import argparse
import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES = 500
FUNCTION_LINES = 60
LOOK_AT_LINES = 30


def modules(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.py")):
        if "migrations" not in path.relative_to(folder).parts:
            yield path


def functions(tree: ast.Module) -> Iterator[tuple[int, int, str]]:
    """Yields the line, the length in lines (from `def` to the end, docstring included) and the name of each function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1, node.name


def findings(path: Path) -> Iterator[tuple[bool, int, str]]:
    """Yields for one module: whether it is refused, the line, and what was found there."""
    source = path.read_bytes()
    lines = len(source.splitlines())
    if lines > MODULE_LINES:
        yield True, 1, f"the module has {lines} lines, more than {MODULE_LINES}"
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        yield True, getattr(error, "lineno", None) or 1, f"cannot be read as Python: {error}"
        return
    for line, length, name in sorted(functions(tree)):
        if length > FUNCTION_LINES:
            yield True, line, f"{name} has {length} lines, more than {FUNCTION_LINES}"
        elif length > LOOK_AT_LINES:
            yield False, line, f"look at {name}: {length} lines"


def main() -> int:
    parser = argparse.ArgumentParser(description="Refuses modules and functions that grew too large.")
    parser.add_argument("--verbose", action="store_true", help=f"list functions over {LOOK_AT_LINES} lines too")
    parser.add_argument("folder", nargs="*", type=Path, default=[ROOT / "src"])
    options = parser.parse_args()
    refused = 0
    for folder in options.folder:
        if not folder.is_dir():
            parser.error(f"no such folder: {folder}")
        for path in modules(folder):
            for is_refused, line, text in findings(path):
                refused += is_refused
                if is_refused or options.verbose:
                    print(f"{path}:{line}: {text}")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
