"""No header is injected: each payload in each field is refused by name, or all mails about it have exactly our headers."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_string, policy
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser, HeaderParser
from email.utils import collapse_rfc2231_value, getaddresses, unquote
from itertools import cycle
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pybase64
import pytest

from sealpost.domain.errors import InvalidInput, PreconditionFailed
from sealpost.mail.build import build
from sealpost.mail.letter import File, Letter, UnsafeMail, check_header_text
from sealpost.store import tickets
from sealpost.store.tickets import Ticket
from sealpost.usecases import deliver, notify
from sealpost.usecases.announce import announcement
from sealpost.usecases.decide import decide
from sealpost.usecases.letters import to_recipient
from sealpost.usecases.service import Service
from sealpost.usecases.submit_message import Attachment
from tests.hostile.mail_table import JOINS, PAYLOAD_FIELDS, PAYLOADS
from tests.world import ACT, World

HEADERS = [
    "DKIM-Signature",
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Language",
    "Auto-Submitted",
    "Content-Type",
]
TURNS = ("subject", "sender_name", "recipient_name", "own_id", "file")
GOOD = pybase64.b64encode(b"text")


async def refusal(world: World, field: str, payload: str) -> str | None:
    """The field that the refusal names, or None where the value is good. Nothing is stored either way."""
    changes: dict[str, Any] = {field: payload, "attachments": []}
    if field == "file":
        broken = Attachment("b.txt", "text/plain", [b"!"])
        changes = {"attachments": [Attachment(payload, "text/plain", [GOOD]), broken]}
    elif field != "sender_email":
        changes["sender_email"] = "nobody@example.org"
    try:
        await world.submitter.submit(world.message(**changes))
    except InvalidInput as refused:
        return None if refused.field == "attachments[1].attachment" else refused.field
    except PreconditionFailed:
        return None
    raise AssertionError((field, payload))


async def test_every_payload_is_refused_by_name_or_good(world: World) -> None:
    good: dict[str, int] = {}
    assert len(PAYLOADS) >= 400
    for field, name in PAYLOAD_FIELDS.items():
        found = [await refusal(world, field, payload) for payload in PAYLOADS]
        assert set(found) <= {name, None}, field
        good[field] = found.count(None)
    # Some are refused and some are good, or this would show nothing.
    assert all(20 < count < len(PAYLOADS) - 100 for name, count in good.items() if "email" not in name), good
    assert await world.service.pool.fetchval("select count(*) from tickets") == 0


async def good_payloads(world: World) -> dict[str, list[str]]:
    return {field: [one for one in PAYLOADS if await refusal(world, field, one) is None] for field in TURNS}


def turns(good: dict[str, list[str]], step: int = 1) -> Iterator[dict[str, str]]:
    """Every good payload in every field at least once, all fields at a time, never the same one in two of them."""
    moved = {field: texts[shift * 7 :] + texts[: shift * 7] for shift, (field, texts) in enumerate(good.items())}
    for number in range(0, max(map(len, good.values())), step):
        yield {field: texts[number % len(texts)] for field, texts in moved.items()}


async def test_each_good_payload_builds_mails_with_our_headers_and_no_more(world: World) -> None:
    token = await world.send()
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    ticket_id = await world.service.pool.fetchval("select id from tickets where token = $1", token)
    ticket = await tickets.by_id(world.service.pool, ticket_id)
    good, languages, built = await good_payloads(world), cycle(("nl", "en", "de", "fr")), 0
    for values in turns(good):
        language = next(languages)
        plain = {field: unicodedata.normalize("NFC", text) for field, text in values.items()}
        if not harmless_together(plain):
            continue
        for letter in letters(world.service, said(ticket, plain, language), plain["file"]):
            check(build(letter), letter.recipient.address, values, values["file"])
            built += 1
    assert built > 4 * len(good["subject"])


def harmless_together(values: dict[str, str]) -> bool:
    try:
        check_header_text("subject", f"{values['sender_name']}: {values['subject']}")
    except UnsafeMail:
        return False
    return True


def said(ticket: Ticket, values: dict[str, str], language: str) -> Ticket:
    """A ticket as a submission with these values makes it."""
    evidence = replace(ticket.evidence, recipient_name=values["recipient_name"], own_id=values["own_id"])
    texts: dict[str, Any] = {"sender_name": values["sender_name"], "subject": values["subject"]}
    return replace(ticket, evidence=evidence, language=language, account_language=language, **texts)


def letters(service: Service, ticket: Ticket, name: str) -> list[Letter]:
    """The mails about a ticket, as the use cases write them."""
    held: Any = SimpleNamespace(id=uuid4(), purpose="content")
    files = (File("message.txt", "text/plain", b"a"), File(name, "text/plain", b"b"))
    composed = deliver._composed(service, ticket, "Dear Bob", {})
    drafts = [
        *(announcement(service, held, ticket, reminder=reminder) for reminder in (False, True)),
        notify._confirmation(service, held, ticket),
        notify._collection(service, held, ticket),
    ]
    content = to_recipient(service, held, ticket, composed, files)
    return [content, *(draft.letter for draft in drafts if draft)]


async def test_whole_lives_of_good_payloads(world: World) -> None:
    """The same by way of the database, the mail server and a decision: a part of them, since each costs five mails."""
    good = await good_payloads(world)
    addresses = cycle(
        ["bob@example.com", "o'bob=x@example.com", "b?ob@example.com", "bob@exämple.com", "bób@example.com"]
    )
    languages, seen = cycle(("nl", "en", "de", "fr")), 0
    for number, values in enumerate(turns(good, 17)):
        decision = "accepted" if number % 3 else "refused"
        seen += await follow(world, values, next(addresses), next(languages), decision)
    assert seen > 100


async def follow(world: World, values: dict[str, str], box: str, language: str, decision: Any) -> int:
    """One ticket from submission to decision; the mails about it are read. Two harmless texts may be none together."""
    name = values.pop("file")
    files = [Attachment(name, "text/plain", [GOOD])]
    try:
        message = world.message(**values, recipient_email=box, language=language, attachments=files)
        token = await world.submitter.submit(message)
    except InvalidInput as refused:
        # A name may hold the own address, and here it is another one's.
        assert refused.field in {"subject", "recipient_name", "sender_name"}, (refused.field, values)
        return 0
    world.mailbox.mails.clear()
    await world.work_off()
    secret = world_secret(world)
    await decide(world.service, token, [secret], decision, "No\r\nBcc: charlie@evil.example", ACT)
    await world.work_off()
    kinds = await world.kinds(token)
    assert "announcement_accepted" in kinds, values
    assert ("content_delivered" in kinds) == (decision == "accepted"), values
    mails = world.mailbox.mails
    assert len(mails) == (5 if decision == "accepted" else 3)
    for _, recipient, raw in mails:
        check(raw, recipient, values, name)
    return len(mails)


def world_secret(world: World) -> str:
    """The secret in the announcement, whoever its recipient is."""
    (first, *_) = world.mailbox.mails
    return world.secret(first[1])


def check(raw: bytes, recipient: str, values: dict[str, str], name: str) -> None:
    """Exactly our headers, one recipient, the texts as they were meant."""
    mail = BytesHeaderParser(policy=policy.default).parsebytes(raw)
    to_sender = recipient == "alice@example.org"
    # What is only built is not signed yet.
    assert sorted({*mail.keys(), "Reply-To", "DKIM-Signature"}) == sorted(HEADERS), (values, mail.keys())
    assert len(mail.keys()) == len(set(mail.keys()))
    assert (
        [one.addr_spec for one in mail["Reply-To"].addresses] == ["alice@example.org"]
        if "Reply-To" in mail
        else to_sender
    )
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    plain = HeaderParser(policy=policy.compat32).parsestr(raw.decode())
    ((to_name, to),), ((from_name, _),) = boxes(plain, "To"), boxes(plain, "From")
    assert to == recipient
    subject = unicodedata.normalize("NFC", values["subject"])
    assert str(mail["Subject"]).endswith(subject), (str(mail["Subject"]), subject)
    if not to_sender:
        assert to_name == unicodedata.normalize("NFC", values["recipient_name"]), values
        assert from_name == unicodedata.normalize("NFC", values["sender_name"]) + " via Sealpost", values
    if b"multipart/mixed" in raw[:2_000]:
        check_files(message_from_string(raw.decode(), policy=policy.compat32), unicodedata.normalize("NFC", name))


def boxes(mail: Message, header: str) -> list[tuple[str, str]]:
    """Names and addresses; the standard library's newer parser puts blanks between encoded words of a name."""
    found = getaddresses(["".join(str(mail[header]).splitlines())])
    return [(str(make_header(decode_header(name))) if "=?" in name else name, address) for name, address in found]


def check_files(mail: Message, name: str) -> None:
    """The attachment has its name, in one form alone."""
    parts = [part for part in mail.walk() if part.get_content_disposition() == "attachment"]
    for part, meant in zip(parts, ("message.txt", name), strict=True):
        found = part.get_params(header="content-disposition") or []
        names = [collapse_rfc2231_value(text) for key, text in found if key == "filename"]
        assert names in ([meant], [unquote(meant)]), (names, meant)  # the library takes brackets for quotes
        assert {key for key, _ in found} == {"attachment", "filename"}


@pytest.mark.parametrize(("name", "subject"), JOINS)
async def test_two_harmless_halves_of_an_encoded_word_are_refused(quiet_world: World, name: str, subject: str) -> None:
    for language in ("nl", "en", "de", "fr"):
        try:
            token = await quiet_world.send(sender_name=name, subject=subject, language=language)
        except InvalidInput as refused:
            assert refused.field in {"subject", "sender_real_name"}
        else:
            assert "announcement_accepted" in await quiet_world.kinds(token)
