"""Take what comes back for mails of ours: bounces become evidence, replies go on to the sender, the rest is only kept.

Whoever holds a mail of ours can write a bounce with its return path, and its token proves no more than that. So a bounce
only ever adds a record that says what it is (``bounce``), once per mail, and changes neither a decision nor an earlier
record (design, section 4); a delivery that is told after a failure was adds none, else it would hide that one. Its octets are durable and encrypted first; row, record and what follows are one transaction.
A crash between the two leaves unnamed octets in a segment, and the other server sends the mail again.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from sealpost.domain.canonical import digest, instant, sha256
from sealpost.domain.errors import Conflict, TooLarge, Unavailable
from sealpost.domain.records import Event
from sealpost.domain.statement import Signed, read_signed
from sealpost.mail.bounces import ReturnedMail, read_returned
from sealpost.mail.return_path import MOST_ATTEMPTS, Expired, NotOurs, Returned
from sealpost.mail.signers import Signer, Signers, find_signers
from sealpost.store import erasures, inbound_mails, records, tickets
from sealpost.store.inbound_mails import Kept, NewInbound, Sent
from sealpost.store.pool import Connection
from sealpost.usecases.chain import plan_mail, record
from sealpost.usecases.database import transaction
from sealpost.usecases.mail_bytes import opened
from sealpost.usecases.service import Service

log = structlog.get_logger()

MOST_KEPT = 200
"""Mails that are kept for one mail of ours; more are refused."""
MOST_OCTETS = 50_000_000
"""Of all that is kept for one mail of ours."""
MOST_OF_ONE = 10_000_000
"""Octets of one that comes back, beyond those of our mail: some servers send all of that along."""
MOST_REPLIES = 20
"""Replies that are passed on for one ticket; more are only kept."""
TO_RECIPIENT = ("announcement", "reminder", "content", "collection")
EFFECTS = {
    ("failed", "announcement"): "announcement_failed",
    ("failed", "reminder"): "reminder_failed",
    ("failed", "content"): "content_failed",
    ("delivered", "announcement"): "announcement_delivered",
    ("delivered", "reminder"): "reminder_delivered",
}
"""What is recorded of a bounce: (its kind, the purpose of our mail) → the kind of record."""
HIDING = {"announcement_delivered": "announcement_failed", "reminder_delivered": "reminder_failed"}
"""Records that stand for the ticket's status: what is not made any more → after what."""
_TAKEN = ("accepted", "uncertain")
_UNDER_WAY = ("prepared", "dot_due")
_ONCE = ("failed", "delivered")
_KEPT_KINDS = (*_ONCE, "delayed", "auto_reply", "reply", "abuse", "unclear")
_MAIL_ID = re.compile(r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@([^<>@]+)>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it is passed on: nothing in it is checked, also not who wrote it; only whose servers signed it.

    ``is_clear``: it refers to a mail of ours, and nothing says that a machine wrote it.
    """

    mail_from: str
    received_at: datetime
    subject: str
    text: str
    signed: Signed | None = None
    is_clear: bool = True


@dataclass(frozen=True, slots=True)
class _Came:
    """What came in for a mail of ours, as it was read."""

    sent: Sent
    mail_from: str
    octets: bytes
    read: ReturnedMail
    at: datetime
    signers: Signers = field(default_factory=Signers)


async def expected(service: Service, recipient: str, announced: int = 0) -> Returned | None:
    """What a return path names, if it is authentic, not expired, and of an attempt that was made.

    The token is what is believed. At a sender domain the mail must have gone out with this very path; whether the
    domain still is one does not count, since mails that went out before come back later. At our own domain any token
    of ours will do: servers that write the canonical name for an alias (RFC 1123, 5.2.2) bring those of sender domains there.

    Args:
        service: the parts.
        recipient: the address.
        announced: octets that the mail will have (RFC 1870); 0: not told.

    Raises:
        Unavailable: the database is away.
        TooLarge: it would be.
    """
    local, _, domain = recipient.rpartition("@")
    try:
        named = service.return_paths.read(local, service.clock.real())
    except (NotOurs, Expired):
        return None
    async with transaction(service) as connection:
        known = await inbound_mails.sent(connection, named.mail_id, named.attempt, MOST_ATTEMPTS)
        if known and not is_own_domain(service, domain):
            paths = await inbound_mails.return_paths(connection, named.mail_id)
            known = known if recipient.lower() in map(str.lower, paths) else None
    if known is None:
        return None
    _check_size(known, announced)
    return named


def is_own_domain(service: Service, domain: str) -> bool:
    """Whether it is the domain that our mails come from."""
    return domain.lower() == service.face.mail_domain.lower()


async def take_returned(service: Service, mail_id: UUID, attempt: int, mail_from: str, octets: bytes) -> None:
    """Takes a mail that came to a return path; the same one again changes nothing.

    Args:
        service: the parts.
        mail_id: of our mail, from an authentic return path.
        attempt: of our mail, from the same.
        mail_from: the sender in the envelope; empty for the null sender.
        octets: the mail.

    Raises:
        Unavailable: the attempt's outcome is not stored yet, or the database is away; it shall be sent again.
        ContentUnavailable: the disk is.
        Conflict: there is no such attempt, or too much has come back for it.
        TooLarge: the mail is.
    """
    async with transaction(service) as connection:
        sent = await inbound_mails.sent(connection, mail_id, attempt, MOST_ATTEMPTS)
    if sent is None:
        raise Conflict("nothing was sent that this could be about")
    _check_size(sent, len(octets))
    if sent.attempt_state in _UNDER_WAY:
        # The record of the server's answer comes first; a bounce is minutes later as a rule.
        raise Unavailable("the attempt is not over yet")
    # In a thread: what is made to be slow may take half a second.
    read = await asyncio.to_thread(read_returned, octets, sent.rcpt_to, mail_from, sent.message_header)
    await _take(service, _Came(sent, mail_from, octets, _credible(read, sent), service.clock.now()))


async def take_reply(service: Service, mail_from: str, octets: bytes) -> bool:
    """Takes a mail that came to our own address if it answers a mail of ours; False: nothing can be told of it.

    A bounce that came here carries no token, so it is kept and has no effect.

    Raises:
        Unavailable, ContentUnavailable, Conflict, TooLarge: as ``take_returned``.
    """
    read = await asyncio.to_thread(read_returned, octets, "", mail_from)
    named = [match for one in read.message_ids if (match := _MAIL_ID.fullmatch(one))]
    ids = [UUID(match[1]) for match in named if match[2].lower() == service.face.mail_domain.lower()]
    if not ids:
        return False
    async with transaction(service) as connection:
        sent = await inbound_mails.first_built(connection, ids)
    if sent is None:
        return False
    _check_size(sent, len(octets))
    kind = read.kind if read.kind in {"reply", "auto_reply", "abuse"} else "unclear"
    await _take(service, _Came(sent, mail_from, octets, replace(read, kind=kind), service.clock.now()))
    return True


def _credible(read: ReturnedMail, sent: Sent) -> ReturnedMail:
    """A report about an attempt that no server took says nothing; relaying and expanding prove no delivery."""
    odd = read.kind in _ONCE and sent.attempt_state not in _TAKEN
    return replace(read, kind="unclear") if odd or read.kind not in _KEPT_KINDS else read


def _check_size(sent: Sent, octets: int) -> None:
    if octets > sent.size + MOST_OF_ONE:
        raise TooLarge("mail", "larger than what could come back")


def _check_room(came: _Came, kept: Kept) -> None:
    """The first failure and the first delivery find room always.

    Whoever holds our mail could otherwise use the room up first, and the genuine bounce would be refused.
    """
    first = came.read.kind in _ONCE and came.read.kind not in kept.kinds
    full = kept.count >= MOST_KEPT or kept.octets + len(came.octets) > MOST_OCTETS
    if full and not first:
        raise Conflict("too much has come back for one mail")


async def _take(service: Service, came: _Came) -> None:
    """Makes the octets durable, then the row and its effect in one transaction."""
    mail_id, digested = came.sent.mail_id, sha256(came.octets)
    async with transaction(service) as connection:
        kept = await inbound_mails.kept(connection, mail_id, digested)
    again, effect = kept.again, ""
    if not again:
        _check_room(came, kept)
        came = replace(came, signers=await find_signers(service.dns, came.octets))
        new = await _stored(service, came, digested)
        async with transaction(service) as connection:
            # The row before the ticket: it shares a lock on the mail's row, which a worker takes before the ticket's.
            if added := await inbound_mails.add(connection, new):
                effect = await _effect(service, connection, came, new)
            elif new.kind in _ONCE:
                # The same was said before, in other words: nothing more follows from it.
                added = await inbound_mails.add(connection, replace(new, kind="unclear"))
            again = not added
    told = {"kind": came.read.kind, "purpose": came.sent.purpose, "reason": came.read.reason, "effect": effect}
    log.info("mail came back", **told, signed=came.signers.result, size=len(came.octets), again=again)


async def _stored(service: Service, came: _Came, digested: bytes) -> NewInbound:
    # A random id, not one made of the time: the first digits name a reply in its mail's purpose.
    own_id = UUID(bytes=service.random(16), version=4)
    ciphertext, sealed = service.mail_vault.seal(own_id, came.octets)
    place = await service.content.append(ciphertext)
    stored = tickets.Stored(own_id, place.segment, place.offset, place.length, sealed.nonce, sealed.wrapped_key)
    facts = {**_facts(came.read), "authenticated": _authenticated(came)}
    return NewInbound(came.sent, came.read.kind, came.at, came.mail_from, digested, len(came.octets), facts, stored)


async def _effect(service: Service, connection: Connection, came: _Came, new: NewInbound) -> str:
    """What follows from a mail that had not come before; its name for the log."""
    sent = came.sent
    kind = EFFECTS.get((new.kind, sent.purpose), "")
    # What may be a person's, and is not known to be: its reader shall judge.
    persons = new.kind == "reply" or (new.kind == "unclear" and bool(came.read.text))
    passed_on = persons and sent.purpose in TO_RECIPIENT
    if sent.ticket_id is None or not (kind or passed_on):
        return ""
    ticket = await tickets.lock(connection, sent.ticket_id)
    if kind:
        if kind in HIDING and HIDING[kind] in await records.kinds(connection, ticket.id):
            return ""
        await record(service, connection, ticket, [_event(kind, came, new)])
        await _instead(service, connection, ticket, came)
        return kind
    if await inbound_mails.replies(connection, ticket.id) > MOST_REPLIES:
        return ""
    await plan_mail(service, connection, ticket.account_id, f"reply:{new.stored.owner.hex[:8]}", ticket.id)
    return "reply"


async def _instead(service: Service, connection: Connection, ticket: tickets.Ticket, came: _Came) -> None:
    """Content that was too large for a server further on is collected, as it is when the first one says so."""
    too_large = came.sent.purpose == "content" and came.read.kind == "failed" and came.read.reason == "too_large"
    if too_large and await erasures.is_open(connection, ticket.id):
        await plan_mail(service, connection, ticket.account_id, "collection", ticket.id)


def _event(kind: str, came: _Came, new: NewInbound) -> Event:
    """The record: the event's time is when the bounce came in, which is all that we know ourselves."""
    read, sent = came.read, came.sent
    words = read.diagnostic if read.recipient_matched and read.diagnostic else read.status
    reasons = ((read.reason, words),) if read.kind == "failed" else ()
    members = {
        **_facts(read),
        "messageId": sent.message_header,
        "attempt": sent.attempt,
        "received": {**digest(new.sha256), "size": new.size},
        "authenticated": _authenticated(came),
    }
    mail = sent.purpose, sent.attempt
    return Event(kind, came.at, came.at, reasons, extension={"bounce": members}, mail=mail)


def _facts(read: ReturnedMail) -> dict[str, Any]:
    """What was read of a bounce, nothing of a reply.

    Where a mail was forwarded, what the further server says names the recipient's other address: that stays private.
    """
    if not read.by:
        return {}
    told = {"action": read.action, "status": read.status, "reportingMta": read.reporting_mta, "by": read.by}
    if read.recipient_matched:
        told |= {"diagnostic": read.diagnostic, "remoteMta": read.remote_mta}
    times = {"arrivedAt": read.arrived_at, "lastAttemptAt": read.last_attempt_at}
    return {
        **{name: value for name, value in told.items() if value},
        **{name: instant(at) for name, at in times.items() if at},
        **({"class": read.reason} if read.kind in {"failed", "delayed"} else {}),
        "recipientMatched": read.recipient_matched,
    }


def _authenticated(came: _Came) -> dict[str, Any]:
    """What its signatures amount to: whose servers signed it, never that it is true.

    ``aligned``: the domain is the one of the server that the report names as its own, or one above that. Of a report the
    key stays with a valid signature, so that it can be verified when the DNS has another; of a person's reply it does not.
    """
    return {
        "result": came.signers.result,
        **({"signatures": [_signature(one, came.read) for one in came.signers.found]} if came.signers.found else {}),
        **({"leftOut": came.signers.left_out} if came.signers.left_out else {}),
    }


def _signature(one: Signer, read: ReturnedMail) -> dict[str, Any]:
    reporting = read.reporting_mta.lower()
    members: dict[str, Any] = {"mechanism": one.mechanism, "result": one.result}
    members |= {name: value for name, value in (("domain", one.domain), ("selector", one.selector)) if value}
    if reporting and one.domain:
        members["aligned"] = f".{reporting}".endswith(f".{one.domain}")
    if one.result == "pass" and read.by:
        members |= {"key": one.key, "dnssec": "secure" if one.secure else "insecure"}
        members |= {"fields": list(one.fields)} if one.fields else {}
    return members


async def reply_of(service: Service, ticket_id: UUID, purpose: str) -> Reply | None:
    """The reply that a mail of purpose ``reply:…`` passes on, or None: it was erased.

    Raises:
        ContentDamaged: its octets are not what was stored.
        ContentUnavailable, Unavailable: the disk or the database is away.
    """
    async with transaction(service) as connection:
        row = await inbound_mails.reply(connection, ticket_id, purpose.removeprefix("reply:"))
    if row is None:
        return None
    place = tickets.Stored(row["id"], row["segment"], row["offset"], row["length"], row["nonce"], row["wrapped_key"])
    octets = await opened(service, service.mail_vault.open, place)
    read = await asyncio.to_thread(read_returned, octets, "", row["mail_from"])
    return Reply(
        row["mail_from"], row["received_at"], read.subject, read.text, read_signed(row["facts"]), row["kind"] == "reply"
    )


def not_taken(why: str) -> None:
    """Notes that a mail that came back has to come again."""
    log.warning("mail that came back not taken", why=why)
