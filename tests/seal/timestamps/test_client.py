"""The client against authorities that are right, slow, away, wrong or hostile, on a real port."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from asn1crypto import tsp
from cryptography import x509

from sealpost.seal.timestamps.client import MAX_REPLY, TimestampClient
from sealpost.seal.timestamps.local import POLICY, LocalTsa, tsa_app
from sealpost.seal.timestamps.token import TimestampUnavailable, TimestampWrong, check
from sealpost.verifier.timestamps import check_token
from tests.seal.timestamps.conftest import START, MovedClock, served
from tests.seal.timestamps.tables import FOREIGN_ROOT

Roots = tuple[x509.Certificate, ...]
OCTETS = b"a checkpoint\n"
REPLY = "application/timestamp-reply"


async def stamped(url: str, roots: Roots, **options: Any) -> bytes:
    async with TimestampClient(url, roots, **options) as client:
        return await client.stamp(OCTETS)


def replying(
    make: Callable[[bytes], bytes], *, status: int = 200, kind: str = REPLY, headers: tuple[tuple[str, str], ...] = ()
) -> Any:
    """An application that answers a query with what is made of it."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        query = b""
        while True:
            message = await receive()
            query += message.get("body", b"")
            if not message.get("more_body"):
                break
        sent = [(b"content-type", kind.encode()), *((one.encode(), two.encode()) for one, two in headers)]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": make(query)})

    return app


@pytest.mark.parametrize("imprint", ["sha256", "sha512"])
@pytest.mark.parametrize("policy", [None, POLICY])
async def test_a_token_comes_back_checked(tsa_url: str, tsa_roots: Roots, imprint: Any, policy: str | None) -> None:
    response = await stamped(tsa_url, tsa_roots, imprint=imprint, policy=policy)
    assert check(response, OCTETS, tsa_roots, policy=policy).at == START
    assert check_token(response, OCTETS, tsa_roots, policy=policy).at == START


async def test_in_the_same_process(tsa: LocalTsa, tsa_roots: Roots, clock: MovedClock) -> None:
    transport = httpx2.ASGITransport(app=tsa_app(tsa))
    async with TimestampClient("http://local.test/tsa", tsa_roots, transport=transport, clock=clock) as client:
        assert client.heard is None
        await client.stamp(OCTETS)
        assert client.heard is not None
        assert client.heard.authority_at == client.heard.asked_at == START


async def test_every_question_has_another_nonce(tsa: LocalTsa, tsa_roots: Roots) -> None:
    nonces: set[int] = set()

    def noting(query: bytes) -> bytes:
        asked: Any = tsp.TimeStampReq.load(query, strict=True)
        assert asked["cert_req"].native is True
        nonces.add(asked["nonce"].native)
        return tsa.answer(query)

    async with served(replying(noting)) as url, TimestampClient(url, tsa_roots) as client:
        await asyncio.gather(*(client.stamp(OCTETS) for _ in range(16)))
    assert len(nonces) == 16
    assert max(nonces) >= 2**56


def other_nonce(query: bytes) -> bytes:
    asked: Any = tsp.TimeStampReq.load(query)
    asked["nonce"] = asked["nonce"].native ^ 1
    return asked.dump()


def other_octets(query: bytes) -> bytes:
    asked: Any = tsp.TimeStampReq.load(query)
    asked["message_imprint"]["hashed_message"] = bytes(32)
    return asked.dump(force=True)


WRONG: dict[str, Callable[[LocalTsa, bytes], bytes]] = {
    "nothing": lambda _tsa, _query: b"",
    "text": lambda _tsa, _query: b"<html>maintenance</html>",
    "the question": lambda _tsa, query: query,
    "other nonce": lambda tsa, query: tsa.answer(other_nonce(query)),
    "other octets": lambda tsa, query: tsa.answer(other_octets(query)),
    "cut": lambda tsa, query: tsa.answer(query)[:-1],
    "trailing": lambda tsa, query: tsa.answer(query) + b"\x00",
    "changed": lambda tsa, query: tsa.answer(query)[:-1] + b"\x00",
    "much too large": lambda _tsa, _query: bytes(MAX_REPLY + 1),
}


@pytest.mark.parametrize("name", WRONG)
async def test_wrong_answers(tsa: LocalTsa, tsa_roots: Roots, name: str) -> None:
    async with served(replying(lambda query: WRONG[name](tsa, query))) as url:
        with pytest.raises(TimestampWrong):
            await stamped(url, tsa_roots)


async def test_an_old_answer_played_again(tsa: LocalTsa, tsa_roots: Roots) -> None:
    kept: list[bytes] = []

    def again(query: bytes) -> bytes:
        kept.append(tsa.answer(query))
        return kept[0]

    async with served(replying(again)) as url, TimestampClient(url, tsa_roots) as client:
        await client.stamp(OCTETS)
        with pytest.raises(TimestampWrong, match="Nonce"):
            await client.stamp(OCTETS)


async def test_another_root(tsa_url: str) -> None:
    with pytest.raises(TimestampWrong):
        await stamped(tsa_url, (FOREIGN_ROOT.certificate,))


async def test_another_policy_is_the_authoritys_refusal(tsa_url: str, tsa_roots: Roots) -> None:
    with pytest.raises(TimestampUnavailable, match="unaccepted policy"):
        await stamped(tsa_url, tsa_roots, policy="2.999.4")


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 429, 500, 503])
async def test_other_statuses(tsa: LocalTsa, tsa_roots: Roots, status: int) -> None:
    app = replying(tsa.answer, status=status, headers=(("location", "/tsa"),))
    async with served(app) as url:
        with pytest.raises(TimestampUnavailable, match=str(status)):
            await stamped(url, tsa_roots)


@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream", "application/timestamp-query", ""])
async def test_other_kinds(tsa: LocalTsa, tsa_roots: Roots, kind: str) -> None:
    async with served(replying(tsa.answer, kind=kind)) as url:
        with pytest.raises(TimestampWrong, match="answers with"):
            await stamped(url, tsa_roots)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/tsa", "http://", "gopher://x/", "no url", "http://[/"])
async def test_nobody_there(tsa_roots: Roots, url: str) -> None:
    with pytest.raises(TimestampUnavailable, match="away"):
        await stamped(url, tsa_roots)


async def test_an_endless_answer_is_cut_off(tsa_roots: Roots) -> None:
    ended = asyncio.Event()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        head = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", REPLY.encode())]}
        await send(head)
        while (await _no_wait(receive)) != "http.disconnect":
            await send({"type": "http.response.body", "body": bytes(16384), "more_body": True})
        ended.set()

    async with served(app) as url:
        with pytest.raises(TimestampWrong, match="more than"):
            await stamped(url, tsa_roots)
        async with asyncio.timeout(20):
            await ended.wait()


async def _no_wait(receive: Callable[[], Awaitable[dict[str, Any]]]) -> str:
    """What has come in, without waiting for it."""
    coming = asyncio.ensure_future(receive())
    done, _ = await asyncio.wait([coming], timeout=0.001)
    if done:
        return coming.result()["type"]
    coming.cancel()
    return ""


@pytest.mark.parametrize("head", [False, True])
async def test_a_silent_authority(tsa_roots: Roots, head: bool) -> None:
    """Silent from the start, or after its headers and then an octet at a time: the whole exchange has a limit."""
    over = asyncio.Event()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if head:
            headers = [(b"content-type", REPLY.encode()), (b"content-length", b"500")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        while head and not over.is_set():  # each octet comes in time, the whole never does
            await send({"type": "http.response.body", "body": b"\x30", "more_body": True})
            await asyncio.wait([asyncio.ensure_future(over.wait())], timeout=0.1)
        await over.wait()

    async with served(app) as url:
        try:
            with pytest.raises(TimestampUnavailable):
                await stamped(url, tsa_roots, seconds=0.3)
        finally:
            over.set()


async def test_a_server_of_another_protocol(tsa_roots: Roots) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        with pytest.raises(TimestampUnavailable, match="away"):
            await stamped(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", tsa_roots)


async def test_the_environments_proxy_is_not_asked(
    tsa_url: str, tsa_roots: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    assert await stamped(tsa_url, tsa_roots)
