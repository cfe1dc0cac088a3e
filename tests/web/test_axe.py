"""Every page in Chromium, in every language, light or dark: no finding of axe, nothing wider than the screen."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright

from sealpost import web
from sealpost.text.catalogue import LANGUAGES
from sealpost.web.files import address
from sealpost.web.pages import render
from tests.web.specimens import FACE, pages

CHROMIUM = shutil.which("chromium")
STYLE = (Path(web.__path__[0]) / "static" / "sealpost.css").read_text()
WIDTHS = (320, 1280)
OPTIONS = {"resultTypes": ["violations"], "preload": False}
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM IS MISSING: accessibility of the pages is not tested"),
]


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def browser() -> AsyncGenerator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # playwright leaves a pipe to its driver to the collector
        async with async_playwright() as started:
            running = await started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            yield running
            await running.close()


def complete(language: str, template: str, context: dict[str, Any]) -> str:
    """A page with its style sheet inside, because nothing is served here; frames and pictures stay empty."""
    html = render(FACE, template, language, switches=(("en", "English", "?lang=en"),), **context)
    return html.replace(f'<link rel="stylesheet" href="{address("sealpost.css")}">', f"<style>{STYLE}</style>")


async def findings(page: Page, html: str) -> list[str]:
    await page.set_content(html)
    wide = [width for width in WIDTHS if await _overflows(page, width)]
    await page.set_viewport_size({"width": 390, "height": 844})
    found = (await Axe().run(page, options=OPTIONS)).response["violations"]
    shown = [f"{one['id']}: {one['help']} {[node['target'] for node in one['nodes']]}" for one in found]
    return shown + [f"wider than {width}" for width in wide]


async def _overflows(page: Page, width: int) -> bool:
    await page.set_viewport_size({"width": width, "height": 844})
    return await page.evaluate("document.documentElement.scrollWidth") > width


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "scheme"), [(language, "dark" if language == "en" else "light") for language in LANGUAGES]
)
async def test_axe(browser: Any, language: str, scheme: str) -> None:
    context = await browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    page = await context.new_page()
    await page.route("**/*", lambda route: route.abort())
    found = {
        name: await findings(page, complete(language, template, given)) for name, template, given in pages(language)
    }
    await context.close()
    assert {name: problems for name, problems in found.items() if problems} == {}
