"""Mails to the sender: answered by a person, with the whole time line and the ticket's link (contract, section 9)."""

from __future__ import annotations

from sealpost.usecases.add_user import add_user
from sealpost.usecases.decide import decide
from sealpost.usecases.user_fields import UserFields
from tests.world import ACT, World, text_of


async def test_replies_go_to_a_person(world: World) -> None:
    token = await world.send()
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    await add_user(world.service, world.alice, UserFields(email_address="bob@example.org"))
    await world.work_off()
    ours = [*world.mailbox.to("alice@example.org"), *world.mailbox.to("bob@example.org")]
    assert len(ours) == 4
    assert {str(mail["reply-to"]) for mail in ours} == {"alice@example.org"}
    theirs = world.mailbox.to("bob@example.com")
    assert {str(mail["reply-to"]) for mail in theirs} == {"Alice <alice@example.org>"}


async def test_without_an_administrator_there_is_no_address_to_reply_to(world: World) -> None:
    await world.service.pool.execute("update users set role = 'user'")
    await world.send()
    (confirmation,) = world.mailbox.to("alice@example.org")
    assert confirmation["reply-to"] is None


async def test_the_last_notice_tells_the_whole_story(world: World) -> None:
    token = await world.send()
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    await world.work_off()
    notice = text_of(world.mailbox.to("alice@example.org")[-1])
    told = [
        "Aangenomen ter verzending", "Aankondiging aangeboden", "Aankondiging geaccepteerd door relayserver",
        "Geaccepteerd door ontvanger", "Inhoud aangeboden", "Inhoud geaccepteerd door relayserver",
    ]  # fmt: skip
    places = [notice.rindex(words) for words in told]
    assert places == sorted(places)
    assert f"/webservice/dashboard/?ticket_token={token}&action=ticket_html" in notice
    assert "250 2.0.0 Ok: queued as" in notice
    # The demo's catcher is a relay: nothing says that the recipient's server took or delivered anything.
    assert "Relayserver, niet de mailserver van de ontvanger." in notice
    assert "om die door te geven" in notice
    assert "bezorgd" not in notice
    assert "mailserver van bob@example.com" not in notice
