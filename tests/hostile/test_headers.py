"""No header is injected, counted: every payload in every field of a letter that reaches a header, signed and sent.

``test_mails`` has the fields of a submission; here are those of ``mail/letter.Letter`` themselves, whoever fills them, and
what else stands in a mail's head: the account's and the service's name, our own domains, a signature's. A mail is either
refused, or read back by three parsers: the standard library's, dkimpy's, and one of our own that breaks lines wherever
anybody ever did.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from typing import Any
from zoneinfo import ZoneInfo

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from sealpost.domain.errors import InvalidInput
from sealpost.domain.parties import address
from sealpost.mail.build import build
from sealpost.mail.compose import Composer
from sealpost.mail.dkim import DkimKey, new_key, public_txt, signed
from sealpost.mail.letter import File, Letter, Mailbox, UnsafeMail
from sealpost.mail.relay import Relay
from sealpost.mail.transport import Envelope
from sealpost.mail.views import AddressView, InvitationView
from sealpost.usecases.fields import header
from sealpost.usecases.found import NewAccount, found_account
from tests.hostile.mail_table import PAYLOADS
from tests.mail.lenient import lenient
from tests.world import World

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
TENTH = 10
"""So many of the mails, one in ten, have signatures that dkimpy can check (RSA takes its time), and go to a server."""
LANGUAGES = ("nl", "en", "de", "fr")
# Short ones that fit where long ones are refused for their length alone: in an address, a type, an identifier.
SHORT = [
    *(f"{end}{name}{end}" for end in ("\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x85", "\u2028", " ", "\t", "\r\n ", "\n\t") for name in ("Bcc:c@e.example", "c@e.example", "", ".")),
    *"<>()[]\\\",:;@?=%&'`*/ ", ">,<c@e.example", "> <c@e.example", ",c@e.example", ";c@e.example", "(c@e.example)", "<c@e.example>", "=?utf-8?q?=0a?=", "=?utf-8?b?Cg==?=", "=?a?q?x?=", "%0aBcc:c", "\\r\\nBcc:c",
    '"\r\nBcc: c@e.example\r\nX: "', '"; name="x', "; boundary=x", "; charset=utf-8\r\nBcc: c", "; charset=utf-8; name=x", "\u202e", "\u2066", "\ud800", "\udfff", "\ufeff", "\u00a0", "\u3000", "\uff1a", "\u037e", "\u212a", "e\u0301",
]  # fmt: skip
ALL = list(dict.fromkeys([*PAYLOADS, *SHORT]))
HEAD = ["from", "to", "reply-to", "subject", "date", "message-id", "mime-version", "content-language", "auto-submitted", "content-type"]  # fmt: skip
PART = ["content-type", "content-transfer-encoding"]
FILE = ["content-type", "content-disposition", "content-transfer-encoding"]
DOT_ATOMS = re.compile(r"[!-?A-~]+@[!-\-/-~]+([.][!-\-/-~]+)*")
BREAK = re.compile(r"\r\n|[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")

LETTER = Letter(
    sender=Mailbox("post@sealpost.example", "Alice via Sealpost"),
    recipient=Mailbox("bob@example.com", "Bob"),
    reply_to=Mailbox("alice@example.org", "Alice"),
    subject="Registered e-mail from Alice",
    text="Hello Bob\n",
    html="<p>Hello Bob</p>\n",
    files=(File("a.txt", "text/plain", b"a"),),
    message_id="<1@sealpost.example>",
    date=AT,
    language="en",
)


def boxed(which: str, part: str) -> Callable[[str], Letter]:
    def put(text: str) -> Letter:
        box: Mailbox = getattr(LETTER, which)
        return dataclasses.replace(LETTER, **{which: dataclasses.replace(box, **{part: text})})

    return put


def addressed(which: str, shape: str) -> Callable[[str], Letter]:
    """A payload within an address, where it is no mistake in its shape alone."""
    return lambda text: boxed(which, "address")(shape.format(text))


def named(which: str, shape: str = "{}") -> Callable[[str], Letter]:
    return lambda text: dataclasses.replace(LETTER, **{which: shape.format(text)})


def filed(**changed: str) -> Callable[[str], Letter]:
    def put(text: str) -> Letter:
        given = {name: shape.format(text) for name, shape in changed.items()}
        return dataclasses.replace(LETTER, files=(dataclasses.replace(LETTER.files[0], **given),))

    return put


BOXES = ("sender", "recipient", "reply_to")
FIELDS: dict[str, Callable[[str], Letter]] = {
    **{f"{box}.name": boxed(box, "name") for box in BOXES},
    **{f"{box}.address": boxed(box, "address") for box in BOXES},
    **{f"{box}.address, local part": addressed(box, "b{}b@example.com") for box in BOXES},
    **{f"{box}.address, domain": addressed(box, "bob@ex{}ample.com") for box in BOXES},
    "subject": named("subject"),
    "subject, at its end": named("subject", "Registered e-mail from Alice: {}"),
    "message_id": named("message_id"),
    "message_id, our domain": named("message_id", "<019dab50-1@sealpost{}.example>"),
    "language": named("language"),
    "language, at its end": named("language", "en{}"),
    "file.name": filed(name="{}"),
    "file.name, with an extension": filed(name="a{}.pdf"),
    "file.content_type": filed(content_type="{}"),
    "file.content_type, subtype": filed(content_type="text/pl{}ain"),
    "file.content_type, charset": filed(content_type="text/plain; charset=utf-8{}"),
}
"""Every field of a letter that reaches a header (``mail/headers``, ``mail/build``); texts and contents reach none."""


@pytest.fixture(scope="module")
def keys() -> tuple[DkimKey, DkimKey]:
    """The sender's and our own, as announcements are signed."""
    return DkimKey("example.org", "s1", new_key()), DkimKey("sealpost.example", "s2", new_key())


def test_the_fields_are_all_there_are() -> None:
    """A new field of a letter, a mailbox or a file must come into this table, or be one that reaches no header."""
    inner = {"sender": Mailbox, "recipient": Mailbox, "reply_to": Mailbox, "files": File}
    expected = {
        "sender",
        "recipient",
        "reply_to",
        "subject",
        "message_id",
        "language",
        "files",
        "text",
        "html",
        "date",
        "automatic",
    }
    assert {field.name for field in dataclasses.fields(Letter)} == expected
    assert {field.name for field in dataclasses.fields(Mailbox)} == {"address", "name"}
    assert {field.name for field in dataclasses.fields(File)} == {
        "name",
        "content_type",
        "content",
        "content_id",
    }  # the last is made of ours alone
    tried = {name.partition(",")[0] for name in FIELDS}
    found = {f"{box}.{part}" for box in BOXES for part in ("name", "address")} | {"file.name", "file.content_type"}
    assert tried == found | (expected - set(inner) - {"text", "html", "date", "automatic"})


@pytest.mark.parametrize("field", FIELDS)
async def test_every_payload_in_every_field(
    field: str, keys: tuple[DkimKey, DkimKey], capsys: pytest.CaptureFixture[str]
) -> None:
    built, refused, sent = 0, 0, 0
    quick = DkimKey("sealpost.example", "s3", Ed25519PrivateKey.generate())
    assert len(ALL) >= 400
    async with lenient() as server:
        relay = Relay(host="127.0.0.1", port=server.port, our_name="out.sealpost.example", clock=lambda: AT, tls="none")
        for number, payload in enumerate(ALL):
            letter = FIELDS[field](payload)
            try:
                plain = build(letter)
            except UnsafeMail:
                refused += 1
                continue
            raw = signed(plain, keys if number % TENTH == 0 else [quick], AT)
            check(raw, letter, 2 if number % TENTH == 0 else 1)
            built += 1
            if number % TENTH == 0:
                check_signatures(raw, keys)
            if number % TENTH == 0 or "address" in field:
                await hand(relay, letter, raw)
                sent += 1
                assert recipients(server.commands[-3:]) == [letter.recipient.address], payload
                assert len(server.mails) == sent, payload
        await relay.close()
    assert refused + built == len(ALL)
    assert min(refused, built) > 0, "some are refused and some are good, or this would show nothing"
    with capsys.disabled():
        print(
            f"\nheader injection, {field}: {len(ALL)} payloads, {refused} refused, {built} read back, {sent} sent",
            end="",
        )


async def hand(relay: Relay, letter: Letter, raw: bytes) -> None:
    wide = any(not box.address.isascii() for box in (letter.sender, letter.recipient, letter.reply_to) if box)

    async def nothing() -> None:
        """A mark that is made without effort."""

    envelope = Envelope("b-x@sealpost.example", letter.recipient.address, smtputf8=wide, envid="1-1")
    got = await relay.hand_over(envelope, raw, nothing)
    assert got.outcome == "accepted", (letter, got.why.text, got.final)


def recipients(commands: list[bytes]) -> list[str]:
    return [line.partition(b"<")[2].partition(b">")[0].decode() for line in commands if line[:4] == b"RCPT"]


def check(raw: bytes, letter: Letter, signatures: int) -> None:
    """Exactly the headers that were meant, for each of three parsers; and for each reader one recipient."""
    wanted = sorted(["dkim-signature"] * signatures + HEAD)
    mail = message_from_bytes(raw, policy=policy.compat32)
    assert sorted(name.lower() for name in mail.keys()) == wanted, letter  # noqa: SIM118 - they may repeat
    heads = [sorted(name.lower() for name in part.keys()) for part in mail.walk()][1:]  # noqa: SIM118 - as above
    texts = [["content-type"], sorted(PART), sorted(PART)]
    assert heads == [*texts, *[sorted(FILE)] * len(letter.files)], letter
    fields, _ = dkim.rfc822_parse(raw)
    assert sorted(name.decode().lower() for name, _ in fields) == wanted, letter
    assert sorted(credulous(raw)) == wanted, letter
    for name in ("subject", "from", "to", "reply-to"):
        value = mail[name]
        assert not BREAK.search(str(make_header(decode_header(str(value).replace("\r\n", ""))))), (name, value)
    again = message_from_bytes(raw, policy=policy.default)
    for name, box in (("to", letter.recipient), ("from", letter.sender), ("reply-to", letter.reply_to)):
        assert box is not None
        if DOT_ATOMS.fullmatch(box.address):
            assert [one.addr_spec for one in again[name].addresses] == [box.address], letter
    assert again.get_all("to") is not None
    assert not any(again.get_all(name) for name in ("cc", "bcc", "resent-to", "sender"))


def credulous(raw: bytes) -> Iterator[str]:
    """The names in a mail's head for whoever breaks lines at everything, and ends a head at nothing but an empty line."""
    for line in BREAK.split(raw.decode("utf-8").partition("\r\n\r\n")[0]):
        if line[:1] not in {" ", "\t"}:
            yield line.partition(":")[0].lower()


def check_signatures(raw: bytes, keys: tuple[DkimKey, DkimKey]) -> None:
    """dkimpy accepts each, and none any more with a field put before or behind."""
    records = {f"{key.selector}._domainkey.{key.domain}.": public_txt(key.key).encode() for key in keys}

    def look(name: bytes, **_: Any) -> bytes | None:
        return records.get(name.decode())

    for number in range(len(dkim.rfc822_parse(raw)[0]) - len(HEAD)):
        assert dkim.DKIM(raw).verify(idx=number, dnsfunc=look)
        for extra in (b"Cc: charlie@evil.example\r\n", b"To: charlie@evil.example\r\n", b"Subject: another\r\n"):
            assert not dkim.DKIM(raw.replace(b"\r\nFrom:", b"\r\n" + extra + b"From:", 1)).verify(
                idx=number, dnsfunc=look
            )
            assert not dkim.DKIM(extra + raw).verify(idx=number, dnsfunc=look)


def test_a_signature_has_no_field_of_a_payload() -> None:
    """A domain or a selector is refused when a key is made; what is taken makes one header and no more."""
    key: RSAPrivateKey | Ed25519PrivateKey = Ed25519PrivateKey.generate()
    plain, taken, refused = build(LETTER), 0, 0
    for payload in ALL:
        for domain, selector in (
            (payload, "s1"), (f"ex{payload}ample.org", "s1"), ("example.org", payload), ("example.org", f"s{payload}1"),
        ):  # fmt: skip
            try:
                made = DkimKey(domain, selector, key)
            except ValueError:
                refused += 1
                continue
            check(signed(plain, [made], AT), LETTER, 1)
            taken += 1
    assert taken > 3
    assert refused > 4 * 400


def test_a_letter_with_a_field_too_many_is_not_signed() -> None:
    """The signer is a gate of its own: bytes that ``build`` would not make get no signature."""
    key, plain, refused = DkimKey("example.org", "s1", Ed25519PrivateKey.generate()), build(LETTER), 0
    for payload in ALL:
        if not BREAK.search(payload) and "\0" not in payload:
            continue
        octets = payload.encode("utf-8", "surrogatepass")
        if not re.search(rb"[\r\n\0]", octets):
            continue
        injected = plain.replace(b"Registered e-mail from Alice", b"x" + octets + b"\r\nTo: charlie@evil.example", 1)
        with pytest.raises(UnsafeMail):
            signed(injected, [key], AT)
        refused += 1
    assert refused > 100


def mails_of_the_account(name: str, *languages: str) -> Iterator[Letter]:
    """The two mails whose subject has the account's name."""
    for language in languages:
        shown: dict[str, Any] = {
            "language": language,
            "account_name": name,
            "email": "bob@example.org",
            "valid_until": AT,
            "zone": UTC_ZONE,
            "link": "https://sealpost.example/activate/x",
        }
        composer = Composer(service_name="Sealpost", demo=False)
        for words in (composer.invitation(InvitationView(**shown)), composer.address(AddressView(**shown))):
            yield dataclasses.replace(
                LETTER, subject=words.subject, text=words.text, html=words.html, language=language
            )


async def test_an_account_s_name(capsys: pytest.CaptureFixture[str]) -> None:
    """No payload in it makes a header; a mail with it is refused or harmless."""
    built = refused = 0
    for number, payload in enumerate(ALL):
        for letter in mails_of_the_account(payload, LANGUAGES[number % 4]):
            try:
                raw = build(letter)
            except UnsafeMail:
                refused += 1
                continue
            check(raw, letter, 0)
            built += 1
    assert min(built, refused) > 400
    with capsys.disabled():
        print(f"\nheader injection, account name: {2 * len(ALL)} mails, {refused} refused, {built} read back", end="")


async def test_an_account_has_no_name_that_cannot_stand_in_a_mail(world: World) -> None:
    """Or its users' invitations and its addresses' questions would fail when they are built, for ever."""
    taken: list[str] = []
    for payload in ALL:
        try:
            header("name", payload, 200)
        except InvalidInput:
            try:
                await found_account(world.service, NewAccount(payload))
            except InvalidInput:
                continue
            taken.append(payload)
    assert not taken, len(taken)


async def test_a_name_that_becomes_another_one_by_normalisation(world: World) -> None:
    """U+212A becomes K: harmless apart and as they came, the two halves of an encoded word hide a control together."""
    try:
        token = await world.send(sender_name="=?utf-8?b?\u212a", subject="QUF?= x")
    except InvalidInput as refused:
        assert refused.field == "subject"
        return
    assert "announcement_accepted" in await world.kinds(token)


@pytest.mark.parametrize("bad", ["bob@ex..ample.com", "bob@.example.com", "bob@example.com."])
@pytest.mark.parametrize("box", BOXES)
def test_no_parser_takes_a_name_for_an_address(box: str, bad: str) -> None:
    """A name that looks like an address is the address for the newer parser, where the real one is malformed.

    The use cases refuse such addresses before; this gate is the last one, and should too.
    """
    letter = dataclasses.replace(LETTER, **{box: Mailbox(bad, "charlie@evil.example")})
    try:
        raw = build(letter)
    except UnsafeMail:
        return
    again = message_from_bytes(raw, policy=policy.default)
    assert [
        one.addr_spec
        for one in again[box.replace("recipient", "to").replace("sender", "from").replace("_", "-")].addresses
    ] == [bad]


@pytest.mark.parametrize("setting", ["service_name", "mail_domain"])
def test_what_the_operator_sets_makes_no_header(setting: str) -> None:
    """A payload in the service's own name or domain: each mail is refused or as it is meant; none has a field too many."""
    refused = sent = 0
    for payload in ALL[::3]:
        text = payload if setting == "service_name" else f"seal{payload}post.example"
        letter = dataclasses.replace(LETTER, sender=Mailbox(LETTER.sender.address, f"Alice via {text}"))
        if setting == "mail_domain":
            letter = dataclasses.replace(LETTER, sender=Mailbox(f"post@{text}"), message_id=f"<1@{text}>")
        try:
            raw = build(letter)
        except UnsafeMail:
            refused += 1
            continue
        check(raw, letter, 0)
        sent += 1
    assert sent > 3
    assert refused > 100


def test_addresses_that_the_service_takes_can_stand_in_a_mail() -> None:
    """What ``address`` makes of a payload is good in each place that an address has in a mail."""
    good = 0
    for payload in ALL:
        for shape in ("{}", "b{}b@example.com", "bob@ex{}ample.com"):
            try:
                found = address("recipient_email", shape.format(payload))
            except InvalidInput:
                continue
            for box in BOXES:
                letter = boxed(box, "address")(found.normalised)
                check(build(letter), letter, 0)
                good += 1
    assert good > 60
