"""The documentation against the code: nothing that a user can set, call or meet is missing, and no link is dead."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from sealpost import bootstrap
from sealpost.api.send import SEND_PATH
from sealpost.cli import demo
from sealpost.cli.main import app as command_line
from sealpost.domain.status import SHOWN_AS, TABLE
from sealpost.settings import Settings
from sealpost.usecases.service import Face

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TEXTS = {page: page.read_text() for page in PAGES}
MANUAL = "\n".join(text for page, text in TEXTS.items() if page.parent == ROOT / "docs")
FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# Traces of a machine on which the pages were written: its folders, its package index.
TRACES = re.compile(
    r"(?:^|[\s\"'`(=:])/(?:work|root|tmp|home|Users)\b|\bpypi\b|index-url|\.\./shared|\bfresh-machine\b", re.MULTILINE
)
LOGGED = re.compile(r"""log\.(?:info|warning|error|exception)\(\s*"([^"]+)\"""")
PICTURE_OCTETS = 200_000


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    assert [target for target in relative_links(page) if not leads_somewhere(page, target)] == []


def relative_links(page: Path) -> Iterator[str]:
    for target in LINK.findall(FENCE.sub("", TEXTS[page])):
        if not re.match(r"[a-z]+:", target):
            yield target


def leads_somewhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    found = (page.parent / path).resolve() if path else page
    return found.is_file() and found.is_relative_to(ROOT) and (not anchor or anchor in anchors(TEXTS[found]))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of headings."""
    headings = HEADING.findall(FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_trace_of_a_machine(page: Path) -> None:
    assert TRACES.search(TEXTS[page]) is None


def test_every_page_is_found_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    reached = {(index.parent / target.partition("#")[0]).resolve() for target in relative_links(index)}
    assert {name_of(page) for page in PAGES} - {name_of(page) for page in reached} == {"docs/index.md", "README.md"}


def test_settings_table_is_what_the_script_prints() -> None:
    command = [sys.executable, ROOT / "script" / "settings-table"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.count("\n") == len(fields(Settings)) + 2
    assert f"\n{printed}\n" in TEXTS[ROOT / "docs" / "settings.md"]


def commands(found: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Every command with its words, such as ``sealpost account add``."""
    below: dict[str, Any] = getattr(found, "commands", {})
    if not below:
        yield " ".join(words), found
    for word, one in below.items():
        yield from commands(one, (*words, word))


COMMANDS = dict(commands(typer.main.get_command(command_line), ("sealpost",)))


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_and_options_are_explained(words: str) -> None:
    options = [option for parameter in COMMANDS[words].params if not hidden(parameter) for option in parameter.opts]
    assert [word for word in (words, *options) if word.startswith(("-", "sealpost")) and word not in MANUAL] == []


def hidden(parameter: Any) -> bool:
    return getattr(parameter, "hidden", False) or parameter.name == "help"


def test_commands_are_found() -> None:
    assert {"sealpost demo", "sealpost user add"} <= set(COMMANDS)


def routes() -> list[str]:
    """Every address of the demo, which has all of them; ``{token}`` for ``{token:str}``."""
    face = Face("http://127.0.0.1:8025", "127.0.0.1:8025", secure=False, demo=True, service_name="", mail_domain="")
    service: Any = SimpleNamespace(face=face)
    framework = bootstrap._litestar(service, test_clock=True)
    return sorted({SEND_PATH, *(re.sub(r":\w+}", "}", route.path) for route in framework.routes)})


@pytest.mark.parametrize("route", routes())
def test_addresses_are_listed(route: str) -> None:
    assert f"`{route}`" in TEXTS[ROOT / "docs" / "api.md"]


def test_no_address_is_listed_that_is_not_there() -> None:
    _, _, table = TEXTS[ROOT / "docs" / "api.md"].partition("## Every address")
    rows = [line.split("|")[1] for line in table.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(/[^`]*)`", " ".join(rows))) == set(routes())


@pytest.mark.parametrize("status", TABLE, ids=lambda status: status.name)
def test_statuses_are_listed(status: Any) -> None:
    assert f"\n| {status.code} | `{status.name}` |" in TEXTS[ROOT / "docs" / "api.md"]


def test_kinds_that_share_a_number_are_listed() -> None:
    text = TEXTS[ROOT / "docs" / "decisions" / "0007-kinds-beyond-the-status-table.md"]
    assert dict(re.findall(r"^\| `(\w+)` \| \d+ `(\w+)` \|$", text, re.MULTILINE)) == SHOWN_AS


def test_the_curl_line_is_the_demos() -> None:
    words = demo.Credentials("", "", "", "", "demo-service-100001", "PASSWORD", demo.SENDER)
    printed = demo._banner("http://127.0.0.1:8025", words, Path("src/sealpost/examples/notice.pdf"))
    line = re.search(r"^  curl .*?\]}'$", printed, re.MULTILINE | re.DOTALL)
    assert line is not None
    assert line[0].removeprefix("  ") in TEXTS[ROOT / "README.md"]


def test_the_picture_is_small() -> None:
    picture = (ROOT / "docs" / "images" / "pickup.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) <= PICTURE_OCTETS


def test_log_lines_are_explained() -> None:
    text = TEXTS[ROOT / "docs" / "operations.md"]
    calls = [LOGGED.findall(module.read_text()) for module in (ROOT / "src").rglob("*.py")]
    events = {event for found in calls for event in found}
    assert {"mail attempt", "request"} <= events
    assert sorted(event for event in events if f"`{event}`" not in text) == []


def test_files_that_the_architecture_names_are_there() -> None:
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", TEXTS[ROOT / "ARCHITECTURE.md"]))
    assert len(named) > 20
    assert sorted(name for name in named if not any((ROOT / "src").rglob(name))) == []
