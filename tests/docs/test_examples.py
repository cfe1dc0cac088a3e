"""Every example of the manual is executed as it stands against a live site, and its answer is compared with the page.

``curl`` must be installed. It is told by a ``.curlrc`` to write each answer's HTTP status to standard error: the
examples stay as a reader pastes them, and no refusal goes unnoticed. ``moving.md`` is written for the library
``requests``; it is no dependency of the service, but the development environment has it, so that the real one is used.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from sealpost.usecases.found import found_client
from tests.docs.blocks import DOCS, MARK, ROOT, RUN, Block, Example, blocks, examples, shape
from tests.site import Site, new_site

ENDPOINTS = sorted((DOCS / "api").glob("*.md"))
PAGES = [*ENDPOINTS, DOCS / "api.md", DOCS / "quick-start.md", DOCS / "moving.md"]
# The blocks that are not executed, by page and first line, and why.
NOT_RUN = {
    ("quick-start.md", "script/demo"): "starts the demo, which takes the reader's port and data folder",
    ("quick-start.md", "export BASE=http://127.0.0.1:8025"): "the reader puts in what the own demo prints",
    ("api.md", "export BASE=http://127.0.0.1:8025"): "the reader puts in what the own demo prints",
}
# Given to every page, as the reader has them from the set-up block of `api.md` and from the pages on tokens and sending.
SET_UP = {"BASE", "CLIENT_ID", "CLIENT_SECRET", "SERVICE_USER", "SERVICE_PASSWORD"}
# What a Python block prints under which the page shows no answer.
TICKET = r"K\.[\w-]{22}"
PRINTED = {
    "api/revoke.md": r"200\n",
    "api/evidence.md": r"\d{5,} octets\n",
    "api/ticket-html.md": r"/signin\n",
    "api/ticket-xml.md": r"10\n20\n30\n",
    "api/tickets-xml.md": rf"(?:{TICKET} 30\n){{2}}",
    "api/openapi.md": r"(?:\w+\n){6}",
    "quick-start.md": rf"(?:{TICKET} \S+Z 30 Announcement accepted by (?:mail|relay) server\n){{2}}",
    "moving.md": rf"2026-118 {TICKET} open \d{{4}}-\S+ \S+ Aankondiging geaccepteerd door (?:mail|relay)server\n",
}
PATIENCE = 60


@dataclass(frozen=True)
class Ran:
    """What became of a block; ``statuses`` are the HTTP statuses that curl met."""

    code: int
    out: str
    err: str
    environment: dict[str, str]

    @property
    def statuses(self) -> list[int]:
        return [int(line) for line in self.err.split()]


@dataclass
class Reader:
    """Somebody at a terminal who pastes one block after the other."""

    site: Site
    folder: Path
    environment: dict[str, str]

    async def paste(self, block: Block) -> Ran:
        """Runs a block; what it exports is there for the next one."""
        afterwards = self.folder / "environment"
        ended = f'\nenv -0 >"{afterwards}"\n'
        command = ["sh", "-euc", block.text + ended] if block.language == "sh" else self._python(block)
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self.folder, env=self.environment,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
        if block.language == "sh" and process.returncode == 0:
            pairs = [pair.partition("=") for pair in afterwards.read_text().split("\0") if pair]
            self.environment = {name: value for name, _, value in pairs}
        await self.site.world.work_off()
        return Ran(process.returncode or 0, out.decode(), err.decode(), self.environment)

    @staticmethod
    def _python(block: Block) -> list[str]:
        # -I -S: the standard library and nothing else.
        bare = [] if block.page == "moving.md" else ["-I", "-S"]
        return [sys.executable, "-W", "error", *bare, "-c", block.text]


@pytest_asyncio.fixture
async def site(dsn: str, tmp_path: Path) -> AsyncGenerator[Site]:
    """A site of today: its clock stands, the examples' does not, and a ticket lies in a window that ended a minute ago."""
    async with new_site(dsn, tmp_path, at=datetime.now(UTC) - timedelta(minutes=3)) as made:
        yield made


async def new_reader(site: Site, folder: Path) -> Reader:
    """A reader with what the demo gives: credentials of an administrator's clients, and a ticket."""
    world = site.world
    service_user = await found_client(world.service, world.alice, "web_service", "demo-service", "administrator")
    client = world.alice_client
    token = (await site.bearer(client.name, client.secret))["Authorization"].removeprefix("Bearer ")
    folder.joinpath(".curlrc").write_text('write-out = "%{stderr}%{http_code}\\n"\n')
    folder.joinpath("src").symlink_to(ROOT / "src")
    given = {
        "BASE": site.base_url,
        "CLIENT_ID": client.name,
        "CLIENT_SECRET": client.secret,
        "SERVICE_USER": service_user.name,
        "SERVICE_PASSWORD": service_user.secret,
        "TOKEN": token,
        "TICKET": await site.send(**{"x-own-id": "2026-118", "x-own-campaign": "earlier"}),
    }
    own = {"PATH": os.environ["PATH"], "HOME": str(folder), "CURL_HOME": str(folder), "LANG": "C.UTF-8"}
    return Reader(site, folder, own | given)


def name_of(page: Path) -> str:
    return str(page.relative_to(DOCS))


def test_curl_is_there() -> None:
    assert shutil.which("curl"), "the examples need curl"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
async def test_examples_do_what_the_page_says(site: Site, tmp_path: Path, page: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    reader = await new_reader(site, folder)
    for example in examples(page):
        check(example, await reader.paste(example.block))


def check(example: Example, ran: Ran) -> None:
    block, answer = example.block, example.answer
    assert ran.code == 0, f"{block.place}: {ran.err}{ran.out}"
    assert re.fullmatch(r"(?:\d{3}\n)*", ran.err), f"{block.place}: {ran.err}"
    if block.language == "sh" and "curl" in block.text:
        assert ran.statuses, f"{block.place}: no answer came"
    refused = refusal(answer)
    assert [status for status in ran.statuses if status >= 400] == refused, f"{block.place}: {ran.out}"
    if answer:
        came, shown = shape(answer.language, ran.out), shape(answer.language, answer.text)
        assert came == shown, f"{answer.place}: what came looks like\n{ran.out}"
    elif block.language == "python":
        assert re.fullmatch(PRINTED[block.page], ran.out), f"{block.place}: {ran.out}"


def refusal(answer: Block | None) -> list[int]:
    """The HTTP status of the error that a page shows as the answer."""
    if answer is None or '"transactionId"' not in answer.text:
        return []
    return [int(json.loads(answer.text)["status"])]


def test_what_is_not_run_is_listed_with_its_reason() -> None:
    marked = [(block.page, block.first_line) for page in PAGES for block in blocks(page) if block.mark == MARK]
    assert sorted(marked) == sorted(NOT_RUN)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_marks_are_known(page: Path) -> None:
    assert {block.mark for block in blocks(page)} <= {"", MARK}
    assert {block.language for block in blocks(page)} <= {*RUN, "json", "xml", "http"}


@pytest.mark.parametrize("page", ENDPOINTS, ids=name_of)
def test_an_example_in_both_ways(page: Path) -> None:
    found = examples(page)
    assert {example.block.language for example in found} == set(RUN)
    assert any("curl" in example.block.text for example in found)


def test_the_set_up_names_what_the_examples_use() -> None:
    first = next(block for block in blocks(DOCS / "api.md") if block.mark == MARK)
    assert set(re.findall(r"\b([A-Z_]+)=", first.text)) == SET_UP


@pytest.mark.parametrize(
    ("language", "shown", "came", "same"),
    [
        ("json", '{"id": 2}', '{"id":154}', True), ("json", '{"id": 2}', '{"id": 2, "role": "user"}', False),
        ("json", '{"a": [{"b": 1}]}', '{"a": [{"b": 1}, {"b": null}]}', True), ("json", '{"a": [{"b": 1}]}', '{"a": []}', False),
        ("xml", '<a x="1"><b y="2"/></a>', '<a x=""><b y=""/><b y="3"/></a>', True),
        ("xml", '<a x="1"/>', '<a x="1" y="2"/>', False), ("xml", "<a><b/></a>", "<a/>", False),
    ],
)  # fmt: skip
def test_shapes(language: str, shown: str, came: str, same: bool) -> None:
    assert (shape(language, shown) == shape(language, came)) is same
