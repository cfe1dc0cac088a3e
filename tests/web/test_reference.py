"""The page ``/docs``: the whole description on one page, for every reader; in a browser too."""

from __future__ import annotations

import re
import shlex
from collections.abc import AsyncGenerator
from html.parser import HTMLParser
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe

from sealpost.api.openapi import document
from sealpost.text.catalogue import LANGUAGES
from sealpost.web.headers import POLICY
from sealpost.web.pages import render
from sealpost.web.reference.fields import kind, members
from sealpost.web.reference.text import line, paragraphs
from sealpost.web.reference.view import Operation, reference
from tests.site import Site
from tests.web.specimens import FACE, HOSTILE
from tests.web.test_scanners import CHROMIUM, launched

DOCUMENT = document(FACE.base_url)
REFERENCE = reference(DOCUMENT)
OPERATIONS = [operation for group in REFERENCE.groups for operation in group.operations]
AXE = {
    "resultTypes": ["violations"],
    "preload": False,
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM IS MISSING: the page is not tested in a browser")


class Anchors(HTMLParser):
    """What a page's links within it lead to, and what there is."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.wanted: set[str] = set()
        self.there: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "style", "iframe", "form"}
        for name, value in attrs:
            assert name != "style"
            assert not name.startswith("on")
            if name == "href" and (value or "").startswith("#"):
                self.wanted.add((value or "")[1:])
            elif name == "aria-labelledby":
                self.wanted.add(value or "")
            elif name == "id":
                self.there.append(value or "")


async def test_everything_stands_on_the_page(quiet_site: Site) -> None:
    async with quiet_site.client() as client:
        answer = await client.get("/docs", headers={"accept-language": "en"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert answer.headers["content-security-policy"] == POLICY
        assert not [name for name in answer.headers if name.startswith("quota")], "a page has no quota"
        text = re.sub(r"<[^>]+>", "", answer.text)
        for path, methods in DOCUMENT["paths"].items():
            assert path in text
            for operation in methods.values():
                assert operation["summary"] in text
                assert f'id="{operation["operationId"]}"' in answer.text
        for schema in DOCUMENT["components"]["schemas"].values():
            assert [name for name in schema.get("properties", {}) if name not in text] == []
        assert 'href="/openapi.json"' in answer.text
        assert quiet_site.base_url in text, "examples are for this installation"
        assert (await client.get("/docs/")).status_code == 200
        assert (await client.get("/docs/nothing")).headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_anchor_is_there_once(language: str) -> None:
    html = render(FACE, "reference/reference.html", language, reference=REFERENCE)
    anchors = Anchors(html)
    assert anchors.wanted - set(anchors.there) == set()
    assert len(anchors.there) == len(set(anchors.there))


def test_a_description_is_text() -> None:
    changed = {**DOCUMENT, "info": {**DOCUMENT["info"], "description": f"{HOSTILE}\n\n`{HOSTILE}`"}}
    html = render(FACE, "reference/reference.html", "en", reference=reference(changed))
    assert HOSTILE not in html
    assert html.count("&lt;b&gt;&#34;Bob&#34; &amp; Co, José&lt;/b&gt;") == 2


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.anchor)
def test_curl_lines_are_calls(operation: Operation) -> None:
    words = shlex.split(operation.curl.replace(" \\\n", " "))
    assert words[:2] == ["curl", "-sS"]
    assert words[2].startswith(FACE.base_url)
    assert "{" not in words[2]
    given = dict(zip(words[3::2], words[4::2], strict=True))
    body = any(word == "-d" for word in words)
    assert given.get("-X", "POST" if body else "GET") == operation.method
    assert body is bool(operation.members)
    shown = any(word.startswith("Authorization: Bearer") for word in words) or "-u" in words
    assert shown is (bool(operation.ways) and operation.anchor != "issueToken"), "there the pair stands in the body"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("plain", [("", "plain")]),
        ("a `b` c", [("", "a "), ("code", "b"), ("", " c")]),
        ("`a``b`", [("code", "a"), ("code", "b")]),
        ("**a** *b*", [("strong", "a"), ("", " "), ("em", "b")]),
        ("`*a*`", [("code", "*a*")]),
        ("a ` b * c", [("", "a ` b * c")]),
        ("", []),
    ],
)
def test_marks(text: str, pieces: list[tuple[str, str]]) -> None:
    assert [tuple(piece) for piece in line(text)] == pieces


def test_paragraphs() -> None:
    assert [[piece.text for piece in one] for one in paragraphs("a\n\n\n\nb\n\n")] == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": ["string", "null"], "maxLength": 200}, "string or null, ≤ 200 characters"),
        ({"type": "string", "minLength": 1, "maxLength": 1_000_000}, "string, 1 to 1,000,000 characters"),
        ({"type": "integer", "minimum": 1}, "integer, ≥ 1"),
        ({"type": "integer", "minimum": 1, "maximum": 200, "default": 100}, "integer, 1 to 200, default 100"),
        ({"type": "string", "format": "date"}, "string, date"),
        ({"type": ["string", "null"], "enum": ["none", None]}, '"none", null'),
        ({"type": "string", "const": "OK"}, '"OK"'),
        ({"type": "array", "maxItems": 100, "items": {"type": "object"}}, "array of objects, ≤ 100"),
        ({"type": "boolean", "default": True}, "boolean, default true"),
        ({"type": "string", "contentEncoding": "base64"}, "string, base64"),
    ],
)
def test_types_in_words(schema: Any, words: str) -> None:
    assert kind({}, schema) == words


def test_members_of_objects_in_arrays() -> None:
    names = {row.name: row for row in members(DOCUMENT, {"$ref": "#/components/schemas/Message"})}
    assert names["attachments[].attachment_name"].required
    assert (names["subject"].required, names["subject"].ours) == (True, False)
    assert (names["expiry_days"].required, names["expiry_days"].ours) == (False, True)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def chromium() -> AsyncGenerator[Any]:
    async with launched() as running:
        yield running


@in_browser
@pytest.mark.browser
@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_in_a_browser(quiet_site: Site, chromium: Any, screen: dict[str, Any], scheme: str) -> None:
    context = await chromium.new_context(**screen, color_scheme=scheme)
    async with context:
        page = await context.new_page()
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url))
        await page.goto(f"{quiet_site.base_url}/docs?lang=nl")
        found = (await Axe().run(page, options=AXE)).response["violations"]
        assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []
        assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        await page.click("nav.contents a[href='#changeUser']")
        assert await page.evaluate("document.querySelector('#changeUser').getBoundingClientRect().top") < 200
        assert [url for url in asked if not url.startswith(f"{quiet_site.base_url}/")] == []


@in_browser
@pytest.mark.browser
async def test_by_keyboard_without_scripts(quiet_site: Site, chromium: Any) -> None:
    context = await chromium.new_context(java_script_enabled=False, **PHONE)
    async with context:
        page = await context.new_page()
        await page.goto(f"{quiet_site.base_url}/docs")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**#main")  # past the head
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**#basics")  # the first of the contents
