"""`script/check_sizes.py` on trees of its own: what is refused, where, and what is left alone."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "script" / "check_sizes.py"


def check(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=60)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def function(lines: int, head: str = "def long():") -> str:
    return "\n".join([head, *["    pass"] * (lines - 1)]) + "\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(function(61), 1, id="function"),
        pytest.param("import os\n\n" + function(61, "async def long():"), 3, id="async"),
        pytest.param("@cached\n" + function(61), 2, id="decorated, counted from def"),
        pytest.param("class A:\n" + function(61).replace("def", " def").replace("    ", "     "), 2, id="method"),
        pytest.param('def f():\n    """' + "\n" * 59 + '    """\n', 1, id="docstring counts"),
        pytest.param("x = 1\n" * 501, 1, id="module"),
        pytest.param("x = 1\n" * 500 + "y = 2", 1, id="module without a last newline"),
        pytest.param("\ndef f(:\n", 2, id="not Python"),
        pytest.param("x = '\0'\n", 1, id="null byte"),
        pytest.param("# caf\u00e9\n" + function(61), 2, id="not ASCII"),
    ],
)
def test_too_large_is_refused_and_named(tmp_path: Path, text: str, line: int) -> None:
    path = write(tmp_path, "package/module.py", text)
    result = check(tmp_path)
    assert result.returncode == 1
    assert result.stdout.startswith(f"{path}:{line}: ")
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("module.py", function(60)),
        ("module.py", "x = 1\n" * 500),
        ("module.py", ""),
        ("store/migrations/versions/0001_start.py", function(600)),
        ("page.html", "x\n" * 900),
    ],
)
def test_what_fits_passes_in_silence(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path, name, text)
    result = check(tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_every_finding_is_listed(tmp_path: Path) -> None:
    write(tmp_path, "a.py", function(61) + function(62))
    write(tmp_path, "b.py", "x = 1\n" * 501)
    result = check(tmp_path)
    assert result.returncode == 1
    assert [line.split(": ")[0] for line in result.stdout.splitlines()] == [
        f"{tmp_path}/a.py:1",
        f"{tmp_path}/a.py:62",
        f"{tmp_path}/b.py:1",
    ]


@pytest.mark.parametrize(("lines", "listed"), [(30, False), (31, True), (60, True)])
def test_a_long_function_is_worth_a_look_only_with_verbose(tmp_path: Path, lines: int, *, listed: bool) -> None:
    write(tmp_path, "a.py", function(lines))
    assert check(tmp_path).stdout == ""
    result = check("--verbose", tmp_path)
    assert result.returncode == 0
    assert ("look at long" in result.stdout) is listed


def test_a_folder_inside_a_path_called_migrations_is_not_exempt(tmp_path: Path) -> None:
    write(tmp_path / "migrations", "a.py", function(61))
    assert check(tmp_path / "migrations").returncode == 1


def test_a_missing_folder_is_an_error_not_a_pass(tmp_path: Path) -> None:
    result = check(tmp_path / "nowhere")
    assert result.returncode == 2
    assert "no such folder" in result.stderr
