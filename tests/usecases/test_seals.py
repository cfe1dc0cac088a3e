"""Every record is sealed; without a key nothing is taken in, and what has happened is stored and sealed later."""

from __future__ import annotations

import dataclasses
from base64 import b64decode
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from sealpost.domain import seals
from sealpost.domain.canonical import sha256
from sealpost.domain.errors import Unavailable
from sealpost.seal.signer import SigningFailed, as_der
from sealpost.usecases.decide import decide
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.reads.trust import trust_folder
from sealpost.usecases.rotate import rotate_key
from sealpost.usecases.seals import seal_pending
from sealpost.usecases.stamp import stamp_pending
from sealpost.usecases.submit import Submitter
from sealpost.verifier.trust import trust_of
from sealpost.verifier.verify import verify as verify_bundle
from tests.path.test_evidence import sender_bundle
from tests.world import ACT, World


async def rows(world: World) -> list[Any]:
    return await world.service.pool.fetch("select kind, octets, seal from records order by ticket_id, seq")


def verify(row: Any) -> seals.Seal:
    """By hand, from the seal's own certificate: whose it is, the trust folder says."""
    found = seals.read(row["seal"])
    certificate = x509.load_der_x509_certificate(found.certificates[0])
    key = certificate.public_key()
    assert isinstance(key, EllipticCurvePublicKey)
    key.verify(as_der(found.signature), seals.signing_input(found.protected, row["octets"]), ECDSA(SHA256()))
    return found


async def test_every_record_of_a_life_is_sealed(world: World) -> None:
    token = await world.send()
    world.clock.advance(hours=3)
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    await world.work_off()
    kept = await rows(world)
    assert len(kept) == 6
    sealed = [verify(row) for row in kept]
    assert len({one.certificates for one in sealed}) == 1
    assert [one.sealed_at for one in sealed] == sorted(one.sealed_at for one in sealed)
    assert sealed[-1].sealed_at == world.clock.now().replace(microsecond=0)
    assert await seal_pending(world.service) == 0


class Broken:
    """A key that cannot be had."""

    def __getattr__(self, name: str) -> Any:
        raise SigningFailed("away")


@pytest.fixture
def keyless(world: World) -> World:
    """The same world without its key."""
    service = dataclasses.replace(world.service, sealer=Broken())  # pyright: ignore[reportArgumentType] - broken on purpose
    return dataclasses.replace(world, service=service, submitter=Submitter(service))


def stored(world: World) -> int:
    """Octets of all segments."""
    return sum(path.stat().st_size for path in (world.service.spool_folder.parent / "content").glob("*.seg"))


async def test_without_a_key_nothing_is_taken_in(world: World, keyless: World) -> None:
    before = stored(world)
    for large in (False, True):
        with pytest.raises(Unavailable, match="sealed"):
            await keyless.submitter.submit(world.message(large=large))
    assert stored(world) == before, "refused submissions must not fill the disk"
    assert list(world.service.spool_folder.iterdir()) == []
    assert await rows(world) == []
    assert await world.service.pool.fetchval("select count(*) from tickets") == 0


async def test_what_has_happened_is_stored_and_sealed_later(world: World, keyless: World) -> None:
    token = await world.submitter.submit(world.message())
    await keyless.work_off()
    await decide(keyless.service, token, [world.secret()], "refused", "No.", ACT)
    kept = await rows(world)
    assert [row["kind"] for row in kept] == ["submitted", "announcement_offered", "announcement_accepted", "refused"]
    assert [row["seal"] is None for row in kept] == [False, True, True, True]
    with pytest.raises(Unavailable):
        await seal_pending(keyless.service)
    world.clock.advance(days=1)
    assert await seal_pending(world.service) == 3
    assert await seal_pending(world.service) == 0
    sealed = [verify(row) for row in await rows(world)]
    assert [(one.sealed_at - sealed[0].sealed_at).days for one in sealed] == [0, 1, 1, 1]


@pytest.mark.parametrize("column", ["salt", "octets"])
async def test_what_the_service_did_not_store_gets_no_seal(world: World, keyless: World, column: str) -> None:
    """Nor does it stop what comes behind it."""
    await world.submitter.submit(world.message())
    await keyless.work_off()
    changed = {
        "salt": "sha256(salt)",
        "octets": "convert_to(replace(convert_from(octets, 'utf8'), 'Bob', 'Rob'), 'utf8')",
    }
    await world.service.pool.execute(f"update records set {column} = {changed[column]} where seq = 2")
    assert await seal_pending(world.service) == 1, "what is set aside is not sealed later"
    assert [row["seal"] is None for row in await rows(world)] == [False, True, False]
    assert await world.service.pool.fetchval("select count(*) from records where log_index = -1") == 1
    assert await seal_pending(world.service) == 0


async def test_a_certificate_that_has_ended_is_no_key(world: World) -> None:
    world.clock.advance(days=4 * 365)
    with pytest.raises(Unavailable, match="sealed"):
        await world.submitter.submit(world.message())


async def test_a_seal_is_never_replaced(world: World) -> None:
    await world.send()
    before = [row["seal"] for row in await rows(world)]
    await world.service.pool.execute("update records set seal = null where seq = 2")
    world.clock.advance(hours=1)
    assert await seal_pending(world.service) == 1
    after = [row["seal"] for row in await rows(world)]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]


def named_certificate(row: Any) -> bytes | None:
    """Digest of the certificate that a record names."""
    found = msgspec.json.decode(row["octets"])["EvidenceIssuerDetails"].get("CertificateDetails")
    return b64decode(found[0]["CertID"]["CertDigest"]["DigestValue"]) if found else None


async def test_a_record_names_the_certificate_of_its_seal(world: World) -> None:
    await world.send()
    await world.work_off()
    kept = await rows(world)
    assert len(kept) >= 3
    for row in kept:
        assert named_certificate(row) == sha256(seals.read(row["seal"]).certificates[0])


async def test_one_that_is_sealed_later_names_none(world: World, keyless: World) -> None:
    """By whichever key: it is as good as others then."""
    token = await world.send()
    await decide(keyless.service, token, [world.secret()], "accepted", "", ACT)
    unsealed = [row for row in await rows(world) if row["seal"] is None]
    assert [named_certificate(row) for row in unsealed] == [None] * len(unsealed) != []
    assert await rotate_key(world.service, "record-seal") == 2
    service = dataclasses.replace(world.service, sealer=world.service.evidence.signer("record-seal"))
    assert await seal_pending(service) >= 1
    await extend_log(service)
    while await stamp_pending(service):
        pass
    report = verify_bundle(await sender_bundle(world, token), trust_of(await trust_folder(service)))
    assert not [claim for claim in report.claims if claim.verdict == "FAIL"]
    assert report.verdict("signer") == "PASS"
