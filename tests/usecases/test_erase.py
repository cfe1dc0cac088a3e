"""Content goes when its time is over, everywhere and for good; the evidence stays; no crash loses the erasure."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import zipfile
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.content.erasure_list import ErasureList, ErasuresDamaged, read_erasures
from sealpost.content.placement import ContentDamaged, Placement
from sealpost.domain.errors import Conflict, InvalidInput, Unavailable
from sealpost.store import tickets
from sealpost.usecases.change_account import AccountChange, change_account
from sealpost.usecases.decide import decide
from sealpost.usecases.erase import erase
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.gather import for_sender
from sealpost.usecases.hand_out import hand_out
from sealpost.usecases.mail_bytes import opened
from sealpost.usecases.reads.pickup import pickup
from sealpost.usecases.reads.tickets import Visible
from sealpost.usecases.service import Service
from sealpost.usecases.withdraw import withdraw
from sealpost.verifier.verify import verify
from sealpost.worker.run import _forgetting
from tests.faults.breaking import Faults, FaultyPool, Mode
from tests.world import ACT, World, text_of

KEEP = timedelta(days=30)


async def accepted(world: World) -> tuple[str, str]:
    """A ticket whose content was mailed, and the secret of its link."""
    token = await world.send()
    secret = world.secret()
    await decide(world.service, token, [secret], "accepted", "", ACT)
    await world.work_off()
    return token, secret


async def ticket_of(world: World, token: str) -> tickets.Ticket:
    found = await tickets.by_token(world.service.pool, token, Visible(world.alice))
    assert found is not None
    return found


async def keys_left(world: World, token: str) -> set[str]:
    """What of a ticket can still be opened."""
    rows = await world.service.pool.fetch(
        """select 'message' as what from messages m join tickets t on t.message_id = m.id
           where t.token = $1 and m.wrapped_key is not null
           union all select purpose from mails m join tickets t on t.id = m.ticket_id
           where t.token = $1 and m.wrapped_key is not null""",
        token,
    )
    return {row["what"] for row in rows if ":" not in row["what"]}


async def bundle(world: World, token: str) -> bytes:
    async with for_sender(world.service, Visible(world.alice), token, "en") as made:
        return b"".join([piece async for piece in made.chunks()])


async def test_in_its_time_and_for_good(world: World) -> None:
    token, secret = await accepted(world)
    before = await ticket_of(world, token)
    world.clock.at += KEEP - timedelta(seconds=1)
    assert await erase(world.service) == 0
    assert await keys_left(world, token) == {"message", "announcement", "content", "confirmation"}
    world.clock.at += timedelta(seconds=1)
    assert await erase(world.service) == 1
    assert await keys_left(world, token) == {"announcement", "confirmation"}
    assert (await world.kinds(token))[-1] == "content_erased"
    record = json.loads((await world.records(token))[-1])
    assert record["ERDSEventId"] == "http://127.0.0.1:8025/evidence/event#content_erased"
    assert record["Extensions"][0]["sealpost/1"]["erasure"] == {"backupsUntil": "2027-01-22T10:15:02.481Z"}
    assert world.service.erasures.read() == [before.content.owner]
    assert (await ticket_of(world, token)).state == before.state, "a late fact changes nothing"
    assert await erase(world.service) == 0
    assert (await world.kinds(token)).count("content_erased") == 1
    with pytest.raises(Conflict):
        await hand_out(world.service, token, [secret], 0, ACT)
    shown = await pickup(world.service, token, [secret])
    assert shown is not None
    assert shown.download_until is None
    assert len(shown.parts) == 2, "names and fingerprints stay"


async def test_what_lies_in_the_segments_does_not_open_any_more(world: World) -> None:
    token, _ = await accepted(world)
    kept = (await ticket_of(world, token)).content
    world.clock.at += KEEP
    await erase(world.service)
    gone = (await ticket_of(world, token)).content
    assert await world.service.content.read(Placement(kept.segment, kept.offset, kept.length)), "its octets stay"
    with pytest.raises(ContentDamaged, match="erased"):
        await opened(world.service, world.service.content_vault.open, gone)


async def test_the_bundle_works_without_it(world: World) -> None:
    token, _ = await accepted(world)
    await extend_log(world.service)
    world.clock.at += KEEP
    assert "content/01-message.txt" in zipfile.ZipFile(io.BytesIO(await bundle(world, token))).namelist()
    await erase(world.service)
    await extend_log(world.service)
    octets = await bundle(world, token)
    assert not [name for name in zipfile.ZipFile(io.BytesIO(octets)).namelist() if name.startswith("content/")]
    report = verify(octets)
    assert [claim for claim in report.claims if claim.verdict == "FAIL"] == []
    assert "remark.erased" in {remark.why for remark in report.remarks}


@pytest.mark.parametrize("end", ["refused", "expired", "withdrawn"])
async def test_every_end_counts(world: World, end: str) -> None:
    await change_account(world.service, world.alice, AccountChange(keep_days=3))
    token = await world.send()
    if end == "refused":
        await decide(world.service, token, [world.secret()], "refused", "", ACT)
    elif end == "withdrawn":
        await withdraw(world.service, Visible(world.alice), world.alice_user, token)
    else:
        world.clock.at = (await ticket_of(world, token)).state.expire_at
        await world.work_off()
    assert (await world.kinds(token))[-1] == end
    world.clock.at += timedelta(days=3, seconds=-1)
    assert await erase(world.service) == 0
    world.clock.at += timedelta(seconds=1)
    assert await erase(world.service) == 1
    assert "message" not in await keys_left(world, token)


async def test_what_can_still_be_downloaded_is_kept(world: World) -> None:
    await change_account(world.service, world.alice, AccountChange(keep_days=3))
    token, secret = await accepted(world)
    world.clock.at += KEEP - timedelta(seconds=1)
    assert await erase(world.service) == 0
    assert await hand_out(world.service, token, [secret], 0, ACT)
    world.clock.at += timedelta(seconds=1)
    assert await erase(world.service) == 1


async def test_an_open_ticket_is_kept(world: World) -> None:
    token = await world.send()
    world.clock.at += timedelta(days=400)
    assert await erase(world.service) == 0
    assert "message" in await keys_left(world, token)


async def test_accounts_have_their_own_time(world: World) -> None:
    await change_account(world.service, world.alice, AccountChange(keep_days=60))
    await accepted(world)
    world.clock.at += timedelta(days=59)
    assert await erase(world.service) == 0
    await change_account(world.service, world.charlie, AccountChange(keep_days=1))
    assert await erase(world.service) == 0, "another account's days are not ours"
    world.clock.at += timedelta(days=1)
    assert await erase(world.service) == 1


@pytest.mark.parametrize("days", [0, -1, 36_501])
async def test_days_that_cannot_be(world: World, days: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        await change_account(world.service, world.alice, AccountChange(keep_days=days))
    assert refused.value.field == "keep-days"


async def test_content_that_is_still_to_be_sent_is_kept(world: World) -> None:
    token = await world.send()
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    world.clock.at += KEEP
    assert await erase(world.service) == 0
    await world.work_off()
    assert await erase(world.service) == 1
    assert await keys_left(world, token) == {"announcement", "confirmation"}


async def test_more_than_a_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealpost.usecases.erase.BATCH", 2)
    for number in range(5):
        await world.send(recipient_email=f"bob{number}@example.com")
    world.clock.at += timedelta(days=13)
    await world.work_off()
    world.clock.at += KEEP
    assert await erase(world.service) == 5
    assert len(set(world.service.erasures.read())) == 5


async def test_two_workers_at_once(world: World) -> None:
    token, _ = await accepted(world)
    world.clock.at += KEEP
    assert sum(await asyncio.gather(*(erase(world.service) for _ in range(4)))) == 1
    assert (await world.kinds(token)).count("content_erased") == 1


async def test_the_worker_erases(world: World, eventually: Callable[[Callable[[], Awaitable[bool]]], Any]) -> None:
    token, _ = await accepted(world)
    world.clock.at += KEEP
    enlisted, stop = asyncio.Event(), asyncio.Event()
    enlisted.set()
    working = asyncio.create_task(_forgetting(world.service, enlisted, stop))

    async def erased() -> bool:
        return "content_erased" in await world.kinds(token)

    await eventually(erased)
    stop.set()
    await working


async def test_who_wants_to_know_is_told(world: World) -> None:
    await change_account(world.service, world.alice, AccountChange(notices="content_erased"))
    await accepted(world)
    world.clock.at += KEEP
    await erase(world.service)
    await world.work_off()
    notice = text_of(world.mailbox.to("alice@example.org")[-1])
    assert "De inhoud van uw bericht aan bob@example.com is" in notice


class FaultyErasures(ErasureList):
    """A list whose disk fails, before or after the ids are stored."""

    def __init__(self, path: Path, faults: Faults) -> None:
        super().__init__(path)
        self.faults = faults

    def add(self, messages: Iterable[UUID]) -> None:
        mode = self.faults.next("list")
        if mode is None or mode.done:
            super().add(messages)
        if mode is not None:
            raise OSError(28, "No space left on device")


def faulty(service: Service, faults: Faults) -> Service:
    return dataclasses.replace(
        service,
        pool=FaultyPool(service.pool, faults),  # type: ignore[arg-type]
        erasures=FaultyErasures(service.erasures.path, faults),
    )


@pytest.mark.parametrize("mode", [Mode.failed, Mode.lost])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
async def test_each_step_broken(world: World, at: int, mode: Mode) -> None:
    token, _ = await accepted(world)
    owner = (await ticket_of(world, token)).content.owner
    world.clock.at += KEEP
    faults = Faults(at, mode)
    with pytest.raises(Unavailable):
        await erase(faulty(world.service, faults))
    last = "commit: mails, inbound_mails, messages, tickets, records"
    assert faults.struck == ["commit: reads", "commit: reads", "list", last][at - 1]
    listed, left = world.service.erasures.read(), await keys_left(world, token)
    assert ("message" in left) == ("content" in left) == ("content_erased" not in await world.kinds(token))
    assert listed or "message" in left, "nothing is erased that the list does not know"
    await erase(world.service)
    assert set(world.service.erasures.read()) == {owner}
    assert await keys_left(world, token) == {"announcement", "confirmation"}
    assert (await world.kinds(token)).count("content_erased") == 1


def test_a_torn_line_is_cut(tmp_path: Path) -> None:
    ids = [uuid4() for _ in range(4)]
    listed = ErasureList(tmp_path / "erasures")
    assert listed.read() == []
    listed.add(ids[:2])
    whole = listed.path.read_bytes()
    for torn in (b"0", str(ids[2]).encode(), bytes(70_000)):
        listed.path.write_bytes(whole + torn)
        assert listed.read() == ids[:2], "what is torn was never promised"
        listed.add(ids[2:])
        assert listed.read() == ids
    listed.path.write_bytes(b"abc")
    listed.add(ids[:1])
    assert listed.read() == ids[:1]
    assert listed.path.stat().st_mode & 0o777 == 0o600


@given(ids=st.lists(st.uuids(), max_size=5), torn=st.binary(max_size=40).filter(lambda octets: b"\n" not in octets))
def test_what_was_listed_is_read(ids: list[UUID], torn: bytes) -> None:
    assert read_erasures("".join(f"{one}\n" for one in ids).encode() + torn) == ids


@pytest.mark.parametrize("line", [b"", b"nonsense", b"{018f0000-0000-7000-8000-000000000001}", b"\xff" * 36, bytes(36)])
def test_what_is_no_list_is_refused(tmp_path: Path, line: bytes) -> None:
    listed = ErasureList(tmp_path / "erasures")
    listed.path.write_bytes(str(uuid4()).encode() + b"\n" + line + b"\n")
    with pytest.raises(ErasuresDamaged, match="line 2"):
        listed.read()
