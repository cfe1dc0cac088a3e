"""What an account or a ticket can demand of its mail, and what the way out can: verified TLS, own domains, patience."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from sealpost.domain.errors import InvalidInput, PreconditionFailed
from sealpost.domain.statement import read_statement
from sealpost.domain.timetable import GREYLIST_MINUTES, QUEUE_LIFETIME, RETRY_MINUTES
from sealpost.mail.direct import Direct
from sealpost.mail.return_path import MOST_ATTEMPTS, Expired, NotOurs, Returned
from sealpost.mail.transport import Envelope, Handover, Transport
from sealpost.text.catalogue import translator
from sealpost.text.statements import CAUSES
from sealpost.usecases import sender_domains as domains
from sealpost.usecases.change_account import AccountChange, change_account
from sealpost.usecases.decide import decide
from sealpost.usecases.found import found_user
from sealpost.usecases.set_relay import RelayFields, set_relay
from tests.mail.conftest import certificate as certificate
from tests.mail.conftest import server_tls as server_tls
from tests.scripted import Scripted
from tests.site import Site
from tests.usecases.servers import charlies, envelopes, path, sending_to, served, smtp_of, through
from tests.usecases.test_life import ANNOUNCED
from tests.usecases.test_sender_domains import later, verified, worked
from tests.world import ACT, PASSWORD, START, World, links_in, new_world, parsed, text_of
from tests.zones import Zones

BOB, ALICE = "bob@example.com", "alice@example.org"
REQUIRETLS = b"250-mx.test\r\n250-STARTTLS\r\n250 REQUIRETLS\r\n"
WITHOUT = b"250-mx.test\r\n250 STARTTLS\r\n"
GREYLISTED = b"451 4.7.1 Greylisted, come back\r\n"


@pytest.fixture
def zones() -> Zones:
    return Zones()


@pytest_asyncio.fixture
async def world(dsn: str, tmp_path: Path, zones: Zones) -> AsyncGenerator[World]:
    async with new_world(dsn, tmp_path, dns=zones) as made:
        yield made


@pytest.fixture
def trusted(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


async def announced(world: World, columns: str = "*") -> Any:
    """The row of the newest announcement."""
    return await world.service.pool.fetchrow(
        f"select {columns} from mails where purpose = 'announcement' order by id desc limit 1"
    )


async def tries(world: World) -> list[Any]:
    """Its attempts."""
    return await world.service.pool.fetch(
        "select * from attempts where mail_id = $1 order by number", (await announced(world))["id"]
    )


# Verified TLS or no delivery


@dataclass
class Demand:
    """Who asks for verified TLS, and how."""

    account: bool = False
    ticket: bool = False

    async def send(self, world: World, **changes: Any) -> str:
        if self.account:
            await change_account(world.service, world.alice, AccountChange(tls_verified=True))
        return await world.send(tls_verified=self.ticket, **changes)


DEMANDS = [Demand(account=True), Demand(ticket=True), Demand(account=True, ticket=True)]


def demanded(server: Scripted) -> list[tuple[str, bool]]:
    """Each mail's recipient, and whether the demand was passed on with it (RFC 8689)."""
    return [(path(rcpt), mail.endswith(" REQUIRETLS")) for mail, rcpt in envelopes(server)]


@pytest.mark.parametrize("demand", DEMANDS)
async def test_it_is_demanded_of_all_mail_to_the_recipient_and_of_no_other(
    world: World, server_tls: ssl.SSLContext, trusted: ssl.SSLContext, demand: Demand
) -> None:
    async with (
        served({"ehlo": REQUIRETLS}, server_tls) as server,
        sending_to(world, server, "required", trusted) as here,
    ):
        token = await demand.send(here)
        here.clock.advance(days=6)
        await here.work_off()
        link = next(link for raw in server.mails for link in links_in(parsed(raw)) if "/p/" in link)
        await decide(here.service, token, [link.rsplit("/", 1)[1]], "accepted", "", ACT)
        server.script["dot"] = b"552 5.3.4 Message too big\r\n"
        await here.work_off()
        purposes = {row["id"]: row["purpose"] for row in await here.service.pool.fetch("select id, purpose from mails")}
        sent = [
            (purposes[here.service.return_paths.read(path(mail).partition("@")[0], START).mail_id], is_demanded)
            for (mail, _), (_, is_demanded) in zip(envelopes(server), demanded(server), strict=True)
        ]
        assert {purpose for purpose, is_demanded in sent if is_demanded} == {
            "announcement", "reminder", "content", "collection",
        }  # fmt: skip
        assert {purpose for purpose, is_demanded in sent if not is_demanded} >= {"confirmation", "notice:accepted"}
        assert {to for to, is_demanded in demanded(server) if is_demanded} == {BOB}
        assert {to for to, is_demanded in demanded(server) if not is_demanded} == {ALICE}
        assert {smtp_of(record)["tls"]["nameCheck"] for record in (await here.records(token))[1:3]} == {"match"}


@pytest.mark.parametrize("demand", DEMANDS)
async def test_a_relay_that_cannot_promise_it_gets_no_mail(
    world: World, server_tls: ssl.SSLContext, trusted: ssl.SSLContext, demand: Demand
) -> None:
    async with served({"ehlo": WITHOUT}, server_tls) as server, sending_to(world, server, "required", trusted) as here:
        token = await demand.send(here)
        assert await here.kinds(token) == ["submitted", "announcement_offered", "announcement_failed"]
        told = smtp_of((await here.records(token))[-1])
        assert (told["class"], told["enhanced"], told["final"]) == ("policy", "5.7.30", "")
        assert BOB not in [path(rcpt) for _, rcpt in envelopes(server)]
        assert BOB not in b"".join(server.commands).decode()
        assert {to for to, _ in demanded(server)} == {ALICE}, "what tells the sender goes out"
        assert [raw for raw in server.mails if BOB in str(parsed(raw)["to"])] == []
        notice = "select state from mails where purpose = 'notice:announcement_failed'"
        assert await here.service.pool.fetchval(notice) == "sent"


@pytest.mark.parametrize("demand", DEMANDS)
@pytest.mark.parametrize(
    ("ehlo", "tls"),
    [
        (b"250 mx.test\r\n", "none"), (b"250 mx.test\r\n", "opportunistic"), (b"250 mx.test\r\n", "required"),
        (REQUIRETLS, "none"), (REQUIRETLS, "opportunistic"),
        (REQUIRETLS, "required"),  # by an authority that nobody knows
    ],
)  # fmt: skip
async def test_over_a_connection_that_is_not_verified_nothing_is_sent(
    world: World, server_tls: ssl.SSLContext, demand: Demand, ehlo: bytes, tls: Any
) -> None:
    async with served({"ehlo": ehlo}, server_tls) as server, sending_to(world, server, tls) as here:
        token = await demand.send(here)
        kinds = await here.kinds(token)
        assert (kinds[0], kinds[-1]) == ("submitted", "announcement_delayed")
        assert smtp_of((await here.records(token))[-1])["class"] == "policy"
        row = await announced(here)
        assert (row["state"], row["tries"], row["claimed_by"]) == ("built", 1, None)
        assert row["due_at"] > here.clock.at
        said = b"".join(server.commands).decode("latin-1")
        assert BOB not in said
        assert (await tries(here))[0]["mail_from"] not in said
        assert [raw for raw in server.mails if BOB in str(parsed(raw)["to"])] == []
        # It goes out as soon as the way is as demanded, or the demand is lifted for new tickets.
        await change_account(here.service, here.alice, AccountChange(tls_verified=False))
        later(here, seconds=6)
        other = await here.send()
        assert (await here.kinds(other))[-1] == (
            "announcement_delayed" if tls == "required" else "announcement_accepted"
        )
        assert (await here.kinds(token))[-1] == "announcement_delayed", "the ticket keeps what was demanded for it"


async def test_a_delay_ends_when_the_way_is_verified(
    world: World, server_tls: ssl.SSLContext, trusted: ssl.SSLContext
) -> None:
    async with served({"ehlo": REQUIRETLS}, server_tls) as server:
        async with sending_to(world, server) as here:
            token = await here.send(tls_verified=True)
            assert (await here.kinds(token))[-1] == "announcement_delayed"
        async with sending_to(world, server, "required", trusted) as here:
            here.clock.advance(minutes=2)
            await here.work_off()
            assert (await here.kinds(token))[-1] == "announcement_accepted"
            assert (BOB, True) in demanded(server)


async def test_nobody_else_is_bound_by_it(world: World) -> None:
    await change_account(world.service, world.alice, AccountChange(tls_verified=True))
    assert await world.kinds(await world.send(**charlies(world))) == ANNOUNCED
    rows = await world.service.pool.fetch("select id, tls_verified from accounts order by id")
    assert {row["id"]: row["tls_verified"] for row in rows} == {world.alice: True, world.charlie: False}


async def test_an_accounts_own_relay_is_asked_too(world: World) -> None:
    async with served() as own:
        await set_relay(world.service, world.alice, RelayFields("127.0.0.1", own.port, "none", "", ""))
        token = await world.send(tls_verified=True)
        assert (await world.kinds(token))[-1] == "announcement_delayed"
        assert BOB not in b"".join(own.commands).decode()
        assert world.mailbox.to(BOB) == [], "and the installation's way is no way round it"


NULL = (None, False)


@pytest.mark.parametrize(("value", "is_demanded"), [(True, True), (False, False), NULL, ("absent", False)])
async def test_by_the_api(
    site: Site, server_tls: ssl.SSLContext, trusted: ssl.SSLContext, value: Any, is_demanded: bool
) -> None:
    async with (
        served({"ehlo": REQUIRETLS}, server_tls) as server,
        sending_to(site.world, server, "required", trusted) as here,
    ):
        site.world = here
        await site.send(**({} if value == "absent" else {"verified_tls": value}))
        assert sorted(demanded(server)) == [(ALICE, False), (BOB, is_demanded)]


async def test_the_api_cannot_lift_what_the_account_demands(site: Site) -> None:
    await change_account(site.world.service, site.world.alice, AccountChange(tls_verified=True))
    async with served() as server, sending_to(site.world, server) as here:
        site.world = here
        token = await site.send(verified_tls=False)
        assert (await here.kinds(token))[-1] == "announcement_delayed"


# Only addresses of verified domains


async def test_an_account_that_sends_from_its_domains_only(world: World, zones: Zones) -> None:
    await found_user(world.service, world.alice, "alice@mail.example.org", PASSWORD, "user")
    await change_account(world.service, world.alice, AccountChange(domain_demanded=True))
    await domains.add_domain(world.service, world.alice, "example.org")
    for address in (ALICE, "alice@mail.example.org"):
        with pytest.raises(PreconditionFailed, match=r"^sender_email: its domain is not verified"):
            await world.send(sender_email=address)
    assert await world.service.pool.fetchval("select count(*) from tickets") == 0
    assert world.mailbox.mails == []
    assert await world.kinds(await world.send(**charlies(world))) == ANNOUNCED, "another account demands nothing"
    await domains.remove_domain(world.service, world.alice, "example.org")
    await verified(world, zones, "example.org")
    later(world, seconds=61)
    assert await world.kinds(await world.send()) == ANNOUNCED
    with pytest.raises(PreconditionFailed):
        await world.send(sender_email="alice@mail.example.org")
    zones.records.clear()
    later(world, days=1)
    await worked(world.service)
    later(world, hours=1)
    await worked(world.service)
    with pytest.raises(PreconditionFailed):
        await world.send()
    await change_account(world.service, world.alice, AccountChange(domain_demanded=False))
    later(world, seconds=6)
    assert await world.kinds(await world.send()) == ANNOUNCED


async def test_another_accounts_verified_domain_is_none(world: World, zones: Zones) -> None:
    await verified(world, zones, "example.net")
    await change_account(world.service, world.charlie, AccountChange(domain_demanded=True))
    with pytest.raises(PreconditionFailed):
        await world.send(**charlies(world))


async def test_a_wrong_field_and_an_unknown_address_are_told_first(world: World) -> None:
    await change_account(world.service, world.alice, AccountChange(domain_demanded=True))
    with pytest.raises(InvalidInput) as refused:
        await world.send(sender_email="alice")
    assert refused.value.field == "sender_email"
    with pytest.raises(PreconditionFailed, match="may not send for the account"):
        await world.send(sender_email="charlie@example.net")


# A way out that asks for patience


@dataclass
class Resting:
    """A way out that rests, for one recipient or all."""

    inner: Transport
    seconds: float = 5.0
    whom: str = BOB
    gives_way: bool = False
    asked: list[str] = field(default_factory=list[str])
    envelopes: list[Envelope] = field(default_factory=list[Envelope])
    booked: list[str] = field(default_factory=list[str])

    async def book(self, recipient: str, *, pressing: bool = False) -> float:
        self.asked.append(recipient)
        if recipient == self.whom and self.seconds and not (pressing and self.gives_way):
            return self.seconds
        self.booked.append(recipient)
        return 0.0

    def unbook(self, recipient: str) -> None:
        self.booked.remove(recipient)

    async def hand_over(self, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]]) -> Handover:
        self.envelopes.append(envelope)
        return await self.inner.hand_over(envelope, mail, before_dot)

    async def close(self) -> None:
        await self.inner.close()


async def test_a_destination_that_rests(world: World) -> None:
    resting = Resting(world.service.transport)
    here = through(world, resting)
    token = await here.send()
    row = await announced(here)
    assert (row["state"], row["tries"], row["claimed_by"]) == ("planned", 0, None)
    assert row["due_at"] == START + timedelta(seconds=5)
    assert (await tries(here), await here.kinds(token), resting.envelopes) == ([], ["submitted"], [])
    for _ in range(3):
        here.clock.advance(seconds=5)
        await here.work_off()
        row = await announced(here)
        assert (row["claimed_by"], row["due_at"] - here.clock.at, row["tries"]) == (None, timedelta(seconds=5), 0)
    assert resting.asked == [BOB] * 4
    other = await here.send(recipient_email="charlotte@example.com")
    assert await here.kinds(other) == ANNOUNCED, "those to others go on"
    resting.seconds = 0
    here.clock.advance(seconds=4)
    await here.work_off()
    assert await here.kinds(token) == ["submitted"], "not before it is due"
    here.clock.advance(seconds=1)
    await here.work_off()
    assert await here.kinds(token) == ANNOUNCED
    assert [one["number"] for one in await here.service.pool.fetch(
        "select a.number from attempts a join mails m on m.id = a.mail_id where rcpt_to = $1", BOB
    )] == [1]  # fmt: skip
    assert len(here.mailbox.to(BOB)) == 1


async def test_a_rest_between_two_attempts_counts_as_none(world: World) -> None:
    async with served({"rcpt": GREYLISTED}) as server, sending_to(world, server) as sending:
        resting = Resting(sending.service.transport, seconds=0)
        here = through(sending, resting)
        token = await here.send()
        before = await announced(here)
        resting.seconds = 30.0
        here.clock.advance(minutes=2)
        await here.work_off()
        row = await announced(here)
        assert (row["tries"], row["due_at"] - here.clock.at) == (1, timedelta(seconds=30))
        assert [one["state"] for one in await tries(here)] == ["delayed"]
        resting.seconds = 0
        server.script.clear()
        here.clock.advance(seconds=30)
        await here.work_off()
        assert (await here.kinds(token))[-1] == "announcement_accepted"
        assert [one["number"] for one in await tries(here)] == [1, 2]
        assert (await announced(here))["sha256"] == before["sha256"]


async def test_a_term_that_ends_while_the_destination_rests(world: World) -> None:
    here = through(world, Resting(world.service.transport))
    token = await here.send()
    here.clock.advance(days=13)
    await here.work_off()
    assert (await here.kinds(token))[-1] == "expired"
    assert (await announced(here))["state"] == "cancelled"
    assert here.mailbox.to(BOB) == []


async def test_a_mail_that_was_never_tried_is_tried_though_its_destination_rests(world: World) -> None:
    resting = Resting(world.service.transport, seconds=300, gives_way=True)
    here = through(world, resting)
    token = await here.send()
    here.clock.advance(minutes=10)
    await here.work_off()
    assert (await here.kinds(token), resting.envelopes) == (["submitted"], [])
    here.clock.advance(minutes=5)
    await here.work_off()
    assert await here.kinds(token) == ANNOUNCED


@pytest.mark.parametrize("tried", [False, True])
async def test_one_that_waits_until_its_time_is_over_has_failed_and_the_sender_is_told(
    world: World, tried: bool
) -> None:
    async with served({"rcpt": GREYLISTED}) as server, sending_to(world, server) as sending:
        resting = Resting(sending.service.transport, seconds=0 if tried else 300)
        here = through(sending, resting)
        token = await here.send(reminder_days=1, expiry_days=2)
        server.script = {}
        resting.seconds = 300
        before = await here.kinds(token)
        ends_at = await here.service.pool.fetchval("select expire_at from tickets where token = $1", token)
        while here.clock.at < ends_at - timedelta(minutes=5):
            assert await here.kinds(token) == before
            here.clock.at = min(here.clock.at + timedelta(hours=1), ends_at - timedelta(minutes=5))
            await here.work_off()
        after = await here.kinds(token)
        assert (after[: len(before)], set(after[len(before) :])) == (before, {"announcement_failed", "reminder_failed"})
        row = await announced(here)
        assert (row["state"], row["tries"], row["claimed_by"], row["due_at"]) == ("failed", int(tried), None, None)
        octets = await here.service.pool.fetchval("select octets from records where kind = 'announcement_failed'")
        assert b"not tried until its time was over" in octets
        failed = read_statement(json.loads(octets))
        assert (failed.purpose, failed.attempt, failed.reasons) == ("announcement", int(tried), ("unreachable",))
        notices = [parsed(raw) for raw in server.mails if b"alice@example.org" in raw.split(b"\r\n\r\n")[0]]
        why = translator("nl").gettext(CAUSES["not-tried"])
        assert why != CAUSES["not-tried"], "the account's language, not English"
        assert any(why in " ".join(text_of(notice).split()) for notice in notices)


async def test_directly_to_a_host_that_does_not_answer(world: World, zones: Zones) -> None:
    """The second mail of a domain that cannot be reached is not tried; the first says why."""
    zones.records["example.com", "MX"] = ("10 mx.example.com",)
    zones.records["mx.example.com", "A"] = ("127.0.0.1",)
    async with served() as gone:
        port = gone.port
    direct = Direct(
        dns=zones, sts=None, our_name="out.sealpost.example", clock=world.clock.now, shuffle=_as_it_is, port=port, private=True
    )  # fmt: skip
    here = through(world, direct)
    first = await here.send()
    second = await here.send()
    assert await here.kinds(first) == ["submitted", "announcement_delayed"]
    assert await here.kinds(second) == ["submitted"]
    # By its ticket: ids of one instant are in any order.
    row = await here.service.pool.fetchrow(
        "select m.* from mails m join tickets t on t.id = m.ticket_id where t.token = $1 and m.purpose = 'announcement'",
        second,
    )
    assert (row["tries"], row["claimed_by"]) == (0, None)
    assert timedelta(0) < row["due_at"] - here.clock.at <= timedelta(seconds=30)
    await direct.close()


def _as_it_is(_: list[Any]) -> None: ...


# Return paths, and when it is tried again


async def local_parts(world: World) -> list[str]:
    return [one["mail_from"].partition("@")[0] for one in await tries(world)]


async def again(world: World) -> None:
    world.clock.at = (await announced(world))["due_at"]
    await world.work_off()


async def test_a_return_path_stays_through_delays_and_changes_after_an_unknown_outcome(world: World) -> None:
    async with served({"rcpt": GREYLISTED}) as server, sending_to(world, server) as here:
        await here.send()
        await again(here)
        server.script = {"dot": b"450 4.2.1 busy\r\n"}
        await again(here)
        server.script = {"greeting": "close"}
        await again(here)
        server.script = {"dot": "close"}
        await again(here)
        server.script = {"rcpt": GREYLISTED}
        await again(here)
        server.script = {"dot": "close"}
        await again(here)
        server.script = {}
        await again(here)
        states = [one["state"] for one in await tries(here)]
        assert states == ["delayed"] * 4 + ["uncertain", "delayed", "uncertain", "accepted"]
        parts = await local_parts(here)
        assert [parts.index(one) for one in parts] == [0, 0, 0, 0, 0, 5, 5, 7]
        said = [path(mail).partition("@")[0] for mail, rcpt in envelopes(server) if path(rcpt) == BOB]
        assert set(said) == set(parts), "what is stored is what was said"
        mail_id = (await announced(here))["id"]
        read = [here.service.return_paths.read(one.upper(), here.clock.real_at) for one in parts]
        assert read == [Returned(mail_id, number) for number in (1, 1, 1, 1, 1, 6, 6, 8)]
        with pytest.raises(Expired):
            here.service.return_paths.read(parts[0], here.clock.real_at + timedelta(days=31))
        with pytest.raises(NotOurs):
            here.service.return_paths.read(parts[0][:-1] + ("a" if parts[0][-1] != "a" else "e"), here.clock.real_at)


@pytest.mark.parametrize(("left", "same"), [("prepared", True), ("dot_due", False)])
async def test_after_a_crash(world: World, left: str, same: bool) -> None:
    """Only what may have been taken gets a return path of its own."""
    async with served({"rcpt": GREYLISTED}) as server, sending_to(world, server) as here:
        await here.send()
        await here.service.pool.execute("update attempts set state = $1 where mail_id = $2", left, (await announced(here))["id"])  # fmt: skip
        server.script = {}
        await again(here)
        first, second = await local_parts(here)
        assert (first == second) is same
        assert [one["state"] for one in await tries(here)] == ["abandoned" if same else "uncertain", "accepted"]


async def test_each_mail_has_its_own(world: World) -> None:
    for _ in range(3):
        await world.send()
    paths = [mail_from for mail_from, _, _ in world.mailbox.mails]
    assert len(set(paths)) == len(paths) == 6


async def test_after_many_attempts_it_can_still_be_read(world: World) -> None:
    part = world.service.return_paths.local_part(UUID(int=7), MOST_ATTEMPTS + 5, START + timedelta(days=30))
    assert world.service.return_paths.read(part, START) == Returned(UUID(int=7), MOST_ATTEMPTS)


REPLIES = [
    ({"rcpt": GREYLISTED}, "greylisted", GREYLIST_MINUTES),
    (
        {"rcpt": b"450 4.2.0 <bob@example.com>: Recipient address rejected: Greylisted\r\n"},
        "greylisted",
        GREYLIST_MINUTES,
    ),
    ({"rcpt": b"450 4.2.1 busy\r\n"}, None, RETRY_MINUTES),
    ({"dot": b"452 4.2.2 full\r\n"}, "full", RETRY_MINUTES),
    ({"greeting": "close"}, "unreachable", RETRY_MINUTES),
]


@pytest.mark.parametrize(("script", "reason", "table"), REPLIES)
async def test_when_it_is_tried_again(
    world: World, script: dict[str, bytes | str], reason: str | None, table: tuple[int, ...]
) -> None:
    """By the table, a quarter later at most; for five days; told once; then it has failed."""
    async with served(script) as server, sending_to(world, server) as here:
        token = await here.send()
        waits: list[timedelta] = []
        at: list[datetime] = [here.clock.at]
        while (due := (await announced(here))["due_at"]) is not None:
            waits.append(due - here.clock.at)
            here.clock.at = due
            at.append(due)
            await here.work_off()
        for number, wait in enumerate(waits):
            minutes = timedelta(minutes=table[min(number, len(table) - 1)])
            assert minutes <= wait <= minutes * 1.25, number
        last = timedelta(minutes=table[-1])
        assert at[-1] < START + QUEUE_LIFETIME <= at[-1] + last * 1.25
        states = [one["state"] for one in await tries(here)]
        assert states == ["delayed"] * len(at)
        assert (await announced(here))["state"] == "failed"
        kinds = [one for one in await here.kinds(token) if one != "announcement_offered"]
        assert kinds == ["submitted", "announcement_delayed", "announcement_failed"]
        records = await here.records(token)
        if reason:
            assert smtp_of(records[-1])["class"] == reason
        assert read_statement(json.loads(records[-1])).given_up
        assert len(set(await local_parts(here))) == 1


async def test_greylisting_is_handled_quickly(world: World) -> None:
    """A server that takes it after five minutes has it before nine, and after at most three tries in vain."""
    async with served({"rcpt": GREYLISTED}) as server, sending_to(world, server) as here:
        token = await here.send()
        while (await here.kinds(token))[-1] != "announcement_accepted":
            due = (await announced(here))["due_at"]
            if due >= START + timedelta(minutes=5):
                server.script.clear()
            await again(here)
        assert here.clock.at <= START + timedelta(minutes=9)
        assert len(await tries(here)) <= 4


async def test_the_term_ends_the_tries(world: World) -> None:
    async with served({"rcpt": GREYLISTED}) as server, sending_to(world, server) as here:
        token = await here.send(reminder_days=1, expiry_days=2)
        while (due := (await announced(here))["due_at"]) is not None:
            here.clock.at = due
            await here.work_off()
        expire_at = await here.service.pool.fetchval("select expire_at from tickets where token = $1", token)
        assert here.clock.at < expire_at
        assert "announcement_failed" in await here.kinds(token)
