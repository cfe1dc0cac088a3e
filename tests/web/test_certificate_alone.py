"""The certificate alone: for the same people as the bundle, at the same times, within the same limits."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pikepdf
import pytest

from sealpost.domain.errors import Unavailable
from sealpost.usecases.decide import decide
from sealpost.usecases.extend_log import extend_log
from tests.site import Site, new_site
from tests.world import ACT

API = "/webservice/certificate/"


@pytest.fixture
async def at(dsn: str, tmp_path: Path) -> AsyncGenerator[Site]:
    async with new_site(dsn, tmp_path) as made:
        yield made


def embedded(pdf: bytes) -> dict[str, bytes]:
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert str(opened.Root.AcroForm.Fields[0].V.SubFilter) == "/ETSI.CAdES.detached"
        return {name: one.get_file().read_bytes() for name, one in opened.attachments.items()}


async def test_a_program_and_alice_get_it_and_charlie_does_not(at: Site) -> None:
    token = await at.send()
    await extend_log(at.world.service)
    async with at.client() as client:
        answer = await client.get(API, params={"ticket_token": token, "lang": "de"}, headers=at.alice_basic)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
        assert answer.headers["content-disposition"] == f'attachment; filename="certificate-{token}.pdf"'
        assert answer.headers["cache-control"] == "no-store"
        inside = embedded(answer.content)
        assert "proofs/001.tlog-proof" in inside
        assert json.loads(inside["records/001.json"])["MessageIdentifier"] == token
        assert not any(name.startswith("content/") for name in inside)
        for path in (f"{API}?ticket_token={token}", f"/dashboard/certificate/{token}"):
            refused = await client.head(path, headers=at.alice_basic)
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET"), path
        assert (await client.get(API, headers=at.alice_basic)).status_code == 400
        assert (await client.get(f"{API}?ticket_token={token}")).status_code == 401
        assert (await client.get(f"{API}?ticket_token={token}", headers=at.charlie_basic)).status_code == 404
        address = f"/dashboard/certificate/{token}"
        assert (await client.get(address)).status_code == 302
        await at.sign_in(client)
        page = await client.get(f"/webservice/dashboard/?ticket_token={token}&action=ticket_html&lang=nl")
        assert f'href="{address}?lang=nl"' in page.text
        answer = await client.get(f"{address}?lang=nl")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
        assert answer.headers["content-security-policy"].startswith("sandbox")
        assert (await client.get("/dashboard/certificate/K.AAAAAAAAAAAAAAAAAAAAAA")).status_code == 404
    async with at.client() as client:
        await at.sign_in(client, "charlie@example.net")
        assert (await client.get(f"/dashboard/certificate/{token}")).status_code == 404
        assert (await client.post(f"/pickup/{token}/certificate")).status_code == 404


async def test_bob_gets_it_after_his_decision_by_a_form_and_it_is_no_handover(at: Site) -> None:
    token = await at.send()
    secret = at.world.secret()
    async with at.client() as client:
        assert (await client.get(f"/p/{secret}")).status_code == 303
        assert (await client.post(f"/pickup/{token}/certificate")).status_code == 409
        await decide(at.world.service, token, [secret], "accepted", "", ACT)
        assert f'action="/pickup/{token}/certificate"' in (await client.get(f"/pickup/{token}")).text
        assert (await client.get(f"/pickup/{token}/certificate")).status_code == 405
        answer = await client.post(f"/pickup/{token}/certificate")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
        assert answer.headers["content-disposition"] == f'attachment; filename="certificate-{token}.pdf"'
        assert secret.encode() not in answer.content
        assert "content_downloaded" not in await at.world.kinds(token)
        for _ in range(8):
            assert at.world.service.throttle.bundle("recipient", token) == 0
        assert (await client.post(f"/pickup/{token}/evidence")).status_code == 200
        again = await client.post(f"/pickup/{token}/certificate")
        assert (again.status_code, "retry-after" in again.headers) == (429, True), "both count together"


async def test_there_is_none_without_its_seals(at: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await at.send()
    address = f"{API}?ticket_token={token}"
    async with at.client() as client:
        await at.world.service.pool.execute("update records set seal = null where seq = 3")
        answer = await client.get(address, headers=at.alice_basic)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    token = await at.send()

    async def away(*_: object) -> bytes:
        raise Unavailable("the time stamp authority is away")

    monkeypatch.setattr(type(at.world.service.evidence.stamper), "stamp", away)
    async with at.client() as client:
        answer = await client.get(f"{API}?ticket_token={token}", headers=at.alice_basic)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
