"""Everything that mail scanners do to a link, on the served application: none of it decides (reliability, T1).

After each profile the ticket stands as it was announced, and the link still works for a person.
"""

from __future__ import annotations

import asyncio
import shutil
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urldefrag, urljoin

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, async_playwright

from sealpost.web.inbox.mails import links
from sealpost.web.inbox.pane import framed
from tests.site import Site

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
ANNOUNCED = ["submitted", "announcement_offered", "announcement_accepted"]
DEPTH = 4
AGENTS = (
    "Mozilla/5.0 (compatible; Barracuda Sentinel)", "Mozilla/5.0 (Windows NT 10.0) SafeLinks", "Slackbot-LinkExpanding 1.0",
    "facebookexternalhit/1.1", "WhatsApp/2.23", "TelegramBot (like TwitterBot)", "Mozilla/5.0 BingPreview/1.0b", "urlscan.io",
    "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/120.0", "Proofpoint URL Defense", "Mimecast", "curl/8", "",
)  # fmt: skip
HINTS = (
    {"Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}, {"X-Moz": "prefetch"}, {"X-Purpose": "preview"},
    {"Sec-Purpose": "prefetch;anonymous-client-ip"},
)  # fmt: skip
CLICKABLE = "a[href], button, input[type=submit], input[type=image], summary, [role=button]"
# A link always goes somewhere; a button does unless its form would not be sent.
GOES = "e => e.tagName === 'A' || !e.form || e.form.noValidate || e.form.checkValidity()"


@dataclass
class Mailed:
    """An announcement in a scanner's hands."""

    site: Site
    token: str
    html: str
    links: tuple[str, ...]

    @property
    def link(self) -> str:
        return next(link for link in self.links if "/p/" in link)

    @property
    def secret(self) -> str:
        return self.link.rpartition("/")[2]


async def mailed(site: Site, **changes: Any) -> Mailed:
    """Sends, and finds this ticket's announcement: an earlier test's content may have been delivered with it."""
    token = await site.send(**changes)
    for mail in reversed(site.world.mailbox.to("bob@example.com")):
        text, html = (part.get_content() for kind in ("plain", "html") if (part := mail.get_body((kind,))))
        if token in text and any("/p/" in link for link in links(text, html)):
            return Mailed(site, token, html, links(text, html))
    raise AssertionError("no announcement came")


async def still_open(mail: Mailed) -> None:
    """Nothing was decided nor written, and a person can still accept."""
    world = mail.site.world
    assert await world.kinds(mail.token) == ANNOUNCED
    assert await world.service.pool.fetchval("select decision from tickets where token = $1", mail.token) is None
    await person_accepts(mail)


async def person_accepts(mail: Mailed) -> None:
    async with mail.site.client() as person:
        landing = (await person.get(mail.link)).headers["location"]
        confirming = (await person.post(landing, data={"decision": "accept"})).headers["location"]
        assert (await person.post(confirming, data={"confirm": "yes"})).status_code == 303
    assert (await mail.site.world.kinds(mail.token))[-1] == "accepted"


# Programs without a browser


@dataclass
class Form:
    """A form as it stands, untouched."""

    method: str
    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    button: tuple[str, str] | None = None
    has_button: bool = False


class Reader(HTMLParser):
    """The links of a page, and its forms with what they would send."""

    def __init__(self, address: str, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.address, self.hrefs = address, list[str]()
        self.forms, self._form, self._area = list[Form](), Form("", ""), ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if given.get("href"):
            self.hrefs.append(urldefrag(urljoin(self.address, given["href"])).url)
        if tag == "form":
            self._form = Form(given.get("method", "get").lower(), urljoin(self.address, given.get("action", "")))
            self.forms.append(self._form)
        kind = given.get("type", "submit" if tag == "button" else "text")
        if tag in {"button", "input"} and kind in {"submit", "image"}:
            named = (given["name"], given.get("value", "")) if "name" in given else None
            self._form.button = self._form.button if self._form.has_button else named
            self._form.has_button = True
        elif tag == "input" and "name" in given and (kind not in {"radio", "checkbox"} or "checked" in given):
            self._form.fields.append((given["name"], given.get("value", "")))
        self._area = given.get("name", "") if tag == "textarea" else self._area

    def handle_data(self, data: str) -> None:
        if self._area:
            self._form.fields.append((self._area, data.strip()))

    def handle_endtag(self, tag: str) -> None:
        self._area = "" if tag == "textarea" else self._area


async def read(client: httpx2.AsyncClient, address: str) -> Reader:
    answer = await client.get(address)
    assert answer.status_code < 500
    return Reader(str(answer.url), answer.text if "html" in answer.headers.get("content-type", "") else "")


async def crawl(client: httpx2.AsyncClient, mail: Mailed) -> list[Reader]:
    """Every page of this site that links lead to, four steps deep."""
    known, found = set[str](), list[Reader]()
    wave = [*mail.links, f"{mail.site.base_url}/pickup/{mail.token}"]
    for _ in range(DEPTH):
        wave = [one for one in dict.fromkeys(wave) if one not in known and one.startswith(mail.site.base_url)]
        known.update(wave)
        pages = [await read(client, address) for address in wave]
        found += pages
        wave = [href for page in pages for href in page.hrefs]
    return found


async def submit(client: httpx2.AsyncClient, form: Form, *more: tuple[str, str] | None, method: str = "") -> Reader:
    sent = dict([*form.fields, *(pair for pair in more if pair)])
    method = method or form.method
    query, body = (sent, None) if method == "get" else (None, sent)
    answer = await client.request(method, form.action, params=query, data=body)
    assert answer.status_code < 500
    return Reader(str(answer.url), answer.text if "html" in answer.headers.get("content-type", "") else "")


async def fetch(mail: Mailed, method: str, headers: tuple[dict[str, str], ...] = ({},), times: int = 1) -> int:
    """Asks for the links, as often at once as told, with each of the headers."""
    async with mail.site.client(follow_redirects=True) as client:
        jobs = [
            client.request(method, link, headers=one) for one in headers for link in mail.links for _ in range(times)
        ]
        answers = await asyncio.gather(*jobs)
    assert {answer.status_code for answer in answers} == {200}
    return len(answers)


async def head(mail: Mailed) -> int:
    return await fetch(mail, "HEAD")


async def get(mail: Mailed) -> int:
    return await fetch(mail, "GET")


async def get_twice_at_once(mail: Mailed) -> int:
    return await fetch(mail, "GET", times=2)


async def prefetch(mail: Mailed) -> int:
    return await fetch(mail, "GET", HINTS)


async def link_previews(mail: Mailed) -> int:
    return await fetch(mail, "GET", tuple({"User-Agent": agent} for agent in AGENTS))


async def follow_every_href(mail: Mailed) -> int:
    async with mail.site.client(follow_redirects=True) as client:
        pages = await crawl(client, mail)
        # What a crawler may guess from the addresses that it saw, and what forms would send, in an address.
        guesses = (
            "/accept",
            "/refuse",
            "/accept?confirm=yes",
            "/refuse?confirm=yes&reason=x",
            "?decision=accept",
            "/download/1",
        )
        for guess in guesses:
            assert (await client.get(f"/pickup/{mail.token}{guess}")).status_code in {200, 405}
    return len(pages)


async def submit_untouched(mail: Mailed) -> int:
    """Every form of every page, the guessed ones too, with its defaults and no button; then again what that answers."""
    async with mail.site.client(follow_redirects=True) as client:
        pages = [*await crawl(client, mail)]
        pages += [await read(client, f"/pickup/{mail.token}/{choice}") for choice in ("accept", "refuse")]
        pages += [await submit(client, form) for page in pages for form in page.forms]
        answered = [await submit(client, form) for page in pages for form in page.forms]
    return len(answered)


async def submit_as_get(mail: Mailed) -> int:
    """Every form, its button too, by GET: what a scanner does that puts forms into addresses."""
    async with mail.site.client(follow_redirects=True) as client:
        pages = [*await crawl(client, mail)]
        pages += [await read(client, f"/pickup/{mail.token}/{choice}") for choice in ("accept", "refuse")]
        forms = [form for page in pages for form in page.forms]
        answered = [await submit(client, form, form.button, method="get") for form in forms]
    assert any(form.button == ("confirm", "yes") for form in forms), "the button that decides was among them"
    return len(answered)


async def press_enter(mail: Mailed) -> int:
    """The landing page's forms with their first button, as a browser sends them on Enter."""
    async with mail.site.client(follow_redirects=True) as client:
        landing = await read(client, mail.link)
        assert all(form.has_button for form in landing.forms)
        return len([await submit(client, form, form.button) for form in landing.forms])


PROGRAMS: dict[Callable[[Mailed], Awaitable[int]], int] = {
    head: 2, get: 2, get_twice_at_once: 4, prefetch: 10, link_previews: 26, follow_every_href: 5, submit_untouched: 8,
    submit_as_get: 4, press_enter: 1,
}  # fmt: skip


@pytest.mark.parametrize("profile", PROGRAMS, ids=lambda profile: profile.__name__)
async def test_a_program_decides_nothing(quiet_site: Site, profile: Callable[[Mailed], Awaitable[int]]) -> None:
    mail = await mailed(quiet_site)
    assert await profile(mail) >= PROGRAMS[profile], "it did less than it should have tried"
    await still_open(mail)


async def test_a_form_with_a_choice_leaves_a_sign_and_no_decision(quiet_site: Site) -> None:
    mail = await mailed(quiet_site)
    async with quiet_site.client(follow_redirects=True) as client:
        landing = await read(client, mail.link)
        confirming = await submit(client, landing.forms[0], ("decision", "refuse"))
        assert confirming.address.endswith("/refuse")
        for form in confirming.forms:
            await submit(client, form)
    assert await quiet_site.world.kinds(mail.token) == [*ANNOUNCED, "announcement_opened"]
    await person_accepts(mail)


async def test_nothing_is_chosen_beforehand(quiet_site: Site) -> None:
    """At code level: no untouched form of the pickup pages carries what decides."""
    mail = await mailed(quiet_site)
    async with quiet_site.client(follow_redirects=True) as client:
        pages = [await read(client, mail.link)]
        pages += [await read(client, f"/pickup/{mail.token}/{choice}") for choice in ("accept", "refuse")]
    forms = [form for page in pages for form in page.forms]
    assert [form.fields for form in forms] == [[], [], [("reason", "")]]
    assert [form.button for form in forms] == [None, ("confirm", "yes"), ("confirm", "yes")]


# Programs with a browser


@asynccontextmanager
async def launched() -> AsyncGenerator[Any]:
    """Debian's Chromium, headless, which can reach this machine alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # playwright leaves a pipe to its driver to the collector
        async with async_playwright() as started:
            running = await started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            yield running
            await running.close()


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def chromium() -> AsyncGenerator[Any]:
    async with launched() as running:
        yield running


async def click_the_mail(context: BrowserContext, mail: Mailed) -> int:
    """The HTML part as the demo's inbox shows it: every link opens a tab."""
    page = await context.new_page()
    await page.set_content(framed(mail.html))
    found = await page.locator("a[href]").all()
    for link in found:
        async with context.expect_page() as opened:
            await link.evaluate("e => e.click()")
        tab = await opened.value
        await tab.wait_for_load_state()
        assert tab.url.startswith(mail.site.base_url)
        await tab.close()
    return len(found)


async def click_everything(context: BrowserContext, mail: Mailed) -> int:
    """Every link and every button, on every page that this leads to; buttons again on the page that answers."""
    page, known, clicks = await context.new_page(), {mail.link}, 0
    wave = [mail.link]
    for address in wave:
        await page.goto(address)
        buttons = await page.locator(CLICKABLE).evaluate_all("all => all.map(e => e.tagName === 'BUTTON')")
        for at, is_button in enumerate(buttons):
            await page.goto(address)
            clicks += await _click(page, at)
            reached = urldefrag(page.url).url
            wave += [reached] if reached not in known else []
            known.add(reached)
            clicks += await _click(page, at) if is_button else 0
    return clicks


async def _click(page: Page, at: int) -> int:
    element = page.locator(CLICKABLE).nth(at)
    if not await element.count():
        return 0
    if await element.evaluate(GOES):
        async with page.expect_navigation():
            await element.evaluate("e => e.click()")
    else:
        await element.evaluate("e => e.click()")
    return 1


async def submit_by_script(context: BrowserContext, mail: Mailed) -> int:
    """``form.submit()`` on every form, which asks no validation and sends no button; then on the page that answers."""
    page, sent = await context.new_page(), 0
    await page.goto(mail.link)
    landing = page.url
    for address in (landing, f"{landing}?lang=nl", f"{landing}/accept", f"{landing}/refuse"):
        await page.goto(address)
        for _ in range(2):
            async with page.expect_navigation():
                await page.locator("form").first.evaluate("form => form.submit()")
            sent += 1
    return sent


BROWSERS: dict[Callable[[BrowserContext, Mailed], Awaitable[int]], int] = {
    click_the_mail: 1, click_everything: 8, submit_by_script: 8,
}  # fmt: skip


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM IS MISSING: scanners that open a browser are not tested")
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@pytest.mark.parametrize("profile", BROWSERS, ids=lambda profile: profile.__name__)
async def test_a_browser_decides_nothing(
    quiet_site: Site, chromium: Any, profile: Callable[[BrowserContext, Mailed], Awaitable[int]], scripts: bool
) -> None:
    mail = await mailed(quiet_site)
    async with await chromium.new_context(java_script_enabled=scripts) as context:
        context.set_default_timeout(10_000)
        assert await profile(context, mail) >= BROWSERS[profile], "it did less than it should have tried"
    await still_open(mail)
