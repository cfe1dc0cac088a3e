"""Evidence over HTTP: bundles for those who may have them, the log for everybody, and the trust folder."""

from __future__ import annotations

import asyncio
import gc
import io
import re
import shutil
import time
import zipfile
from collections.abc import AsyncGenerator, Iterator
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Literal

import httpx2
import pytest

from sealpost.domain.checkpoint import read_checkpoint
from sealpost.domain.errors import Unavailable
from sealpost.domain.note import read
from sealpost.seal.timestamps.client import TimestampClient
from sealpost.store.tickets import Visible
from sealpost.usecases import gather
from sealpost.usecases.decide import decide
from sealpost.usecases.extend_log import begin_log, extend_log
from sealpost.usecases.seals import seal_pending
from sealpost.usecases.stamp import stamp_pending
from sealpost.usecases.throttle import BUNDLES, Throttle
from sealpost.verifier.audit import audit_log
from sealpost.verifier.trust import trust_of
from sealpost.verifier.verify import verify
from tests.site import Site, new_site
from tests.world import ACT

KIND = "application/vnd.etsi.asic-e+zip"


@pytest.fixture
async def at(dsn: str, tmp_path: Path) -> AsyncGenerator[Site]:
    async with new_site(dsn, tmp_path) as made:
        yield made


async def proven(at: Site) -> None:
    await extend_log(at.world.service)
    await stamp_pending(at.world.service)


async def trusted(client: httpx2.AsyncClient) -> dict[str, bytes]:
    """The folder as somebody gets it."""
    answer = await client.get("/trust/sealpost-trust.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name.removeprefix("sealpost-trust/"): archive.read(name) for name in archive.namelist()}


async def test_a_program_gets_the_bundle(at: Site) -> None:
    token = await at.send()
    await proven(at)
    async with at.client() as client:
        answer = await client.get("/webservice/evidence/", params={"ticket_token": token}, headers=at.alice_basic)
        assert (answer.status_code, answer.headers["content-type"]) == (200, KIND)
        assert answer.headers["content-disposition"] == f'attachment; filename="evidence-{token}.asice"'
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert verify(answer.content, trust_of(await trusted(client))).exit_code == 2


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("?ticket_token=", 400), ("?ticket_token=x", 404), ("?ticket_token=K.AAAAAAAAAAAAAAAAAAAAAA", 404),
     ("?ticket_token=K.AAAAAAAAAAAAAAAAAAAAAA&ticket_token=K.B", 400)],
)  # fmt: skip
async def test_a_program_that_asks_wrongly(at: Site, query: str, status: int) -> None:
    async with at.client() as client:
        assert (await client.get(f"/webservice/evidence/{query}", headers=at.alice_basic)).status_code == status
        assert (await client.get(f"/webservice/evidence/{query}")).status_code == 401


async def test_charlie_gets_nothing(at: Site) -> None:
    token = await at.send()
    async with at.client() as client:
        answer = await client.get(f"/webservice/evidence/?ticket_token={token}", headers=at.charlie_basic)
        assert answer.status_code == 404
        await at.sign_in(client, "charlie@example.net")
        assert (await client.get(f"/dashboard/evidence/{token}")).status_code == 404
        assert (await client.post(f"/pickup/{token}/evidence")).status_code == 404


async def test_alice_gets_it_from_the_page(at: Site) -> None:
    token = await at.send()
    async with at.client() as client:
        assert (await client.get(f"/dashboard/evidence/{token}")).status_code == 302
        await at.sign_in(client)
        page = await client.get(f"/webservice/dashboard/?ticket_token={token}&action=ticket_html&lang=nl")
        assert f'href="/dashboard/evidence/{token}?lang=nl"' in page.text
        answer = await client.get(f"/dashboard/evidence/{token}?lang=nl")
        assert (answer.status_code, answer.headers["content-type"]) == (200, KIND)
        assert answer.headers["content-security-policy"].startswith("sandbox")


async def test_bob_gets_it_after_his_decision_by_a_form(at: Site) -> None:
    token = await at.send()
    secret = at.world.secret()
    async with at.client() as client:
        assert (await client.get(f"/p/{secret}")).status_code == 303
        assert (await client.post(f"/pickup/{token}/evidence")).status_code == 409
        await decide(at.world.service, token, [secret], "accepted", "", ACT)
        assert f'action="/pickup/{token}/evidence"' in (await client.get(f"/pickup/{token}")).text
        assert (await client.get(f"/pickup/{token}/evidence")).status_code == 405
        assert "content_downloaded" not in await at.world.kinds(token)
        answer = await client.post(f"/pickup/{token}/evidence")
        assert (answer.status_code, answer.headers["content-type"]) == (200, KIND)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert any(name.startswith("content/") for name in archive.namelist())
        assert not any(name.startswith("mail/") for name in archive.namelist()), "its links are alive"
        for name in archive.namelist():
            assert secret.encode() not in archive.read(name)
    assert (await at.world.kinds(token)).count("content_downloaded") == 1


async def test_without_an_authority_there_is_no_bundle(at: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await at.send()

    async def away(*_: object) -> bytes:
        raise Unavailable("the time stamp authority is away")

    monkeypatch.setattr(type(at.world.service.evidence.stamper), "stamp", away)
    async with at.client() as client:
        answer = await client.get(f"/webservice/evidence/?ticket_token={token}", headers=at.alice_basic)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


async def test_nothing_is_recorded_that_did_not_happen(at: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await at.send()
    secret = at.world.secret()
    await decide(at.world.service, token, [secret], "accepted", "", ACT)

    async def away(*_: object) -> bytes:
        raise Unavailable("the time stamp authority is away")

    monkeypatch.setattr(type(at.world.service.evidence.stamper), "stamp", away)
    async with at.client() as client:
        assert (await client.get(f"/p/{secret}")).status_code == 303
        assert (await client.post(f"/pickup/{token}/evidence")).status_code == 503
    assert "content_downloaded" not in await at.world.kinds(token)


async def test_while_a_record_waits_for_its_seal_there_is_no_bundle(at: Site) -> None:
    token = await at.send()
    await at.world.service.pool.execute("update records set seal = null where seq = 3")
    async with at.client() as client:
        answer = await client.get(f"/webservice/evidence/?ticket_token={token}", headers=at.alice_basic)
        assert answer.status_code == 503
        await seal_pending(at.world.service)
        answer = await client.get(f"/webservice/evidence/?ticket_token={token}", headers=at.alice_basic)
        assert answer.status_code == 200


async def test_after_thirty_days_the_contents_are_not_in_it(at: Site) -> None:
    token = await at.send()
    secret = at.world.secret()
    await decide(at.world.service, token, [secret], "accepted", "", ACT)
    later = at.world.clock.now() + timedelta(days=60)
    await at.world.service.pool.execute("update link_tokens set expires_at = $1", later)
    at.world.clock.advance(days=31)
    async with at.client() as client:
        assert (await client.get(f"/p/{secret}")).status_code == 303
        answer = await client.post(f"/pickup/{token}/evidence")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert not any(name.startswith("content/") for name in archive.namelist())
    assert "content_downloaded" not in await at.world.kinds(token)


async def test_no_bundle_takes_long(at: Site) -> None:
    """Lengths of signatures vary; one in four once took half a minute."""
    token = await at.send()
    for _ in range(40):
        began = time.process_time()
        async with gather.for_sender(at.world.service, Visible(at.world.alice), token, "en"):
            pass
        assert time.process_time() - began < 2


async def test_without_its_first_log_everything_else_goes_on(at: Site) -> None:
    await at.send()
    await proven(at)
    await begin_log(at.world.service, "2026-2")
    token = await at.send()
    await proven(at)
    shutil.rmtree(at.world.service.evidence.log("2026").folder)
    at.world.service.evidence.folders.clear()
    async with at.client() as client:
        files = await trusted(client)
        answer = await client.get("/webservice/evidence/", params={"ticket_token": token}, headers=at.alice_basic)
    assert "events/001.json" in files
    assert "events/001.tlog-proof" not in files
    assert verify(answer.content, trust_of(files)).exit_code == 2


async def test_readers_who_leave_keep_no_place(at: Site) -> None:
    """More than may be open at once, gone before the first octet."""
    token = await at.send()
    address = f"/webservice/evidence/?ticket_token={token}"
    async with at.client() as client:
        host, port = at.base_url.removeprefix("http://").split(":")
        lines = [f"GET {address} HTTP/1.1", f"Host: {host}:{port}", f"Authorization: {at.alice_basic['Authorization']}"]
        for _ in range(3):
            for _ in range(gather.OPEN // 2):
                _, writer = await asyncio.open_connection(host, int(port))
                writer.write("\r\n".join([*lines, "", ""]).encode())
                await writer.drain()
                writer.transport.abort()
            assert (await client.get(address, headers=at.alice_basic)).status_code == 200


async def test_a_bundle_that_nobody_reads_gives_its_place_back(at: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "_open", asyncio.Semaphore(2))
    token = await at.send()
    for _ in range(4):
        bundle = gather.for_sender(at.world.service, Visible(at.world.alice), token, "en")
        size, _ = await gather.streamed(bundle)
        assert size > 100_000
        gc.collect()
        await asyncio.sleep(0)  # lets the loop close what was collected


async def test_a_slow_reader_keeps_nobody_waiting(at: Site) -> None:
    """More readers than are made at once, none of which reads on."""
    token = await at.send()
    async with at.client() as client:
        open_ones = [
            client.stream("GET", f"/webservice/evidence/?ticket_token={token}", headers=at.alice_basic)
            for _ in range(4)
        ]
        for one in open_ones:
            assert (await one.__aenter__()).status_code == 200
        assert not gather.AT_ONCE.locked()
        for one in open_ones:
            await one.__aexit__(None, None, None)


answers: ContextVar[Iterator[int] | None] = ContextVar("answers", default=None)
"""One for each time that the authority answers whoever asks from here, before it hangs; None: it never hangs."""


@pytest.mark.parametrize("answered", [0, 1])
async def test_an_authority_that_hangs_blocks_no_other_bundle(
    at: Site, monkeypatch: pytest.MonkeyPatch, answered: int
) -> None:
    """More bundles than are worked on at once wait for it, for their first token or their second."""
    token = await at.send()
    stamp, waiting = TimestampClient.stamp, asyncio.Semaphore(0)

    async def hanging(stamper: TimestampClient, octets: bytes) -> bytes:
        left = answers.get()
        if left is not None and next(left, None) is None:
            waiting.release()
            await asyncio.Event().wait()
        return await stamp(stamper, octets)

    async def make(left: Iterator[int] | None) -> None:
        answers.set(left)
        async with gather.for_sender(at.world.service, Visible(at.world.alice), token, "en"):
            pass

    monkeypatch.setattr(TimestampClient, "stamp", hanging)
    free = gather.AT_ONCE._value
    hung = [asyncio.create_task(make(iter(range(answered)))) for _ in range(free + 1)]
    try:
        async with asyncio.timeout(20):
            for _ in hung:
                await waiting.acquire()
            await asyncio.create_task(make(None))
    finally:
        for task in hung:
            task.cancel()
        await asyncio.gather(*hung, return_exceptions=True)
    assert (gather.AT_ONCE._value, gather._open._value) == (free, gather.OPEN)


async def test_bob_has_no_bundles_made_without_end(at: Site, capfd: pytest.CaptureFixture[str]) -> None:
    token = await at.send()
    secret = at.world.secret()
    await decide(at.world.service, token, [secret], "refused", "", ACT)
    async with at.client(headers={"Accept-Language": "nl"}) as client:
        assert (await client.get(f"/p/{secret}")).status_code == 303
        for _ in range(9):
            assert at.world.service.throttle.bundle("recipient", token) == 0
        assert (await client.post(f"/pickup/{token}/evidence")).status_code == 200
        answer = await client.post(f"/pickup/{token}/evidence")
        assert (answer.status_code, answer.headers["content-type"]) == (429, "text/html; charset=utf-8")
        assert 800 < int(answer.headers["retry-after"]) <= 900
        assert "kwartier" in answer.text
        await at.sign_in(client)
        assert (await client.get(f"/dashboard/evidence/{token}")).status_code == 200, "Alice is counted by herself"
    assert "evidence throttled" in "".join(capfd.readouterr())


async def test_who_gets_none_uses_nothing_up(at: Site) -> None:
    """Charlie has no link; Bob asks before he has decided."""
    token = await at.send()
    secret = at.world.secret()
    async with at.client() as bob:
        assert (await bob.get(f"/p/{secret}")).status_code == 303
        for _ in range(BUNDLES["recipient"].amount + 1):
            assert (await bob.post(f"/pickup/{token}/evidence")).status_code == 409
    await decide(at.world.service, token, [secret], "refused", "", ACT)
    async with at.client() as charlie, at.client() as bob:
        for _ in range(BUNDLES["recipient"].amount + 1):
            assert (await charlie.post(f"/pickup/{token}/evidence")).status_code == 404
        assert (await bob.get(f"/p/{secret}")).status_code == 303
        assert (await bob.post(f"/pickup/{token}/evidence")).status_code == 200


async def test_alice_has_no_bundles_made_without_end(at: Site) -> None:
    token = await at.send()
    async with at.client() as client:
        await at.sign_in(client)
        for _ in range(59):
            assert at.world.service.throttle.bundle("person", str(at.world.alice_user)) == 0
        assert (await client.get(f"/dashboard/evidence/{token}")).status_code == 200
        answer = await client.get(f"/dashboard/evidence/{token}")
        assert (answer.status_code, "retry-after" in answer.headers) == (429, True)
        answer = await client.get(f"/webservice/evidence/?ticket_token={token}", headers=at.alice_basic)
        assert (answer.status_code, answer.headers["quota-used"]) == (200, "2"), "a program has its quota"


@pytest.mark.parametrize("kind", ["recipient", "person"])
def test_after_the_time_that_is_told_there_is_another(
    monkeypatch: pytest.MonkeyPatch, kind: Literal["recipient", "person"]
) -> None:
    throttle = Throttle()
    assert [throttle.bundle(kind, "a") for _ in range(BUNDLES[kind].amount)] == [0] * BUNDLES[kind].amount
    seconds, now = throttle.bundle(kind, "a"), time.time()
    assert 890 < seconds <= 900
    assert throttle.bundle(kind, "b") == 0
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: now + seconds - 2)
        assert throttle.bundle(kind, "a") in {1, 2}
        later.setattr(time, "time", lambda: now + seconds)
        assert throttle.bundle(kind, "a") == 0


async def test_the_log_is_public(at: Site, tmp_path: Path) -> None:
    for _ in range(2):
        await at.send()
        await proven(at)
    kept = tmp_path / "copy"
    async with at.client() as client:
        answer = await client.get("/log/2026/checkpoint")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=5")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        newest = read_checkpoint(read(answer.content).text)
        assert newest.size == 7
        for path in ("checkpoint", "tile/0/000.p/7", "tile/entries/000.p/7"):
            answer = await client.get(f"/log/2026/{path}")
            assert answer.status_code == 200
            (kept / path).parent.mkdir(parents=True, exist_ok=True)
            (kept / path).write_bytes(answer.content)
        tile = await client.get("/log/2026/tile/0/000.p/3")
        assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (kept / "tile/0/000.p/7").read_bytes().startswith(tile.content)
        assert "7" in (await client.get("/log/")).text
    assert audit_log(kept, newest.size).root == newest.root


NO_LOG_FILES = [
    "2025/checkpoint",
    "../keys/checkpoint",
    "2026%2f..%2f2026/checkpoint",
    "2026/tile/0/000",
    "2026/tile/0/000.p/8",
    "2026/tile/0/000.p/0",
    "2026/tile/0/0.p/7",
    "2026/tile/0/x000/000.p/7",
    "2026/tile/8/000.p/7",
    "2026/tile/0/000.p/7/..",
    "2026/tile/entries/000.p/07",
    "2026/.new-x",
]


async def test_the_log_gives_nothing_else(at: Site) -> None:
    for _ in range(2):
        await at.send()
        await proven(at)
    async with at.client() as client:
        for path in NO_LOG_FILES:
            assert (await client.get(f"/log/{path}")).status_code in {400, 404}, path


async def test_an_installation_without_a_log_yet(at: Site) -> None:
    async with at.client() as client:
        assert (await client.get("/log/")).status_code == 200
        assert (await client.get("/log/2026/checkpoint")).status_code == 404
        assert (await client.get("/trust/")).status_code == 200


async def test_the_trust_folder(at: Site) -> None:
    await at.send()
    await proven(at)
    async with at.client() as client:
        page = (await client.get("/trust/")).text
        files = await trusted(client)
        for name, octets in files.items():
            assert (await client.get(f"/trust/{name}")).content == octets
            assert f"/trust/{name}" in page
        assert (await client.get("/trust/../keys/x")).status_code in {400, 404}
        assert (await client.get("/trust/keys.pem")).status_code == 404
    assert trust_of(files).fingerprint in re.sub("<[^>]*>", "", page)
    assert "PRIVATE" not in "".join(octets.decode("latin-1") for octets in files.values())
    assert trust_of(files).policy.logs[0].name.endswith("/log/2026")


async def test_the_verifier_s_page_runs_only_its_own_script(at: Site) -> None:
    async with at.client() as client:
        answer = await client.get("/verify")
    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "connect-src" not in policy or "connect-src 'none'" in policy


async def test_head_makes_no_bundle(at: Site) -> None:
    """Whoever only wants the headers does not have a bundle made and stamped."""
    async with at.client() as client:
        token = await at.world.send()
        for path in (f"/webservice/evidence/?ticket_token={token}", f"/dashboard/evidence/{token}"):
            answer = await client.head(path, headers=at.alice_basic)
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
