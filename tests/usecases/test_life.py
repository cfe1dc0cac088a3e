"""A ticket's whole life, use case by use case, over real SMTP and a real database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sealpost.domain.ticket import AlreadyDecided, TermOver
from sealpost.usecases.decide import decide
from sealpost.usecases.hand_out import hand_out
from sealpost.usecases.open_pickup import open_pickup
from sealpost.usecases.reads.pickup import pickup
from sealpost.usecases.reads.tickets import Visible
from sealpost.usecases.withdraw import withdraw
from tests.world import ACT, PDF, World, links_in, text_of

ANNOUNCED = ["submitted", "announcement_offered", "announcement_accepted"]


async def test_accepted(world: World) -> None:
    token = await world.send()
    assert await world.kinds(token) == ANNOUNCED
    (announcement,) = world.mailbox.to("bob@example.com")
    assert token in text_of(announcement)
    assert "please read this" not in text_of(announcement)
    (confirmation,) = world.mailbox.to("alice@example.org")
    assert any("action=ticket_html" in link for link in links_in(confirmation))

    secret = world.secret()
    await open_pickup(world.service, token, [secret], ACT)
    await decide(world.service, token, [secret], "accepted", "", ACT)
    await world.work_off()
    kinds = await world.kinds(token)
    assert kinds == [*ANNOUNCED, "announcement_opened", "accepted", "content_offered", "content_delivered"]
    content = world.mailbox.to("bob@example.com")[1]
    files = {part.get_filename(): part.get_payload(decode=True) for part in content.iter_attachments()}
    assert files == {"message.txt": b"Dear Bob,\n\nplease read this.\n", "notice.pdf": PDF}
    assert len(world.mailbox.subjects("alice@example.org")) == 3  # confirmation, accepted, delivered

    handed = await hand_out(world.service, token, [secret], 1, ACT)
    assert (handed.name, handed.octets) == ("notice.pdf", PDF)
    await hand_out(world.service, token, [secret], 0, ACT)
    assert (await world.kinds(token)).count("content_downloaded") == 1


async def test_refused(world: World) -> None:
    token = await world.send()
    await decide(world.service, token, [world.secret()], "refused", "Not mine.\nReally.", ACT)
    await world.work_off()
    assert (await world.kinds(token))[-1] == "refused"
    assert "Not mine." in text_of(world.mailbox.to("alice@example.org")[-1])
    assert len(world.mailbox.to("bob@example.com")) == 1
    with pytest.raises(AlreadyDecided):
        await decide(world.service, token, [world.secret()], "accepted", "", ACT)


async def test_reminder_and_expiry(world: World) -> None:
    token = await world.send()
    world.clock.at = world.clock.at.replace(day=29, hour=6, minute=59, second=59)
    await world.work_off()
    assert len(world.mailbox.to("bob@example.com")) == 1
    world.clock.at = world.clock.at.replace(hour=7, minute=0, second=0)  # 08:00 in Amsterdam
    await world.work_off()
    assert len(world.mailbox.to("bob@example.com")) == 2
    assert (await world.kinds(token))[-2:] == ["reminder_offered", "reminder_accepted"]
    both = world.secret(number=0), world.secret(number=1)
    assert both[0] != both[1]

    world.clock.at = world.clock.at.replace(year=2026, month=12, day=5)
    # No job has run: the term is over all the same.
    with pytest.raises(TermOver):
        await decide(world.service, token, both, "accepted", "", ACT)
    shown = await pickup(world.service, token, both)
    assert shown is not None
    assert shown.decision == "expired"
    await world.work_off()
    assert (await world.kinds(token))[-1] == "expired"
    assert len(world.mailbox.to("bob@example.com")) == 2


async def test_withdrawn(world: World) -> None:
    token = await world.send()
    await withdraw(world.service, Visible(world.alice), world.alice_user, token)
    with pytest.raises(AlreadyDecided):
        await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    world.clock.advance(days=20)
    await world.work_off()
    assert (await world.kinds(token))[-1] == "withdrawn"
    assert len(world.mailbox.to("bob@example.com")) == 1


async def test_downloads_end_after_thirty_days(world: World) -> None:
    token = await world.send()
    secret = world.secret()
    await decide(world.service, token, [secret], "accepted", "", ACT)
    world.clock.at += timedelta(days=30)
    shown = await pickup(world.service, token, [secret])
    assert shown is not None
    assert shown.download_until is None
