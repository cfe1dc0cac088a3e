"""Keys are rotated without a gap: the old ones stay good, the new ones are introduced by a record in the log."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from cryptography import x509

from sealpost import bootstrap
from sealpost.bootstrap import looked_into
from sealpost.bootstrap import renew_seals as renewed_at_start
from sealpost.cli import serve
from sealpost.domain.errors import InvalidInput
from sealpost.seal import pki
from sealpost.settings import Settings, read_settings
from sealpost.store import logs
from sealpost.usecases.decide import decide
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.installation import CHAIN
from sealpost.usecases.reads.trust import trust_folder
from sealpost.usecases.rotate import renew_seals, rotate_key
from sealpost.usecases.stamp import stamp_pending
from sealpost.usecases.submit import Submitter
from sealpost.verifier.trust import trust_of
from sealpost.verifier.verify import verify
from tests.path.test_evidence import sender_bundle
from tests.world import ACT, World

UNPROVEN = {"witness.quorum", "mail.absent", "environment.test", "time.own", "clock.none", "dating.none"}
"""Of a test environment that stamps for itself and has no witness, while a link lives."""


async def restarted(world: World) -> World:
    """The same installation in a process that began after the rotation."""
    service = dataclasses.replace(world.service, sealer=world.service.evidence.signer("record-seal"))
    return dataclasses.replace(world, service=service, submitter=Submitter(service))


@pytest.mark.parametrize("purpose", ["record-seal", "pdf-seal", "root", "log-ed25519", "log-mldsa44"])
async def test_before_and_after(world: World, purpose: str) -> None:
    before = await world.send()
    await extend_log(world.service)
    await stamp_pending(world.service)
    assert await rotate_key(world.service, purpose) == 2
    between = await world.send()  # by a process that still has the old key
    world = await restarted(world)
    after = await world.send()
    await extend_log(world.service)
    await stamp_pending(world.service)
    trust = trust_of(await trust_folder(world.service))
    for token in (before, between, after):
        report = verify(await sender_bundle(world, token), trust)
        assert {claim.why for claim in report.claims if claim.verdict != "PASS"} == UNPROVEN
    await world.submitter.close()


async def test_the_log_tells_of_it(world: World) -> None:
    await world.send()
    await extend_log(world.service)
    await rotate_key(world.service, "record-seal")
    await extend_log(world.service)
    rows = await world.service.pool.fetch("select * from records where ticket_id = $1 order by seq", CHAIN)
    assert [row["kind"] for row in rows] == ["log_begun", "key_rotated"]
    told = msgspec.json.decode(rows[-1]["octets"])["Extensions"][0]["sealpost/1"]["key_rotated"]
    assert (told["purpose"], told["number"], len(told["certificateSha256"])) == ("record-seal", 2, 64)
    assert rows[-1]["log_index"] is not None


async def test_a_log_has_one_pair_of_keys(world: World) -> None:
    await world.send()
    await extend_log(world.service)
    await rotate_key(world.service, "log-ed25519")
    known = await logs.all_of(world.service.pool)
    assert [(one.name, one.ed25519, one.mldsa44) for one in known] == [("2026", 1, 1), ("2026-2", 2, 2)]
    assert known[0].stopped == "the log 2026-2 goes on from here"


@pytest.mark.parametrize("purpose", ["", "content", "passphrase", "record-seal-1", "../x", "witness-ed25519"])
async def test_other_purposes(world: World, purpose: str) -> None:
    with pytest.raises(InvalidInput):
        await rotate_key(world.service, purpose)


def make_former(world: World, purpose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its key has a certificate as they were before evidence had a purpose of its own."""
    keys, made = world.service.evidence.keys, pki._leaf_extensions
    (keys.folder / f"{purpose}-1.cert.pem").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(pki, "_leaf_extensions", lambda one: [two for two in made(one) if not is_purpose(two[0])])
        pki.establish(keys, world.service.issuer, world.clock.now())
    assert pki.is_outdated(keys, purpose, world.service.issuer, world.clock.now())


def is_purpose(extension: x509.ExtensionType) -> bool:
    return isinstance(extension, x509.ExtendedKeyUsage)


async def test_certificates_of_former_times_are_renewed_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await renew_seals(world.service) == []
    for purpose in pki.SEALING:
        make_former(world, purpose, monkeypatch)
    done = await asyncio.gather(*(renew_seals(world.service) for _ in range(3)))
    assert sorted(done) == [[], [], list(pki.SEALING)]
    kinds = await world.service.pool.fetch("select octets from records where kind = 'key_rotated' order by seq")
    told = [msgspec.json.decode(row["octets"])["Extensions"][0]["sealpost/1"]["key_rotated"] for row in kinds]
    assert [(one["purpose"], one["number"]) for one in told] == [("record-seal", 2), ("pdf-seal", 2)]
    assert await renew_seals(world.service) == []


def settings_of(folder: Path) -> Settings:
    """Those of the test's world."""
    return read_settings(
        {}, data=folder, smtp_host="127.0.0.1", mail_domain="sealpost.example", our_name="out1.sealpost.example",
        legal_name="Sealpost Test B.V.", environment="test", pool=8, tsa_url="own",
    )  # fmt: skip


async def test_the_start_renews_what_has_no_purpose(
    world: World, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = world.service.evidence.keys
    make_former(world, "pdf-seal", monkeypatch)
    await renewed_at_start(settings_of(tmp_path), dsn, clock=world.clock)
    assert (keys.numbers("record-seal"), keys.numbers("pdf-seal")) == ([1], [1, 2])
    await renewed_at_start(settings_of(tmp_path), dsn, clock=world.clock)
    assert keys.numbers("pdf-seal") == [1, 2]


async def test_the_start_renews_what_ends_soon(world: World, dsn: str, tmp_path: Path) -> None:
    keys = world.service.evidence.keys
    world.clock.at += pki.LIFE - timedelta(days=91)
    await renewed_at_start(settings_of(tmp_path), dsn, clock=world.clock)
    assert keys.numbers("record-seal") == [1]
    world.clock.at += timedelta(days=2)
    await renewed_at_start(settings_of(tmp_path), dsn, clock=world.clock)
    assert (keys.numbers("record-seal"), keys.numbers("pdf-seal")) == ([1, 2], [1, 2])
    assert keys.certificates("record-seal", 2)[0].not_valid_after_utc > world.clock.now() + timedelta(days=1000)


async def test_who_only_looks_renews_nothing(
    world: World, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for purpose in pki.SEALING:
        make_former(world, purpose, monkeypatch)
    before = {path.name: path.read_bytes() for path in world.service.evidence.keys.folder.iterdir()}
    async with looked_into(settings_of(tmp_path), dsn) as service:
        await trust_folder(service)
    assert {path.name: path.read_bytes() for path in world.service.evidence.keys.folder.iterdir()} == before


class Reached(Exception):
    """The start came to the renewal."""


@pytest.mark.parametrize("role", ["all", "worker", "inbound"])
async def test_every_role_renews_before_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: Any) -> None:
    @asynccontextmanager
    async def database(_: Settings) -> AsyncGenerator[str]:
        yield "postgresql://nowhere"

    async def migrate(_: str) -> None:
        """It is done."""

    async def reached(_: Settings, dsn: str) -> None:
        raise Reached(dsn)

    for name, stand_in in (("database", database), ("migrate", migrate), ("renew_seals", reached)):
        monkeypatch.setattr(bootstrap, name, stand_in)
    monkeypatch.setattr(serve, "listen", lambda *_: SimpleNamespace(set_inheritable=bool))
    monkeypatch.setattr(serve, "stop_on_signals", asyncio.Event)
    settings = settings_of(tmp_path)
    with pytest.raises(Reached, match="nowhere"):
        await serve._serve(settings, role, -1)
    with pytest.raises(Reached, match="nowhere"):
        await serve._supervise(settings, role, 2)


async def test_another_name_of_the_operator(world: World) -> None:
    """It has no registered number here, so that the trust folder says who it is: for what was before, and what comes."""
    assert world.service.issuer.legal_id == ""
    old = await world.send()
    secret = world.secret()
    await extend_log(world.service)
    await stamp_pending(world.service)
    renamed = dataclasses.replace(world.service.issuer, legal_name="Nieuwe Naam B.V.")
    world = dataclasses.replace(world, service=dataclasses.replace(world.service, issuer=renamed))
    assert await renew_seals(world.service) == list(pki.SEALING)
    world = await restarted(world)
    await decide(world.service, old, [secret], "refused", "", ACT)
    new = await world.send()
    await extend_log(world.service)
    await stamp_pending(world.service)
    trust = trust_of(await trust_folder(world.service))
    for token, remarks in ((old, {"remark.renamed"}), (new, set[str]())):
        report = verify(await sender_bundle(world, token), trust)
        assert not [claim for claim in report.claims if claim.verdict == "FAIL"]
        assert {one.why for one in report.remarks} & {"remark.renamed"} == remarks
        assert report.verdict("signer") == "PASS"
    await world.submitter.close()


async def test_lists_of_revoked_certificates_are_made_anew(world: World) -> None:
    """A list of a year ago would make every bundle of today less than proven."""
    for days in (0, 200, 600):
        world.clock.advance(days=days)
        files = await trust_folder(world.service)
        revoked = x509.load_der_x509_crl(files["revoked/root-1.crl"])
        assert timedelta() <= world.clock.now() - revoked.last_update_utc < timedelta(days=1)
        assert revoked.next_update_utc is not None
        assert revoked.next_update_utc > world.clock.now() + timedelta(days=360)
