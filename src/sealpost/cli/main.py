"""The command line: `verify` with the base dependencies alone, all else with the extra `server`."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from sealpost.cli.verify import run


def main() -> None:
    """Runs a command."""
    if sys.argv[1:2] == ["verify"]:
        sys.exit(run(sys.argv[2:]))
    try:
        commands = _commands()
    except ModuleNotFoundError as error:
        print(
            f"sealpost: {error.name} is missing; only `verify` works without: pip install 'sealpost[server]'",
            file=sys.stderr,
        )
        sys.exit(1)
    commands.call()


def _commands() -> Any:
    # Not at the top: what serves may not be installed, and would take a second to load where only `verify` is asked for.
    return import_module("sealpost.cli.commands")


def __getattr__(name: str) -> Any:
    """``app``, the commands as typer has them, for those who read them."""
    if name != "app":
        raise AttributeError(name)
    return _commands().app
