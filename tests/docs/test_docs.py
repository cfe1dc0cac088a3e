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

from sealpost.api.openapi import document
from sealpost.api.send import SEND_PATH
from sealpost.bootstrap.web import litestar_app
from sealpost.cli import demo
from sealpost.cli.main import app as command_line
from sealpost.domain.status import SHOWN_AS, TABLE, Status
from sealpost.settings import Settings
from sealpost.text.statuses import vendor_text
from sealpost.usecases.reads.notices import CHOICES, HAPPENING, notices
from sealpost.usecases.service import Face
from tests.world import World

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TEXTS = {page: page.read_text() for page in PAGES}
MANUAL = "\n".join(text for page, text in TEXTS.items() if page.parent in {ROOT / "docs", ROOT / "docs" / "api"})
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
    framework = litestar_app(service, test_clock=True)
    return sorted({SEND_PATH, *(re.sub(r":\w+}", "}", route.path) for route in framework.routes)})


@pytest.mark.parametrize("route", routes())
def test_addresses_are_listed(route: str) -> None:
    assert f"`{route}`" in TEXTS[ROOT / "docs" / "api.md"]


def test_no_address_is_listed_that_is_not_there() -> None:
    _, _, table = TEXTS[ROOT / "docs" / "api.md"].partition("## Every address")
    rows = [line.split("|")[1] for line in table.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(/[^`]*)`", " ".join(rows))) == set(routes())


@pytest.mark.parametrize("status", TABLE, ids=lambda status: status.name)
def test_words_of_statuses(status: Status) -> None:
    words = [vendor_text(status.name, language) for language in ("nl", "en", "de", "fr")]
    assert f"\n| {status.code} | `{status.name}` | {' | '.join(words)} |\n" in TEXTS[ROOT / "docs" / "statuses.md"]


async def test_notices_of_statuses(world: World) -> None:
    rows = re.findall(
        r"^\| (\d\d) \| `(\w+)` \|[^|]*\| ([^|]*) \|$", TEXTS[ROOT / "docs" / "statuses.md"], re.MULTILINE
    )
    assert [(int(code), name) for code, name, _ in rows] == [(status.code, status.name) for status in TABLE]
    told = {name: notice for _, name, notice in rows}
    default = await notices(world.service, world.alice)
    assert {name for name, notice in told.items() if notice == "default"} == set(default)
    assert {name for name, notice in told.items() if notice in {"default", "yes"}} == set(CHOICES)
    assert {name for name, notice in told.items() if notice == "not yet"} == {one.name for one in TABLE} - HAPPENING


PAGE_OF = {
    "issueToken": "token", "revokeToken": "revoke", "send": "send", "ticketXml": "ticket-xml", "tickets": "tickets-xml", "evidence": "evidence", "certificate": "evidence",
    "listUsers": "user", "addUser": "user", "getUser": "user", "changeUser": "user", "deleteUser": "user",
    "inviteUser": "user", "listAddresses": "allowed-email-address", "allowAddress": "allowed-email-address",
    "getAddress": "allowed-email-address", "disallowAddress": "allowed-email-address", "xmlSchema": "openapi", "openapi": "openapi",
}  # fmt: skip
DESCRIBED = document("http://127.0.0.1:8025")
OPERATIONS = {
    one["operationId"]: one
    for methods in DESCRIBED["paths"].values() for one in methods.values() if isinstance(one, dict) and "operationId" in one
}  # fmt: skip


def page_of(operation: str) -> str:
    return TEXTS[ROOT / "docs" / "api" / f"{PAGE_OF[operation]}.md"]


def resolved(found: Any) -> Any:
    while "$ref" in found:
        found = DESCRIBED["components"][found["$ref"].split("/")[2]][found["$ref"].split("/")[3]]
    return found


def field_names(schema: Any, prefix: str = "") -> Iterator[str]:
    """The members of a request as a page writes them, such as ``attachments[].attachment``."""
    for name, one in resolved(schema).get("properties", {}).items():
        yield prefix + name
        yield from field_names(resolved(one).get("items", {}), f"{name}[].")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_fields_and_parameters_are_explained(operation: str) -> None:
    described = OPERATIONS[operation]
    content = described.get("requestBody", {}).get("content", {})
    names = [name for one in content.values() for name in field_names(one["schema"])]
    names += [resolved(one)["name"] for one in described.get("parameters", ()) if resolved(one)["in"] != "header"]
    alone = {"ticket_token"} if operation == "tickets" else set[str]()  # the other page's
    assert [
        name
        for name in names
        if name not in alone and f"`{name}`" not in page_of(operation) and f"{{{name}}}" not in page_of(operation)
    ] == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_refusal_is_explained(operation: str) -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", page_of(operation).partition("## Refusals")[2], re.MULTILINE)
    told = {code for row in rows for code in row.split(", ")}
    refusals = {code for code in OPERATIONS[operation]["responses"] if code >= "400"}
    refusals -= {"404"} if operation == "tickets" else set()  # only with ticket_token
    assert refusals <= told
    # A page of several calls tells of all together; one that says more than any of its calls is wrong.
    together = {
        code for one, page in PAGE_OF.items() if page == PAGE_OF[operation] for code in OPERATIONS[one]["responses"]
    }
    assert told <= together | {"405"}


def test_every_call_has_a_page() -> None:
    assert set(PAGE_OF) == set(OPERATIONS)
    named = {ROOT / "docs" / "api" / f"{page}.md" for page in [*PAGE_OF.values(), "ticket-html"]}
    assert named == set((ROOT / "docs" / "api").glob("*.md"))


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
