"""The send address on a real server: framing, limits, order of refusals, spooling. Only the submitter is a stand-in."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tracemalloc
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
import structlog

from sealpost.access import callers, middleware
from sealpost.access.middleware import Edge
from sealpost.api import upload
from sealpost.api.send import SEND_PATH, SendApp
from sealpost.cli.running import listen, serve_web
from sealpost.domain.errors import TooLarge, Unavailable
from sealpost.store.idempotency_keys import Held
from sealpost.usecases.quotas import Standing
from sealpost.usecases.reads.callers import CallerRow
from sealpost.usecases.service import Face, Limits
from sealpost.usecases.submit_message import SubmitMessage
from tests.http.test_body import ALICE, FILE, letter

LIMIT = 8_000_000
TOKEN = "K.abcdefghijklmnopqrstuv"
GOOD = {"authorization": "Bearer alices", "content-type": "application/json"}


@dataclass
class Taken:
    """A submitter that reads everything and remembers little."""

    messages: list[tuple[SubmitMessage, list[tuple[int, str, int]]]] = field(default_factory=list)
    fault: Exception | None = None

    async def submit(self, message: SubmitMessage, held: Held | None = None) -> str:
        if self.fault:
            raise self.fault
        self.messages.append((message, await asyncio.to_thread(self._read, message)))
        return TOKEN

    def _read(self, message: SubmitMessage) -> list[tuple[int, str, int]]:
        found: list[tuple[int, str, int]] = []
        for attachment in message.attachments:
            size, longest, sha256 = 0, 0, hashlib.sha256()
            for piece in attachment.encoded:
                size, longest = size + len(piece), max(longest, len(piece))
                sha256.update(piece)
            found.append((size, sha256.hexdigest(), longest))
        return found


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def info(self) -> str:
        return json.loads(self.body)["info"]


@dataclass
class Served:
    port: int
    taken: Taken
    lines: list[Any]

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, head: bytes, body: Iterable[bytes] = ()) -> Answered:
        reader, writer = await self.open()
        try:
            writer.write(head)
            for piece in body:
                writer.write(piece)
                await writer.drain()
            return await answered(reader)
        finally:
            writer.close()

    async def post(self, octets: bytes, **headers: str) -> Answered:
        return await self.ask(head(len(octets), **headers), [octets])


def head(length: int | None, method: str = "POST", path: str = SEND_PATH, **headers: str) -> bytes:
    framing = {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
    lines = {"host": "x"} | GOOD | framing | {name.replace("_", "-"): value for name, value in headers.items()}
    written = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{written}\r\n".encode()


def chunk(octets: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(octets), octets)


async def answered(reader: asyncio.StreamReader) -> Answered:
    async with asyncio.timeout(10):
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return Answered(int(first.split()[1]), headers, await reader.readexactly(int(headers["content-length"])))


@pytest_asyncio.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Served]:
    async def by_token(_: Any, token: str) -> CallerRow | None:
        known = {"alices": ALICE, "suspended": replace(ALICE, suspended=True)}
        if token == "faulty":
            raise RuntimeError("password=hunter2")
        return known.get(token)

    monkeypatch.setattr(callers.callers, "by_token", by_token)
    face = Face("http://127.0.0.1:8025", "127.0.0.1:8025", secure=False, demo=True, service_name="S", mail_domain="x")

    async def take(*_: Any) -> Standing:
        return Standing(100, "hour", 1, datetime(2026, 11, 23, 11, tzinfo=UTC), allowed=True)

    quotas = SimpleNamespace(take=take)
    service: Any = SimpleNamespace(limits=Limits(request=LIMIT), face=face, spool_folder=tmp_path, quotas=quotas)
    taken = Taken()
    app = Edge(SendApp(service, taken), {SEND_PATH: LIMIT})
    listening = listen("127.0.0.1", 0)
    stop = asyncio.Event()
    with structlog.testing.capture_logs() as lines:
        serving = asyncio.create_task(serve_web(app, listening, stop))
        yield Served(listening.getsockname()[1], taken, lines)
        stop.set()
        await serving


async def test_a_letter_is_taken(served: Served) -> None:
    answer = await served.post(letter())
    assert answer.status == 200
    assert json.loads(answer.body) == {
        "ticket_token": TOKEN,
        "ticket_url": f"http://127.0.0.1:8025/webservice/dashboard/?ticket_token={TOKEN}&action=ticket_html&lang=nl",
        "message": "OK",
    }
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["api-version"] == "1"
    assert len(answer.headers["x-request-id"]) == 36
    assert "connection" not in answer.headers
    ((message, _),) = served.taken.messages
    assert (message.recipient_email, message.large) == ("bob@example.com", False)
    (line,) = served.lines
    assert (line["route"], line["status"], line["request_id"]) == (SEND_PATH, 200, answer.headers["x-request-id"])


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "PROPFIND"])
async def test_other_methods(served: Served, method: str) -> None:
    reader, writer = await served.open()
    writer.write(head(0, method))
    first = await reader.readuntil(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nallow: OPTIONS, POST\r\n" in first
    writer.write(head(0, "GET"))  # the connection goes on: nothing of a body followed HEAD
    rest = await reader.readuntil(b"HTTP/1.1 405 ")
    assert (len(rest) == len(b"HTTP/1.1 405 ")) == (method == "HEAD")
    writer.close()


REFUSALS: list[tuple[dict[str, str], int, str]] = [
    ({"content_type": "text/plain"}, 415, "the body must be"),
    ({"content_type": ""}, 415, "the body must be"),
    ({"content_type": "application/json; charset=latin-1"}, 415, "the body must be"),
    ({"content_encoding": "gzip"}, 415, "the body must not"),
    ({"idempotency_key": "a key"}, 400, "Idempotency-Key: "),
    ({"idempotency_key": "k" * 256}, 400, "Idempotency-Key: "),
    ({"authorization": ""}, 401, "there is no"),
    ({"authorization": "Bearer charlies-guess"}, 401, "the credentials"),
    ({"authorization": "Bearer suspended"}, 403, "the account"),
    ({"authorization": "Bearer faulty"}, 500, "internal error"),
]


@pytest.mark.parametrize(("headers", "status", "info"), REFUSALS)
async def test_refused_before_any_of_the_body_is_sent(
    served: Served, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], status: int, info: str
) -> None:
    monkeypatch.setattr(middleware, "DRAIN_SECONDS", 0.1)
    for length in (4_000, 4_000_000, None):
        answer = await served.ask(head(length, **headers))
        assert answer.status == status
        assert answer.info.startswith(info)
        assert json.loads(answer.body)["transactionId"] == answer.headers["x-request-id"]
        assert (answer.headers.get("connection") == "close") == (length != 4_000), "a small rest is read on"
    assert served.taken.messages == []
    assert "hunter2" not in str(served.lines)


async def test_a_caller_that_writes_all_before_it_reads_still_gets_the_answer(served: Served) -> None:
    for headers, length in (({"authorization": ""}, LIMIT), ({}, 30_000_000)):
        answer = await served.ask(head(length, **headers), [bytes(1_000_000)] * (length // 1_000_000))
        assert answer.status == (401 if headers else 413)


async def test_too_large_is_told_at_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "DRAIN_SECONDS", 0.1)
    answer = await served.ask(head(10**15, expect="100-continue"))
    assert (answer.status, answer.info) == (413, f"body: is larger than {LIMIT} octets")
    assert answer.headers["connection"] == "close"


async def test_too_large_without_a_length(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "DRAIN_SECONDS", 0.1)
    answer = await served.ask(head(None), (chunk(bytes(100_000)) for _ in range(LIMIT // 100_000 + 1)))
    assert answer.status == 413
    assert served.taken.messages == []


async def test_chunked_without_length(served: Served) -> None:
    octets = letter(attachments=[FILE | {"attachment": "QUJD" * 1000}])
    pieces = [chunk(octets[at : at + 700]) for at in range(0, len(octets), 700)]
    answer = await served.ask(head(None), [*pieces, chunk(b"")])
    assert answer.status == 200
    ((message, found),) = served.taken.messages
    assert message.request_sha256 == hashlib.sha256(octets).digest()
    assert found[0][0] == 4000


@pytest.mark.parametrize("declared", [True, False])
async def test_a_large_letter_is_spooled(served: Served, declared: bool) -> None:
    text = "QUJD" * 1_500_000
    octets = letter(attachments=[FILE | {"attachment": text}])
    pieces = [octets[at : at + 90_000] for at in range(0, len(octets), 90_000)]
    written = pieces if declared else [*map(chunk, pieces), chunk(b"")]
    answer = await served.ask(head(len(octets) if declared else None), written)
    assert answer.status == 200
    ((message, found),) = served.taken.messages
    assert message.large
    assert message.request_sha256 == hashlib.sha256(octets).digest()
    assert found == [(len(text), hashlib.sha256(text.encode()).hexdigest(), 65_536)]


async def test_a_spooled_letter_is_never_whole_in_memory(served: Served) -> None:
    start, end = letter(attachments=[FILE | {"attachment": "@@"}]).split(b"@@")
    piece = b"QUJD" * 16_384
    count = 110
    pieces = [start, *[piece] * count, end]
    tracemalloc.start()
    try:
        answer = await served.ask(head(sum(map(len, pieces))), pieces)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status == 200
    assert peak < 2_500_000, "seven MB were sent"


@pytest.mark.parametrize("size", [100, 3_000_000])
async def test_a_body_that_ends_early_stores_nothing(served: Served, size: int) -> None:
    octets = letter(attachments=[FILE | {"attachment": "Q" * size}])
    _, writer = await served.open()
    writer.write(head(len(octets)) + octets[:-1])
    await writer.drain()
    writer.close()
    await until(lambda: bool(served.lines))
    assert (served.lines[0]["status"], served.taken.messages) == (499, [])


async def test_a_length_that_is_too_short(served: Served) -> None:
    octets = letter()
    answer = await served.ask(head(len(octets) - 1), [octets])
    assert answer.status == 400, "ours, or the server's own about the octet that follows"
    assert served.taken.messages == []


async def test_a_body_that_stalls(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "SMALL_SECONDS", 0.1)
    monkeypatch.setattr(upload, "IDLE_SECONDS", 0.1)
    for length in (5_000, 5_000_000):
        answer = await served.ask(head(length), [b'{"a":'])
        assert answer.status == 408
    assert served.taken.messages == []


async def test_no_room_for_a_spool_file(served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened = open_files()

    def full(fd: int, octets: Any) -> int:
        raise OSError(28, "No space left on device")

    octets = letter(attachments=[FILE | {"attachment": "QUJD" * 500_000}])
    with monkeypatch.context() as faulty:
        faulty.setattr(os, "write", full)
        answers = [await served.post(octets) for _ in range(8)]
    assert [(answer.status, answer.headers["retry-after"]) for answer in answers] == [(503, "5")] * 8
    assert (await served.post(octets)).status == 200, "it recovers by itself"
    await until(lambda: open_files() <= opened + 4)
    assert names(tmp_path) == []


async def test_faults_of_the_submitter(served: Served) -> None:
    for octets in (letter(), letter(attachments=[FILE | {"attachment": "QUJD" * 500_000}])):
        served.taken.fault = Unavailable("the database is away")
        answer = await served.post(octets)
        assert (answer.status, answer.info) == (503, "the database is away")
        served.taken.fault = RuntimeError("password=hunter2")
        answer = await served.post(octets)
        assert (answer.status, answer.info) == (500, "internal error")
    assert "hunter2" not in str(served.lines)


async def test_hostile_json_over_the_wire(served: Served) -> None:
    for octets in (
        b"",
        b"[" * 900_000,
        b"[" * 5_000_000,
        b'{"a":1,"a":2}',
        letter() + b"x",
    ):
        answer = await served.post(octets)
        assert answer.status == 400
        assert answer.info.startswith("body: ")
    assert served.taken.messages == []


async def test_unlimited_length_on_other_paths(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "DRAIN_SECONDS", 0.1)
    assert (await served.ask(head(65_537, path="/elsewhere"))).status == 413
    assert (await served.ask(head(None, path="/elsewhere"), [chunk(bytes(40_000))] * 2)).status == 413


def open_files() -> int:
    return len(names(Path("/dev/fd")))


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_body_of_no_declared_length_is_limited_without_an_edge_too(tmp_path: Path) -> None:
    async def receive() -> Any:
        return {"type": "http.request", "body": bytes(100_000), "more_body": True}

    for limit in (250_000, 3_000_000):
        with pytest.raises(TooLarge):
            await upload.Upload(receive, None, limit).collect(tmp_path)


async def test_head_is_get_without_its_body() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["method"] == "GET"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
        await send({"type": "http.response.body", "body": b"abc"})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    nothing: Any = None
    await Edge(app, {})({"type": "http", "method": "HEAD", "path": "/", "headers": []}, nothing, send)
    assert (b"content-length", b"3") in sent[0]["headers"]
    assert sent[1]["body"] == b""


async def test_an_answer_that_breaks_off_is_cut_and_logged() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("too late")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    with structlog.testing.capture_logs() as lines:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        await Edge(app, {})(scope, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert [line["event"] for line in lines] == ["request failed", "request"]


async def test_what_is_no_request_passes() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    nothing: Any = None
    await Edge(app, {})({"type": "lifespan"}, nothing, nothing)
    assert seen == ["lifespan"]
