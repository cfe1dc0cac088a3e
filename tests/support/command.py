"""``sealpost`` as a process of its own without the seconds that an interpreter needs to import it.

`COMMAND` stands for ``python -m sealpost``: a small process hands its arguments, environment, folder and three standard
streams to one that has everything imported (`tests.support.command_server`) and forks; it passes SIGINT and SIGTERM on, and
ends as the command ends. What a command does when it is killed with -9 is tested with the real one.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def _socket() -> Path:
    """Starts this test process's server; it ends with it, for its standard input then ends."""
    folder = tempfile.TemporaryDirectory(prefix="sealpost-command-")
    path = Path(folder.name) / "socket"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.command_server", path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=ROOT,
    )  # fmt: skip

    def end() -> None:
        server.communicate()
        folder.cleanup()

    atexit.register(end)
    assert server.stdout
    assert server.stdout.readline() == b"ready\n"
    return path


def command() -> list[str]:
    """The first words of a command line that runs ``sealpost``."""
    return [sys.executable, "-I", "-S", str(ROOT / "tests/support/command_client.py"), str(_socket())]
