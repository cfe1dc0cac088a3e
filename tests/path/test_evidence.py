"""A ticket's whole life, ended by the stand-alone verifier: the bundle proves it, without us."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from sealpost.seal.bundle.bundle import Bundle
from sealpost.store.tickets import Visible
from sealpost.usecases.decide import decide
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.gather import for_recipient, for_sender
from sealpost.usecases.reads.trust import trust_folder
from sealpost.usecases.stamp import stamp_pending
from sealpost.verifier.earlier import Receipt
from sealpost.verifier.report import Report
from sealpost.verifier.trust import trust_of
from sealpost.verifier.verify import verify
from tests.world import ACT, World


async def octets(bundle: Bundle) -> bytes:
    return b"".join([piece async for piece in bundle.chunks()])


async def sender_bundle(world: World, token: str, language: str = "en") -> bytes:
    async with for_sender(world.service, Visible(world.alice), token, language) as bundle:
        return await octets(bundle)


async def proven(world: World) -> None:
    """All that waits is in the log and stamped."""
    await extend_log(world.service)
    await stamp_pending(world.service)


async def verified(world: World, bundle: bytes, *, trusted: bool = True) -> Report:
    return verify(bundle, trust_of(await trust_folder(world.service)) if trusted else None)


OF_A_TEST = {
    ("witness", "witness.quorum"),
    ("environment", "environment.test"),
    ("time", "time.own"),
    ("clock", "clock.none"),
    ("dating", "dating.none"),
}
"""What is not proven of any bundle of a test environment that stamps for itself and has no witness."""


def unproven(report: Report) -> set[tuple[str, str]]:
    return {(claim.check, claim.why) for claim in report.claims if claim.verdict != "PASS"}


async def test_an_accepted_ticket(world: World) -> None:
    token = await world.send()
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    await world.work_off()
    await proven(world)
    report = await verified(world, await sender_bundle(world, token))
    assert unproven(report) == OF_A_TEST | {("mail", "mail.absent")}
    assert report.exit_code == 2


async def test_once_every_link_is_dead_the_mails_are_in_it(world: World) -> None:
    token = await world.send()
    await decide(world.service, token, [world.secret()], "refused", "No.", ACT)
    await world.work_off()
    world.clock.advance(days=100)
    await proven(world)
    report = await verified(world, await sender_bundle(world, token))
    assert unproven(report) == OF_A_TEST


@pytest.mark.parametrize("language", ["nl", "en", "de", "fr"])
async def test_in_every_language(world: World, language: str) -> None:
    token = await world.send()
    await proven(world)
    report = await verified(world, await sender_bundle(world, token, language))
    assert unproven(report) == OF_A_TEST | {("mail", "mail.absent")}


async def test_a_record_that_waits_is_not_proven_yet(world: World) -> None:
    token = await world.send()
    await proven(world)
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    report = await verified(world, await sender_bundle(world, token))
    assert ("inclusion", "inclusion.pending") in unproven(report)
    assert report.exit_code == 2


async def test_without_trust_nobody_is_believed(world: World) -> None:
    token = await world.send()
    await proven(world)
    report = await verified(world, await sender_bundle(world, token), trusted=False)
    assert report.exit_code == 2
    assert {"seal.signer", "log.trust", "time.own", "dating.trust"} <= {why for _, why in unproven(report)}


async def test_another_installation_is_not_believed(world: World, tmp_path: Path) -> None:
    token = await world.send()
    await proven(world)
    files = await trust_folder(world.service)
    other = {name: octets.replace(b"log/2026", b"log/2027") for name, octets in files.items()}
    other["policy"] = files["policy"].split(b"\n")[0].replace(b"127.0.0.1", b"127.0.0.2") + b"\nquorum none\n"
    bundle = await sender_bundle(world, token)
    with pytest.raises(ValueError, match="policy"):
        verify(bundle, trust_of(other))


async def test_the_recipient_gets_the_content_only_after_accepting(world: World) -> None:
    token = await world.send()
    secret = world.secret()
    await decide(world.service, token, [secret], "accepted", "", ACT)
    await world.work_off()
    await proven(world)
    async with for_recipient(world.service, token, [secret], "nl", ACT) as bundle:
        kept = await octets(bundle)
    report = await verified(world, kept)
    assert ("content", "content.absent") not in unproven(report)
    assert (await world.kinds(token))[-1] == "content_downloaded"


async def test_a_recipient_who_refused_gets_no_content(world: World) -> None:
    token = await world.send()
    secret = world.secret()
    await decide(world.service, token, [secret], "refused", "", ACT)
    await world.work_off()
    await proven(world)
    async with for_recipient(world.service, token, [secret], "nl", ACT) as bundle:
        report = await verified(world, await octets(bundle))
    assert ("content", "content.absent") in unproven(report)
    assert "content_downloaded" not in await world.kinds(token)


async def test_years_later_with_renewed_tokens_and_in_two_logs(world: World) -> None:
    """Submitted in one year, refused in the next; three years on the tokens have been renewed twice."""
    world.clock.at = datetime(2026, 12, 30, 10, 0, tzinfo=UTC)
    token = await world.send()
    await proven(world)
    world.clock.advance(days=3)
    await decide(world.service, token, [world.secret()], "refused", "", ACT)
    await world.work_off()
    await proven(world)
    for _ in range(2):
        await world.service.pool.execute("update checkpoints set token_until = $1", world.clock.at + timedelta(days=1))
        await world.send(recipient_email="charlie@example.com")  # whose checkpoint shows a newer certificate
        await extend_log(world.service)
        while await stamp_pending(world.service):
            pass
        world.clock.advance(days=100)
    bundle = await sender_bundle(world, token)
    with ZipFile(BytesIO(bundle)) as archive:
        names = {name for name in archive.namelist() if name.startswith("checkpoints/")}
    assert {name.partition("-")[0] for name in names} == {"checkpoints/2026", "checkpoints/2027"}
    assert len([name for name in names if name.endswith(".3.tsr")]) == 2
    assert unproven(await verified(world, bundle)) == OF_A_TEST


async def test_receipts_and_the_log_agree(world: World, tmp_path: Path) -> None:
    token = await world.send()
    await proven(world)
    receipt = Receipt("before.asice", await sender_bundle(world, token))
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    await world.work_off()
    await proven(world)
    bundle = await sender_bundle(world, token)
    copy = shutil.copytree(world.service.evidence.log("2026").folder, tmp_path / "copy")
    trust = trust_of(await trust_folder(world.service))
    report = verify(bundle, trust, [receipt], log=copy)
    assert unproven(report) == OF_A_TEST | {("mail", "mail.absent")}
    assert {report.verdict("earlier"), report.verdict("audit")} == {"PASS"}
