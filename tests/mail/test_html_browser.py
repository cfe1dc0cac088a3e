"""What is taken loads nothing, runs nothing, and each of its texts is painted so that it can be read; Chromium decides.

Letters are made of parts that are harmless and parts that are not, so that about half of them are taken. In
`script/faults` there are a few thousand.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from random import Random
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route

from sealpost.domain.errors import InvalidInput
from sealpost.mail.html.check import check_html
from sealpost.mail.html.show import show
from sealpost.mail.html.tree import Tree
from tests.mail.test_html_letters import CARRIED, LETTERS, REFUSED, said
from tests.web.test_scanners import CHROMIUM, launched

COMPLETE = bool(os.environ.get("SEALPOST_FAULTS_COMPLETE"))
NUMBER = 6_000 if COMPLETE else 200
SEED = 20261130
ADDRESS = "http://letter.example/"
WAYS: list[tuple[int, Literal["light", "dark"]]] = [(1100, "light"), (420, "light"), (1100, "dark")]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM IS MISSING: letters are not looked at in a browser"),
]
TAGS = "p div span b i u font table center blockquote ul ol h1 h4 pre a small sub big td-in-table section address mark nobr o:p code".split()  # noqa: SIM905
COLOURS = "#000 #333 white #fff red navy #777 yellow transparent inherit currentcolor windowtext rgb(200,200,200) rgba(0,0,0,.1) hsl(120,50%,40%) #eeeeee initial".split()  # noqa: SIM905
LENGTHS = "0 1px 4px 12px 20px -4px -15px -30px 2em 0.3em 50% 100% 400px 10pt 0.5cm 300px 5px auto normal smaller larger x-small inherit 1.2 0.6 1000px".split()  # noqa: SIM905
PROPERTIES = {
    "color": COLOURS, "background-color": COLOURS, "background": [*COLOURS, "none", "red none", "url(x.png)"],
    "font-size": LENGTHS, "font": ["12px Arial", "bold 14px/20px Arial", "italic 1px x", "0/0 a", "inherit", "11px/0.2 Arial", "smaller Arial"],
    "line-height": LENGTHS, "margin": ["0", "4px", "0 -10px", "-5px", "0 0 0 40px", "0 auto"], "margin-left": LENGTHS, "padding": ["0", "8px 4px", "10px"],
    "padding-left": LENGTHS, "text-indent": LENGTHS, "width": LENGTHS, "height": LENGTHS, "max-width": LENGTHS, "max-height": LENGTHS, "min-height": LENGTHS,
    "overflow": ["hidden", "auto", "visible", "scroll"], "display": ["block", "inline", "none", "inline-block", "table", "list-item", "table-cell", "flex"],
    "visibility": ["hidden", "visible"], "opacity": ["0", "1", ".8", "0.2"], "float": ["left", "right", "none"], "position": ["relative", "static", "absolute"],
    "letter-spacing": ["0", "-1px", "1px", "-3px"], "word-spacing": ["0", "-1px", "4px"], "text-align": ["left", "right", "center", "justify"],
    "direction": ["rtl", "ltr"], "white-space": ["nowrap", "pre", "normal", "pre-wrap"], "vertical-align": ["top", "-4px", "super"],
    "border": ["1px solid", "none", "2px solid red"], "text-transform": ["uppercase", "none"], "font-family": ["Arial", "Wingdings", "serif"],
    "box-sizing": ["border-box"], "border-collapse": ["collapse"], "text-decoration": ["line-through", "none"], "transform": ["scale(0)"],
    "font-weight": ["bold", "100"], "list-style": ["none", "disc inside"], "table-layout": ["fixed"], "clear": ["both"], "caption-side": ["bottom"],
}  # fmt: skip
SELECTORS = [
    "p",
    ".a",
    ".b",
    "#c",
    "div p",
    "td",
    "div > .a",
    "p.a",
    "* ",
    ".a + .b",
    "body",
    "a:link",
    ".b:first-child",
    "span",
    "p:nth-child(odd)",
    "font ~ b",
    "[class=a]",
    "html body p",
]
CONDITIONS = [
    "",
    "",
    "",
    "@media (max-width:500px)",
    "@media screen and (min-width:600px)",
    "@media (prefers-color-scheme:dark)",
    "@media print",
]
PAINTED = """() => {
  const rgb = text => { const m = text.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const over = (f, b) => [0, 1, 2].map(i => f[i] * f[3] + b[i] * (1 - f[3])).concat(1);
  const lum = c => { const l = c.slice(0, 3).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * l[0] + .7152 * l[1] + .0722 * l[2]; };
  const dark = matchMedia('(prefers-color-scheme: dark)').matches && getComputedStyle(document.documentElement).colorScheme.includes('dark');
  const canvas = dark ? [18, 18, 18, 1] : [255, 255, 255, 1];
  const faults = [], words = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.data.replace(/[\\s\\u00a0\\u200b-\\u200d\\ufeff]/g, '')) continue;
    const chain = []; for (let e = node.parentElement; e; e = e.parentElement) chain.push(e);
    if (chain.some(e => ['STYLE', 'SCRIPT', 'TITLE', 'TEMPLATE', 'NOSCRIPT'].includes(e.tagName))) { if (chain[0].tagName !== 'STYLE' && chain[0].tagName !== 'TITLE') faults.push('inside ' + chain[0].tagName); continue; }
    words.push(node.data);
    const say = why => faults.push(why + ': ' + node.data.trim().slice(0, 30));
    const range = document.createRange(); range.selectNodeContents(node);
    const rects = [...range.getClientRects()].filter(r => r.width > 0 && r.height > 0);
    const style = getComputedStyle(node.parentElement);
    if (!rects.length) { say('no box'); continue; }
    if (style.visibility !== 'visible') say('visibility');
    if (parseFloat(style.fontSize) < 5.9) say('size ' + style.fontSize);
    if (style.lineHeight !== 'normal' && parseFloat(style.lineHeight) < .65 * parseFloat(style.fontSize)) say('line ' + style.lineHeight + ' of ' + style.fontSize);
    if (chain.some(e => parseFloat(getComputedStyle(e).opacity) < .7)) say('opacity');
    const layers = chain.map(e => rgb(getComputedStyle(e).backgroundColor)).reverse();
    const behind = layers.reduce((b, f) => over(f, b), canvas);
    const ink = over(rgb(style.color), behind);
    const [x, y] = [lum(ink), lum(behind)].sort((p, q) => p - q);
    if ((y + .05) / (x + .05) < 1.45) say('contrast ' + style.color + ' on ' + behind);
    if (rects.some(r => r.left + scrollX < -24 || r.top + scrollY < -4)) say('beyond the edge');
    for (const e of chain) {
      const s = getComputedStyle(e);
      if (['hidden', 'clip'].includes(s.overflowX) && e.scrollWidth > e.clientWidth + 2 && e !== document.documentElement && e !== document.body) say('cut off in width');
      if (['hidden', 'clip'].includes(s.overflowY) && e.scrollHeight > e.clientHeight + 2 && e !== document.documentElement && e !== document.body) say('cut off in height');
      if (s.clipPath !== 'none' || s.transform !== 'none' || s.filter !== 'none' || s.maskImage !== 'none') say('clip');
    }
  }
  return [faults, words.join('')];
}"""


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def page() -> AsyncGenerator[Page]:
    async with launched() as chromium:
        context = await chromium.new_context()
        yield await context.new_page()


class Maker:
    """Makes letters; the same seed makes the same."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._words = 0

    def letter(self) -> str:
        chance, pieces = self._random, list[str]()
        if chance.random() < 0.5:
            pieces.append("<style>" + "".join(self._rule() for _ in range(chance.randint(1, 3))) + "</style>")
        pieces += [self._element(0) for _ in range(chance.randint(1, 3))]
        body = chance.choice(
            [
                "",
                "<body>",
                "<body bgcolor=#222222 text=white>",
                f'<body style="{self._style()}">',
                "<!doctype html><body>",
            ]
        )
        return body + "".join(pieces)

    def _rule(self) -> str:
        chance = self._random
        rule = f"{chance.choice(SELECTORS)}{{{self._style(important=True)}}}"
        condition = chance.choice(CONDITIONS)
        return f"{condition}{{{rule}}}" if condition else rule

    def _style(self, *, important: bool = False) -> str:
        chance = self._random
        names = chance.sample(sorted(PROPERTIES), chance.randint(1, 2))
        strong = "!important" if important and chance.random() < 0.2 else ""
        return ";".join(f"{name}:{chance.choice(PROPERTIES[name])}{strong}" for name in names)

    def _element(self, depth: int) -> str:
        chance = self._random
        tag = chance.choice(TAGS)
        attributes = "".join(
            text for text, often in (
                (f' style="{self._style()}"', 0.35), (f" class={chance.choice('ab')}", 0.4), (" id=c", 0.05), (" color=#ffffff", 0.03), (" size=1", 0.05), (" bgcolor=#003366", 0.08),
                (" align=right", 0.1), (" dir=rtl", 0.05), (' href="https://example.org/"', 0.5 if tag == "a" else 0),
            ) if chance.random() < often
        )  # fmt: skip
        inner = "".join(self._inner(depth) for _ in range(chance.randint(1, 3)))
        if tag == "table" or tag == "td-in-table":
            return f"<table{attributes if tag == 'table' else ''}><tr><td{attributes if tag != 'table' else ''}>{inner}</td></tr></table>"
        if tag in {"ul", "ol"}:
            return f"<{tag}{attributes}><li>{inner}</li></{tag}>"
        return f"<{tag}{attributes}>{inner}</{tag}>"

    def _inner(self, depth: int) -> str:
        if depth < 4 and self._random.random() < 0.35:
            return self._element(depth + 1)
        self._words += 1
        return f" word{self._words} " + self._random.choice(["", "<br>", "&nbsp;", "<!-- c -->", "<wbr>"])


async def paint(page: Page, html: str) -> tuple[list[str], str]:
    async def answer(route: Route) -> None:
        await route.fulfill(body=html, content_type="text/html; charset=utf-8")

    # Not set_content: about:blank has colours of its own in the dark.
    await page.route(ADDRESS, answer)
    await page.goto(ADDRESS)
    await page.unroute(ADDRESS)
    faults, text = await page.evaluate(PAINTED)
    return faults, text


async def each_way(page: Page, html: str) -> list[str]:
    """Faults of a letter, as wide and narrow windows show it, in light and dark."""
    found: list[str] = []
    for width, scheme in WAYS if "@media" in html else WAYS[:1]:
        await page.set_viewport_size({"width": width, "height": 900})
        await page.emulate_media(color_scheme=scheme)
        found += [f"{width} {scheme} {fault}" for fault in (await paint(page, html))[0]]
    return found


@pytest.mark.timeout(1800 if COMPLETE else 240)
@pytest.mark.asyncio(loop_scope="session")
async def test_what_is_taken_is_painted_so_that_it_can_be_read(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda one: asked.extend([one.url] if one.url != ADDRESS else []))
    page.on("dialog", lambda one: asked.append(one.message))
    maker, taken, wrong = Maker(SEED), 0, list[str]()
    for _ in range(NUMBER):
        html = maker.letter()
        try:
            check_html("message_body", html)
        except InvalidInput:
            continue
        taken += 1
        for way, source in (("letter", html), ("mail", f"<!doctype html>{show(html)}")):
            wrong += [f"{way}: {fault}\n  {source}" for fault in (await each_way(page, source))[:2]]
        shown = (await paint(page, html))[1]
        if said(Tree(f"<p>{shown.replace('<', '&lt;')}")) != said(Tree(html)).replace("<", ""):
            wrong.append(f"other words: {html}")
    print(f"letters: {taken} of {NUMBER} taken and looked at")
    assert taken > NUMBER / 6
    assert not asked
    assert not wrong, f"{len(wrong)} of {taken}:\n" + "\n".join(wrong[:20])


@pytest.mark.asyncio(loop_scope="session")
async def test_real_letters_are_painted_so_that_they_can_be_read(page: Page) -> None:
    for name in sorted(LETTERS.keys() - REFUSED.keys()):
        check_html("message_body", LETTERS[name], CARRIED)
        for source in (
            LETTERS[name].replace("cid:image001.png@01DA1B2C.3D4E5F60", ""),
            f"<!doctype html>{show(LETTERS[name])}",
        ):
            assert not await each_way(page, source), name
