"""Mail that a sender hands in by SMTP becomes tickets (the gateway; ``docs/gateway.md``).

For ``inbound/gateway``. ``bob@example.com.100001.GATEWAY`` is Bob, of customer 100001. Who sends is known by a client's
credential, or by a DKIM signature that covers exactly the gateway's recipients, so that no mail which was once sent to
somebody can be handed in again. Everything is checked for all recipients before anything is taken. Each recipient of
a mail has a claim, which the submit transaction fulfils: a crash between two tickets leaves the first one whole, and
the same mail again makes only what is missing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from sealpost.domain.canonical import sha256
from sealpost.domain.errors import Conflict, InvalidInput, NotAllowed, PreconditionFailed, TooLarge, Unavailable
from sealpost.domain.parties import Address, Sender, address, kept_address
from sealpost.mail.signature import NONE, check_signature
from sealpost.mail.submission import Outline, Refused, Submitted, read_outline, read_submission
from sealpost.store import gateway_mails, people
from sealpost.store.gateway_mails import Claim
from sealpost.usecases.accounts import Accounts
from sealpost.usecases.database import transaction
from sealpost.usecases.fields import Rules, read_fields
from sealpost.usecases.reads import callers
from sealpost.usecases.reads.callers import CallerRow
from sealpost.usecases.service import Service
from sealpost.usecases.submit_message import Attachment, SubmitMessage

FACE = "smtp"
LEASE = timedelta(seconds=60)
KEPT = timedelta(days=30)
OLDEST, NEWEST = timedelta(hours=1), timedelta(minutes=5)
LARGE = 1 << 20
AT_ONCE = 8
READ_AT_ONCE = 2
CUSTOMER = re.compile(r"[1-9][0-9]{0,17}")
CREDENTIAL = re.compile("[^\x00-\x1f\x7f\ud800-\udfff]{1,512}")
BUSY = Refused("451 4.3.2", "The same mail is being taken at this moment, try again in a minute")
# One sentence, whether there is no such customer, it is suspended, or the address is not one of its own.
MAY_NOT = Refused("550 5.7.1", "You may not send for this customer number from this address")

_NAMES = {
    "from": "The From address",
    "sender_email": "The From address",
    "sender_real_name": "The From name",
    "recipient": "The recipient's address",
    "recipient_email": "The recipient's address",
    "recipient_name": "The recipient's name",
    "subject": "The subject",
    "message_body": "The text",
    "attachments": "The attachments",
}
"""What a writer of mails knows the fields as."""
_ATTACHMENTS = {"attachment": "Attachment", "attachment_name": "The name of attachment", "attachment_type": "The type of attachment"}  # fmt: skip
_ATTACHMENT = re.compile(r"attachments\[([0-9]+)\]\.([a-z_]+)")

log = structlog.get_logger()


class Submits(Protocol):
    """What takes a message in: ``sealpost.usecases.submit.Submitter``."""

    async def submit(self, message: SubmitMessage, held: Claim | None = None) -> str:
        """The ticket token, once everything is durable."""
        ...


@dataclass(frozen=True, slots=True)
class Credential:
    """A client's name and secret as it gave them; asked for again at each mail, so that a revoked one ends."""

    name: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """A recipient behind the gateway, and the customer who sends."""

    recipient: Address
    account_id: int


@dataclass(frozen=True, slots=True)
class _Mail:
    """A mail that has been read and may be sent: one message for each recipient."""

    account_id: int
    message_sha256: bytes
    content_sha256: bytes
    messages: tuple[SubmitMessage, ...]
    caller: CallerRow | None


class Gateway:
    """Takes mails in.

    Args:
        service: the parts.
        submitter: makes the tickets.
        domain: what stands behind the customer's number, lower case, as A-labels.
    """

    def __init__(self, service: Service, submitter: Submits, domain: str) -> None:
        self._service, self._submitter, self._domain = service, submitter, domain
        self._accounts = Accounts(service)
        self._reading = asyncio.Semaphore(READ_AT_ONCE)

    async def authenticate(self, name: str, secret: str) -> Credential | None:
        """The credential of a web service user, or None where it is none.

        Raises:
            Unavailable: the database is away.
        """
        if not CREDENTIAL.fullmatch(name) or not CREDENTIAL.fullmatch(secret):
            return None
        found = await callers.by_secret(self._service, name, secret)
        return None if found is None else Credential(name, secret)

    def place(self, recipient: str) -> Place | None:
        """Whom a gateway address means; None: it is no address of the gateway.

        Raises:
            Refused: it is one, but malformed.
        """
        local, _, domain = recipient.rpartition("@")
        if not f".{domain.lower()}".endswith("." + self._domain):
            return None
        name, _, customer = domain[: -len(self._domain) - 1].rpartition(".")
        malformed = Refused("550 5.1.3", f"A gateway address has the form bob@example.com.CUSTOMER.{self._domain}")
        try:
            meant = address("recipient", f"{local}@{name}", odd_dots=self._service.limits.odd_dots)
        except InvalidInput:
            raise malformed from None
        if not CUSTOMER.fullmatch(customer) or f".{meant.domain}".endswith("." + self._domain):
            raise malformed
        return Place(meant, int(customer))

    async def admit(self, credential: Credential | None, recipient: str, mail_from: str) -> bool:
        """Whether a recipient is one of the gateway's; without a credential the rest shows when the mail has come.

        Raises:
            Refused: malformed, for another customer than the credential's, or from the null sender.
            Unavailable: the database is away.
        """
        found = self.place(recipient)
        if found is None:
            return False
        if not mail_from:
            raise Refused("550 5.7.1", "Bounces are not taken here")
        if credential is not None:
            await self._caller(credential, found.account_id)
        return True

    async def take(self, credential: Credential | None, recipients: Sequence[str], octets: bytes) -> list[str]:
        """Makes the tickets of a mail.

        Args:
            credential: as ``authenticate`` gave it, if any.
            recipients: of the envelope, all admitted.
            octets: the mail.

        Returns:
            The ticket tokens in the order of the recipients; everything is durable.

        Raises:
            Refused: with the reply. One of class 4: the same mail may come again, and what was taken is not repeated.
        """
        way = "dkim" if credential is None else "credential"
        try:
            mail = await self._checked(credential, self._places(recipients), octets)
            tokens, repeated = await self._tickets(mail)
        except (InvalidInput, NotAllowed, PreconditionFailed, Conflict, Unavailable) as error:
            refused = refusal(error)
            log.info("gateway refused a mail", code=refused.code, way=way)
            raise refused from error
        except Refused as refused:
            log.info("gateway refused a mail", code=refused.code, way=way)
            raise
        log.info("gateway took a mail", account=mail.account_id, tickets=len(tokens), repeated=repeated, way=way)
        return tokens

    def _places(self, recipients: Sequence[str]) -> dict[str, Place]:
        """The envelope's recipients by their normalised addresses; one that stands there twice counts once."""
        found = [place for place in map(self.place, recipients) if place is not None]
        if len({place.account_id for place in found}) != 1:
            raise Refused("550 5.1.3", "All recipients of one mail must have the same customer number")
        places: dict[str, Place] = {}
        for place in found:
            places.setdefault(place.recipient.normalised, place)
        return places

    async def _checked(self, credential: Credential | None, places: dict[str, Place], octets: bytes) -> _Mail:
        """Everything that can be told before a ticket is made.

        The signature before the account, so that the replies do not tell a stranger which customers and addresses
        there are; both before the mail is taken apart, so that only senders can make us do that.
        """
        account_id = next(iter(places.values())).account_id
        caller = None if credential is None else await self._caller(credential, account_id)
        outline = await asyncio.to_thread(read_outline, octets)
        sender = address("from", outline.sender[1])
        if caller is None:
            await self._check_signed(outline, sender, places, octets)
        rules = await self._rules(account_id)
        if not await self._accounts.may_send(account_id, sender.key):
            raise MAY_NOT
        who = await self._sender(caller, account_id, sender)
        at = self._service.clock.real() if caller is None else caller.authenticated_at
        async with self._reading:
            submitted = await asyncio.to_thread(read_submission, octets)
        names = self._names(outline)
        messages = tuple(
            _message(who, at, submitted, place.recipient, names.get(key, ""), octets) for key, place in places.items()
        )
        for message in messages:
            read_fields(message, rules, self._service)
        message_sha256 = sha256(outline.message_id.encode())
        return _Mail(account_id, message_sha256, submitted.content_sha256, messages, caller)

    async def _check_signed(self, outline: Outline, sender: Address, places: dict[str, Place], octets: bytes) -> None:
        """What stands for a credential: a fresh mail to nobody else, signed by the sender's domain."""
        if not outline.signed:
            raise NONE
        self._check_fresh(outline.date)
        self._check_recipients(outline, places)
        async with self._reading:
            await check_signature(self._service.dns, octets, sender.domain)

    def _check_fresh(self, date: datetime | None) -> None:
        now = self._service.clock.real()
        if date is None or not now - OLDEST <= date <= now + NEWEST:
            raise Refused(
                "550 5.7.7", "Without credentials the Date must be at most an hour old, and at most five minutes ahead"
            )

    def _check_recipients(self, outline: Outline, places: dict[str, Place]) -> None:
        """The signed To and Cc: every recipient of the envelope, and nobody but recipients of the gateway.

        A server may send one mail in several transactions, a domain's recipients in each; what a replay of one of them
        could name was named by the sender, and is taken once only (RFC 5321 4.5.4.1).
        """
        named = [self.place(given) for _, given in (*outline.to, *outline.cc)]
        signed = {(place.recipient.normalised, place.account_id) for place in named if place}
        if None in named or not signed.issuperset((key, place.account_id) for key, place in places.items()):
            raise Refused(
                "550 5.7.7", "Without credentials To and Cc must hold the gateway's recipients and nobody else"
            )

    async def _caller(self, credential: Credential, account_id: int) -> CallerRow:
        caller = await callers.by_secret(self._service, credential.name, credential.secret)
        if caller is None or caller.suspended or caller.account_id != account_id:
            raise MAY_NOT
        return caller

    async def _rules(self, account_id: int) -> Rules:
        try:
            return await self._accounts.rules(account_id)
        except NotAllowed:
            raise MAY_NOT from None

    async def _sender(self, caller: CallerRow | None, account_id: int, sender: Address) -> Sender:
        if caller is not None:
            return Sender(account_id, caller.account_name, f"client:{caller.name}", "smtp-auth")
        async with transaction(self._service) as connection:
            row = await people.account(connection, account_id)
        if row is None:
            raise MAY_NOT
        return Sender(account_id, row["name"], f"user:{sender.normalised}", "dkim")

    def _names(self, outline: Outline) -> dict[str, str]:
        """Display names of recipients, by their normalised addresses."""
        names: dict[str, str] = {}
        for name, given in (*outline.to, *outline.cc):
            try:
                place = self.place(given)
            except Refused:
                place = None
            # Where a mail client has no name it often writes the address in its place.
            if place is not None and name.strip(" '\"<>").casefold() not in {"", given.casefold()}:
                names[place.recipient.normalised] = name
        return names

    async def _tickets(self, mail: _Mail) -> tuple[list[str], int]:
        """The tickets, and how many of them there were before."""
        known = await self._known(mail)
        fresh = [message for message in mail.messages if _key(message) not in known]
        repeated = len(mail.messages) - len(fresh)
        await self._count(mail.caller, len(fresh))
        width = 1 if mail.messages[0].large else AT_ONCE
        for first in range(0, len(fresh), width):
            group = fresh[first : first + width]
            made = await asyncio.gather(*(self._one(mail, message) for message in group), return_exceptions=True)
            for message, token in zip(group, made, strict=True):
                if isinstance(token, BaseException):
                    raise token
                known[_key(message)] = token
        return [known[_key(message)] for message in mail.messages], repeated

    async def _known(self, mail: _Mail) -> dict[str, str]:
        """Tickets that this mail has already."""
        now = self._service.clock.real()
        async with transaction(self._service) as connection:
            rows = await gateway_mails.standing(connection, mail.account_id, mail.message_sha256, now, now - KEPT)
        if any(row["content_sha256"] != mail.content_sha256 for row in rows):
            raise Refused("550 5.6.0", "Another mail with this Message-ID has been taken")
        wanted = {_key(message) for message in mail.messages}
        if any(row["ticket_token"] is None and row["recipient_key"] in wanted for row in rows):
            raise BUSY
        return {row["recipient_key"]: row["ticket_token"] for row in rows}

    async def _count(self, caller: CallerRow | None, tickets: int) -> None:
        """One call of the client's quota for each new ticket; none at all where they are more than it allows now."""
        if caller is None or not tickets:
            return
        standing = await self._service.quotas.take_all(caller.client, tickets, caller.quota)
        if tickets > standing.limit:
            most = f"{standing.limit} in each {standing.unit}"
            raise Refused(
                "550 5.5.3", f"More recipients than the client's quota, {most}, ever allows: use several mails"
            )
        if not standing.allowed:
            raise Refused("451 4.7.1", "The client's quota does not allow so many for now, try again later")

    async def _one(self, mail: _Mail, message: SubmitMessage) -> str:
        now = self._service.clock.real()
        claim = Claim(mail.account_id, mail.message_sha256, _key(message), now + LEASE)
        async with transaction(self._service) as connection:
            # A crash after this leaves a claim without ticket: it ends by itself, and the mail's next try takes it over.
            if not await gateway_mails.claim(connection, claim, mail.content_sha256, now, now - KEPT):
                raise BUSY
        try:
            return await self._submitter.submit(message, claim)
        except Exception:
            await self._release(claim)
            raise

    async def _release(self, claim: Claim) -> None:
        """Frees a recipient; if the database is away the claim ends by itself."""
        try:
            async with transaction(self._service) as connection:
                await gateway_mails.release(connection, claim)
        except Unavailable:
            return


def _key(message: SubmitMessage) -> str:
    return kept_address(message.recipient_email).normalised


def _message(
    who: Sender, at: datetime, submitted: Submitted, recipient: Address, name: str, octets: bytes
) -> SubmitMessage:
    return SubmitMessage(
        sender=who,
        authenticated_at=at,
        sender_email=submitted.outline.sender[1],
        sender_name=submitted.outline.sender[0] or who.account_name,
        subject=submitted.outline.subject,
        recipient_email=recipient.given,
        recipient_name=name,
        language=None,
        body=submitted.body,
        body_format=submitted.body_format,
        attachments=[Attachment(one.name, one.content_type, (one.encoded,)) for one in submitted.attachments],
        own_id="",
        own_guid="",
        campaign="",
        reminder_days=None,
        expiry_days=None,
        address_basis="",
        request_sha256=sha256(octets),
        face=FACE,
        large=len(octets) > LARGE,
    )


def refusal(error: Exception) -> Refused:
    """An error of a use case as an SMTP reply."""
    if isinstance(error, InvalidInput):
        code = "552 5.3.4" if isinstance(error, TooLarge) else "550 5.6.0"
        html = error.field == "message_body" and "has" in error.why and "control character" not in error.why
        hint = "; send the text as plain text" if html else ""
        return Refused(code, _plain(f"{_named(error.field)}: {error.why}") + hint)
    if isinstance(error, Conflict):
        return BUSY
    if isinstance(error, Unavailable):
        return Refused("451 4.3.0", "Nothing can be taken now, try again later")
    return MAY_NOT


def _named(field: str) -> str:
    one = _ATTACHMENT.fullmatch(field)
    if one and one[2] in _ATTACHMENTS:
        return f"{_ATTACHMENTS[one[2]]} {int(one[1]) + 1}"
    return _NAMES.get(field, field)


def _plain(text: str) -> str:
    """A sentence of ours that may name something of the mail: one line of ASCII."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text[:250])
