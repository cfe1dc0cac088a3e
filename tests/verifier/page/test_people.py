"""A person's way through the page: keyboard, phone, dark, print, screen reader, hostile names."""

from __future__ import annotations

import asyncio
import io
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, FilePayload, Page

from sealpost.verifier.tables import WORDS
from tests.verifier import tampering
from tests.verifier.lives import LIFE, Plan, World, bundled, entries, plan
from tests.verifier.page.conftest import CHROMIUM, opened
from tests.verifier.test_trust_folder import pack

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM IS MISSING: the page is not tested in a browser"),
]
AXE = {
    "resultTypes": ["violations"],
    "preload": False,
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 780}, "is_mobile": True, "has_touch": True}
DESK: dict[str, Any] = {"viewport": {"width": 1200, "height": 900}}
HOSTILE = "\u202efdp.<img src=x onerror=alert(1)>.asice"


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    """The trust folder on disk."""
    for name, octets in world.trust_files().items():
        place = tmp_path / "trust" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(octets)
    return tmp_path / "trust"


@pytest.fixture(scope="session")
def failing(world: World, right: Plan, good: bytes) -> bytes:
    return next(make() for name, make in tampering.cases(world, right, good) if name == "swap contents")


def payload(octets: bytes, name: str = "evidence.asice") -> list[FilePayload]:
    return [{"name": name, "mimeType": "application/vnd.etsi.asic-e+zip", "buffer": octets}]


async def choose(page: Page, octets: bytes, folder: Path | None = None, name: str = "evidence.asice") -> str:
    """Chooses the files; the sentence that people then read."""
    if folder is not None:
        await page.set_input_files("#trust-folder", folder)
    await page.set_input_files("#bundle-file", payload(octets, name))
    return await page.locator("#outcome").inner_text()


async def tab_to(page: Page, selector: str) -> None:
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.locator(selector).first.evaluate("one => one === document.activeElement"):
            return
    raise AssertionError(f"no way to {selector} by keyboard")


async def test_by_keyboard_alone(chromium: Browser, good: bytes, folder: Path) -> None:
    async with opened(chromium, locale="nl-NL", **DESK) as page:
        # Chromium's own window is kept away from here on, not only from the first press.
        page.on("filechooser", lambda _: None)
        assert await page.locator("h1").inner_text() == "Bewijs controleren"
        await tab_to(page, "#bundle-file")
        async with page.expect_file_chooser() as asked:
            await page.keyboard.press("Enter")
        await (await asked.value).set_files(payload(good))
        assert await page.locator("#outcome").inner_text() == WORDS["result.2"]["nl"]
        first, second = await page.locator(".head").all_inner_texts()
        assert first.startswith("Stand van 2026-03-04T11:10:00")
        assert second == WORDS["head.prose"]["nl"]
        await tab_to(page, "#trust-folder")
        async with page.expect_file_chooser() as asked:
            await page.keyboard.press("Enter")
        await (await asked.value).set_files(folder)
        await page.locator(".banner.pass, .banner.open:not(:has-text('vertrouwensmap'))").wait_for()
        assert await page.locator("#trust-folder").evaluate("one => one === document.activeElement")
        await tab_to(page, "summary")
        assert not await page.locator("details").first.evaluate("one => one.open")
        await page.keyboard.press("Enter")
        assert await page.locator("details").first.evaluate("one => one.open")
        assert await page.locator("details").first.locator("li").count() == len(LIFE)
        await page.locator("#language").focus()
        await page.keyboard.press("d")
        await page.keyboard.press("Enter")
        assert await page.locator("html").get_attribute("lang") == "de"
        assert await page.locator("h1").inner_text() == "Nachweis prüfen"
        await tab_to(page, "#bundle-remove")
        await page.keyboard.press("Enter")
        assert await page.locator("#outcome").count() == 0
        assert await page.locator("#bundle-file").evaluate("one => one === document.activeElement")


async def test_a_screen_reader_is_told_the_result(chromium: Browser, failing: bytes, folder: Path) -> None:
    async with opened(chromium, locale="en-GB") as page:
        status = page.get_by_role("status")
        assert await status.inner_text() == ""
        sentence = await choose(page, failing, folder)
        assert sentence == WORDS["result.1"]["en"]
        holds = "text => document.querySelector('[role=status]').innerText.includes(text)"
        await page.wait_for_function(holds, arg=sentence)
        assert "2 wrong" in await status.inner_text()
        assert await page.get_by_role("group", name="Trust folder").count() == 1


async def test_verdicts_are_words_and_pictures(chromium: Browser, failing: bytes, folder: Path) -> None:
    """Never colour alone; and what is wrong stands open."""
    async with opened(chromium, locale="en-GB") as page:
        await choose(page, failing, folder)
        wrong = page.locator("details[open]")
        assert await wrong.count() == 1
        assert [one.strip() for one in await wrong.locator("li .badge").all_inner_texts()] == ["FAIL", "FAIL"]
        drawn = "all => all.every((one) => one.querySelector('svg path') && one.textContent.trim())"
        assert await page.locator(".badge").evaluate_all(drawn)
        assert WORDS["head.unproven"]["en"] in await page.locator("#result").inner_text()
        lines = await page.locator("td.line code").all_inner_texts()
        assert lines[0] == "250 2.0.0 Ok: queued as 4XsT9k2n1zB"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_accessibility(
    chromium: Browser, good: bytes, failing: bytes, folder: Path, scheme: str, size: dict[str, Any]
) -> None:
    # The tool is a script of its own, which the page's policy would rightly not let run.
    options: dict[str, Any] = {"color_scheme": scheme, "bypass_csp": True, "locale": "fr-FR", **size}
    for octets, trust in ((None, None), (good, folder), (good, None), (failing, folder), (b"rubbish", None)):
        async with opened(chromium, **options) as page:
            if octets is not None:
                await choose(page, octets, trust)
                await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
            found = await Axe().run(page, options=AXE)
            assert found.response["violations"] == [], found.generate_report()
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_hostile_names(chromium: Browser, good: bytes) -> None:
    """Names are text, and turn no line around."""
    name = "content/03-\u202efdp.<b onclick=alert(1)>x<\u2028b>.exe"
    octets = tampering.zipped([*tampering.members_of(good), (name, b"x"), ("trust-me\u2066", b"x")])
    async with opened(chromium, locale="en-GB", **PHONE) as page:
        await choose(page, octets, None, HOSTILE)
        assert await page.locator("img, b, [onclick], [onerror]").count() == 0
        text = await page.locator("#result").inner_text()
        assert "<img src=x onerror=alert(1)>" in text
        assert "<b onclick=alert(1)>" in text
        assert not set(await page.locator("body").inner_text()) & set(
            "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2028"
        )
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_files_instead_of_a_folder(chromium: Browser, good: bytes, folder: Path) -> None:
    """As a phone gives them: by their last names alone."""
    chosen = [folder / "roots.pem", folder / "tsa-roots.pem", folder / "policy", folder / "revoked" / "root-1.crl"]
    async with opened(chromium, locale="en-GB", **PHONE) as page:
        await page.set_input_files("#trust-files", chosen)
        await choose(page, good)
        assert "seal" not in {await one.inner_text() for one in await page.locator(".badge.fail").all()}
        assert await page.locator("details:has(.badge.open) .name", has_text=WORDS["check.seal"]["en"]).count() == 0
        text = await page.locator("#result").inner_text()
        assert "no list of revoked certificates" not in text


async def test_only_lists_directly_below_revoked_count(chromium: Browser, good: bytes, folder: Path) -> None:
    """As the command has it: everything else in a trust folder is for people."""
    for name in ("revoked/notes.txt", "revoked/old/root-1.crl", "certificates/root-1.crl", "root-1.crl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"no list")
    async with opened(chromium, locale="en-GB") as page:
        assert await choose(page, good, folder) in {WORDS["result.0"]["en"], WORDS["result.2"]["en"]}
        assert "no list of revoked certificates" not in await page.locator("#result").inner_text()
        (folder / "revoked" / "root-1.crl").write_bytes(b"no list")
        assert await choose(page, good, folder) == WORDS["result.2"]["en"]
        assert "revoked/root-1.crl is no list of revoked certificates" in await page.locator("#result").inner_text()


async def test_lists_in_a_folder_of_their_own(chromium: Browser, good: bytes, folder: Path) -> None:
    (folder / "revoked" / "root-1.crl").write_bytes(b"no list")
    (folder / "revoked" / "policy").write_bytes((folder / "policy").read_bytes())
    (folder / "revoked" / "roots.pem").write_bytes((folder / "roots.pem").read_bytes())
    async with opened(chromium, locale="en-GB") as page:
        assert await choose(page, good, folder / "revoked") == WORDS["result.2"]["en"]
        assert "revoked/root-1.crl is no list of revoked certificates" in await page.locator("#result").inner_text()


async def test_no_option_of_the_command_is_named(chromium: Browser, world: World, folder: Path) -> None:
    """Where what was received before is of a size that the bundle does not have, only a copy of the log tells more."""
    made = entries(world)
    before = await asyncio.to_thread(bundled, world, plan(world, made[:2]))
    now = await asyncio.to_thread(bundled, world, plan(world, made))
    async with opened(chromium, locale="en-GB") as page:
        await page.set_input_files("#receipts-files", payload(before, "before.asice"))
        await choose(page, now, folder)
        text = await page.locator("ul.remarks").inner_text()
    assert "a copy of the log, which this page does not read" in text
    assert "before.asice" in text
    assert "--" not in text


async def test_dropped_files(chromium: Browser, good: bytes) -> None:
    async with opened(chromium, locale="en-GB") as page:
        await page.evaluate(
            """octets => {
              const transfer = new DataTransfer();
              transfer.items.add(new File([new Uint8Array(octets)], "evidence.asice"));
              const field = document.querySelector("fieldset.bundle");
              field.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
            }""",
            list(good),
        )
        assert await page.locator("#outcome").inner_text() == WORDS["result.2"]["en"]


async def test_a_bad_trust_folder_is_said(chromium: Browser, good: bytes, folder: Path) -> None:
    (folder / "policy").unlink()
    async with opened(chromium, locale="en-GB") as page:
        assert await choose(page, good, folder) == WORDS["result.2"]["en"]
        notice = await page.locator("p.notice", has_text="trust folder").inner_text()
        assert notice == WORDS["trust.malformed"]["en"].format(reason="no trust folder: roots.pem or policy is missing")
        assert await page.locator(".badge.fail").count() == 0


async def test_a_trust_folder_out_of_a_bundle(chromium: Browser, good: bytes, folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        archive.extractall(tmp_path / "evidence")
    async with opened(chromium, locale="en-GB") as page:
        assert await choose(page, good, tmp_path / "evidence") == WORDS["result.2"]["en"]
        assert await page.locator("p.notice").inner_text() == WORDS["trust.bundled"]["en"]
        shutil.move(folder, tmp_path / "download" / "trust")
        await choose(page, good, tmp_path / "download")  # a folder around it
        assert await page.locator("p.notice").count() == 0
        assert WORDS["signer.unknown"]["en"].split("{")[0] not in await page.locator("#result").inner_text()


async def test_a_zipped_trust_folder(chromium: Browser, world: World, good: bytes, tmp_path: Path) -> None:
    (tmp_path / "trust.zip").write_bytes(pack(world.trust_files()))
    async with opened(chromium, locale="en-GB") as page:
        await page.set_input_files("#trust-files", tmp_path / "trust.zip")
        await choose(page, good)
        assert await page.locator("p.notice").count() == 0
        (tmp_path / "trust.zip").write_bytes(b"PK\3\4 and no more of it than this")
        await page.set_input_files("#trust-files", tmp_path / "trust.zip")
        assert await choose(page, good) == WORDS["result.2"]["en"]
        assert "not a readable zip" in await page.locator("p.notice").inner_text()


async def test_on_paper(chromium: Browser, good: bytes, folder: Path) -> None:
    """Everything is open, and nothing of the form is printed."""
    async with opened(chromium, locale="en-GB") as page:
        await choose(page, good, folder)
        await page.evaluate("dispatchEvent(new Event('beforeprint'))")
        await page.emulate_media(media="print")
        assert await page.locator("details:not([open])").count() == 0
        assert not await page.locator(".fields").is_visible()
        assert not await page.locator("#print").is_visible()
        assert await page.locator("#outcome").is_visible()
        await page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert await page.locator("details[open]").count() < await page.locator("details").count()
