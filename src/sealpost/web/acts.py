"""What is known of a person's act on a page: address, browser, the text that was shown, signs of automation.

For the use cases that write it into evidence. Signs never forbid anything; they are facts for whoever reads the
evidence later (contract, section 8.0).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from html.parser import HTMLParser

from sealpost.usecases.web_act import WebAct
from sealpost.web.pages import PageRequest

HEADLESS = re.compile(r"HeadlessChrome|PhantomJS|SlimerJS|Puppeteer|Playwright|Selenium|Electron", re.IGNORECASE)
SCANNER = re.compile(
    r"bot\b|crawl|spider|scanner|urlscan|virustotal|barracuda|mimecast|proofpoint|forcepoint|trendmicro|fortinet|"
    r"safelinks|bingpreview|slurp|facebookexternalhit|whatsapp|slack|curl/|wget/|python-|go-http-client|java/|okhttp|"
    r"libwww|httpx|axios|node-fetch",
    re.IGNORECASE,
)
PREFETCH = ("purpose", "sec-purpose", "x-purpose", "x-moz")


def signs(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Signs that a program, not a person, sent a request.

    Args:
        headers: lower-case names.
    """
    agent = headers.get("user-agent", "")
    found = (
        ("no-user-agent", not agent),
        ("headless-agent", HEADLESS.search(agent)),
        ("scanner-agent", SCANNER.search(agent)),
        ("no-accept-language", not headers.get("accept-language")),
        ("prefetch-header", any(re.search("prefetch|preview|prerender", headers.get(name, "")) for name in PREFETCH)),
    )
    return tuple(sign for sign, seen in found if seen)


def web_act(request: PageRequest, shown: str | None) -> WebAct:
    """The act behind this request.

    Args:
        request: the form that was sent.
        shown: the HTML of the page that the form stood on, rendered again.
    """
    return WebAct(
        address=request.client.host if request.client else "",
        user_agent=request.headers.get("user-agent", ""),
        page_sha256=None if shown is None else hashlib.sha256(visible_text(shown).encode()).digest(),
        signs=signs(request.headers),
    )


def visible_text(html: str) -> str:
    """The text of a page's ``main`` part as a reader sees it: no mark-up, white space as single spaces."""
    reader = _Main()
    reader.feed(html)
    reader.close()
    return " ".join("".join(reader.pieces).split())


class _Main(HTMLParser):
    """Collects the text inside ``main``; words of neighbouring elements do not run together."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's signature
        self._inside = self._inside or tag == "main"
        self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "main"
        self.pieces.append(" ")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.pieces.append(data)
