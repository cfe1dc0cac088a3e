"""Pages and their forms: what people's browsers, and whoever plays one, may send. Nothing of it decides or changes anything."""

from __future__ import annotations

from collections.abc import Iterator

from tests.hostile.cases import Case
from tests.hostile.table import Known, asked, form, marked, path_of, short
from tests.hostile.values import (
    BAD_OCTETS,
    BODIES,
    CONTENT_TYPES,
    DOUBLED,
    HARMLESS,
    IDS,
    LINES,
    MARK,
    QUERY_TEXTS,
    RAW_OCTETS,
    SECRETS,
    TOKENS,
)

COOKIES = [
    "",
    "=",
    ";",
    ";;;",
    "x",
    "session",
    "session=",
    "pickup=",
    "session=x; session=y",
    "session=" + "A" * 43,
    "pickup=" + "A" * 43,
    'session="A"',
    "pickup=" + ("A" * 43 + ".") * 50,
    "session=%00",
    "session=%0d%0a",
    "__Host-session=x",
    "session=é",
    "session=\u202e",
    "session=" + "x" * 9_000,
    "a=b; " * 500,
    "session=' or 1=1 --",
    "$Version=1; session=x",
    "session=x, pickup=y",
    f"session={MARK}",
    f"pickup={MARK}",
    "session=\ttab",
    "=session",
    "session==",
    'session="\\012"',
]
PASSWORD = "a long enough password"
ORIGINS = [
    "null",
    "https://evil.example",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "http://localhost",
    "",
    "x",
    "file://",
    "http://127.0.0.1@evil.example",
    "https://127.0.0.1.evil.example",
    f"http://{MARK}",
    "http://[::1]",
    "é",
]


def page_cases(known: Known) -> list[Case]:
    """All of them."""
    return [case for table in (_sign_in, _links, _pickup, _tickets, _lists, _forms, _cookies) for case in table(known)]


def _page(name: str, octets: bytes, status: int) -> Case:
    return Case(name, octets, status, shape="page")


def _sign_in(known: Known) -> Iterator[Case]:
    for text in QUERY_TEXTS:
        yield _page(f"sign in {short(text)}", form("/signin", {"email": text, "password": "x"}), 401)
        yield _page(f"password {short(text)}", form("/signin", {"email": "alice@example.org", "password": text}), 401)
        yield _page(f"next {short(text)}", asked("/signin", {"next": text}), 200)
        yield _page(f"lang {short(text)}", asked("/signin", {"lang": text}), 200)
    for text in (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/webservice/dashboard/?action=ticket_html&ticket_token=\r\nX-A: b",
        "\t//evil.example",
    ):
        yield Case(
            f"signed in, next {text}", asked("/signin", {"next": text}, cookie=known.session), 303, shape="empty"
        )


def _links(known: Known) -> Iterator[Case]:
    for text in SECRETS:
        piece = path_of(text)
        for path in ("/p/", "/activate/", "/address/"):
            yield _page(f"{path}{short(text)}", asked(path + piece), 404)
        yield _page(f"POST /activate/{short(text)}", form(f"/activate/{piece}", {"password": PASSWORD}), 404)
        yield _page(f"POST /address/{short(text)}", form(f"/address/{piece}", {}), 404)
    target = f"/activate/{known.activation}"
    for text in LINES:
        if text.strip() == text:  # white space around a name is taken away
            yield _page(f"activate as {short(text)}", form(target, {"password": PASSWORD, "real_name": text}), 400)
    for text in ("", "short", "x" * 11, "a" * 30, "x" * 201, "ab" * 50, "\0" * 20, "aaaabbbbcccc", "x" * 30_000):
        yield _page(f"activate with {short(text)}", form(target, {"password": text}), 400)
    for text in marked(HARMLESS):
        yield _page(
            f"activate again {short(text)}",
            form(target, {"password": PASSWORD, "password_again": text, "real_name": text}),
            400,
        )


def _pickup(known: Known) -> Iterator[Case]:
    bob = known.pickup
    for text in TOKENS:
        piece = path_of(text) or "%20"
        for end in ("", "/accept", "/refuse"):
            yield _page(f"pickup {short(text)}{end}", asked(f"/pickup/{piece}{end}", cookie=bob), 404)
            yield _page(
                f"POST pickup {short(text)}{end}",
                form(f"/pickup/{piece}{end}", {"decision": "accept", "confirm": "yes"}, cookie=bob),
                404,
            )
    here = f"/pickup/{known.token}"
    for text in QUERY_TEXTS:
        yield _page(f"decision {short(text)}", form(here, {"decision": text}, cookie=bob), 400)
        yield _page(f"confirm {short(text)}", form(f"{here}/accept", {"confirm": text}, cookie=bob), 400)
        yield _page(f"reason only {short(text)}", form(f"{here}/refuse", {"reason": text}, cookie=bob), 400)
    for text in [*BODIES, "x" * 1_001, "é" * 1_001]:
        yield _page(
            f"reason {short(text)}", form(f"{here}/refuse", {"reason": text, "confirm": "yes"}, cookie=bob), 400
        )
    for text in IDS:
        status = 409 if text.isascii() and text.isdigit() and len(text) <= 4 else 404
        yield _page(f"download {short(text)}", form(f"{here}/download/{path_of(text)}", {}, cookie=bob), status)
    for text in QUERY_TEXTS:
        yield _page(f"genuine {short(text)}", asked("/genuine", {"reference": text}), 200)


def _tickets(known: Known) -> Iterator[Case]:
    address, withdraw = "/webservice/dashboard/", "/webservice/dashboard/withdraw"
    for text in TOKENS:
        fields = {"ticket_token": text, "action": "ticket_html"}
        yield _page(f"ticket {short(text)}", asked(address, fields, cookie=known.session), 404)
        yield Case(f"ticket {short(text)} of nobody", asked(address, fields), 302, shape="empty")
        yield _page(
            f"withdraw {short(text)}",
            form(withdraw, {"ticket_token": text, "confirm": "yes"}, cookie=known.session),
            404,
        )
        yield Case(
            f"withdraw {short(text)} by nobody",
            form(withdraw, {"ticket_token": text, "confirm": "yes"}),
            302,
            shape="empty",
        )
    for text in QUERY_TEXTS:
        fields = {"ticket_token": known.token, "action": "ticket_html", "lang": text}
        yield _page(f"ticket in {short(text)}", asked(address, fields, cookie=known.session), 200)
        yield Case(f"ticket in {short(text)} of nobody", asked(address, fields), 302, shape="empty")
        yield _page(
            f"withdraw if {short(text)}",
            form(withdraw, {"ticket_token": known.token, "confirm": text}, cookie=known.session),
            200,
        )


def _lists(known: Known) -> Iterator[Case]:
    for text in QUERY_TEXTS:
        bare = text.strip()
        yield _page(
            f"tickets with status {short(text)}",
            asked("/dashboard/", {"status": text}, cookie=known.session),
            400 if bare else 200,
        )
        yield _page(
            f"tickets behind {short(text)}",
            asked("/dashboard/", {"cursor": text}, cookie=known.session),
            400 if text else 200,
        )
        for field in ("campaign", "x-own-id", "x-own-guid"):
            status = 400 if len(bare) > 200 or "\0" in bare else 200
            yield _page(
                f"tickets with {field} {short(text)}", asked("/dashboard/", {field: text}, cookie=known.session), status
            )


def _forms(known: Known) -> Iterator[Case]:
    here = f"/pickup/{known.token}"
    doors = {
        "/signin": "",
        here: known.pickup,
        f"{here}/accept": known.pickup,
        f"/activate/{known.activation}": "",
        "/webservice/dashboard/withdraw": known.session,
    }
    for target, cookie in doors.items():
        for octets in (*BAD_OCTETS, *RAW_OCTETS):
            yield _page(f"{target[:12]} {octets[:30]!r}", form(target, octets, cookie=cookie), 400)
        for kind in CONTENT_TYPES:
            if kind not in {"", "application/x-www-form-urlencoded"}:
                yield _page(
                    f"{target[:12]} as {short(kind)}",
                    form(target, b"decision=accept&confirm=yes", cookie=cookie, content_type=kind),
                    400,
                )
        for size in (33_000, 1_000_000):
            yield _page(f"{target[:12]} of {size}", form(target, {"decision": "x" * size}, cookie=cookie), 413)
        for origin in ORIGINS:
            octets = form(target, {"decision": "accept", "confirm": "yes"}, cookie=cookie, origin=origin)
            yield _page(f"{target[:12]} from {short(origin)}", octets, 403)
    for target in (here, f"{here}/accept"):
        for octets in (*DOUBLED, b"decision=accept&decision=accept", b"confirm=yes&confirm=yes"):
            yield _page(f"{target[:12]} {octets[:30]!r}", form(target, octets, cookie=known.pickup), 400)


def _cookies(known: Known) -> Iterator[Case]:
    for text in COOKIES:
        yield Case(f"dashboard, {short(text)}", asked("/dashboard/", cookie=text), 302, shape="empty")
        yield _page(f"pickup, {short(text)}", asked(f"/pickup/{known.token}", cookie=text), 404)
        yield _page(f"language, {short(text)}", asked("/signin", cookie=text, accept_language=text), 200)
