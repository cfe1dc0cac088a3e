"""Where a person goes on after signing in: three pages of ours, built anew from their checked pieces, nothing else."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlencode

from sealpost.text.catalogue import LANGUAGES
from sealpost.web.link_end import without_end

DASHBOARD = "/dashboard/"
NOTICES = "/dashboard/notices"
TICKET = "/webservice/dashboard/"
TOKEN = re.compile(r"[A-Za-z0-9._-]{1,100}")


def way_back(wanted: str) -> str:
    """The address to go on to.

    Args:
        wanted: what the query or form asked for; anything that is not on the list is ignored.
    """
    if wanted == NOTICES:
        return NOTICES
    path, mark, query = wanted.partition("?")
    if path != TICKET or not mark or not query.isascii() or len(query) > 500:
        return DASHBOARD
    try:
        asked = parse_qs(query, keep_blank_values=True, strict_parsing=True, max_num_fields=3)
    except ValueError:
        return DASHBOARD
    if set(asked) - {"ticket_token", "action", "lang"} or asked.get("action") != ["ticket_html"]:
        return DASHBOARD
    token, language = asked.get("ticket_token", [""]), [without_end(tag) for tag in asked.get("lang", ["en"])]
    if len(token) != 1 or not TOKEN.fullmatch(token[0]) or len(language) != 1 or language[0] not in LANGUAGES:
        return DASHBOARD
    return ticket_address(token[0], language[0] if "lang" in asked else None)


def language_in(address: str) -> str | None:
    """The language that a way back asks for."""
    return parse_qs(address.partition("?")[2]).get("lang", [None])[0]


def ticket_address(token: str, language: str | None = None) -> str:
    """The address of a ticket's page."""
    query = {"ticket_token": token, "action": "ticket_html"}
    return f"{TICKET}?{urlencode(query | ({'lang': language} if language else {}))}"
