"""``POST /webservice/mailsender/send``: every field with everything that it must refuse, and with what it may take.

What is taken is never stored: the sender of those requests is nobody's (412), or their last attachment is broken.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.hostile.cases import Case
from tests.hostile.table import Known, marked, posted, short, with_raw, written
from tests.hostile.values import (
    ADDRESSED,
    ADDRESSES,
    BASE64,
    BODIES,
    CONTENT_TYPES,
    CREDENTIALS,
    FAR_INTEGERS,
    FILE_NAMES,
    GOOD_KEYS,
    HARMLESS,
    HTML,
    HUGE,
    KEYS,
    LINES,
    MARK,
    MEDIA_TYPES,
    RAW,
    WORDS,
    WRONG_ARRAYS,
    WRONG_INTEGERS,
    WRONG_OBJECTS,
    WRONG_STRINGS,
)

SEND = "/webservice/mailsender/send"
NOBODY = "nobody@example.org"
OWN = frozenset({"x-own-id", "x-own-guid", "x-own-campaign"})
FILE = {"attachment": "QUJD", "attachment_name": "a.txt", "attachment_type": "text/plain"}
BROKEN = FILE | {"attachment": "!"}
GOOD: dict[str, Any] = {
    "message_body": "Dear Bob",
    "sender_email": "alice@example.org",
    "sender_real_name": "Alice",
    "subject": "Notice",
    "recipient_email": "bob@example.com",
    "attachments": [FILE],
}
LONGEST = {"sender_real_name": 200, "subject": 500, "recipient_name": 200, "x-own-id": 200, "x-own-guid": 200, "x-own-campaign": 200, "address_basis": 1_000}  # fmt: skip
HEADERS = ("sender_real_name", "subject", "recipient_name")
NAMES = ("sender_real_name", "recipient_name")
REQUIRED = tuple(GOOD)
STRINGS = ("message_body", "sender_email", "recipient_email", "recipient_language", *LONGEST)
MISSING = ("identification", "recipient_phone", "recipient_date_of_birth")
PLACES = (0, 1, 2)
MEGABYTE = MARK + "x" * 1_000_001


def send_cases(known: Known) -> list[Case]:
    """All of them."""
    return [
        case
        for table in (_lines, _addresses, _types, _raw, _bodies, _attachments, _forms, _long)
        for case in table(known)
    ]


def _ask(known: Known, members: dict[str, Any] | bytes, **headers: str) -> bytes:
    body = members if isinstance(members, bytes) else json.dumps(members).encode()
    return posted(SEND, known.service, body, **headers)


def _refused(known: Known, field: str, name: str, raw: str | bytes, status: int = 400) -> Case:
    """A value in an otherwise good request, which would be taken."""
    return Case(f"send {field} {short(name)}", _ask(known, with_raw(GOOD, field, raw)), status, field)


def _taken(known: Known, field: str, text: str, number: int) -> Case:
    members = GOOD | {"sender_email": NOBODY}
    octets = _ask(known, with_raw(members, field, written(text, number)))
    return Case(f"send {field} takes {short(text)}", octets, 412, "sender_email")


def _lines(known: Known) -> Iterator[Case]:
    for field, longest in LONGEST.items():
        texts = LINES + ["x" * (longest + 1)] + (WORDS if field in HEADERS else [])
        if field in REQUIRED:
            texts = [*texts, "", " ", "\u00a0\u3000"]
        addressed = ADDRESSED if field in NAMES else []
        texts = texts + marked(addressed)
        yield from (_refused(known, field, text, written(text, number)) for number, text in enumerate(texts))
        harmless = [text for text in HARMLESS if text not in addressed]
        taken = marked(harmless) + ["x" * longest] + ([] if field in REQUIRED else [""])
        yield from (_taken(known, field, text, number) for number, text in enumerate(taken))


def _addresses(known: Known) -> Iterator[Case]:
    for field in ("sender_email", "recipient_email"):
        for number, text in enumerate(ADDRESSES):
            yield _refused(known, field, text, written(text, number))
    for text in (
        "bob+tag@example.com",
        "o'bob@example.com",
        "bób@example.com",
        "bob@exämple.com",
        "BOB@EXAMPLE.COM",
        "b=ob@example.com",
        "b?ob@example.com",
        "中文@example.com",
    ):
        yield _taken(known, "recipient_email", text, 0)
    languages = [*marked(HARMLESS), *LINES, "", "nl-BE", "xx", "NL", "../nl", "x" * 60_000]
    yield from (_taken(known, "recipient_language", text, number) for number, text in enumerate(languages))


def _types(known: Known) -> Iterator[Case]:
    for field in STRINGS:
        wrong = WRONG_STRINGS + (["null"] if field in REQUIRED else [])
        # A reference of the caller's own may be an integer.
        yield from (
            _refused(known, field, raw, raw) for raw in wrong if not (field in OWN and raw.lstrip("-").isdigit())
        )
    for field in ("reminder_days", "expiry_days"):
        yield from (_refused(known, field, raw, raw) for raw in [*WRONG_INTEGERS, *FAR_INTEGERS])
    for field in MISSING:
        raws = [
            *(raw for raw in WRONG_STRINGS),
            '""',
            '"+31612345678"',
            '"2000-01-01"',
            '"email_code"',
            '"none\\u0000"',
            '"NONE"',
        ]
        yield from (_refused(known, field, raw, raw) for raw in raws)
    yield from (
        _refused(known, "signature_required", raw, raw) for raw in ("true", "0", "1", '"no"', '""', "[]", "{}", "0.0")
    )
    yield from (_refused(known, "attachments", raw, raw) for raw in WRONG_ARRAYS)
    for field in REQUIRED:
        members = {name: value for name, value in GOOD.items() if name != field}
        yield Case(f"send without {field}", _ask(known, members), 400, field)


def _raw(known: Known) -> Iterator[Case]:
    for field in (*STRINGS, "attachments", "reminder_days", "expiry_days", *MISSING, "signature_required", "unknown"):
        for name, raw in RAW.items():
            yield Case(f"send {field} {name}", _ask(known, with_raw(GOOD, field, raw)), 400, "body")
        if field != "unknown":
            yield from (
                Case(f"send {field} {name}", _ask(known, with_raw(GOOD, field, raw)), 400, field)
                for name, raw in HUGE.items()
            )
        again = json.dumps(field).encode()
        for value in (
            b'"a",' + again + b':"b"',
            b"null," + again + b":null",
            b'"a",' + b'"\\u%04x%b' % (ord(field[0]), again[2:]) + b":1",
        ):
            yield Case(f"send {field} twice", _ask(known, with_raw(GOOD, field, value)), 400, "body")
    for field in FILE:
        for name, raw in RAW.items():
            octets = _ask(known, with_raw(GOOD, "attachments", b"[" + with_raw(FILE, field, raw) + b"]"))
            yield Case(f"send attachments[0].{field} {name}", octets, 400, "body")
    members = GOOD | {"sender_email": NOBODY}
    for name, raw in HUGE.items():
        yield Case(f"send unknown {name}", _ask(known, with_raw(members, "unknown", raw)), 412, "sender_email")
    for name, mark in (("mark", b"\xef\xbb\xbf"), ("two marks", b"\xef\xbb\xbf" * 2)):
        status, at = (412, "sender_email") if name == "mark" else (400, "body")
        yield Case(f"send body {name}", _ask(known, mark + json.dumps(members).encode()), status, at)
    good = json.dumps(GOOD).encode()
    whole = {"nothing": b"", "blank": b" \n", "text": b"hello", "array": b"[" + good + b"]", "string": json.dumps(good.decode()).encode(), "number": b"1", "null": b"null", "utf-16": good.decode().encode("utf-16"), "utf-32": good.decode().encode("utf-32"),
             "NUL behind": good + b"\0", "two": good + good, "form": b"subject=a", "xml": b"<a/>", "cut": good[:-1], "depth": b"[" * 100_000, "a comma": good[:-1] + b",}", "NUL before": b"\0" + good, "gzip": b"\x1f\x8b\x08\x00"}  # fmt: skip
    yield from (Case(f"send body {name}", _ask(known, octets), 400, "body") for name, octets in whole.items())


def _bodies(known: Known) -> Iterator[Case]:
    field = "message_body"
    for number, text in enumerate([*BODIES, "", " ", "\n\r\n", "\u3000", *HTML]):
        yield _refused(known, field, text, written(text, number))
    taken = [
        *(text for text in marked(HARMLESS) if "<script" not in text and "<img" not in text),
        "<p data-x=y xmlns=x>a</p>",
        "<html><head><style>p{}</style></head><body><p>a</p></body></html>",
        "a\r\n.\r\nMAIL FROM:<charlie@evil.example>",
        "a\n\nBcc: charlie@evil.example",
        "From eve",
        "tab\there",
        "مرحبا \u202b\u202c",
        "<p>a</p>",
        "<p style='color:red'>a</p>",
        "--=_boundary",
        "=?utf-8?q?=0a?=",
    ]
    members = GOOD | {"attachments": [BROKEN]}
    for number, text in enumerate(taken):
        octets = _ask(known, with_raw(members, field, written(text, number)))
        yield Case(f"send {field} takes {short(text)}", octets, 400, "attachments[0].attachment")


def _attachments(known: Known) -> Iterator[Case]:
    def at(place: int, raw: bytes) -> bytes:
        files = [json.dumps(FILE).encode()] * 3
        files[place] = raw
        return _ask(known, with_raw(GOOD, "attachments", b"[" + b", ".join(files) + b"]"))

    texts = {
        "attachment_name": [*LINES, *FILE_NAMES, *WORDS],
        "attachment_type": [*LINES, *MEDIA_TYPES, *WORDS],
        "attachment": [*LINES[:60], *BASE64],
    }
    for place in PLACES:
        for raw in WRONG_OBJECTS:
            yield Case(f"send attachments[{place}] {raw}", at(place, raw.encode()), 400, f"attachments[{place}]")
        for field in FILE:
            named = f"attachments[{place}].{field}"
            raws = [*WRONG_STRINGS, "null", *(written(text, number) for number, text in enumerate(texts[field]))]
            yield from (
                Case(f"send {named} {short(raw)}", at(place, with_raw(FILE, field, raw)), 400, named) for raw in raws
            )
            rest = json.dumps({name: text for name, text in FILE.items() if name != field}).encode()
            yield Case(f"send {named} missing", at(place, rest), 400, named)
    wrong_kinds = {
        "application/zip": "JVBERi0=",
        "image/png": "JVBERi0=",
        "application/pdf": "iVBORw0KGgo=",
        "text/plain": "f0VMRgAA",
        "image/gif": "UEsDBAAA",
    }
    for kind, encoded in wrong_kinds.items():
        octets = at(1, json.dumps(FILE | {"attachment_type": kind, "attachment": encoded}).encode())
        yield Case(f"send a {kind} that is another", octets, 400, "attachments[1].attachment_type")
    for text in [*marked(HARMLESS), ".htaccess", "a.pdf.exe", "-rf", "a;b", "x" * 250]:
        if set(text) & set("/\\") or text.strip() != text:  # such a name is refused
            continue
        octets = _ask(known, GOOD | {"attachments": [FILE | {"attachment_name": text}, BROKEN]})
        yield Case(f"send a file named {short(text)}", octets, 400, "attachments[1].attachment")
    yield Case("send 101 files", _ask(known, GOOD | {"attachments": [FILE] * 101}), 413, "attachments")


def _forms(known: Known) -> Iterator[Case]:
    good = json.dumps(GOOD | {"sender_email": NOBODY}).encode()
    for kind in CONTENT_TYPES:
        yield Case(f"send as {short(kind)}", posted(SEND, known.service, good, content_type=kind), 415)
    for coding in (
        "gzip",
        "deflate",
        "br",
        "zstd",
        "compress",
        "x",
        "gzip, identity",
        "identity, gzip",
        "Identity2",
        MARK,
    ):
        yield Case(f"send coded {coding}", posted(SEND, known.service, good, content_encoding=coding), 415)
    for text in CREDENTIALS:
        yield Case(f"send as {short(text)}", posted(SEND, text, good), 401)
    for key in KEYS:
        yield Case(
            f"send key {short(key)}", posted(SEND, known.service, good, idempotency_key=key), 400, "Idempotency-Key"
        )
    for key in GOOD_KEYS:
        octets = posted(SEND, known.service, good, idempotency_key=key)
        yield Case(f"send takes key {short(key)}", octets, 412, "sender_email")
    for name in (
        "api_version",
        "x_forwarded_for",
        "x_forwarded_host",
        "x_forwarded_proto",
        "x_real_ip",
        "forwarded",
        "x_request_id",
        "user_agent",
        "accept",
        "accept_language",
        "accept_encoding",
        "referer",
        "origin",
        "cookie",
        "x_http_method_override",
        "range",
        "if_match",
        "expect_ct",
        "te",
        "via",
        "traceparent",
        "x_original_url",
    ):
        for value in ("", MARK, f"{MARK}é", "1, 2", "../..", "x" * 9_000, "<script>", "127.0.0.1", "\u202e"):
            octets = posted(SEND, known.service, good, **{name: value})
            yield Case(f"send {name} {short(value)}", octets, 412, "sender_email")


def _long(known: Known) -> Iterator[Case]:
    for field in (*STRINGS, *MISSING):
        yield _refused(known, field, "1 MB", json.dumps(MEGABYTE))
    for place in PLACES:
        for field in FILE:
            files = [*[FILE] * place, FILE | {field: MEGABYTE}]
            octets = _ask(known, GOOD | {"attachments": files})
            yield Case(f"send attachments[{place}].{field} 1 MB", octets, 400, f"attachments[{place}].{field}")
    octets = _ask(known, GOOD | {"unknown": MEGABYTE, "sender_email": NOBODY})
    yield Case("send unknown 1 MB", octets, 412, "sender_email")
    yield Case("send a name of 1 MB", _ask(known, GOOD | {MEGABYTE: 1}), 400, "body")
