"""The built page in Chromium, opened from its file, with no network at all."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from sealpost.verifier.earlier import Receipt
from tests.world import World, new_world

PAGE = Path(__file__).parents[3] / "src" / "sealpost" / "verifier" / "page"
CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"]
_CALL = """async ({bundle, trust, receipts, language}) => {
  const octets = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const inner = (files) => Object.fromEntries(Object.entries(files).map(([name, text]) => [name, octets(text)]));
  const report = await window.sealpost.verify({
    bundle: octets(bundle),
    trust: trust && inner(trust),
    receipts: receipts.map(({name, text}) => ({name, octets: octets(text)})),
    language,
  });
  return JSON.stringify(report);
}"""
_ABLE = """async () => {
  try { return Boolean(await crypto.subtle.generateKey("ML-DSA-44", false, ["sign", "verify"])); } catch { return false; }
}"""


@dataclass(frozen=True, slots=True)
class Verifier:
    """The page, called as a program calls it.

    Args:
        page: opened.
        able: whether this browser has ML-DSA-44.
    """

    page: Page
    able: bool

    async def verify(
        self,
        octets: bytes,
        trust: Mapping[str, bytes] | None = None,
        receipts: Sequence[Receipt] = (),
        language: str = "en",
    ) -> dict[str, Any]:
        """The report of `window.sealpost.verify`."""
        given = {
            "bundle": b64encode(octets).decode(),
            "trust": trust and {name: b64encode(one).decode() for name, one in trust.items()},
            "receipts": [{"name": one.name, "text": b64encode(one.octets).decode()} for one in receipts],
            "language": language,
        }
        return json.loads(await self.page.evaluate(_CALL, given))


@asynccontextmanager
async def opened(browser: Browser, script: str = "", **options: Any) -> AsyncGenerator[Page]:
    """The page in a browser of its own; at the end it has asked nobody, complained of nothing, shown no dialog."""
    strange: list[str] = []
    context = await browser.new_context(**options)
    context.set_default_timeout(20_000)
    context.on("request", lambda one: strange.append(one.url) if one.url != (PAGE / "verify.html").as_uri() else None)
    context.on("console", lambda one: strange.append(one.text))
    context.on("weberror", lambda one: strange.append(str(one.error)))
    if script:
        await context.add_init_script(script)
    async with context:
        page = await context.new_page()
        await page.goto((PAGE / "verify.html").as_uri())
        yield page
    assert strange == []


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def chromium() -> AsyncGenerator[Browser]:
    async with async_playwright() as started:
        running = await started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def verifier(chromium: Browser) -> AsyncGenerator[Verifier]:
    async with opened(chromium) as page:
        yield Verifier(page, await page.evaluate(_ABLE))


@pytest_asyncio.fixture
async def service(dsn: str, tmp_path: Path) -> AsyncGenerator[World]:
    """The service itself; `world` is the operator's keys here."""
    async with new_world(dsn, tmp_path) as made:
        yield made
