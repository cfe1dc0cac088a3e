"""OAuth, the XML interface, unknown addresses and wrong methods."""

from __future__ import annotations

from collections.abc import Iterator

from tests.hostile.cases import Case, Shape
from tests.hostile.table import Known, asked, form, pairs, path_of, posted, short
from tests.hostile.values import (
    BAD_OCTETS,
    CONTENT_TYPES,
    CREDENTIALS,
    DOUBLED,
    PATHS,
    QUERY_TEXTS,
    RAW_OCTETS,
    TOKENS,
)

TOKEN, REVOKE, XML, DASHBOARD = (
    "/oauth/client_credential/accesstoken",
    "/oauth/revoke",
    "/webservice/xml/",
    "/webservice/dashboard/",
)
GRANT = {"grant_type": "client_credentials"}
PERIOD = {"from": "2026-11-01", "to": "2026-12-01"}
TIMES = [
    "2026-13-01",
    "2026-02-30",
    "0000-01-01",
    "99999-01-01",
    "2026-11-23T25:00",
    "2026-11-23T10:60",
    "2026-11-23T10",
    "2026-11-23T10:00:61",
    "2026-11-23T10:00+25:00",
    "2026-11-23T10:00 01:00",
    "20261123",
    "2026-W48",
    "٢٠٢٦-١١-٢٣",
    "1732356000",
    "-1",
    "now",
    "2026-11-23T10:00:00.1234567890",
    "2026-11-23T10:00:00,5",
    "2026-11-23TT10:00",
    " 2026-11-23",
    "2026-11-23 ",
    "2026-11-23\n",
    "2026-11-23T10:00ZZ",
]
NO_STATUSES = [
    "0",
    "-1",
    "+30",
    "1000",
    "999",
    "30.0",
    "1e1",
    "٣٠",
    " 30",
    "30 ",
    "30\n",
    "030\0",
    "submitted",
    "9" * 5_000,
]
NO_LIMITS = ["0", "-1", "100001", "9999999", "1.5", "1e1", "٣", " 1", "1\n", "9" * 5_000]
METHODS = (
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "PROPFIND",
    "LINK",
    "PURGE",
    "MKCOL",
    "LOCK",
    "SEARCH",
    "REPORT",
    "SUBSCRIBE",
    "NOTIFY",
    "COPY",
    "MOVE",
    "ACL",
    "BIND",
    "M-SEARCH",
    "QUERY",
)
FORMS = frozenset({"", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"})
ROUTES: dict[str, tuple[str, ...]] = {
    "/webservice/mailsender/send": ("POST", "OPTIONS"), TOKEN: ("POST", "OPTIONS"), REVOKE: ("POST", "OPTIONS"), "/api/user/": ("GET", "POST", "OPTIONS"), "/api/user/1": ("GET", "PUT", "DELETE", "OPTIONS"), "/api/user/1/activation": ("POST", "OPTIONS"),
    "/allowed_email_address/": ("GET", "POST", "OPTIONS"), "/allowed_email_address/1": ("GET", "DELETE", "OPTIONS"), XML: ("GET", "OPTIONS"), DASHBOARD: ("GET", "OPTIONS"), "/openapi.json": ("GET", "OPTIONS"),
}  # fmt: skip
PAGE_ROUTES: dict[str, tuple[str, ...]] = {
    "/signin": ("GET", "POST", "OPTIONS"), "/signout": ("POST", "OPTIONS"), "/activate/x": ("GET", "POST", "OPTIONS"), "/address/x": ("GET", "POST", "OPTIONS"), "/p/x": ("GET", "OPTIONS"), "/pickup/x": ("GET", "POST", "OPTIONS"), "/pickup/x/accept": ("GET", "POST", "OPTIONS"), "/pickup/x/refuse": ("GET", "POST", "OPTIONS"),
    "/pickup/x/download/0": ("POST", "OPTIONS"), "/genuine": ("GET", "OPTIONS"), "/dashboard/": ("GET", "OPTIONS"), "/webservice/dashboard/withdraw": ("POST", "OPTIONS"),
}  # fmt: skip


def query_cases(known: Known) -> list[Case]:
    """All of them."""
    return [
        case
        for table in (_tokens, _revoking, _credentials, _xml, _tickets, _addresses, _methods)
        for case in table(known)
    ]


def _tokens(known: Known) -> Iterator[Case]:
    pair = {"client_id": "alice-client", "client_secret": "wrong"}
    for text in QUERY_TEXTS:
        yield Case(f"grant {short(text)}", form(f"{TOKEN}?{pairs({'grant_type': text})}", pair), 400, "grant_type")
        yield Case(f"grant in the form {short(text)}", form(TOKEN, pair | {"grant_type": text}), 400, "grant_type")
        yield Case(f"client id {short(text)}", form(TOKEN, GRANT | pair | {"client_id": text}), 401)
        yield Case(f"client secret {short(text)}", form(TOKEN, GRANT | pair | {"client_secret": text}), 401)
    for raw in (*BAD_OCTETS, *DOUBLED):
        yield Case(f"token ?{raw[:30]!r}", form(f"{TOKEN}?{raw.decode()}", pair), 400, "query")
    for fields in (pair, {"client_id": "alice-client"}, {"client_secret": "x"}):
        yield Case(f"no grant {fields}", form(TOKEN, fields), 400, "grant_type")
    basic = known.client
    for fields, field in (
        ({"client_id": "other"}, "client_id"),
        ({"client_secret": "other"}, "client_secret"),
        ({"client_secret": ""}, "client_secret"),
    ):
        yield Case(f"two answers {fields}", form(f"{TOKEN}?{pairs(GRANT)}", fields, authorization=basic), 400, field)
    for fields in ({"client_id": "x" * 2_000}, {"client_secret": "x" * 2_000}):
        yield Case(f"pair {short(fields)}", form(TOKEN, GRANT | pair | fields), 401)
    yield Case(
        "two grants", form(f"{TOKEN}?{pairs(GRANT)}", GRANT | pair | {"grant_type": "password"}), 400, "grant_type"
    )


def _revoking(known: Known) -> Iterator[Case]:
    for text in QUERY_TEXTS:
        if not text or len(text) > 1_024:
            yield Case(f"revoke {short(text)}", form(REVOKE, {"token": text}, authorization=known.client), 400, "token")
        else:  # RFC 7009, section 2.2: a token that is none has ended already
            yield Case(
                f"revoke {short(text)}", form(REVOKE, {"token": text}, authorization=known.client), 200, shape="empty"
            )
    yield Case("revoke nothing", form(REVOKE, {"token_type_hint": "x"}, authorization=known.client), 400, "token")
    for target in (TOKEN, REVOKE):
        for raw in (*BAD_OCTETS, *RAW_OCTETS, *DOUBLED):
            yield Case(f"{target} {raw[:30]!r}", form(target, raw, authorization=known.client), 400, "body")
        for kind in CONTENT_TYPES:
            if kind not in FORMS:
                yield Case(
                    f"{target} as {short(kind)}",
                    form(target, GRANT, authorization=known.client, content_type=kind),
                    415,
                )
        for name in ("token", "client_id", "grant_type"):
            yield Case(
                f"{target} {name} 1 MB", form(target, {name: "x" * 1_000_000}, authorization=known.client), 413, "body"
            )


def _credentials(known: Known) -> Iterator[Case]:
    for text in CREDENTIALS:
        yield Case(f"token as {short(text)}", form(f"{TOKEN}?{pairs(GRANT)}", b"", authorization=text), 401)
        yield Case(f"revoke as {short(text)}", form(REVOKE, {"token": "x"}, authorization=text), 401)
        yield Case(f"XML as {short(text)}", asked(XML, PERIOD, authorization=text), 401)
        yield Case(
            f"a ticket's XML as {short(text)}",
            asked(DASHBOARD, {"action": "ticket_xml", "ticket_token": "x"}, authorization=text),
            401,
        )
    for method, path in (
        ("GET", "/api/user/"),
        ("GET", "/allowed_email_address/"),
        ("POST", "/webservice/mailsender/send"),
    ):
        twice = posted(path, known.admin, b"{}", method).replace(
            b"\r\n\r\n", f"\r\nAuthorization: {known.admin}\r\n\r\n".encode(), 1
        )
        yield Case(f"{method} {path} twice authorized", twice, 401)
        yield Case(f"{method} {path} unauthorized", posted(path, "", b"{}", method), 401)


def _xml(known: Known) -> Iterator[Case]:
    def case(field: str, text: str, status: int = 400, shape: Shape = "envelope") -> Case:
        octets = asked(XML, PERIOD | {field: text}, authorization=known.service)
        return Case(f"XML {field} {short(text)}", octets, status, field if status == 400 else None, shape)

    wrong = {
        "from": [*QUERY_TEXTS, *TIMES],
        "to": [*QUERY_TEXTS, *TIMES],
        "status": [*QUERY_TEXTS, *NO_STATUSES],
        "limit": [*QUERY_TEXTS, *NO_LIMITS],
        "cursor": [text for text in QUERY_TEXTS if text] + ["0" * 31, "0" * 33, "G" * 32, "A" * 32],
    }
    for field, texts in wrong.items():
        yield from (case(field, text) for text in texts)
    for field in ("campaign", "x-own-id", "x-own-guid"):
        for text in QUERY_TEXTS:
            good = bool(text) and len(text) <= 200 and "\0" not in text
            yield case(field, text, 200 if good else 400, "xml" if good else "envelope")
    yield from (case("lang", text, 200, "xml") for text in QUERY_TEXTS)
    for fields, field in (
        ({}, "from"),
        ({"from": "2026-11-01"}, "to"),
        ({"to": "2026-11-01"}, "from"),
        ({"from": "2026-12-01", "to": "2026-11-01"}, "to"),
    ):
        yield Case(f"XML {fields}", asked(XML, fields, authorization=known.service), 400, field)
    for raw in (*BAD_OCTETS, *DOUBLED):
        yield Case(f"XML ?{raw[:30]!r}", asked(f"{XML}?{raw.decode()}", authorization=known.service), 400, "query")


def _tickets(known: Known) -> Iterator[Case]:
    for text in dict.fromkeys((*TOKENS, *QUERY_TEXTS)):
        yield Case(f"XML of {short(text)}", asked(XML, {"ticket_token": text}, authorization=known.service), 404)
    for text in TOKENS:
        fields = {"action": "ticket_xml", "ticket_token": text}
        yield Case(f"ticket_xml of {short(text)}", asked(DASHBOARD, fields, authorization=known.service), 404)
    for text in QUERY_TEXTS:
        yield Case(
            f"action {short(text)}", asked(DASHBOARD, {"action": text}, authorization=known.service), 400, "action"
        )
    yield Case("no action", asked(DASHBOARD, authorization=known.service), 400, "action")


def _addresses(known: Known) -> Iterator[Case]:
    for path in PATHS:
        for method in ("GET", "POST", "DELETE"):
            page = path.startswith("/inbox") and "/api" not in path
            octets = asked(path_of(path), None, method, authorization=known.admin)
            yield Case(f"{method} {short(path)}", octets, 404, shape="page" if page else "envelope")


def _methods(known: Known) -> Iterator[Case]:
    shapes: dict[Shape, dict[str, tuple[str, ...]]] = {"envelope": ROUTES, "page": PAGE_ROUTES}
    for shape, routes in shapes.items():
        for path, allowed in routes.items():
            for method in METHODS:
                if method not in allowed:
                    octets = asked(path, None, method, authorization=known.admin)
                    yield Case(f"{method} {path}", octets, 405, shape=shape)
