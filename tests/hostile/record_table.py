"""Users and allowed addresses: bodies, paths and lists. What is taken meets an address that is in use already (412)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.hostile.cases import Case
from tests.hostile.table import Known, asked, marked, path_of, posted, short, with_raw, written
from tests.hostile.values import (
    ADDRESSED,
    ADDRESSES,
    BAD_OCTETS,
    CONTENT_TYPES,
    CREDENTIALS,
    DOUBLED,
    HARMLESS,
    IDS,
    LINES,
    MARK,
    QUERY_TEXTS,
    RAW,
    WRONG_BOOLEANS,
    WRONG_STRINGS,
)

USERS, ADDRESS_LIST = "/api/user/", "/allowed_email_address/"
PHONES = [
    "1",
    "12",
    "+",
    "---",
    "()",
    " ",
    "+31 6 1234 5678 9012 3456 7890 1",
    "123a",
    "1.2.3",
    "123\u00a0456",
    "１２３",
    "٣٤٥",
    "+31/6",
    "tel:123",
    "123;ext=1",
    "123#",
    "*123",
    "1" * 31,
]
DATES = [
    "2000-13-01",
    "2000-00-01",
    "2000-01-32",
    "2001-02-29",
    "0000-01-01",
    "20000101",
    "2000-1-1",
    "2000-01-01T00:00",
    "2000-01-01 ",
    " 2000-01-01",
    "2000-01-01\n",
    "9999-12-31",
    "2999-01-01",
    "٢٠٠٠-٠١-٠١",
    "2000-W01-1",
    "2000-001",
    "01-01-2000",
    "1-1-1",
    "-2000-01-01",
    "+2000-01-01",
    "10000-01-01",
    "2000/01/01",
    "today",
    "0",
    "2000-01",
    "2000",
]
NO_CURSORS = [
    "x",
    "-1",
    "+1",
    "1.0",
    "01",
    "1e1",
    "0x1",
    "9" * 19,
    "٣",
    "1 ",
    " 1",
    "1\n",
    "1,2",
    "null",
    "1'",
    "%31",
    "1\0",
]


def record_cases(known: Known) -> list[Case]:
    """All of them."""
    tables = (_new, _changed, _addresses, _raw, _paths, _lists, _forms)
    return [case for table in tables for case in table(known)]


def _bodies(known: Known, what: str, target: str, method: str, good: dict[str, Any]) -> Iterator[Case]:
    """A record's fields, in an otherwise good request."""

    def case(field: str, name: str, raw: str | bytes, status: int = 400) -> Case:
        octets = posted(target, known.admin, with_raw(good, field, raw), method)
        return Case(f"{what} {field} {short(name)}", octets, status, "email_address" if status == 412 else field)

    refused = {
        "real_name": [*LINES, *marked(ADDRESSED), "x" * 201],
        "username": [*LINES, "x" * 255, *(() if method == "POST" else ("", " "))],
        "phone_number": [*LINES, *PHONES, *marked(HARMLESS)],
        "date_of_birth": [*LINES, *DATES, *marked(HARMLESS)],
        "email_address": ADDRESSES,
    }
    for field, texts in refused.items():
        yield from (case(field, text, written(text, number)) for number, text in enumerate(texts))
        yield from (case(field, raw, raw) for raw in WRONG_STRINGS)
    for field in ("real_name", "username"):
        yield from (
            case(field, f"takes {text}", written(MARK + text, number), 412)
            for number, text in enumerate(HARMLESS)
            if field == "username" or text not in ADDRESSED
        )
    yield from (case("sender_allowed", raw, raw) for raw in WRONG_BOOLEANS)
    for field in ("real_name", "phone_number", "date_of_birth"):
        yield from (case(field, f"takes {raw}", raw, 412) for raw in ("null", '""'))
    for field in ("email_address", *(() if method == "POST" else ("username",))):
        rest = json.dumps({name: text for name, text in good.items() if name != field}).encode()
        yield Case(f"{what} without {field}", posted(target, known.admin, rest, method), 400, field)
        yield case(field, "null", "null")
    for field in ("real_name", "email_address", "phone_number", "date_of_birth", "unknown"):
        octets = posted(target, known.admin, with_raw(good, field, json.dumps(MARK + "x" * 1_000_000)), method)
        yield Case(f"{what} {field} 1 MB", octets, 413, "body")


def _new(known: Known) -> Iterator[Case]:
    yield from _bodies(known, "new user", USERS, "POST", {"email_address": "alice@example.org"})


def _changed(known: Known) -> Iterator[Case]:
    good = {"username": "Alice", "email_address": "charlie@example.net"}
    yield from _bodies(known, "changed user", f"{USERS}{known.user}", "PUT", good)


def _addresses(known: Known) -> Iterator[Case]:
    for number, text in enumerate([*ADDRESSES, *LINES[:40]]):
        octets = posted(ADDRESS_LIST, known.admin, with_raw({}, "email_address", written(text, number)))
        yield Case(f"new address {short(text)}", octets, 400, "email_address")
    for raw in (*WRONG_STRINGS, "null"):
        yield Case(
            f"new address {raw}",
            posted(ADDRESS_LIST, known.admin, with_raw({}, "email_address", raw)),
            400,
            "email_address",
        )
    yield Case("no address", posted(ADDRESS_LIST, known.admin, b"{}"), 400, "email_address")
    for text in ("alice@example.org", "ALICE@EXAMPLE.ORG", "Alice@Example.Org"):
        yield Case(
            f"new address {text}",
            posted(ADDRESS_LIST, known.admin, with_raw({}, "email_address", json.dumps(text))),
            412,
            "email_address",
        )
    octets = posted(ADDRESS_LIST, known.admin, with_raw({}, "email_address", json.dumps(MARK + "x" * 1_000_000)))
    yield Case("new address 1 MB", octets, 413, "body")


def _raw(known: Known) -> Iterator[Case]:
    doors = {"POST": (USERS, "POST"), "PUT": (f"{USERS}{known.user}", "PUT"), "address": (ADDRESS_LIST, "POST")}
    for what, (target, method) in doors.items():
        for name, raw in RAW.items():
            for field in (
                ("email_address",) if what == "address" else ("email_address", "real_name", "sender_allowed", "unknown")
            ):
                body = with_raw({"username": "Alice"}, field, raw)
                status = 413 if len(body) > 65_536 else 400
                yield Case(f"{what} {field} {name}", posted(target, known.admin, body, method), status, "body")
        for body in (
            b"",
            b"[]",
            b'"a"',
            b"1",
            b"null",
            b"{",
            b"{}x",
            b'{"email_address":"a@b.nl","email_address":"c@d.nl"}',
            b"email_address=a",
            b"\x00",
            '{"email_address":"a@b.nl"}'.encode("utf-16"),
        ):
            yield Case(f"{what} {body[:20]!r}", posted(target, known.admin, body, method), 400, "body")


def _paths(known: Known) -> Iterator[Case]:
    change = b'{"username":"Alice","email_address":"charlie@example.net"}'
    for text in IDS:
        piece = path_of(text)
        for method in ("GET", "DELETE"):
            yield Case(
                f"{method} user {short(text)}", asked(f"{USERS}{piece}", None, method, authorization=known.admin), 404
            )
            yield Case(
                f"{method} address {short(text)}",
                asked(f"{ADDRESS_LIST}{piece}", None, method, authorization=known.admin),
                404,
            )
        yield Case(f"PUT user {short(text)}", posted(f"{USERS}{piece}", known.admin, change, "PUT"), 404)
        yield Case(
            f"activation of {short(text)}",
            asked(f"{USERS}{piece}/activation", None, "POST", authorization=known.admin),
            404,
        )


def _lists(known: Known) -> Iterator[Case]:
    for what, path in (("users", USERS), ("addresses", ADDRESS_LIST)):
        for field in ("cursor", "limit"):
            wrong = [*QUERY_TEXTS, *NO_CURSORS, *(("0", "201", "1000000") if field == "limit" else ())]
            for text in wrong:
                yield Case(
                    f"{what} {field} {short(text)}", asked(path, {field: text}, authorization=known.admin), 400, field
                )
        for raw in (*BAD_OCTETS, *DOUBLED):
            yield Case(
                f"{what} ?{raw[:30]!r}", asked(f"{path}?{raw.decode()}", authorization=known.admin), 400, "query"
            )
    for text in ADDRESSES:
        yield Case(
            f"users with {short(text)}",
            asked(USERS, {"email_address": text}, authorization=known.admin),
            400,
            "email_address",
        )


def _forms(known: Known) -> Iterator[Case]:
    doors = (("POST", USERS), ("PUT", f"{USERS}{known.user}"), ("POST", ADDRESS_LIST))
    for kind in CONTENT_TYPES:
        for method, target in doors:
            octets = posted(target, known.admin, b'{"email_address":"alice@example.org"}', method, content_type=kind)
            yield Case(f"{method} {target} as {short(kind)}", octets, 415)
    for text in CREDENTIALS:
        for path in (USERS, ADDRESS_LIST, f"{USERS}{known.user}"):
            yield Case(f"GET {path} as {short(text)}", asked(path, authorization=text), 401)
    for method, target in doors:
        octets = posted(target, known.service, b'{"email_address":"alice@example.org"}', method)
        yield Case(f"{method} {target} as a mere user", octets, 403)
