"""What the tables need to know of the site, and how requests are written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.hostile.values import MARK
from tests.hostile.wire import request

SAFE = "/%;=,'*{}[]()+-._~:@!$&<>\"\\|^`"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Known:
    """Of the site: credentials of Alice's clients, her session, her user's number, and one ticket of hers.

    Args:
        service: Basic header of a client that may send.
        admin: Bearer header of an administrator's client.
        client: Basic header of the OAuth client itself.
        session: cookie of Alice's browser.
        pickup: cookie of Bob's browser.
        token: of the ticket.
        user: Alice's number.
        activation: secret of a link that activates a user.
        confirmation: secret of a link that confirms an address.
    """

    service: str = ""
    admin: str = ""
    client: str = ""
    session: str = ""
    pickup: str = ""
    token: str = ""
    user: int = 1
    activation: str = ""
    confirmation: str = ""


def posted(target: str, authorization: str, body: bytes, method: str = "POST", **headers: str) -> bytes:
    """A request with a JSON body, unless ``content_type`` says otherwise."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return request(method, target, {"authorization": authorization, "content-type": "application/json"} | given, body)


def form(target: str, fields: dict[str, str] | bytes, **headers: str) -> bytes:
    """A form as a browser sends it; other headers may be given."""
    body = fields if isinstance(fields, bytes) else pairs(fields).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return request("POST", target, {"content-type": FORM} | given, body)


def pairs(fields: dict[str, str]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in fields.items())


def asked(path: str, fields: dict[str, str] | None = None, method: str = "GET", **headers: str) -> bytes:
    """A request without a body."""
    target = path + ("?" + pairs(fields) if fields is not None else "")
    return request(method, target, {name.replace("_", "-"): value for name, value in headers.items()})


def written(text: str, number: int) -> str:
    """A JSON string: every second one with escapes, the others in UTF-8."""
    return json.dumps(text, ensure_ascii=number % 2 == 0)


def with_raw(members: dict[str, Any], name: str, raw: str | bytes) -> bytes:
    """A JSON object in which one member's value is what is given, as it is; the others are values."""
    others = json.dumps({key: value for key, value in members.items() if key != name}).encode()
    value = raw.encode() if isinstance(raw, str) else raw
    return others[:-1] + (b", " if len(others) > 2 else b"") + json.dumps(name).encode() + b": " + value + b"}"


def path_of(text: str) -> str:
    """A text as a piece of a target: what would break the request's first line is percent-encoded."""
    return quote(text, safe=SAFE)


def short(text: object) -> str:
    return repr(text)[:60]


def marked(texts: list[str]) -> list[str]:
    return [MARK + text for text in texts]
