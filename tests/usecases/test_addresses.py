"""Addresses of the world beyond plain letters, from the call to the evidence: what is written where."""

from __future__ import annotations

import dataclasses

import pytest
from aiosmtplib import SMTP

from sealpost.domain.errors import InvalidInput
from sealpost.inbound.gateway import GatewayDestination
from sealpost.inbound.server import InboundServer
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.found import NewAccount, found_account
from sealpost.usecases.gateway import Gateway
from sealpost.usecases.gather import for_sender
from sealpost.usecases.reads.tickets import Visible
from sealpost.usecases.sender_domains import domain_name, given_name
from sealpost.usecases.submit import Submitter
from sealpost.verifier.verify import verify
from tests.handing import HOST, Handing
from tests.usecases.servers import changed, envelopes, path, sending_to, served, smtp_of
from tests.world import World


def allowing_odd_dots(world: World) -> World:
    """The world of an installation that takes such recipients."""
    here = changed(world, limits=dataclasses.replace(world.service.limits, odd_dots=True))
    return dataclasses.replace(here, submitter=Submitter(here.service))


@pytest.mark.parametrize(
    ("given", "envelope", "shown"),
    [
        ("bob@straße.example", "bob@xn--strae-oqa.example", "bob@straße.example"),
        ("Bob@ＳＴＲＡẞＥ。example", "Bob@xn--strae-oqa.example", "Bob@ＳＴＲＡẞＥ。example"),
        (".b..ob.@example.com", ".b..ob.@example.com", ".b..ob.@example.com"),
    ],
)
async def test_a_recipient_as_servers_want_it(world: World, given: str, envelope: str, shown: str) -> None:
    """The envelope has A-labels and no quotes; the record has what the sender wrote; the evidence holds together."""
    allowing = allowing_odd_dots(world)
    async with served() as server, sending_to(allowing, server) as here:
        token = await here.send(recipient_email=given)
    said = [path(rcpt) for _, rcpt in envelopes(server)]
    assert said == ["alice@example.org", envelope] or said == [envelope, "alice@example.org"]
    taken = (await world.records(token))[-1]
    assert smtp_of(taken)["rcptTo"] == envelope
    assert shown in taken.decode()
    await extend_log(world.service)
    async with for_sender(world.service, Visible(world.alice), token, "en") as made:
        report = verify(b"".join([piece async for piece in made.chunks()]))
    assert [claim for claim in report.claims if claim.verdict == "FAIL"] == []


async def test_odd_dots_are_refused_unless_the_operator_takes_them(quiet_world: World) -> None:
    with pytest.raises(InvalidInput, match="recipient_email: is not an e-mail address"):
        await quiet_world.submitter.submit(quiet_world.message(recipient_email="b..ob@example.com"))
    with pytest.raises(InvalidInput, match="sender_email: is not an e-mail address"):
        allowing = allowing_odd_dots(quiet_world)
        await allowing.submitter.submit(allowing.message(sender_email="a..lice@example.org"))


async def test_odd_dots_through_the_gateway(world: World) -> None:
    handing = Handing(allowing_odd_dots(world))
    destination = GatewayDestination(Gateway(handing.service, handing.world.submitter, HOST))
    server = InboundServer(
        [destination], host="127.0.0.1", port=0, hostname="in.sealpost.example", size_limit=1_000_000, tls=None
    )
    to = handing.to(".b..ob.@example.com")
    port = await server.start()
    try:
        async with SMTP(hostname="127.0.0.1", port=port, timeout=20, local_hostname="out.example.org") as smtp:
            await smtp.sendmail("alice@example.org", [to], handing.signed(handing.mail(To=f"<{to}>")))
    finally:
        await server.stop()
    assert await world.service.pool.fetchval("select recipient_email from tickets") == ".b..ob.@example.com"


async def test_an_address_in_place_of_a_name_is_no_name(world: World) -> None:
    """Mail clients that know no name write the address, which here has the gateway behind it."""
    handing = Handing(world)
    await handing.by_alice(handing.mail(To=f'"{handing.to()}" <{handing.to()}>'))
    assert await world.service.pool.fetchval("select recipient_name from tickets") == ""


@pytest.mark.parametrize("former", ["alice@☕.example", "a\u115flice@example.org"])
async def test_a_ticket_of_before_goes_on(world: World, former: str) -> None:
    """What earlier releases took, and this one would not, is still announced."""
    token = await world.submitter.submit(world.message())
    await world.service.pool.execute("update messages set sender_email = $1", former)
    await world.work_off()
    assert (await world.kinds(token))[-1] == "announcement_accepted"


async def test_domains_are_one_however_they_are_written(quiet_world: World) -> None:
    for text in ("straße.example", "STRASSE.example".replace("SS", "ẞ"), "straße。example.", "xn--strae-oqa.example"):
        assert domain_name(quiet_world.service, text) == "xn--strae-oqa.example"
        assert given_name(text) == "xn--strae-oqa.example"
    with pytest.raises(InvalidInput):
        domain_name(quiet_world.service, "exam\u00adple.org")


async def test_an_account_is_not_called_like_an_address(quiet_world: World) -> None:
    with pytest.raises(InvalidInput, match="name: has an e-mail address in it"):
        await found_account(quiet_world.service, NewAccount("Bank <service@example.com>"))
