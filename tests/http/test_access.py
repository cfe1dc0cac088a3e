"""Credentials, forms, the envelope and the access log, each as a table."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
import structlog
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from sealpost.access import access_log
from sealpost.access.callers import basic_pair, bearer_token, credentials
from sealpost.access.envelope import KNOWN, MESSAGES, envelope
from sealpost.access.forms import form, query
from sealpost.access.middleware import declared_length
from sealpost.access.refusals import (
    BASIC,
    MethodNotAllowed,
    QuotaExceeded,
    TooSlow,
    Unauthenticated,
    UnsupportedMediaType,
)
from sealpost.api.oauth import client_pair
from sealpost.api.send import check_form, idempotency_key
from sealpost.content.placement import ContentDamaged, ContentUnavailable
from sealpost.domain.errors import (
    Conflict,
    Fenced,
    InvalidInput,
    KeyReused,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    TooLarge,
    Unavailable,
)


def b64(text: str | bytes) -> bytes:
    return b64encode(text.encode() if isinstance(text, str) else text)


def authorization(*values: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), *((b"authorization", value) for value in values)]


def read(*values: bytes) -> str | tuple[str, str]:
    scheme, value = credentials(authorization(*values))
    return bearer_token(value) if scheme == "bearer" else basic_pair(value)


@pytest.mark.parametrize(
    "values",
    [
        (), (b"",), (b"Bearer",), (b"Bearer ",), (b"Bearer a b",), (b"Bearer a,b",), (b"Bearer \xff",),
        (b"Bearer ===",), (b"Digest x",), (b"Bearerx",), (b"Bearer a", b"Bearer a"), (b"Bearer a", b"Basic YTpi"),
        (b"Bearer " + b"a" * 2000,), (b"Basic",), (b"Basic !!!!",), (b"Basic YTpi\n",), (b"Basic YTp",),
        (b"Basic YTpi=",), (b"Basic YTpj YTpj",), (b"Basic " + b64("nocolon"),), (b"Basic " + b64(b"a:\xff"),),
        (b"Basic " + b64("a:b\0"),), (b"Basic " + b64("a\r\nb:c"),), (b"Basic YTpiYg=",), (b"Basic YTpiYh==",),
    ],
)  # fmt: skip
def test_malformed_credentials_are_nobodys(values: tuple[bytes, ...]) -> None:
    with pytest.raises(Unauthenticated):
        read(*values)


@pytest.mark.parametrize(
    ("value", "pair"),
    [
        ("alice:s3cret", ("alice", "s3cret")),
        ("alice:a:b:", ("alice", "a:b:")),
        ("älice:ü", ("älice", "ü")),
        (":", ("", "")),
    ],
)
def test_basic_credentials_are_read(value: str, pair: tuple[str, str]) -> None:
    assert basic_pair(credentials(authorization(b"bAsIc " + b64(value)))[1]) == pair


def test_bearer_tokens_are_read() -> None:
    assert credentials(authorization(b"bearer  aB-_~.+/1==")) == ("bearer", b"aB-_~.+/1==")
    assert bearer_token(b"aB-_~.+/1==") == "aB-_~.+/1=="


@pytest.mark.parametrize(
    ("header", "fields", "outcome"),
    [
        (b"Basic " + b64("id:secret"), {}, ("id", "secret")),
        (None, {"client_id": "id", "client_secret": "secret"}, ("id", "secret")),
        (b"Basic " + b64("id:secret"), {"client_id": "id", "client_secret": "secret"}, ("id", "secret")),
        (b"Basic " + b64("id:secret"), {"client_id": "id"}, ("id", "secret")),
        (b"Basic " + b64("id:secret"), {"client_id": "other"}, InvalidInput),
        (b"Basic " + b64("id:secret"), {"client_secret": "other"}, InvalidInput),
        (b"Basic " + b64("id:secret"), {"client_secret": ""}, InvalidInput),
        (b"Bearer abc", {"client_id": "id", "client_secret": "secret"}, Unauthenticated),
        (None, {}, Unauthenticated),
        (None, {"client_id": "id"}, Unauthenticated),
        (None, {"client_id": "", "client_secret": "secret"}, Unauthenticated),
        (None, {"client_id": "i\0", "client_secret": "secret"}, Unauthenticated),
        (None, {"client_id": "i" * 2000, "client_secret": "secret"}, Unauthenticated),
    ],
)
def test_the_clients_pair(header: bytes | None, fields: dict[str, str], outcome: Any) -> None:
    headers = authorization(*([header] if header else []))
    if isinstance(outcome, tuple):
        assert client_pair(headers, fields) == outcome
        return
    with pytest.raises(outcome) as refused:
        client_pair(headers, fields)
    if outcome is Unauthenticated:
        assert [value for _, value in refused.value.headers][-1] == BASIC.encode()


@pytest.mark.parametrize(
    "raw", [b"a=1&a=2", b"a=%ff", b"a=\xff", b"&".join(b"n%d=1" % n for n in range(60)), b"a=%ed%a0%80"]
)
def test_malformed_forms_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        form("application/x-www-form-urlencoded", raw)
    with pytest.raises(InvalidInput):
        query(raw)


def test_forms_are_read() -> None:
    assert form("application/x-www-form-urlencoded; charset=UTF-8", b"a=1+2&b=%C3%A9&c=") == {
        "a": "1 2",
        "b": "é",
        "c": "",
    }
    assert form("anything/else", b"") == form("anything/else", b"\r\n") == {}
    assert form("", b"a=1") == form("application/x-www-form-urlencoded; q=1", b"a=1\n") == {"a": "1"}
    for wrong in (
        "application/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded; charset=latin-1",
    ):
        with pytest.raises(UnsupportedMediaType):
            form(wrong, b"a=1")


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ([], 0), ([(b"content-length", b"0")], 0), ([(b"content-length", b"12")], 12), ([(b"transfer-encoding", b"chunked")], None),
        ([(b"content-length", b"-1")], InvalidInput), ([(b"content-length", b"1e3")], InvalidInput), ([(b"content-length", b"")], InvalidInput),
        ([(b"content-length", b"1"), (b"content-length", b"1")], InvalidInput), ([(b"content-length", b"9" * 40)], InvalidInput),
        ([(b"content-length", b"\xb2")], InvalidInput),
    ],
)  # fmt: skip
def test_declared_length(headers: list[tuple[bytes, bytes]], outcome: Any) -> None:
    if outcome is InvalidInput:
        with pytest.raises(InvalidInput):
            declared_length(headers)
    else:
        assert declared_length(headers) == outcome


@pytest.mark.parametrize(
    ("kind", "good"),
    [
        (b"application/json", True), (b"Application/JSON", True), (b"application/json; charset=utf-8", True),
        (b'application/json;charset="UTF-8"', True), (b"application/json;", True), (None, False), (b"", False),
        (b"text/json", False), (b"application/json; charset=latin-1", False), (b"application/json; charset=utf-16", False),
        (b"application/jsonx", False), (b"application/json, text/html", False), (b"application/json; charset=utf-8; x=y", True),
        (b"application/json; charset=utf8", True), (b'application/json ; q="a;b" ; charset=UTF8', True), (b"application/json;;", True),
        (b"application/json; charset=utf-8; charset=utf-16", False), (b"application/json; charset", False), (b"application/json; a=b c", False),
        (b"multipart/form-data", False), (b"\xff", False),
    ],
)  # fmt: skip
def test_the_bodys_type(kind: bytes | None, good: bool) -> None:
    headers = [(b"content-type", kind)] if kind is not None else []
    if good:
        check_form(headers)
        check_form([*headers, (b"content-encoding", b"Identity")])
        return
    with pytest.raises(UnsupportedMediaType):
        check_form(headers)


def test_what_is_not_honoured_is_not_ignored() -> None:
    json_type = (b"content-type", b"application/json")
    with pytest.raises(UnsupportedMediaType):
        check_form([json_type, (b"content-encoding", b"gzip")])
    with pytest.raises(UnsupportedMediaType):
        check_form([json_type, json_type])


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ((), None), ((b"1",), "1"), ((b' "quoted" ',), '"quoted"'), ((b"k" * 255,), "k" * 255), ((b"",), InvalidInput),
        ((b"k" * 256,), InvalidInput), ((b"a b",), InvalidInput), ((b"\xc3\xa9",), InvalidInput), ((b"1", b"1"), InvalidInput),
    ],
)  # fmt: skip
def test_idempotency_keys(values: tuple[bytes, ...], read: Any) -> None:
    headers = [(b"idempotency-key", value) for value in values]
    if read is not InvalidInput:
        assert idempotency_key(headers) == read
        return
    with pytest.raises(InvalidInput) as refused:
        idempotency_key(headers)
    assert refused.value.field == "Idempotency-Key"


ERRORS: list[tuple[Exception, int, str]] = [
    (InvalidInput("subject", "is empty"), 400, "subject: is empty"),
    (TooLarge("attachments", "too much"), 413, "attachments: too much"),
    (NotAllowed("not you"), 403, "not you"),
    (NotFound("none"), 404, "none"),
    (PreconditionFailed("sender_email: no"), 412, "sender_email: no"),
    (Conflict("over"), 409, "over"),
    (KeyReused("the key stands for another request"), 422, "the key stands for another request"),
    (QuotaExceeded(37, "hour", 5), 429, "the quota of 37 calls in each hour is used up"),
    (Unavailable("the database is away"), 503, "the database is away"),
    (ContentUnavailable("disk /srv/secret is full"), 503, "storage is unavailable"),
    (ContentDamaged("segment 1"), 500, "internal error"),
    (Fenced("taken over"), 500, "internal error"),
    (Unauthenticated("no"), 401, "no"),
    (MethodNotAllowed("GET, POST"), 405, "allowed: GET, POST"),
    (TooSlow("late"), 408, "late"),
    (UnsupportedMediaType("not JSON"), 415, "not JSON"),
    (NotFoundException("/p/a-secret"), 404, ""),
    (MethodNotAllowedException(headers={"allow": "GET", "x-inner": "no"}), 405, "allowed: GET, HEAD"),
    (HTTPException("odd", status_code=599), 500, "internal error"),
    (RuntimeError("password=hunter2"), 500, "internal error"),
    (KeyError("\ud800"), 500, "internal error"),
    (InvalidInput("\ud800", "is odd"), 400, "\ud800: is odd"),
]


@pytest.mark.parametrize(("error", "status", "info"), ERRORS, ids=[repr(error) for error, _, _ in ERRORS])
def test_every_exception_has_its_envelope(error: Exception, status: int, info: str) -> None:
    with structlog.testing.capture_logs() as lines:
        answer = envelope(error, "the-id", "/")
    told = json.loads(answer.body)
    assert answer.status == status
    assert list(told) == ["transactionId", "status", "name", "message", "info"]
    assert all(type(member) is str for member in told.values())
    assert (told["transactionId"], told["status"], told["info"]) == ("the-id", str(status), info)
    headers = dict(answer.headers)
    assert headers[b"content-type"] == b"application/json"
    assert int(headers[b"content-length"]) == len(answer.body)
    assert (b"retry-after" in headers) == (status in {429, 503})
    assert (b"allow" in headers) == (status == 405)
    assert (b"www-authenticate" in headers) == (status == 401)
    assert b"x-inner" not in headers
    assert [line["request_id"] for line in lines] == (["the-id"] if status >= 500 else [])
    assert "hunter2" not in str(lines)


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 405, 408, 409, 411, 412, 413, 414, 415, 422, 429, 431, 500, 502, 503]
)
def test_every_status_that_we_answer_has_its_own_sentence(status: int) -> None:
    assert status in KNOWN
    told = json.loads(envelope(HTTPException("inner", status_code=status), "the-id", "/").body)
    assert (told["message"], told["status"]) == (MESSAGES[status], str(status))
    assert told["name"][0].isupper()


def test_a_fault_is_logged_with_its_place() -> None:
    with pytest.raises(KeyError) as raised:
        _ = {}["nothing"]
    with structlog.testing.capture_logs() as lines:
        envelope(raised.value, "the-id", "/")
    assert lines[0]["error"] == "KeyError"
    assert lines[0]["frames"][-1].startswith("test_access.py:")


def test_the_access_log_has_nothing_of_the_caller() -> None:
    scope = {"path": "/p/a-secret", "query_string": b"token=a-secret", "path_template": "/p/{secret}"}
    with structlog.testing.capture_logs() as lines:
        access_log.line(scope, "GET", 303, 0.01234, "the-id")
        access_log.line({"path": "/a-secret"}, "A-SECRET", 404, 1, "the-id")
    assert lines[0] == {
        "event": "request", "log_level": "info", "method": "GET", "route": "/p/{secret}", "status": 303, "ms": 12.3, "request_id": "the-id",
    }  # fmt: skip
    assert "secret" not in str(lines).lower().replace("{secret}", "")
