"""Rendering that all pages share: the Jinja environment, languages, answers and redirects.

For the rooms beside it. Templates are strict (a missing variable is an error), escape everything, and take their
texts from the gettext catalogues; the plain English text is the message id.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import cache, partial
from typing import Any
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from sealpost.text.catalogue import LANGUAGES, pick_language, translator
from sealpost.text.dates import long_datetime
from sealpost.text.direction import bdi
from sealpost.text.sizes import size_text
from sealpost.text.sources import source_note
from sealpost.text.statements import automation_note, literal_label, notes
from sealpost.text.statuses import event_text
from sealpost.usecases.service import Face, Service
from sealpost.web.files import address
from sealpost.web.headers import POLICY, security_headers

PageRequest = Request[Any, Any, Any]
Serving = NamedDependency[SkipValidation[Service]]
READ = ("GET", "HEAD")
LANGUAGE_NAMES = {"nl": "Nederlands", "en": "English", "de": "Deutsch", "fr": "Français"}
FALLBACK_LANGUAGE = "en"


@cache
def environment(language: str) -> Environment:
    """The templates in one language.

    Args:
        language: one of ``LANGUAGES``.
    """
    made = Environment(
        loader=PackageLoader("sealpost.web"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    texts = translator(language)
    install: Any = getattr(made, "install_gettext_callables")  # noqa: B009 - added by the extension, unknown to types
    install(texts.gettext, texts.ngettext, newstyle=True)
    made.filters.update(_filters(language))
    return made


def _filters(language: str) -> dict[str, Callable[..., Any]]:
    """What templates do with times, sizes and what records state."""

    def longtime(at: datetime, zone: ZoneInfo) -> str:
        return long_datetime(at, zone, language)

    def second(at: datetime, zone: tzinfo) -> str:
        local = at.astimezone(zone)
        return f"{format_datetime(local, 'd MMM y HH:mm:ss', tzinfo=zone, locale=language)} {local:%Z}"

    def size(octets: int) -> str:
        return size_text(octets, language)

    texts = {
        "event": event_text,
        "source_note": source_note,
        "automation_note": automation_note,
        "notes": notes,
        "literal_label": literal_label,
    }
    words = {name: partial(text, language=language) for name, text in texts.items()}
    return {"longtime": longtime, "second": second, "size": size, "bdi": bdi, **words}


def render(face: Face, template: str, language: str, **context: Any) -> str:
    """One page as HTML. The same arguments give the same text, so that what was shown can be hashed again later."""
    base: dict[str, Any] = {
        "face": face,
        "language": language,
        "static": address,
        "switches": (),
        "home": None,
        "session": None,
    }
    return environment(language).get_template(template).render(base | context)


def answer(face: Face, html: str, status: int = 200, policy: str = POLICY) -> Response[str]:
    """HTML with the headers that every page carries."""
    return Response(html, status_code=status, media_type="text/html", headers=security_headers(face, policy))


def page(
    request: PageRequest,
    face: Face,
    template: str,
    language: str,
    *,
    status: int = 200,
    policy: str = POLICY,
    **context: Any,
) -> Response[str]:
    """Renders and answers, with the language switch of this address."""
    html = render(face, template, language, switches=switches(request, language), **context)
    return answer(face, html, status, policy)


def redirect(face: Face, to: str, status: int = 303) -> Response[str]:
    """Sends on to an address of ours; 303 turns a form's POST into a GET (RFC 9110, section 15.4.4)."""
    return Response("", status_code=status, media_type="text/plain", headers={**security_headers(face), "Location": to})


def switches(request: PageRequest, language: str) -> tuple[tuple[str, str, str], ...]:
    """Language, its own name and this same address in it, for each language but the one shown."""
    query = [pair for pair in parse_qsl(request.url.query) if pair[0] != "lang"]
    others = (other for other in LANGUAGES if other != language)
    return tuple(
        (other, LANGUAGE_NAMES.get(other, other), "?" + urlencode([*query, ("lang", other)])) for other in others
    )


def chosen_language(request: PageRequest, default: str | None = None) -> str:
    """The language of ``?lang=``, else the default, else the browser's first one that we have."""
    fallback = default or accepted_language(request.headers.get("accept-language", ""))
    return pick_language(request.query_params.get("lang"), fallback)


def accepted_language(header: str) -> str:
    """The best language of an Accept-Language header (RFC 9110, section 12.5.4) that the service has."""
    ranked: list[tuple[float, str]] = []
    for item in header[:500].split(","):
        tag, _, weight = item.partition(";")
        language = pick_language(tag, "")
        quality = _quality(weight)
        if language and quality > 0:
            ranked.append((quality, language))
    return max(ranked, key=lambda one: one[0])[1] if ranked else FALLBACK_LANGUAGE


def _quality(weight: str) -> float:
    name, _, number = weight.strip().partition("=")
    if not name:
        return 1.0
    try:
        return min(float(number), 1.0) if name == "q" else 1.0
    except ValueError:
        return 0.0
