"""What comes back for mails of ours: what it adds, and that nothing forged, repeated or odd changes anything."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from sealpost.content.placement import Blob, ContentUnavailable, Placement
from sealpost.domain.canonical import digest
from sealpost.domain.records import Event
from sealpost.domain.statement import Signed
from sealpost.inbound.destination import Conversation
from sealpost.inbound.returned import ReturnedMails
from sealpost.inbound.server import InboundServer
from sealpost.mail.return_path import LIFE, ReturnPaths
from sealpost.store import erasures, inbound_mails, tickets
from sealpost.usecases import chain
from sealpost.usecases.decide import decide
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.gather import for_sender
from sealpost.usecases.mail_bytes import opened
from sealpost.usecases.reads.tickets import Visible
from sealpost.usecases.sender_domains import add_domain, remove_domain
from sealpost.usecases.take_returned import MOST_KEPT, MOST_OCTETS, MOST_OF_ONE, MOST_REPLIES, reply_of
from sealpost.usecases.take_returned import Reply as Passed
from sealpost.verifier.verify import verify
from tests.mail.test_bounces import mail as corpus
from tests.world import ACT, World, parsed, text_of

THERE = Conversation("192.0.2.25", "mx.example.com")
FAILURE = "De aankondiging kon niet bij bob@example.com worden afgeleverd."
TAKEN, LATER, UNKNOWN = "250 2.0.0 Taken", "451 4.3.0", "550 5.1.1"
OK, TOO_LARGE = "250 2.1.5 Ok", "552 5.3.4 The mail is too large for what could come back here"


def path(world: World, number: int = 0, to: str = "bob@example.com") -> str:
    """The return path of a mail as the recipient's server got it."""
    return [sender for sender, recipient, _ in world.mailbox.mails if recipient == to][number]


def bounce(**fields: str) -> bytes:
    """A delivery report; fields replace those of the report on Bob."""
    known = {
        "Final-Recipient": "rfc822; bob@example.com",
        "Action": "failed",
        "Status": "5.1.1",
        "Diagnostic-Code": "smtp; 550 5.1.1 No Bob here",
    }
    lines = "".join(
        f"{name}: {value}\r\n" for name, value in (known | {k.replace("_", "-"): v for k, v in fields.items()}).items()
    )
    return (
        "From: MAILER-DAEMON@mx.example.com\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="B"\r\n\r\n--B\r\n\r\nSorry.\r\n--B\r\n'
        f"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n{lines}\r\n--B--\r\n"
    ).encode()


def answer(message_id: str, text: str = "What is this?", head: str = "") -> bytes:
    return (
        f"From: Bob <bob@example.com>\r\nSubject: Re: it\r\nIn-Reply-To: {message_id}\r\n{head}\r\n{text}\r\n".encode()
    )


async def give(world: World, to: str, octets: bytes, mail_from: str = "", **changes: Any) -> str:
    """What the server would do: RCPT, and the whole mail if that was taken."""
    destination = ReturnedMails(dataclasses.replace(world.service, **changes))
    reply = await destination.admits(THERE, to, mail_from)
    if reply is None or not reply.startswith("250"):
        return reply or "550 5.1.1 No such address here"
    return await destination.take(THERE, mail_from, [to], octets)


def told(world: World, to: str) -> list[str]:
    """The words of all mails to somebody, however their lines are broken."""
    return [" ".join(text_of(parsed(raw)).split()) for _, recipient, raw in world.mailbox.mails if recipient == to]


async def rows(world: World) -> list[Any]:
    return await world.service.pool.fetch("select * from inbound_mails order by received_at, kind")


async def last(world: World, token: str) -> dict[str, Any]:
    return msgspec.json.decode((await world.records(token))[-1])


async def state(world: World) -> list[Any]:
    """Everything that a bounce could change."""
    tables = ("records", "tickets", "mails", "attempts", "inbound_mails", "pgqueuer")
    return [
        await world.service.pool.fetchval(f"select md5(string_agg(t::text, '|' order by t::text)) from {one} t")
        for one in tables
    ]


async def test_a_bounce_is_recorded_and_told(world: World) -> None:
    token = await world.send()
    world.clock.advance(minutes=3)
    octets = bounce()
    assert await give(world, path(world), octets) == TAKEN
    assert (await world.kinds(token))[-2:] == ["announcement_accepted", "announcement_failed"]
    record = await last(world, token)
    facts = record["Extensions"][0]["sealpost/1"]["bounce"]
    [row] = await rows(world)
    assert record["EventTime"] == "2026-11-23T10:18:02.481Z"
    assert facts == {
        "action": "failed", "status": "5.1.1", "class": "unknown", "diagnostic": "550 5.1.1 No Bob here", "by": "report",
        "reportingMta": "mx.example.com", "recipientMatched": True, "attempt": 1, "messageId": facts["messageId"],
        "received": {**digest(row["sha256"]), "size": len(octets)}, "authenticated": {"result": "none"},
    }  # fmt: skip
    reasons = [
        (reason["Code"].partition("#")[2], *reason.get("Details", ()))
        for reason in record["EventReasons"]["EventReason"]
    ]
    assert reasons == [("unknown", "550 5.1.1 No Bob here")]
    assert record["Extensions"][0]["sealpost/1"]["mail"] == {"purpose": "announcement", "attempt": 1}
    assert (row["kind"], row["attempt"], row["mail_from"]) == ("failed", 1, "")
    assert row["facts"]["status"] == "5.1.1"
    await world.work_off()
    [notice] = [words for words in told(world, "alice@example.org") if FAILURE in words]
    assert "550 5.1.1 No Bob here" in notice
    assert await world.service.pool.fetchval("select status from tickets where token = $1", token) == 40


async def test_its_octets_are_kept_encrypted(world: World) -> None:
    await world.send()
    await give(world, path(world), bounce())
    [row] = await rows(world)
    stored = inbound_mails.Stored(
        row["id"], row["segment"], row["offset"], row["length"], row["nonce"], row["wrapped_key"]
    )
    assert await opened(world.service, world.service.mail_vault.open, stored) == bounce()
    segments = [
        file.read_bytes()
        for file in world.service.spool_folder.parent.rglob("*")
        if file.is_file() and file.stat().st_size < 10**7
    ]
    assert not any(b"No Bob here" in octets for octets in segments)


async def test_the_same_again_changes_nothing(world: World) -> None:
    await world.send()
    assert await give(world, path(world), bounce()) == TAKEN
    before = await state(world)
    for spelt in (str.upper, str.lower, str.swapcase):
        assert await give(world, spelt(path(world)), bounce()) == TAKEN
    assert await asyncio.gather(*[give(world, path(world), bounce()) for _ in range(10)]) == [TAKEN] * 10
    assert await give(world, path(world), bounce(), content=Full()) == TAKEN, "nothing is stored a second time"
    assert await state(world) == before


async def test_many_at_once_have_one_effect(world: World) -> None:
    token = await world.send()
    answers = await asyncio.gather(
        *[give(world, path(world), bounce(Diagnostic_Code=f"smtp; 550 {n}")) for n in range(10)]
    )
    assert answers == [TAKEN] * 10
    assert (await world.kinds(token)).count("announcement_failed") == 1
    assert sorted(row["kind"] for row in await rows(world)) == ["failed"] + ["unclear"] * 9


async def test_a_late_bounce_reverts_nothing(world: World) -> None:
    token = await world.send()
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    await world.work_off()
    before = await world.records(token)
    world.clock.advance(days=20)
    assert await give(world, path(world), bounce(Status="5.2.2")) == TAKEN
    after = await world.records(token)
    assert after[: len(before)] == before
    assert (await world.kinds(token))[len(before) :] == ["announcement_failed"]
    row = await world.service.pool.fetchrow("select decision, status from tickets where token = $1", token)
    assert (row["decision"], row["status"]) == ("accepted", 80)
    await world.work_off()
    assert sum(FAILURE in words for words in told(world, "alice@example.org")) == 1


@pytest.mark.parametrize(
    ("octets", "kind", "record"),
    [
        (bounce(Action="delivered", Status="2.0.0"), "delivered", "announcement_delivered"),
        (bounce(Action="delayed", Status="4.4.1"), "delayed", None),
        (bounce(Action="relayed", Status="2.0.0"), "unclear", None),
        (bounce(Action="expanded", Status="2.0.0"), "unclear", None),
        (bounce(Action="eaten"), "unclear", None),
        (bounce(Final_Recipient="rfc822; charlie@example.com", Original_Recipient="rfc822;charlie@example.com"), "unclear", None),
        (corpus("qmail-unknown-user"), "failed", "announcement_failed"),
        (corpus("vacation-null-sender"), "auto_reply", None),
        (corpus("foreign-daemon"), "unclear", None),
        (b"", "auto_reply", None),
        (bytes(range(256)) * 10, "auto_reply", None),
    ],
)  # fmt: skip
async def test_what_each_kind_does(octets: bytes, kind: str, record: str | None, world: World) -> None:
    token = await world.send()
    before = await world.kinds(token)
    assert await give(world, path(world), octets) == TAKEN
    assert [row["kind"] for row in await rows(world)] == [kind]
    assert (await world.kinds(token))[len(before) :] == ([record] if record else [])


async def test_both_a_delivery_and_a_later_failure_are_told(world: World) -> None:
    token = await world.send()
    await give(world, path(world), bounce(Action="delivered", Status="2.0.0"))
    await give(world, path(world), bounce())
    assert (await world.kinds(token))[-2:] == ["announcement_delivered", "announcement_failed"]


DELIVERED = {"Action": "delivered", "Status": "2.0.0"}


async def test_a_delivery_hides_no_failure_that_was_told(world: World) -> None:
    token = await world.send()
    await give(world, path(world), bounce())
    await world.work_off()
    before, told_to_alice = await world.kinds(token), told(world, "alice@example.org")
    assert await give(world, path(world), bounce(**DELIVERED)) == TAKEN
    await world.work_off()
    assert await world.kinds(token) == before
    assert told(world, "alice@example.org") == told_to_alice
    assert await world.service.pool.fetchval("select status from tickets where token = $1", token) == 40
    assert sorted(row["kind"] for row in await rows(world)) == ["delivered", "failed"], "it is kept"


async def test_a_delivery_hides_no_refusal(world: World) -> None:
    """The first attempt's outcome was unknown, the second one was refused: that is told, and its path came first."""
    token = await world.send()
    pool, sent = world.service.pool, path(world)
    await pool.execute("update attempts set state = 'uncertain' where mail_from = $1", sent)
    await pool.execute(
        """insert into attempts (mail_id, number, state, prepared_at, mail_from)
           select mail_id, 2, 'failed', prepared_at, 'b-2@sealpost.example' from attempts where mail_from = $1""",
        sent,
    )
    at = world.clock.now()
    async with pool.acquire() as connection, connection.transaction():
        ticket = await tickets.lock(connection, await connection.fetchval("select id from tickets"))
        await chain.record(world.service, connection, ticket, [Event("announcement_failed", at, at)])
    before = await world.kinds(token)
    assert await give(world, sent, bounce(**DELIVERED)) == TAKEN
    assert await world.kinds(token) == before
    assert [row["kind"] for row in await rows(world)] == ["delivered"]


async def test_a_failure_and_a_delivery_at_once(world: World) -> None:
    token = await world.send()
    await asyncio.gather(*[give(world, path(world), one) for one in (bounce(), bounce(**DELIVERED))] * 3)
    assert (await world.kinds(token))[-1] == "announcement_failed"


async def test_the_evidence_verifies(world: World) -> None:
    token = await world.send()
    await give(world, path(world), bounce(Action="delivered", Status="2.0.0"))
    await give(world, path(world), bounce(Diagnostic_Code='smtp; 550 5.1.1 "\u00e9\\ \u2028'))
    await extend_log(world.service)
    async with for_sender(world.service, Visible(world.alice), token, "en") as made:
        report = verify(b"".join([piece async for piece in made.chunks()]))
    assert (await world.kinds(token))[-2:] == ["announcement_delivered", "announcement_failed"]
    assert [claim for claim in report.claims if claim.verdict == "FAIL"] == []


async def test_where_it_was_forwarded_to_stays_private(world: World) -> None:
    token = await world.send()
    private = bounce(
        Final_Recipient="rfc822; bob@example.net", Diagnostic_Code="smtp; 550 5.1.1 bob@example.net unknown"
    )
    assert await give(world, path(world), private) == TAKEN
    assert (await world.kinds(token))[-1] == "announcement_failed"
    assert b"bob@example.net" not in (await world.records(token))[-1]
    assert "example.net" not in str((await rows(world))[0]["facts"])
    assert (await last(world, token))["Extensions"][0]["sealpost/1"]["bounce"]["recipientMatched"] is False


async def test_reminders_and_contents(world: World) -> None:
    token = await world.send(reminder_days=1)
    world.clock.advance(days=2)
    await world.work_off()
    assert await give(world, path(world, 1), bounce(Action="delivered", Status="2.1.5")) == TAKEN
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    await world.work_off()
    delivered = await world.kinds(token)
    assert await give(world, path(world, 2), bounce(Action="delivered", Status="2.1.5")) == TAKEN
    assert await world.kinds(token) == delivered, "the content's delivery is recorded already"
    assert await give(world, path(world, 2), bounce(Status="5.3.4", Diagnostic_Code="smtp; 552 5.3.4 too big")) == TAKEN
    assert "reminder_delivered" in delivered
    assert (await world.kinds(token))[-1] == "content_failed"
    await world.work_off()
    assert "too large for your mailbox" in told(world, "bob@example.com")[-1]


@pytest.mark.parametrize(
    ("attempt_state", "reply", "kind"),
    [("uncertain", TAKEN, "failed"), ("delayed", TAKEN, "unclear"), ("failed", TAKEN, "unclear"), ("abandoned", TAKEN, "unclear"),
     ("dot_due", LATER, None), ("prepared", LATER, None)],
)  # fmt: skip
async def test_what_the_attempt_was(attempt_state: str, reply: str, kind: str | None, world: World) -> None:
    token = await world.send()
    await world.service.pool.execute(
        "update attempts a set state = $1 from mails m where m.id = a.mail_id and purpose = 'announcement'",
        attempt_state,
    )
    before = await world.kinds(token)
    assert (await give(world, path(world), bounce())).startswith(reply)
    assert [row["kind"] for row in await rows(world)] == ([kind] if kind else [])
    assert (await world.kinds(token))[len(before) :] == (["announcement_failed"] if kind == "failed" else [])


async def test_a_bounce_of_a_notice_is_only_kept(world: World) -> None:
    token = await world.send()
    before = await world.kinds(token)
    assert (
        await give(world, path(world, to="alice@example.org"), bounce(Final_Recipient="rfc822; alice@example.org"))
        == TAKEN
    )
    assert [row["kind"] for row in await rows(world)] == ["failed"]
    assert await world.kinds(token) == before
    assert await world.service.pool.fetchval("select count(*) from pgqueuer where status = 'queued'") == 0


# Replies -------------------------------------------------------------------------------------------------------------


def message_id(world: World, to: str = "bob@example.com") -> str:
    return str(parsed(next(raw for _, recipient, raw in world.mailbox.mails if recipient == to))["message-id"])


async def planned(world: World) -> list[Any]:
    return await world.service.pool.fetch(
        "select ticket_id, purpose, state from mails where purpose like 'reply:%' order by purpose"
    )


@pytest.mark.parametrize("to", ["post", "return path"])
async def test_a_reply_is_passed_on(to: str, world: World) -> None:
    token = await world.send()
    before = await world.kinds(token)
    address = "POST@sealpost.example" if to == "post" else path(world)
    assert await give(world, address, answer(message_id(world)), "bob@example.com") == TAKEN
    [row], [mail] = await rows(world), await planned(world)
    assert row["kind"] == "reply"
    assert mail["purpose"] == f"reply:{row['id'].hex[:8]}"
    assert await reply_of(world.service, mail["ticket_id"], mail["purpose"]) == Passed(
        "bob@example.com", world.clock.at, "Re: it", "What is this?", Signed("none")
    )
    assert await world.kinds(token) == before
    assert row["facts"] == {"authenticated": {"result": "none"}}, (
        "nothing of a person's words outside the encrypted octets"
    )


async def test_one_reply_many_times_at_once_is_passed_on_once(world: World) -> None:
    await world.send()
    octets = answer(message_id(world))
    answers = await asyncio.gather(
        *[give(world, "post@sealpost.example", octets, "bob@example.com") for _ in range(10)]
    )
    assert answers == [TAKEN] * 10
    assert len(await rows(world)) == len(await planned(world)) == 1


async def test_replies_have_a_limit(world: World) -> None:
    await world.send()
    for number in range(MOST_REPLIES + 3):
        assert (
            await give(world, "post@sealpost.example", answer(message_id(world), f"{number}"), "bob@example.com")
            == TAKEN
        )
    assert len(await rows(world)) == MOST_REPLIES + 3
    assert len(await planned(world)) == MOST_REPLIES


async def test_all_that_is_kept_has_a_limit(world: World) -> None:
    await world.send()
    await give(world, path(world), b"first")
    await world.service.pool.execute(
        """insert into inbound_mails select gen_random_uuid(), account_id, ticket_id, mail_id, attempt, 'unclear', received_at,
           mail_from, sha256(n::text::bytea), size, facts, segment, "offset", length, nonce, wrapped_key
           from inbound_mails, generate_series(2, $1) n""",
        MOST_KEPT,
    )
    before = await state(world)
    for one in (b"another", bounce(Action="delayed", Status="4.4.1"), answer(message_id(world))):
        assert (await give(world, path(world), one)).startswith("552 5.2.2")
    assert await give(world, path(world), b"first") == TAKEN, "what is there already is taken again"
    assert await state(world) == before


@pytest.mark.parametrize("full", ["number", "octets"])
async def test_who_fills_the_place_up_hides_no_bounce(full: str, world: World) -> None:
    token = await world.send()
    await give(world, path(world), b"first")
    await world.service.pool.execute(
        """insert into inbound_mails select gen_random_uuid(), account_id, ticket_id, mail_id, attempt, 'unclear', received_at,
           mail_from, sha256(n::text::bytea), size, facts, segment, "offset", length, nonce, wrapped_key
           from inbound_mails, generate_series(2, $1) n""",
        MOST_KEPT if full == "number" else 2,
    )
    if full == "octets":
        await world.service.pool.execute("update inbound_mails set size = $1", MOST_OCTETS // 2)
    for one in (bounce(**DELIVERED), bounce()):
        assert await give(world, path(world), one) == TAKEN
    assert (await world.kinds(token))[-2:] == ["announcement_delivered", "announcement_failed"]
    before = await state(world)
    for one in (bounce(Status="5.2.2"), bounce(**DELIVERED, Diagnostic_Code="smtp; 250 again"), b"more"):
        assert (await give(world, path(world), one)).startswith("552 5.2.2"), "only the first of each"
    assert await state(world) == before


async def test_the_octets_that_are_kept_have_a_limit(world: World) -> None:
    await world.send()
    await give(world, path(world), b"first")
    await world.service.pool.execute("update inbound_mails set size = $1", MOST_OCTETS - 6)
    assert (await give(world, path(world), b"7 octet")).startswith("552 5.2.2")
    assert await give(world, path(world), b"6 octe") == TAKEN


async def test_a_mail_that_comes_back_is_little_larger_than_ours(world: World) -> None:
    await world.send()
    size = await world.service.pool.fetchval("select size from mails where message_header = $1", message_id(world))
    most = size + MOST_OF_ONE
    words = bounce() + b"x" * (most - len(bounce()))
    before = await state(world)
    assert await give(world, path(world), words + b"x", content=Full()) == TOO_LARGE, "before anything is stored"
    by_post = answer(message_id(world)).ljust(most + 1, b"x")
    assert await give(world, "post@sealpost.example", by_post, "bob@example.com", content=Full()) == TOO_LARGE
    destination = ReturnedMails(world.service)
    for announced, reply in ((0, OK), (most, OK), (most + 1, TOO_LARGE), (10**20 - 1, TOO_LARGE)):
        there = dataclasses.replace(THERE, size=announced)
        assert await destination.admits(there, path(world), "") == reply
        assert (await destination.admits(there, "b-" + "a" * 50 + "@sealpost.example", "") or "").startswith(UNKNOWN)
    assert await state(world) == before
    assert await give(world, path(world), words) == TAKEN


@pytest.mark.parametrize(
    ("octets", "mail_from", "kind"),
    [
        (answer("{}", head="Auto-Submitted: auto-replied\r\n"), "bob@example.com", "auto_reply"),
        (answer("{}"), "", "auto_reply"),
        (bounce(In_Reply_To="x").replace(b"Subject:", b"References: {}\r\nSubject:"), "", "unclear"),
    ],
)
async def test_at_our_address_only_people_have_an_effect(
    octets: bytes, mail_from: str, kind: str, world: World
) -> None:
    token = await world.send()
    before = await world.kinds(token)
    octets = octets.replace(b"{}", message_id(world).encode())
    assert await give(world, "post@sealpost.example", octets, mail_from) == TAKEN
    assert [row["kind"] for row in await rows(world)] == [kind]
    assert not await planned(world)
    assert await world.kinds(token) == before


async def test_an_answer_to_a_notice_is_only_kept(world: World) -> None:
    await world.send()
    notice = message_id(world, "alice@example.org")
    assert await give(world, "post@sealpost.example", answer(notice), "alice@example.org") == TAKEN
    assert [row["kind"] for row in await rows(world)] == ["reply"]
    assert not await planned(world)


@pytest.mark.parametrize(
    "named",
    [
        "",
        "<x@example.org>",
        "<6f0d5b0e-5f0c-4c3b-9d0a-0d8f1f6d7a11@sealpost.example>",
        "<6f0d5b0e-5f0c-4c3b-9d0a-0d8f1f6d7a12@example.org>",
        "<019dab50@sealpost.example>",
        "{}@example.org>",
    ],
)
async def test_what_answers_none_of_our_mails_is_refused(named: str, world: World) -> None:
    await world.send()
    named = named.replace("{}", message_id(world).partition("@")[0])
    before = await state(world)
    assert (await give(world, "post@sealpost.example", answer(named), "bob@example.com")).startswith(UNKNOWN)
    assert await state(world) == before


# Nothing forged ------------------------------------------------------------------------------------------------------


def forged(world: World, genuine: str, pick: random.Random) -> list[str]:
    """Five hundred return paths that are not ours, or not any more."""
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    local, _, domain = genuine.partition("@")
    flipped: list[str] = []
    for _ in range(200):
        place = pick.randrange(2, len(local))
        other = letters[letters.index(local[place]) ^ (1 << pick.randrange(5))]
        flipped.append(local[:place] + other + local[place + 1 :])
    made_up = ["b-" + "".join(pick.choices(letters, k=50)) for _ in range(100)]
    foreign = ReturnPaths(b"another installation's key")
    mail_id = world.service.return_paths.read(local, world.clock.real()).mail_id
    abroad = [foreign.local_part(mail_id, number, world.clock.real() + LIFE) for number in range(1, 51)]
    expired = [
        world.service.return_paths.local_part(mail_id, 1, world.clock.real() - timedelta(days=day))
        for day in range(1, 51)
    ]
    unknown = [
        world.service.return_paths.local_part(UUID(int=pick.getrandbits(128)), 1, world.clock.real() + LIFE)
        for _ in range(50)
    ]
    never_made = [
        world.service.return_paths.local_part(mail_id, number, world.clock.real() + LIFE) for number in range(2, 42)
    ]
    elsewhere = [
        f"{local}@{name}"
        for name in (
            "example.com",
            "rp.example.com",
            "sealpost.example.example.com",
            "localhost",
            "rp.sealpost.example",
        )
    ]
    odd = ["bounce", "b-", "", "b-" + local, local + "+x"]
    return [f"{one}@{domain}" for one in flipped + made_up + abroad + expired + unknown + never_made + odd] + elsewhere


async def test_five_hundred_forged_bounces_change_nothing(world: World) -> None:
    await world.send()
    genuine = path(world)
    assert await give(world, genuine, bounce()) == TAKEN
    before = await state(world)
    paths = forged(world, genuine, random.Random(5))
    assert len(paths) == 500
    destination = ReturnedMails(world.service)
    for one in paths:
        assert (await destination.admits(THERE, one, "") or UNKNOWN).startswith(UNKNOWN), one
        assert (await destination.take(THERE, "", [one], bounce(Status="5.2.2"))).startswith(UNKNOWN), one
    assert await give(world, genuine, bounce()) == TAKEN
    assert await state(world) == before


async def test_a_return_path_ends(world: World) -> None:
    await world.send()
    world.clock.real_at += LIFE
    assert await give(world, path(world), b"in time") == TAKEN
    world.clock.real_at += timedelta(days=1)
    assert (await give(world, path(world), bounce())).startswith(UNKNOWN)


async def test_return_paths_of_sender_domains(world: World) -> None:
    token = await world.send()
    own = path(world)
    elsewhere = own.replace("@sealpost.example", "@rp.example.org")
    now = world.clock.real()
    await world.service.pool.execute(
        "insert into sender_domains (account_id, name, due_at, created_at) values ($1, 'example.org', $2, $2)",
        world.alice,
        now,
    )
    assert (await give(world, elsewhere, bounce())).startswith(UNKNOWN), "the mail went out with another path"
    await world.service.pool.execute("update attempts set mail_from = $2 where mail_from = $1", own, elsewhere)
    assert await give(world, elsewhere.upper(), bounce()) == TAKEN
    assert (await world.kinds(token))[-1] == "announcement_failed"
    assert await give(world, own, bounce()) == TAKEN, "the path of an alias, with the canonical name"


async def test_what_went_out_before_a_sender_domain_was_removed(world: World) -> None:
    await add_domain(world.service, world.alice, "example.org")
    await world.service.pool.execute("update sender_domains set verified_at = now(), return_path = true")
    token = await world.send()
    genuine = path(world)
    assert genuine.endswith("@rp.example.org")
    await remove_domain(world.service, world.alice, "example.org")
    refusals = [
        await give(world, one, bounce())
        for one in (genuine.replace("@rp.", "@"), genuine.replace(".org", ".net"), "b-" + "a" * 50 + "@rp.example.org")
    ]
    assert refusals == ["550 5.1.1 No such address here"] * 3, "as at any domain that was never ours"
    assert await give(world, genuine, bounce()) == TAKEN
    assert (await world.kinds(token))[-1] == "announcement_failed"


class Full:
    """A content store without room."""

    async def append(self, blob: Blob) -> Placement:
        raise ContentUnavailable(f"no room for {len(blob) if isinstance(blob, bytes) else 0}")


async def test_what_cannot_be_kept_shall_come_again(world: World) -> None:
    await world.send()
    before = await state(world)
    assert (await give(world, path(world), bounce(), content=Full())).startswith(LATER)
    assert await state(world) == before
    assert await give(world, path(world), bounce()) == TAKEN


async def test_the_path_of_a_mail_that_was_delayed_first(world: World) -> None:
    """Turned away by a greylist, taken at the second try, bounced: the path is that of the first try."""
    token = await world.send()
    pool, mail = world.service.pool, message_id(world)
    where = "mail_id = (select id from mails where message_header = $1)"
    await pool.execute(f"update attempts set number = 2 where {where}", mail)
    await pool.execute(
        f"""insert into attempts (mail_id, number, state, prepared_at, mail_from)
            select mail_id, 1, 'delayed', prepared_at, mail_from from attempts where {where}""",
        mail,
    )
    await give(world, path(world), bounce())
    assert (await world.kinds(token))[-1] == "announcement_failed"
    octets = await pool.fetchval("select octets from records where kind = 'announcement_failed'")
    assert json.loads(octets)["Extensions"][0]["sealpost/1"]["bounce"]["attempt"] == 2


async def test_erasure_takes_peoples_words_and_leaves_the_evidence(world: World) -> None:
    token = await world.send()
    await give(world, path(world), bounce())
    await give(world, "post@sealpost.example", answer(message_id(world)), "bob@example.com")
    await give(world, path(world), corpus("vacation-null-sender"))
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    await world.service.pool.execute("delete from pgqueuer where entrypoint = 'notify'")
    await world.work_off()
    await give(world, path(world, 1), bounce())
    [mail] = await planned(world)
    async with world.service.pool.acquire() as connection:
        assert await erasures.erase_words(connection, mail["ticket_id"])
    kept = {(row["kind"], row["purpose"]): row["kept"] for row in await world.service.pool.fetch(
        "select i.kind, m.purpose, i.wrapped_key is not null as kept from inbound_mails i join mails m on m.id = i.mail_id"
    )}  # fmt: skip
    assert kept == {
        ("failed", "announcement"): True, ("reply", "announcement"): False, ("auto_reply", "announcement"): False, ("failed", "content"): False,
    }  # fmt: skip
    assert await reply_of(world.service, mail["ticket_id"], mail["purpose"]) is None


# Over SMTP -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def port(world: World) -> AsyncIterator[int]:
    server = InboundServer(
        [ReturnedMails(world.service)], host="127.0.0.1", port=0, hostname="in.sealpost.example", size_limit=10**6
    )
    yield await server.start()
    await server.stop()


async def test_over_smtp(world: World, port: int) -> None:
    token = await world.send()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = [
        b"EHLO mx.example.com", b"MAIL FROM:<>", b"RCPT TO:<charlie@example.com>", b"RCPT TO:<bounce@sealpost.example>",
        b"RCPT TO:<" + path(world).encode() + b">", b"DATA", bounce() + b".", b"MAIL FROM:<bob@example.com>",
        b"RCPT TO:<post@sealpost.example>", b"DATA", answer("<x@y>") + b".", b"QUIT",
    ]  # fmt: skip
    codes = [(await reader.readline())[:3]]
    for one in sent:
        writer.write(one + b"\r\n")
        line = await reader.readline()
        while line[3:4] == b"-":
            line = await reader.readline()
        codes.append(line[:3])
    writer.close()
    await writer.wait_closed()
    assert codes == [
        b"220",
        b"250",
        b"250",
        b"550",
        b"550",
        b"250",
        b"354",
        b"250",
        b"250",
        b"250",
        b"354",
        b"550",
        b"221",
    ]
    assert (await world.kinds(token))[-1] == "announcement_failed"
