"""`script/environment`: what a start does by the state it finds, on a throw-away checkout.

Only creating the virtual environment and pip are stood in for (they would need a network); everything else is the real
script under the real sh, with a PATH that holds nothing but a few tools.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "cat", "chmod", "cp", "date", "dirname", "id", "mkdir")

PYTHON = """#!/bin/sh
case "$*" in
*"-m venv"*)
  echo venv >>"$LOG"
  for folder; do :; done
  mkdir -p "$folder/bin" && cp "$0" "$folder/bin/python" ;;
*"-m ensurepip"*) echo ensurepip >>"$LOG" ;;
*"-m pip --version"*) ;;
*"-m pip"*)
  for last; do :; done
  echo "pip $last" >>"$LOG"
  case "$last" in "${BREAK:-nothing}") exit 1 ;; *.txt) exit 0 ;; esac
  printf '#!/bin/sh\\nprintf "<%%s>" "$@"\\n' >"$last/.venv/bin/sealpost" && chmod +x "$last/.venv/bin/sealpost" ;;
*"import ensurepip"*) exit "${NO_ENSUREPIP:-0}" ;;
*) exec REAL "$@" ;;
esac
"""


@dataclass
class Checkout:
    root: Path
    tools: Path
    log: Path
    variables: dict[str, str] = field(default_factory=dict[str, str])

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        environment = {"PATH": str(self.tools), "LOG": str(self.log), "SEALPOST_NO_APT": "1", **self.variables}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)

    def demo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.root / "script" / "demo", *arguments)

    def environment(self, name: str) -> subprocess.CompletedProcess[str]:
        return self.run("sh", "-euc", 'root=$1; . "$1/script/environment"; environment "$2"', "sh", self.root, name)

    def tool(self, name: str, text: str) -> None:
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    @property
    def done(self) -> list[str]:
        return [line.replace(f"{self.root}/requirements/", "") for line in self.log.read_text().splitlines()]

    @property
    def stamp(self) -> Path:
        return self.root / ".venv" / ".sealpost-environment"

    def whole(self, name: str = "server") -> list[str]:
        return ["venv", "ensurepip", f"pip {name}.txt", f"pip {self.root}"]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "a checkout", tmp_path / "tools", tmp_path / "log")
    (made.root / "requirements").mkdir(parents=True)
    shutil.copytree(ROOT / "script", made.root / "script", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "requirements/server.txt", "requirements/dev.txt"):
        (made.root / name).write_text(f"# {name}\n")
    made.tools.mkdir()
    for tool in TOOLS:
        (made.tools / tool).symlink_to(shutil.which(tool) or pytest.fail(f"no {tool}"))
    made.tool("python3", PYTHON.replace("REAL", f'"{sys.executable}"'))
    return made


def test_the_first_start_installs_and_the_second_installs_nothing(checkout: Checkout) -> None:
    first = checkout.demo("--data", "a b", "*")
    assert (first.returncode, first.stdout) == (0, "<demo><--data><a b><*>"), first.stderr
    assert checkout.done == checkout.whole()
    second = checkout.demo()
    assert (second.returncode, second.stdout, second.stderr) == (0, "<demo>", "")
    assert checkout.done == []


def test_a_test_environment_serves_the_demo_and_is_never_diminished(checkout: Checkout) -> None:
    checkout.demo()
    assert checkout.environment("dev").returncode == 0
    assert checkout.done == ["pip dev.txt", f"pip {checkout.root}"]
    assert checkout.demo().stderr == ""
    (checkout.root / "requirements" / "server.txt").write_text("# changed\n")
    (checkout.root / "requirements" / "dev.txt").write_text("# changed\n")
    checkout.demo()
    assert checkout.done == ["pip dev.txt", f"pip {checkout.root}"]


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements/server.txt"])
def test_changed_requirements_are_installed_in_place(checkout: Checkout, name: str) -> None:
    checkout.demo()
    (checkout.root / name).write_text("# changed\n")
    checkout.demo()
    assert checkout.done == ["pip server.txt", f"pip {checkout.root}"]


@pytest.mark.parametrize("last", ["requirements/server.txt", "."])
def test_an_interrupted_set_up_is_made_anew(checkout: Checkout, last: str) -> None:
    checkout.variables["BREAK"] = str(checkout.root / last)
    assert checkout.demo().returncode != 0
    assert checkout.stamp.read_text() == "unfinished\n"
    del checkout.variables["BREAK"]
    assert checkout.demo().stdout == "<demo>"
    assert checkout.done == checkout.whole()


@pytest.mark.parametrize("content", ["", "unfinished\n", "server\n", "server 00 cpython-39 x86_64 /elsewhere\n"])
def test_a_stamp_that_says_something_else_is_not_trusted(checkout: Checkout, content: str) -> None:
    checkout.demo()
    checkout.stamp.write_text(content)
    checkout.demo()
    assert checkout.done == checkout.whole()


def test_a_lost_python_and_a_moved_checkout_give_a_new_environment(checkout: Checkout) -> None:
    checkout.demo()
    (checkout.root / ".venv" / "bin" / "python").unlink()
    checkout.demo()
    assert checkout.done == checkout.whole()
    checkout.root = checkout.root.rename(checkout.root.with_name("moved"))
    assert checkout.demo().stdout == "<demo>"
    assert checkout.done == checkout.whole()


def test_somebody_s_own_environment_is_completed_not_cleared(checkout: Checkout) -> None:
    checkout.demo()
    checkout.stamp.unlink()
    checkout.demo()
    assert checkout.done == ["pip server.txt", f"pip {checkout.root}"]


def test_a_linked_environment_is_never_cleared(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (checkout.root / ".venv").symlink_to(tmp_path / "precious")
    result = checkout.demo()
    assert result.returncode == 2
    assert "is a link" in result.stderr
    assert checkout.done == []
    assert list((tmp_path / "precious").iterdir()) == []


@pytest.mark.parametrize(("sudo", "user_line"), [(True, "sudo sh -c '{}'"), (False, "su - -c '{}'")])
def test_without_ensurepip_and_apt_the_last_line_is_the_one_to_run(
    checkout: Checkout, *, sudo: bool, user_line: str
) -> None:
    checkout.variables["NO_ENSUREPIP"] = "1"
    checkout.tool("apt-get", '#!/bin/sh\necho apt >>"$LOG"\n')
    if sudo:
        checkout.tool("sudo", '#!/bin/sh\necho sudo >>"$LOG"\n')
    result = checkout.demo()
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    line = f"apt-get update && apt-get install -y --no-install-recommends {package}"
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == (line if os.geteuid() == 0 else user_line.format(line))
    assert checkout.done == []
    assert not (checkout.root / ".venv").exists()


def test_an_old_python_is_named(checkout: Checkout) -> None:
    older = f'exec "{sys.executable}" -I -c "import sys; sys.version_info = (3, 9, 2)\n$3"'
    checkout.tool("python3", f'#!/bin/sh\nif [ "$1" = --version ]; then echo Python 3.9.2; else {older}; fi\n')
    result = checkout.demo()
    assert result.returncode == 2
    assert "needs Python 3.11 or newer" in result.stderr
    assert "Python 3.9.2" in result.stderr
