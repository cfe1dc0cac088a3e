"""The verifier runs with the base dependencies alone: everything else is blocked, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.verifier.lives import World

ALONE = """
import sys
ALLOWED = {"sealpost", "cryptography", "asn1crypto", "rfc8785", "_cffi_backend", "cffi"} | set(sys.stdlib_module_names)
REFUSED = ("sealpost.seal", "sealpost.store", "sealpost.settings", "sealpost.usecases", "sealpost.cli.commands")

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED or name.startswith(REFUSED):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)
        return None

sys.meta_path.insert(0, Blocker())
import socket
def refuse(*_, **__):
    raise AssertionError("the verifier went to the network")
socket.socket.connect = refuse
from sealpost.cli.main import main
main()
"""


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    source = Path(__file__).parents[2] / "src"
    environment = {"PYTHONPATH": str(source), "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error"}
    return subprocess.run(
        [sys.executable, "-c", ALONE, *arguments], capture_output=True, text=True, check=False, env=environment
    )


def test_verify_alone(world: World, good: bytes, tmp_path: Path) -> None:
    file, folder = tmp_path / "evidence.asice", tmp_path / "trust"
    file.write_bytes(good)
    for name, octets in world.trust_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(octets)
    done = command("verify", str(file), "--trust", str(folder), "--receipt", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert command("verify", str(file)).returncode == 2


def test_other_commands_say_what_is_missing() -> None:
    done = command("serve")
    assert done.returncode == 1
    assert "sealpost[server]" in done.stderr
