"""`script/touched_tests.py` on a checkout of its own: which test files a change calls for, and in which order."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "script" / "touched_tests.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("touched_tests", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


touched_tests = load()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, text in {
        "src/sealpost/mail/dkim.py": "",
        "src/sealpost/mail/dns.py": "",
        "tests/mail/test_dns.py": "from sealpost.mail import dns\n",
        "tests/mail/test_keys.py": "from sealpost.mail import (\n    dkim,\n    route,\n)\n",
        "tests/mail/test_signing.py": "from sealpost.mail.dkim import sign\n",
        "tests/web/test_pages.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=Alice", "-c", "user.email=alice@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "a state")


def test_a_change_that_is_not_committed(checkout: Path) -> None:
    (checkout / "src/sealpost/mail/dkim.py").write_text("KEYS = 1\n")
    (checkout / "tests/web/test_new.py").write_text("")
    assert touched_tests.changed_files(checkout) == ["src/sealpost/mail/dkim.py", "tests/web/test_new.py"]


def test_the_last_commit_of_main(checkout: Path) -> None:
    (checkout / "src/sealpost/mail/dns.py").write_text("PORT = 53\n")
    commit(checkout)
    assert touched_tests.changed_files(checkout) == ["src/sealpost/mail/dns.py"]


def test_all_commits_of_a_branch(checkout: Path) -> None:
    git(checkout, "switch", "-q", "-c", "work")
    for name in ("dns", "dkim"):
        (checkout / f"src/sealpost/mail/{name}.py").write_text("X = 1\n")
        commit(checkout)
    assert touched_tests.changed_files(checkout) == ["src/sealpost/mail/dkim.py", "src/sealpost/mail/dns.py"]


@pytest.mark.parametrize(
    ("path", "rooms"),
    [
        ("src/sealpost/mail/dkim.py", {"mail"}),
        ("src/sealpost/xmlapi/writer.py", {"http"}),
        ("src/sealpost/settings.py", {"cli"}),
        ("tests/seal/test_pki.py", {"seal"}),
        ("tests/conftest.py", set[str]()),
        ("docs/api.md", {"docs"}),
        ("README.md", {"docs"}),
        ("script/texts", {"script"}),
    ],
)
def test_rooms(path: str, rooms: set[str]) -> None:
    assert touched_tests.rooms_of([path]) == rooms


def test_tests_that_name_a_changed_module_come_first(checkout: Path) -> None:
    files = touched_tests.nearest_first(checkout, ["mail"], ["src/sealpost/mail/dkim.py"])
    assert files == ["tests/mail/test_keys.py", "tests/mail/test_signing.py", "tests/mail/test_dns.py"]


def test_no_such_room() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "attic"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (2, "no such room in tests/: attic\n")
