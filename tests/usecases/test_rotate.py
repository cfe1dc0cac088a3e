"""Keys are rotated without a gap: the old ones stay good, the new ones are introduced by a record in the log."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from sealpost.domain.errors import InvalidInput
from sealpost.store import logs
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.installation import CHAIN
from sealpost.usecases.reads.trust import trust_folder
from sealpost.usecases.rotate import rotate_key
from sealpost.usecases.stamp import stamp_pending
from sealpost.usecases.submit import Submitter
from sealpost.verifier.trust import trust_of
from sealpost.verifier.verify import verify
from tests.path.test_evidence import sender_bundle
from tests.world import World


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
        assert {claim.why for claim in report.claims if claim.verdict != "PASS"} == {"witness.quorum", "mail.absent"}
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
