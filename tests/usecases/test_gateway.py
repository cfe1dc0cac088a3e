"""Mail that is handed in by SMTP: who may, what becomes of it, and that the same mail again makes nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest

from sealpost.domain.errors import Conflict, InvalidInput, TooLarge, Unavailable
from sealpost.mail.submission import Refused
from sealpost.store.gateway_mails import Claim
from sealpost.usecases import gateway as module
from sealpost.usecases.found import found_client
from sealpost.usecases.gateway import MAY_NOT, Credential, Gateway
from sealpost.usecases.submit_message import SubmitMessage
from sealpost.usecases.suspend import suspend
from tests.handing import HOST, WEAK_PEM, WEAK_RECORD, Handing, key
from tests.mail.signing import rsa
from tests.site import Site
from tests.world import World


@pytest.fixture
def handing(world: World) -> Handing:
    return Handing(world)


@pytest.fixture
def quiet(quiet_site: Site) -> Handing:
    """A world that tests share: for what must leave nothing behind."""
    return Handing(quiet_site.world)


class Failing:
    """A submitter that fails from the nth submission on: before or after the commit."""

    def __init__(self, handing: Handing, number: int, *, stored: bool) -> None:
        self.handing, self.left, self.stored = handing, number, stored

    async def submit(self, message: SubmitMessage, held: Claim | None = None) -> str:
        self.left -= 1
        if self.left > 0:
            return await self.handing.world.submitter.submit(message, held)
        if self.stored:
            await self.handing.world.submitter.submit(message, held)
        raise Unavailable("the database is away")


async def test_a_mail_becomes_a_ticket(handing: Handing) -> None:
    world, octets = handing.world, handing.mail()
    [token] = await handing.by_alice(octets)
    await world.work_off()
    ticket = await world.service.pool.fetchrow("select * from tickets where token = $1", token)
    assert (ticket["recipient_email"], ticket["recipient_name"]) == ("bob@example.com", "Bob")
    assert (ticket["delegate"], ticket["method"]) == (f"client:{handing.alice.name}", "smtp-auth")
    record = json.loads((await world.records(token))[0])
    assert record["SenderDetails"]["Identifier"]["value"] == "alice@example.org"
    body = hashlib.sha256(b"Dear Bob,\n\nplease read this.\n").digest()
    assert base64.b64encode(body).decode() in json.dumps(record)
    request = record["Extensions"][0]["sealpost/1"]["request"]
    assert request["face"] == "smtp"
    assert "Notice of default" in world.mailbox.subjects("bob@example.com")[0]
    assert await handing.count("gateway_mails") == 1


async def test_several_recipients_become_several_tickets(handing: Handing) -> None:
    recipients = [handing.to(f"bob{number}@example.com") for number in range(12)]
    tokens = await handing.by_alice(handing.mail(), *recipients, recipients[0].upper().replace("BOB0@", "bob0@"))
    assert len(set(tokens)) == 12
    rows = await handing.service.pool.fetch("select token, recipient_email from tickets")
    assert {row["token"]: row["recipient_email"] for row in rows} == {
        token: f"bob{number}@example.com" for number, token in enumerate(tokens)
    }


async def test_the_same_mail_again_makes_nothing(handing: Handing) -> None:
    octets, both = handing.mail(), (handing.to(), handing.to("bea@example.com"))
    first = await handing.by_alice(octets, *both)
    handing.world.clock.real_at += timedelta(days=2)
    assert await handing.by_alice(b"Received: from out.example.org by mx; now\r\n" + octets, *both) == first
    # A relay may split a mail; whoever is new to it gets a ticket of his own.
    assert await handing.by_alice(octets, both[1]) == first[1:]
    [third] = await handing.by_alice(octets, handing.to("ben@example.com"))
    assert third not in first
    assert await handing.count() == 3


async def test_another_mail_with_its_message_id(handing: Handing) -> None:
    await handing.by_alice(handing.mail())
    for other in (handing.mail(body="Other\n"), handing.mail(Subject="Other")):
        assert (await handing.refused(other, credential=handing.alice)).startswith("550 5.6.0 Another mail")
        reply = await handing.refused(other, handing.to("ben@example.com"), credential=handing.alice)
        assert reply.startswith("550 5.6.0 Another mail")


async def test_an_old_message_id_is_free_again(handing: Handing) -> None:
    octets = handing.mail()
    first = await handing.by_alice(octets)
    handing.world.clock.real_at += module.KEPT
    assert await handing.by_alice(octets) != first


async def test_message_ids_of_two_accounts_are_two(handing: Handing) -> None:
    charlie = Credential(handing.world.charlie_basic.name, handing.world.charlie_basic.secret)
    await handing.by_alice(handing.mail())
    await handing.take(
        handing.mail(From="charlie@example.net"), handing.to(account=handing.world.charlie), credential=charlie
    )
    assert await handing.count() == 2


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
async def test_a_fault_between_two_tickets(
    handing: Handing, monkeypatch: pytest.MonkeyPatch, number: int, stored: bool
) -> None:
    """What was taken is whole; the same mail again makes only what is missing."""
    monkeypatch.setattr(module, "AT_ONCE", 1)
    octets, recipients = handing.mail(), [handing.to(f"bob{n}@example.com") for n in range(4)]
    broken = Gateway(handing.service, Failing(handing, number, stored=stored), HOST)
    with pytest.raises(Refused, match="451"):
        await broken.take(handing.alice, recipients, octets)
    had = await handing.service.pool.fetch("select token, recipient_email from tickets")
    assert len(had) == number - 1 + stored
    tokens = await handing.by_alice(octets, *recipients)
    assert all(tokens[int(row["recipient_email"][3])] == row["token"] for row in had)
    assert await handing.count() == 4
    assert await handing.by_alice(octets, *recipients) == tokens


async def test_a_claim_of_a_process_that_died(handing: Handing) -> None:
    octets = handing.mail()
    began = asyncio.Event()

    class Never:
        async def submit(self, message: SubmitMessage, held: Claim | None = None) -> str:
            began.set()
            await asyncio.Event().wait()
            return ""

    killed = asyncio.create_task(Gateway(handing.service, Never(), HOST).take(handing.alice, [handing.to()], octets))
    await began.wait()
    killed.cancel()
    assert (await handing.refused(octets, credential=handing.alice)).startswith("451 4.3.2")
    handing.world.clock.real_at += module.LEASE + timedelta(seconds=1)
    await handing.by_alice(octets)
    assert await handing.count() == 1


async def test_who_was_taken_over_cannot_commit(handing: Handing) -> None:
    octets = handing.mail()

    class Slow:
        async def submit(self, message: SubmitMessage, held: Claim | None = None) -> str:
            handing.world.clock.real_at += module.LEASE + timedelta(seconds=1)
            self.overtaken = await handing.by_alice(octets)
            with pytest.raises(Conflict):
                await handing.world.submitter.submit(message, held)
            raise Conflict("taken over")

    slow = Slow()
    with pytest.raises(Refused, match="451"):
        await Gateway(handing.service, slow, HOST).take(handing.alice, [handing.to()], octets)
    assert await handing.count() == 1
    assert await handing.by_alice(octets) == slow.overtaken


async def test_who_was_taken_over_by_one_that_is_under_way_cannot_commit(handing: Handing) -> None:
    octets, late = handing.mail(), asyncio.Event()
    messages: list[tuple[SubmitMessage, Claim]] = []

    class Waiting:
        async def submit(self, message: SubmitMessage, held: Claim | None = None) -> str:
            assert held is not None
            messages.append((message, held))
            await late.wait()
            return await handing.world.submitter.submit(message, held)

    waiting = Gateway(handing.service, Waiting(), HOST)
    first = asyncio.create_task(waiting.take(handing.alice, [handing.to()], octets))
    async with asyncio.timeout(20):
        while not messages:
            await asyncio.sleep(0)
        handing.world.clock.real_at += module.LEASE + timedelta(seconds=1)
        second = asyncio.create_task(waiting.take(handing.alice, [handing.to()], octets))
        while len(messages) < 2:
            await asyncio.sleep(0)
    with pytest.raises(Conflict):
        await handing.world.submitter.submit(*messages[0])
    assert await handing.count() == 0
    late.set()
    with pytest.raises(Refused, match="451"):
        await first
    assert len(await second) == await handing.count() == 1


async def test_the_same_mail_many_times_at_once(handing: Handing) -> None:
    octets = handing.mail()
    made = await asyncio.gather(*(handing.by_alice(octets) for _ in range(12)), return_exceptions=True)
    tokens = {token for one in made if isinstance(one, list) for token in one}
    assert len(tokens) == await handing.count() == 1
    assert all(isinstance(one, list) or (isinstance(one, Refused) and one.code == "451 4.3.2") for one in made)


# Who may ------------------------------------------------------------------------------------------------------------


async def test_one_reply_to_everybody_who_may_not(quiet: Handing) -> None:
    world = quiet.world
    charlie = Credential(world.charlie_basic.name, world.charlie_basic.secret)
    nobody = Credential("nobody", "x")
    for credential, octets, account in [
        (quiet.alice, quiet.mail(), world.charlie),
        (quiet.alice, quiet.mail(), 999999),
        (quiet.alice, quiet.mail(From="charlie@example.net"), world.alice),
        (quiet.alice, quiet.mail(From="ALICE@example.com"), world.alice),
        (charlie, quiet.mail(), world.alice),
        (nobody, quiet.mail(), world.alice),
    ]:
        assert await quiet.refused(octets, quiet.to(account=account), credential=credential) == MAY_NOT.reply
    for account in (world.alice, world.charlie, 999999):
        octets = quiet.mail(To=quiet.to(account=account), From="eve@example.net", Message_ID="<e@example.net>")
        signed = quiet.signed(octets, "example.net")
        assert await quiet.refused(signed, quiet.to(account=account)) == MAY_NOT.reply
        unsigned = await quiet.refused(octets, quiet.to(account=account))
        assert unsigned == await quiet.refused(quiet.mail(), quiet.to(account=account)) == module.NONE.reply


async def test_who_may_not_is_refused_before_the_mail_is_taken_apart(quiet: Handing) -> None:
    """Else strangers could have hostile parts read, and learn from the reply that they may send."""
    octets = quiet.mail(From="eve@example.net", MIME_Version="1.0", Content_Type="text/x-strange")
    assert await quiet.refused(octets, credential=quiet.alice) == MAY_NOT.reply
    assert await quiet.refused(quiet.signed(octets, "example.net")) == MAY_NOT.reply
    own = quiet.mail(MIME_Version="1.0", Content_Type="text/x-strange")
    assert (await quiet.refused(own, credential=quiet.alice)).startswith("550 5.6.0")


async def test_a_revoked_client_ends_within_its_conversation(handing: Handing) -> None:
    world = handing.world
    made = await found_client(world.service, world.alice, "web_service", "alice-second", "user")
    credential = await handing.gateway.authenticate(made.name, made.secret)
    assert credential is not None
    assert made.secret not in repr(credential)
    assert await handing.gateway.admit(credential, handing.to(), "alice@example.org")
    await world.service.pool.execute("update clients set revoked_at = now() where name = 'alice-second'")
    world.clock.real_at += timedelta(seconds=6)
    with pytest.raises(Refused, match=r"5\.7\.1"):
        await handing.gateway.admit(credential, handing.to(), "alice@example.org")
    assert await handing.refused(handing.mail(), credential=credential) == MAY_NOT.reply


async def test_a_suspended_account(handing: Handing) -> None:
    await suspend(handing.world.service, handing.world.alice)
    handing.world.clock.real_at += timedelta(seconds=6)
    assert await handing.refused(handing.mail(), credential=handing.alice) == MAY_NOT.reply
    assert await handing.refused(handing.signed(handing.mail())) == MAY_NOT.reply


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("", ""),
        ("alice-service", "wrong"),
        ("alice-service\0", "x"),
        ("alice-client", "x"),
        ("x" * 600, "x"),
        ("a", "\n"),
    ],
)
async def test_no_credential(quiet: Handing, name: str, secret: str) -> None:
    assert await quiet.gateway.authenticate(name, secret) is None


async def test_an_oauth_client_is_none(quiet: Handing) -> None:
    client = quiet.world.alice_client
    assert await quiet.gateway.authenticate(client.name, client.secret) is None
    assert await quiet.gateway.authenticate(quiet.alice.name, quiet.alice.secret) == quiet.alice


async def test_the_quota(handing: Handing) -> None:
    world = handing.world
    made = await found_client(world.service, world.alice, "web_service", "alice-few", "user")
    await world.service.pool.execute("update clients set quota = 3 where name = 'alice-few'")
    few = Credential(made.name, made.secret)
    octets, both = handing.mail(), (handing.to(), handing.to("bea@example.com"))
    tokens = await handing.take(octets, *both, credential=few)
    assert await handing.take(octets, *both, credential=few) == tokens  # costs nothing
    more = handing.mail(Message_ID="<2@example.org>")
    assert (await handing.refused(more, *both, credential=few)).startswith("451 4.7.1")
    world.clock.real_at += timedelta(hours=1)
    assert len(await handing.take(more, *both, credential=few)) == 2


async def test_a_mail_that_the_quota_refuses_costs_nothing(handing: Handing) -> None:
    world = handing.world
    made = await found_client(world.service, world.alice, "web_service", "alice-few", "user")
    await world.service.pool.execute("update clients set quota = 4 where name = 'alice-few'")
    few = Credential(made.name, made.secret)
    five = [handing.to(f"bob{number}@example.com") for number in range(5)]
    assert len(await handing.take(handing.mail(), *five[:2], credential=few)) == 2
    other = handing.mail(Message_ID="<2@example.org>")
    for _ in range(5):
        assert (await handing.refused(other, *five[:3], credential=few)).startswith("451 4.7.1")
        reply = await handing.refused(other, *five, credential=few)
        assert reply.startswith("550 5.5.3 More recipients than the client's quota, 4 in each hour, ever allows")
    assert len(await handing.take(other, *five[:2], credential=few)) == 2, "nothing was counted for what was refused"
    world.clock.real_at += timedelta(hours=1)
    assert len(await handing.take(other, *five, credential=few)) == 5, "only the new ones count"
    assert await handing.count() == 7


# Addresses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipient", "meant"),
    [
        (f"bob@example.com.100001.{HOST}", "bob@example.com 100001"),
        (f"bob@EXAMPLE.com.100001.{HOST.upper()}", "bob@example.com 100001"),
        (f"Bob.B+x@sub.example.com.7.{HOST}", "Bob.B+x@sub.example.com 7"),
        (f"bøb@bücher.example.7.{HOST}", "bøb@xn--bcher-kva.example 7"),
        (f"bob@straße.example.7.{HOST}", "bob@xn--strae-oqa.example 7"),
        (f".b..ob.@example.com.7.{HOST}", "refused"),
        ("bob@example.com", "none"),
        (f"bob@x{HOST}", "none"),
        (f"bob@{HOST}.example.com", "none"),
        ("bob", "none"),
        (f"bob@{HOST}", "refused"),
        (f"bob@100001.{HOST}", "refused"),
        (f"bob@example.com.{HOST}", "refused"),
        (f"bob@example.com.0.{HOST}", "refused"),
        (f"bob@example.com.01.{HOST}", "refused"),
        (f"bob@example.com.-1.{HOST}", "refused"),
        (f"bob@example.com.١.{HOST}", "refused"),
        (f"bob@example.com.{'1' * 19}.{HOST}", "refused"),
        (f"bob@com.100001.{HOST}", "refused"),
        (f"@example.com.100001.{HOST}", "refused"),
        (f'"bob x"@example.com.100001.{HOST}', "refused"),
        (f"bob@[192.0.2.1].100001.{HOST}", "refused"),
        (f"bob@192.0.2.1.100001.{HOST}", "refused"),
        (f"bob@example..com.100001.{HOST}", "refused"),
        (f"bob@example.com..100001.{HOST}", "refused"),
        (f"charlie@example.net@example.com.100001.{HOST}", "refused"),
        (f"bob@x.1.{HOST}.100001.{HOST}", "refused"),
        (f"bob@{HOST}.100001.{HOST}", "refused"),
    ],
)
async def test_gateway_addresses(quiet: Handing, recipient: str, meant: str) -> None:
    try:
        found = quiet.gateway.place(recipient)
    except Refused as refused:
        assert refused.code == "550 5.1.3"
        assert meant == "refused"
    else:
        assert meant == (f"{found.recipient.normalised} {found.account_id}" if found else "none")


async def test_one_mail_is_one_customer_s(quiet: Handing) -> None:
    reply = await quiet.refused(quiet.mail(), quiet.to(), quiet.to(account=7), credential=quiet.alice)
    assert reply.startswith("550 5.1.3")


async def test_no_bounces(quiet: Handing) -> None:
    with pytest.raises(Refused, match=r"550 5\.7\.1"):
        await quiet.gateway.admit(None, quiet.to(), "")
    assert not await quiet.gateway.admit(None, "bob@example.com", "")


# Content ------------------------------------------------------------------------------------------------------------


def html(body: str) -> Callable[[Handing], bytes]:
    return lambda handing: handing.mail(body, MIME_Version="1.0", Content_Type="text/html")


def file(name: str, kind: str = "application/pdf", content: str = "JVBERi0x") -> Callable[[Handing], bytes]:
    body = (
        f'--b\nContent-Type: text/plain\n\nHello\n--b\nContent-Type: {kind}\nContent-Disposition: attachment; filename="{name}"\n'
        f"Content-Transfer-Encoding: base64\n\n{content}\n--b--\n"
    )
    return lambda handing: handing.mail(body, MIME_Version="1.0", Content_Type="multipart/mixed; boundary=b")


@pytest.mark.parametrize(
    ("make", "reply"),
    [
        (html("<p>Hello <img src='https://charlie.example.net/'></p>\n"), "550 5.6.0 The text: cannot be taken as it is: line 1: an image that is loaded from elsewhere"),
        (html("<p><script>x</script></p>\n"), "550 5.6.0 The text: "),
        (file("../a.pdf"), "550 5.6.0 The name of attachment 1: is not a plain file name"),
        (file("con.pdf"), "550 5.6.0 The name of attachment 1: "),
        (file("a.pdf", "image/png"), "550 5.6.0 The type of attachment 1: does not agree"),
        (lambda handing: handing.mail(Subject=None), "550 5.6.0 The subject: "),
        (lambda handing: handing.mail(Subject="=?utf-8?q?a=0D=0ABcc:_charlie?="), "550 5.6.0 The subject: "),
        (lambda handing: handing.mail(Subject="=?utf-8?b?PT91dGYtOD9xP2E9MEE/PQ==?="), "550 5.6.0 The subject: "),
        (lambda handing: handing.mail(From="=?utf-8?q?a=E2=80=AEb?= <alice@example.org>"), "550 5.6.0 The From name: "),
        (lambda handing: handing.mail(From='"Bank service@example.com" <alice@example.org>'), "550 5.6.0 The From name: has an e-mail address in it"),
        (lambda handing: handing.mail(From="alice@-example.org"), "550 5.6.0 The From address: "),
        (lambda handing: handing.mail(body="\n"), "550 5.6.0 The text: "),
        (lambda handing: handing.mail(body="a\x1bb\n"), "550 5.6.0 The text: "),
        (lambda handing: handing.mail(body=("x" * 900 + "\n") * 1200), "550 5.6.0 The text: "),
        (lambda handing: handing.mail(To=f"=?utf-8?q?B=E2=80=AEb?= <{handing.to()}>"), "550 5.6.0 The recipient's name: "),
        (lambda handing: handing.mail(Auto_Submitted="auto-replied"), "550 5.7.1"),
    ],
)  # fmt: skip
async def test_refused_content(quiet: Handing, make: Callable[[Handing], bytes], reply: str) -> None:
    """One sentence, no ticket, and no claim that would be in the way of a better mail."""
    both = (quiet.to(), quiet.to("bea@example.com"))
    assert (await quiet.refused(make(quiet), *both, credential=quiet.alice)).startswith(reply)
    assert await quiet.count("gateway_mails") == 0


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (TooLarge("message_body", "more than 9 octets decoded in all"), "552 5.3.4 The text: more than 9 octets decoded in all"),
        (TooLarge("attachments", "at most 9 are taken"), "552 5.3.4 The attachments: at most 9 are taken"),
        (InvalidInput("attachments[11].attachment", "is base64 whose padding is wrong"), "550 5.6.0 Attachment 12: is base64 whose padding is wrong"),
        (InvalidInput("sender_email", "is empty"), "550 5.6.0 The From address: is empty"),
        (InvalidInput("recipient_email", "is empty"), "550 5.6.0 The recipient's address: is empty"),
        (InvalidInput("something else", "is odd"), "550 5.6.0 something else: is odd"),
    ],
)  # fmt: skip
def test_what_a_refusal_calls_things(error: InvalidInput, reply: str) -> None:
    assert module.refusal(error).reply == reply


async def test_nobody_named_and_a_folded_subject(handing: Handing) -> None:
    octets = handing.mail(To="undisclosed-recipients:;", Subject="Notice\n\tof default")
    await handing.by_alice(octets)
    await handing.world.work_off()
    assert "Notice of default" in handing.world.mailbox.subjects("bob@example.com")[0]
    assert (await handing.refused(handing.signed(octets))).startswith("550 5.7.7 Without credentials To and Cc")


async def test_plain_text_is_not_asked_for_where_it_is(quiet: Handing) -> None:
    reply = await quiet.refused(quiet.mail(body="a\x0cb\n"), credential=quiet.alice)
    assert reply == "550 5.6.0 The text: has a control character"


@pytest.mark.parametrize("minutes", [-61, 6, 120])
async def test_a_date_that_is_not_now(quiet: Handing, minutes: int) -> None:
    at = quiet.service.clock.real() + timedelta(minutes=minutes)
    reply = await quiet.refused(quiet.signed(quiet.mail(Date=format_datetime(at))))
    assert reply == "550 5.7.7 Without credentials the Date must be at most an hour old, and at most five minutes ahead"


async def test_a_better_mail_after_a_refused_one(handing: Handing) -> None:
    both = (handing.to(), handing.to("bea@example.com"))
    await handing.refused(file("../a.pdf")(handing), *both, credential=handing.alice)
    assert len(await handing.by_alice(file("a.pdf")(handing), *both)) == 2


async def test_too_large(handing: Handing) -> None:
    await handing.service.pool.execute("update accounts set max_decoded = 1000")
    octets = file("a.pdf", content="JVBERi0x" * 300)(handing).replace(
        b"JVBERi0x" * 300, b"\r\n".join([b"JVBERi0x" * 9] * 40)
    )
    assert (await handing.refused(octets, credential=handing.alice)).startswith("552 5.3.4")


async def test_a_large_mail_arrives_whole(handing: Handing) -> None:
    content = bytes(range(256)) * 8192
    lines = base64.encodebytes(b"%PDF-" + content).decode()
    octets = file("a.pdf", content=lines.strip())(handing)
    tokens = await handing.by_alice(octets, handing.to(), handing.to("bea@example.com"))
    assert len(octets) > module.LARGE
    for token in tokens:
        file_digest = hashlib.sha256(b"%PDF-" + content).digest()
        assert base64.b64encode(file_digest) in (await handing.world.records(token))[0]


# DKIM ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
async def test_a_signed_mail(handing: Handing, header: bytes, body: bytes) -> None:
    octets = handing.mail(body="Dear  Bob, \n\n\t x\n\n\n", Cc=handing.to("bea@example.com"))
    signed = handing.signed(octets, canonicalize=(header, body))
    both = (handing.to("bea@example.com"), handing.to())
    tokens = await handing.take(signed, *both)
    ticket = await handing.service.pool.fetchrow("select * from tickets where token = $1", tokens[0])
    assert (ticket["delegate"], ticket["method"]) == ("user:alice@example.org", "dkim")
    assert await handing.take(b"Received: by x\r\n" + signed, *both) == tokens


def changed(octets: bytes, old: str, new: str) -> bytes:
    assert old.encode() in octets
    return octets.replace(old.encode(), new.encode())


Make = Callable[[Handing], bytes]
SIGN_ALL = [b"from", b"to", b"cc", b"date", b"subject", b"message-id"]

REPLAYS: dict[str, tuple[Make, str]] = {
    "no signature": (lambda h: h.mail(), "550 5.7.20"),
    "a name like one": (lambda h: h.mail(Subject="a\n dkim-signature: x"), "550 5.7.20"),
    "by another domain": (lambda h: h.signed(h.mail(), "example.net"), "550 5.7.20"),
    "by a domain below": (lambda h: h.signed(h.mail(), "mail.example.org"), "550 5.7.20"),
    "by a domain above": (lambda h: h.signed(h.mail(From="alice@sub.example.org")), "550 5.7.20"),
    "another body": (lambda h: changed(h.signed(h.mail()), "read this", "read that"), "550 5.7.7"),
    "more body": (lambda h: h.signed(h.mail()) + b"more\r\n", "550 5.7.7"),
    "more body, with l=": (lambda h: h.signed(h.mail(), length=True) + b"more\r\n", "550 5.7.7"),
    "another subject": (lambda h: changed(h.signed(h.mail()), "Notice", "Other"), "550 5.7.7"),
    "another From": (lambda h: changed(h.signed(h.mail()), "Alice <", "Bob <"), "550 5.7.7"),
    "two From": (lambda h: b"From: alice@example.org\r\n" + h.signed(h.mail()), "550 5.6.0"),
    "To somebody else": (lambda h: h.signed(h.mail(To=h.to("ben@example.com"))), "550 5.7.7"),
    "To somebody beside the gateway": (lambda h: h.signed(h.mail(Cc="ben@example.com")), "550 5.7.7"),
    "To an own address": (lambda h: h.signed(h.mail(To="bob@example.com")), "550 5.7.7"),
    "To another customer": (lambda h: h.signed(h.mail(To=h.to(account=7))), "550 5.7.7"),
    "no To": (lambda h: h.signed(h.mail(To=None)), "550 5.7.7"),
    "To added": (lambda h: f"To: {h.to()}\r\n".encode() + h.signed(h.mail(To=None)), "550 5.7.7"),
    "Cc added": (
        lambda h: f"Cc: {h.to()}\r\n".encode() + h.signed(h.mail(To=h.to()), include_headers=[n for n in SIGN_ALL if n != b"cc"]),
        "550 5.7.7",
    ),
    "Cc signed as missing, and added": (
        lambda h: f"Cc: {h.to()}\r\n".encode() + h.signed(h.mail(), include_headers=SIGN_ALL),
        "550 5.7.7",
    ),
    "Content-Type added": (
        lambda h: b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n" + h.signed(h.mail()),
        "550 5.7.7",
    ),
    **{
        f"{name.decode()} not signed": (
            lambda h, name=name: h.signed(
                h.mail(Cc=h.to(), MIME_Version="1.0", Content_Type="text/plain"),
                include_headers=[n for n in [*SIGN_ALL, b"content-type", b"mime-version"] if n != name],
            ),
            "550 5.7.7",
        )
        for name in (b"to", b"cc", b"date", b"subject", b"message-id", b"content-type", b"mime-version")
    },
    "an hour old": (lambda h: h.signed(h.mail(Date=ago(h, minutes=61))), "550 5.7.7"),
    "from the future": (lambda h: h.signed(h.mail(Date=ago(h, minutes=-6))), "550 5.7.7"),
    "without Date": (lambda h: h.signed(h.mail(Date=None)), "550 5.7.7"),
    "another Date": (lambda h: changed(h.signed(h.mail(Date=ago(h, minutes=90))), ago(h, minutes=90), ago(h)), "550 5.7.7"),
    "rsa-sha1": (lambda h: h.signed(h.mail(), signature_algorithm=b"rsa-sha1"), "550 5.7.7"),
    "expired": (lambda h: changed(h.signed(h.mail()), "s=s1;", "s=s1; x=1;"), "550 5.7.7"),
    "a tag twice": (lambda h: changed(h.signed(h.mail()), "s=s1;", "s=s1; s=s1;"), "550 5.7.20"),
    "a strange selector": (lambda h: changed(h.signed(h.mail()), "s=s1;", "s=s1 x;"), "550 5.7.7"),
    "an unknown key": (lambda h: changed(h.signed(h.mail()), "s=s1;", "s=s2;"), "550 5.7.7"),
    "no signature in it": (lambda h: b"DKIM-Signature: \r\n" + h.mail(), "550 5.7.20"),
    "rubbish": (lambda h: b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s1; h=from:to:date:message-id:subject; b=!; bh=?; c=x/y\r\n" + h.mail(), "550 5.7.7"),
    "behind five others": (lambda h: b"DKIM-Signature: v=1\r\n" * 5 + h.signed(h.mail()), "550 5.7.20"),
}  # fmt: skip


def ago(handing: Handing, **span: float) -> str:
    return format_datetime(handing.world.clock.real_at - timedelta(**span))


@pytest.mark.parametrize("name", REPLAYS)
async def test_replayed_and_forged(quiet: Handing, name: str) -> None:
    make, reply = REPLAYS[name]
    assert (await quiet.refused(make(quiet))).startswith(reply)
    assert await quiet.count("gateway_mails") == 0


async def test_a_signed_mail_may_come_in_parts(handing: Handing) -> None:
    """A server sends one mail to each domain of its recipients by itself; each part is taken, and once only."""
    first, second = handing.to(), handing.to("ben@example.net")
    octets = handing.signed(handing.mail(Cc=second))
    tokens = [await handing.take(octets, first), await handing.take(octets, second)]
    assert len({*tokens[0], *tokens[1]}) == 2
    assert [await handing.take(octets, first), await handing.take(octets, second)] == tokens
    third = handing.to("charlie@example.net")
    assert (await handing.refused(octets, third)).startswith("550 5.7.7")


@pytest.mark.parametrize(
    "record",
    [
        "", "v=DKIM1; p=", "v=DKIM2; {}", "{}; t=y", "{}; s=tlsrpt", "{}; h=sha1", "{}; k=rsa", "v=DKIM1; k=ed25519; p=AAAA", "v=DKIM1; p=!!!!", "p=" + "A" * 3000,
        "x" * 5000, "v=DKIM1; k=rsa; p=MIG", "\x00", "é", rsa(2**8191 + 1, 65537), rsa(2**2047 + 1, 2**2040 + 1), rsa(2**23000 + 1, 2**300 + 1),
    ],
)  # fmt: skip
async def test_keys_that_do_not_count(quiet: Handing, record: str) -> None:
    quiet.dns.texts["s1._domainkey.example.org"] = (record.replace("{}", key()[1]),)
    assert (await quiet.refused(quiet.signed(quiet.mail()))).startswith("550 5.7.7")


async def test_weak_and_double_keys(quiet: Handing) -> None:
    pem, record = key(1024)
    quiet.dns.texts["s1._domainkey.example.org"] = (record, record)
    assert (await quiet.refused(quiet.signed(quiet.mail(), pem=pem))).startswith("550 5.7.7")
    quiet.dns.texts["s1._domainkey.example.org"] = (WEAK_RECORD,)
    assert (await quiet.refused(quiet.signed(quiet.mail(), pem=WEAK_PEM))).startswith("550 5.7.7")


async def test_a_key_that_cannot_be_fetched_now(handing: Handing) -> None:
    handing.dns.away = True
    assert (await handing.refused(handing.signed(handing.mail()))).startswith("451 4.7.5")
    handing.dns.away = False
    assert await handing.take(handing.signed(handing.mail()))


async def test_a_good_signature_beside_bad_ones(handing: Handing) -> None:
    bad = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s9; h=from; b=AAAA; bh=AAAA\r\n"
    assert await handing.take(bad * 3 + handing.signed(handing.mail()))


async def test_strangers_cost_no_questions(quiet: Handing) -> None:
    """A signature of another domain than From's, or of a mail to others, makes us ask nobody."""
    await quiet.refused(quiet.signed(quiet.mail(), "example.net"))
    await quiet.refused(quiet.signed(quiet.mail(To="bob@example.com")))
    assert quiet.dns.asked == []


async def test_a_message_id_is_used_once(handing: Handing) -> None:
    """A signed mail whose Message-ID was seen with other content is a replay of half of it."""
    await handing.take(handing.signed(handing.mail()))
    assert (await handing.refused(handing.signed(handing.mail(Subject="Other")))).startswith("550 5.6.0")


async def test_much_white_space_ends_soon(quiet: Handing) -> None:
    """dkimpy alone needs the square of a line's blanks for it."""
    body = (" " * 990 + "x\n") * 3000
    began = datetime.now().astimezone()
    reply = await quiet.refused(
        changed(quiet.signed(quiet.mail()), "Dear Bob", body.replace("\n", "\r\n") + "Dear Bob")
    )
    assert reply.startswith("550 5.7.7")
    assert (datetime.now().astimezone() - began).total_seconds() < 5
