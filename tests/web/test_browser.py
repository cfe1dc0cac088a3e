"""A person's way through the served pages in Chromium: keyboard, phone, no scripts; nothing loaded from elsewhere."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Dialog, Page

from sealpost.text.catalogue import LANGUAGES
from sealpost.usecases.add_user import add_user
from sealpost.usecases.decide import decide
from sealpost.usecases.keep_mail import keep_mail
from sealpost.usecases.user_fields import UserFields
from tests.site import Site, new_site
from tests.web.test_scanners import CHROMIUM, Mailed, launched, mailed
from tests.world import ACT, PASSWORD, PDF, links_in

AXE = {"resultTypes": ["violations"], "preload": False, "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
COMPLETE = bool(os.environ.get("SEALPOST_FAULTS_COMPLETE"))
STATUS = "Failed to load resource: the server responded with a status of "
PAYLOADS = (
    "<script>alert(1)</script>", '"><script>alert(1)</script>', "'><img src=x onerror=alert(1)>", "<svg/onload=alert`1`>",
    "javascript:alert(1)", "<iframe src=javascript:alert(1)>", "<details open ontoggle=alert(1)>", "{{7*7}}${7*7}",
    "<input autofocus onfocus=alert(1)>", "</title><script>alert(1)</script>", "</textarea><script>alert(1)</script>",
    "--><script>alert(1)</script><!--", '" autofocus onfocus=alert(1) x="', "' onmouseover='alert(1)", "<base href=//example.com>",
    '<a href="javascript:alert(1)">x</a>', "<meta http-equiv=refresh content=0;url=//example.com>", "&lt;b&gt;&amp;&#60;i&#62;",
    "<link rel=stylesheet href=//example.com/x.css>", "<style>@import'//example.com/x'</style>", "<form action=//example.com><button>go",
)  # fmt: skip
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM IS MISSING: the pages are not tested in a browser"),
]


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def chromium() -> AsyncGenerator[Any]:
    async with launched() as running:
        yield running


@asynccontextmanager
async def watched(chromium: Any, site: Site, **options: Any) -> AsyncGenerator[Page]:
    """A page of a browser of its own; at the end it has asked nobody else, complained of nothing, shown no dialog."""
    context: BrowserContext = await chromium.new_context(**options)
    context.set_default_timeout(10_000)
    strange: list[str] = []

    def note(what: str, *, wrong: bool = True) -> None:
        strange.extend([what] if wrong else [])

    async def dismiss(dialog: Dialog) -> None:
        note(f"dialog: {dialog.message}")
        await dialog.dismiss()

    context.on("dialog", dismiss)
    context.on("request", lambda one: note(f"asked {one.url}", wrong=not one.url.startswith(f"{site.base_url}/")))
    context.on("console", lambda one: note(f"console: {one.text}", wrong=not one.text.startswith(STATUS)))
    context.on("weberror", lambda one: note(f"error: {one.error}"))
    page = await context.new_page()
    issues = await context.new_cdp_session(page)
    issues.on("Audits.issueAdded", lambda one: note(str(one), wrong="ContentSecurityPolicy" in one["issue"]["code"]))
    await issues.send("Audits.enable")
    async with context:
        yield page
    assert strange == []


async def seen(page: Page, status: int, heading: str) -> None:
    """The page that the browser is at: its status and its only h1."""
    told = await page.evaluate("performance.getEntriesByType('navigation')[0].responseStatus")
    assert (told, await page.locator("h1").all_inner_texts()) == (status, [heading])


async def tab_to(page: Page, selector: str) -> None:
    """Presses Tab until the element has the focus."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.locator(selector).evaluate("e => e === document.activeElement"):
            return
    raise AssertionError(f"no way to {selector} by keyboard")


async def press_enter(page: Page) -> None:
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


async def send_choice(page: Page, choice: str) -> None:
    await page.check(f"#{choice}")
    await press(page, "main button")


async def press(page: Page, selector: str) -> None:
    async with page.expect_navigation():
        await page.click(selector)


async def sign_in(page: Page, site: Site, email: str = "alice@example.org", language: str = "en") -> None:
    await page.goto(f"{site.base_url}/signin?lang={language}")
    await page.fill("#email", email)
    await page.fill("#password", PASSWORD)
    await press(page, "main button")


async def test_accepting_by_keyboard_without_scripts(quiet_site: Site, chromium: Any) -> None:
    mail = await mailed(quiet_site)
    async with watched(chromium, quiet_site, java_script_enabled=False, **PHONE) as page:
        await page.goto(mail.link)
        await seen(page, 200, "Recorded e\u2011mail for you")
        assert page.url == f"{quiet_site.base_url}/pickup/{mail.token}", "no secret in the address"
        await tab_to(page, "#accept")
        await page.keyboard.press("Space")
        await tab_to(page, "main button")
        await press_enter(page)
        await seen(page, 200, "Accept this message?")
        assert "accepted" not in await quiet_site.world.kinds(mail.token)
        await tab_to(page, "#confirm")
        await press_enter(page)
        await seen(page, 200, "You have accepted this message")
        await quiet_site.world.work_off()
        await page.reload()
        assert "A relay server took it, to pass it on to bob@example.com" in await page.inner_text("main")
        await tab_to(page, "button[aria-label='Download notice.pdf']")
        async with page.expect_download() as started:
            await page.keyboard.press("Enter")
        download = await started.value
        assert (download.suggested_filename, (await download.path()).read_bytes()) == ("notice.pdf", PDF)
    assert (await quiet_site.world.kinds(mail.token)).count("accepted") == 1


async def test_refusing_by_keyboard_without_scripts(quiet_site: Site, chromium: Any) -> None:
    mail = await mailed(quiet_site)
    async with watched(chromium, quiet_site, java_script_enabled=False, **PHONE) as page:
        await page.goto(mail.link)
        await tab_to(page, "#accept")
        await page.keyboard.press("ArrowDown")
        await tab_to(page, "main button")
        await press_enter(page)
        await seen(page, 200, "Refuse this message?")
        await tab_to(page, "#reason")
        await page.keyboard.type("Not mine.\nAsk Bob <bob@example.com>.")
        await tab_to(page, "#confirm")
        await press_enter(page)
        await seen(page, 200, "You have refused this message")
        assert await page.inner_text(".words") == "Not mine.\nAsk Bob <bob@example.com>."
        forms = [await form.get_attribute("action") for form in await page.locator("main form").all()]
        ends = [str(action).rpartition("/")[2] for action in forms]
        assert ends == ["evidence", "certificate"], "nothing left to decide; the evidence alone"
    assert (await quiet_site.world.kinds(mail.token)).count("refused") == 1


async def test_continuing_without_a_choice_is_explained(quiet_site: Site, chromium: Any) -> None:
    mail = await mailed(quiet_site)
    async with watched(chromium, quiet_site, **PHONE) as page:
        await page.goto(mail.link)
        await press(page, "main button")
        await seen(page, 400, "Recorded e\u2011mail for you")
        assert await page.locator("[role=alert]").evaluate("e => e === document.activeElement")
        await page.click("[role=alert] a")
        assert await page.locator("#accept").evaluate("e => e === document.activeElement && !e.checked")


async def expire(mail: Mailed, _chromium: Any) -> None:
    mail.site.world.clock.advance(days=13)


async def withdraw(mail: Mailed, chromium: Any) -> None:
    """Alice, on the ticket page, which is in her account's language."""
    async with watched(chromium, mail.site, viewport={"width": 1200, "height": 900}) as page:
        await sign_in(page, mail.site)
        await press(page, f"a[href*='{mail.token}']")
        await seen(page, 200, "Notice of default")
        await press(page, "main form[action*='/withdraw'] button")
        await seen(page, 200, "Dit bericht intrekken?")
        assert "withdrawn" not in await mail.site.world.kinds(mail.token)
        await press(page, "main form[action*='/withdraw'] button")
        await seen(page, 200, "Notice of default")
        assert await page.inner_text(".state") == "Ingetrokken door afzender"
        assert await page.locator("main form").count() == 0


async def decide_elsewhere(mail: Mailed, chromium: Any) -> None:
    """Bob, in another tab."""
    async with watched(chromium, mail.site) as page:
        await page.goto(mail.link)
        await send_choice(page, "refuse")
        await press(page, "#confirm")


@pytest.mark.parametrize(
    ("change", "status", "heading"),
    [
        (expire, 410, "The collection period is over"),
        (withdraw, 409, "The sender has withdrawn this message"),
        (decide_elsewhere, 409, "You have refused this message"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_too_late(
    site_of_its_own: Site, chromium: Any, change: Callable[[Mailed, Any], Awaitable[None]], status: int, heading: str
) -> None:
    """Bob is about to confirm while something else happens: a page of its own, first as an answer, then for good."""
    mail = await mailed(site_of_its_own)
    async with watched(chromium, site_of_its_own, java_script_enabled=False, **PHONE) as page:
        await page.goto(mail.link)
        await send_choice(page, "accept")
        await change(mail, chromium)
        await press(page, "#confirm")
        await seen(page, status, heading)
        assert "could no longer be changed" in await page.inner_text("[role=alert]")
        await page.goto(mail.link)
        await seen(page, 200, heading)
        assert (
            await page.locator("[role=alert], form:not([action$='/evidence'], [action$='/certificate']) button").count()
            == 0
        )
    assert "accepted" not in await site_of_its_own.world.kinds(mail.token)


@pytest_asyncio.fixture
async def site_of_its_own(dsn: str, tmp_path: Any) -> AsyncGenerator[Site]:
    """A served site whose clock a test may move."""
    async with new_site(dsn, tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/p/" + "x" * 43, "We do not know this link"),
        ("/p/short", "This link is not complete"),
        ("/pickup/K." + "x" * 22, "This page opens through the link in your e-mail"),
        ("/activate/" + "x" * 43, "We do not know this link"),
        ("/pickup/a/b/c", "Page not found"),
    ],
)
async def test_wrong_links(quiet_site: Site, chromium: Any, path: str, heading: str) -> None:
    async with watched(chromium, quiet_site, java_script_enabled=False, **PHONE) as page:
        await page.goto(quiet_site.base_url + path)
        await seen(page, 404, heading)


# What a sender or a recipient writes is text


async def refuse_with(page: Page, mail: Mailed, payload: str) -> None:
    """What Bob sees and writes."""
    await page.goto(mail.link)
    assert (await page.inner_text(".facts")).count(payload) == 3, "sender, recipient, subject"
    await send_choice(page, "refuse")
    await page.locator("#reason").evaluate("(e, text) => e.value = text", "x" * 1000 + payload)
    await press(page, "#confirm")
    assert (await page.input_value("#reason")).endswith(payload), "shown again, for it was too long"
    await page.fill("#reason", payload)
    await press(page, "#confirm")
    assert await page.inner_text(".words") == payload


@pytest.mark.parametrize("start", range(0, len(PAYLOADS), 4))
async def test_what_people_write_is_shown_as_text(quiet_site: Site, chromium: Any, start: int) -> None:
    payload = " ".join(PAYLOADS[start : start + 4])
    name = payload.replace("/", "\N{DIVISION SLASH}")  # a path is refused
    file = {"attachment": "YWJj", "attachment_name": name, "attachment_type": "application/octet-stream"}
    written = {"subject": payload, "sender_real_name": payload, "recipient_name": payload, "attachments": [file]}
    async with watched(chromium, quiet_site) as page:
        await refuse_with(page, await mailed(quiet_site, **written), payload)
        quiet_site.world.clock.advance(seconds=1)  # so that the next one is the newest in the list
        accepted = await mailed(quiet_site, **written)
        await decide(quiet_site.world.service, accepted.token, [accepted.secret], "accepted", "", ACT)
        await page.goto(accepted.link)
        assert name in await page.inner_text(".files")
        await sign_in(page, quiet_site)
        assert payload in await page.inner_text(".tickets")
        await press(page, f".tickets a[href*='{accepted.token}']")
        text = await page.inner_text("main")
        assert (text.count(payload) >= 3, name in text) == (True, True)


# Where a subject's first and last character stand, and where the line begins that it is in.
ENDS = """element => {
  const text = element.firstChild, range = document.createRange();
  const left = at => { range.setStart(text, at); range.setEnd(text, at + 1); return range.getBoundingClientRect().left; };
  return [left(0), left(text.length - 1), element.parentElement.getBoundingClientRect().left];
}"""


async def test_a_hebrew_subject_keeps_its_brackets(quiet_site: Site, chromium: Any) -> None:
    async with watched(chromium, quiet_site) as page:
        await page.goto((await mailed(quiet_site, subject="\u05e9\u05dc\u05d5\u05dd (ABC)")).link)
        first, last, line = await page.locator(".facts bdi", has_text="(ABC)").evaluate(ENDS)
        assert first > last > line - 1  # it is read from the right, and stands where an English one begins
        assert last < line + 10


# axe on the pages as they are served


@asynccontextmanager
async def furnished(dsn: str, folder: Path, language: str) -> AsyncGenerator[tuple[Site, dict[str, Mailed]]]:
    """A demo with a ticket for each state that is to come; the first one's term is over."""
    async with new_site(dsn, folder, demo=True) as site:
        mails: dict[str, Mailed] = {}
        for state in ("expired", "open", "accepted", "refused", "withdrawn"):
            mails[state] = await mailed(site, recipient_language=language, recipient_name="Bob")
            if state == "expired":
                site.world.clock.advance(days=13)
        await add_user(site.world.service, site.world.alice, UserFields("bob@example.org"))
        await site.world.work_off()
        await keep_mail(site.world.service, *site.world.mailbox.mails[0])
        yield site, mails


async def recipient_pages(page: Page, site: Site, mails: dict[str, Mailed], language: str) -> AsyncGenerator[str]:
    """Stands the browser at each page of a recipient, and tells which it is."""
    for path in ("/p/none", "/pickup/none", "/pickup/a/b/c"):
        await page.goto(f"{site.base_url}{path}?lang={language}")
        yield path
    for query in ("", "&reference=K.none", f"&reference={mails['open'].token}"):
        await page.goto(f"{site.base_url}/genuine?lang={language}{query}")
        yield f"genuine {query}"
    for state, choice in (("open", ""), ("expired", ""), ("refused", "refuse"), ("accepted", "accept")):
        await page.goto(mails[state].link)
        if choice:
            await send_choice(page, choice)
            yield f"confirm {choice}"
            await press(page, "#confirm")
        yield state
    await site.world.work_off()
    await page.goto(mails["accepted"].link)
    yield "delivered"
    await page.goto(mails["open"].link)
    await press(page, "main button")
    yield "nothing chosen"


async def sender_pages(page: Page, site: Site, mails: dict[str, Mailed], language: str) -> AsyncGenerator[str]:
    """The same for a sender; then what the recipient sees of a withdrawal."""
    (invited,) = (link for link in links_in(site.world.mailbox.to("bob@example.org")[0]) if "/activate/" in link)
    for name, link in (("activation", invited), ("sign in", f"{site.base_url}/signin")):
        await page.goto(f"{link}?lang={language}")
        yield name
    for email, name in (("nobody@example.org", "sign in, wrong"), ("charlie@example.net", "no tickets")):
        await sign_in(page, site, email, language)
        await page.goto(f"{page.url}?lang={language}") if name == "no tickets" else None
        yield name
    await page.context.clear_cookies(name="session")
    await sign_in(page, site)
    await page.goto(f"{site.base_url}/dashboard/?lang={language}")
    yield "tickets"
    for state in ("accepted", "refused", "withdrawn"):
        ticket = f"{site.base_url}/webservice/dashboard/?ticket_token={mails[state].token}&action=ticket_html&lang={language}"
        await page.goto(ticket)
        yield f"ticket, {state}"
    await press(page, "main form button")
    yield "withdraw"
    await press(page, "main form button")
    await page.goto(mails["withdrawn"].link)
    yield "withdrawn"
    for view in ("", "html", "text", "source"):
        await page.goto(f"{site.base_url}/inbox?lang={language}")
        if view:
            await press(page, ".mails a")
            await press(page, f".tabs a[href$='{view}']")
        yield f"inbox {view}"


async def findings(page: Page) -> list[str]:
    """What is wrong with the page that the browser is at; in the dark only colours can be worse than in the light."""
    await page.emulate_media(color_scheme="light", reduced_motion="reduce")
    found = (await Axe().run(page, options=AXE)).response["violations"]
    await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    found += (
        await page.evaluate("axe.run({resultTypes: ['violations'], preload: false, runOnly: ['color-contrast']})")
    )["violations"]
    shown = [f"{one['id']}: {one['help']} {[node['target'] for node in one['nodes']]}" for one in found]
    return shown + await too_wide(page)


async def too_wide(page: Page) -> list[str]:
    wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return ["wider than the screen"] if wide else []


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
async def test_axe_on_served_pages(dsn: str, tmp_path: Path, chromium: Any, language: str) -> None:
    """All pages in English; of the other languages, which have the same elements, each page in one, and its width in all."""
    found: dict[str, list[str]] = {}
    others = [one for one in LANGUAGES if one != "en"]
    async with furnished(dsn, tmp_path, language) as (site, mails), watched(chromium, site, **PHONE) as page:
        for walk in (recipient_pages, sender_pages):
            async for name in walk(page, site, mails, language):
                assert await page.locator("html").get_attribute("lang") == language, name
                is_whole = COMPLETE or language in {"en", others[len(found) % len(others)]}
                found[name] = await findings(page) if is_whole else await too_wide(page)
    assert len(found) == 28
    assert {name: problems for name, problems in found.items() if problems} == {}
