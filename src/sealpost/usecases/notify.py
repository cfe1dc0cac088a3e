"""Mails that are no evidence themselves.

The sender's confirmation and notices, replies that are passed on to the sender, the recipient's collection link, a new
user's invitation, and the question to the owner of a sender address.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sealpost.domain.canonical import sha256
from sealpost.domain.ids import secret
from sealpost.domain.parties import kept_address
from sealpost.domain.status import status_of
from sealpost.mail.incoming import clean
from sealpost.mail.letter import Mailbox
from sealpost.mail.views import AddressView, ConfirmationView, InvitationView, NoticeView, ReplyView, TooLargeView
from sealpost.store import addresses, mails, people, records, tickets
from sealpost.usecases.database import transaction
from sealpost.usecases.deliver import listed
from sealpost.usecases.handover import hand_over
from sealpost.usecases.letters import SHOWN_AFTERWARDS, new_link, sender_of, ticket_url, to_recipient, to_sender
from sealpost.usecases.reads.ticket import status_lines
from sealpost.usecases.sending import Draft, Sending
from sealpost.usecases.service import Service
from sealpost.usecases.take_returned import reply_of

LINK_LIFE = timedelta(days=7)
"""Of the links that activate a user or confirm an address, in real time."""
MOST_TEXT = 20_000
"""Characters of a reply that are passed on; with more, mailboxes would cut the mail's own words off instead."""


async def notify(service: Service, mail_id: UUID) -> None:
    """Makes one attempt at such a mail."""

    async def compose(held: mails.Claim, ticket: tickets.Ticket | None) -> Draft | None:
        if ticket and held.purpose == "collection":
            return _collection(service, held, ticket)
        if ticket and held.purpose.startswith("reply:"):
            return await _reply(service, held, ticket)
        draft = await _to_the_account(service, held, ticket)
        return await _answerable(service, held, draft) if draft else None

    await hand_over(service, mail_id, Sending(compose))


async def _to_the_account(service: Service, held: mails.Claim, ticket: tickets.Ticket | None) -> Draft | None:
    if ticket is None:
        return await (_address if held.purpose == "address" else _invitation)(service, held)
    if held.purpose == "confirmation":
        return _confirmation(service, held, ticket)
    return await _notice(service, held, ticket)


async def _answerable(service: Service, held: mails.Claim, draft: Draft) -> Draft:
    """Replies reach a person, the account's first administrator, and not a machine of ours (contract, section 9)."""
    async with transaction(service) as connection:
        contact = await people.contact(connection, held.account_id)
    if contact is None:
        return draft
    return replace(draft, letter=replace(draft.letter, reply_to=Mailbox(kept_address(contact).normalised)))


def _confirmation(service: Service, held: mails.Claim, ticket: tickets.Ticket) -> Draft:
    language = ticket.account_language
    view = ConfirmationView(
        language=language,
        recipient_email=ticket.evidence.recipient_email,
        subject=ticket.subject,
        submitted_at=ticket.evidence.submitted_at,
        zone=ZoneInfo(ticket.zone),
        reference=ticket.token,
        ticket_url=ticket_url(service, ticket.token, language),
        remind_at=ticket.remind_at,
        expire_at=ticket.state.expire_at,
        parts=listed(ticket.evidence.parts),
    )
    return Draft(to_sender(service, held, sender_of(ticket), service.composer.confirmation(view), language))


async def _notice(service: Service, held: mails.Claim, ticket: tickets.Ticket) -> Draft | None:
    name = held.purpose.removeprefix("notice:")
    async with transaction(service) as connection:
        rows = await records.of_ticket(connection, ticket.id)
    about = next((row for row in reversed(rows) if status_of(row["kind"]).name == name), None)
    if about is None:
        return None
    language, lines = ticket.account_language, status_lines(rows)
    view = NoticeView(
        language=language,
        status_name=name,
        at=about["at"],
        recipient_email=ticket.evidence.recipient_email,
        subject=ticket.subject,
        zone=ZoneInfo(ticket.zone),
        reference=ticket.token,
        ticket_url=ticket_url(service, ticket.token, language),
        states=lines[rows.index(about)].states,
        timeline=tuple((line.at, line.states, line.literal) for line in lines),
        reason=ticket.reason or None,
    )
    return Draft(to_sender(service, held, sender_of(ticket), service.composer.notice(view), language))


async def _reply(service: Service, held: mails.Claim, ticket: tickets.Ticket) -> Draft | None:
    """Somebody's reply; None: it was erased. What the sender answers goes to the recipient, where it can."""
    reply = await reply_of(service, ticket.id, held.purpose)
    if reply is None:
        return None
    sender, language = sender_of(ticket), ticket.account_language
    view = ReplyView(
        language=language,
        recipient_email=ticket.evidence.recipient_email,
        subject=ticket.subject,
        zone=ZoneInfo(ticket.zone),
        reference=ticket.token,
        ticket_url=ticket_url(service, ticket.token, language),
        received_at=reply.received_at,
        mail_from=clean(reply.mail_from, 320),
        reply_subject=reply.subject,
        text=reply.text[:MOST_TEXT],
        is_cut=len(reply.text) > MOST_TEXT,
        signed=reply.signed,
        is_clear=reply.is_clear,
        # Such an address in the header asks the sender's server for SMTPUTF8, and many would refuse the mail.
        reaches_recipient=ticket.recipient_key.isascii() or not sender.address.isascii(),
    )
    draft = Draft(to_sender(service, held, sender, service.composer.reply(view), language))
    if not view.reaches_recipient:
        return await _answerable(service, held, draft)
    recipient = Mailbox(ticket.recipient_key, ticket.evidence.recipient_name)
    return replace(draft, letter=replace(draft.letter, reply_to=recipient))


def _collection(service: Service, held: mails.Claim, ticket: tickets.Ticket) -> Draft | None:
    if ticket.state.decided_at is None:
        return None
    until = ticket.state.decided_at + SHOWN_AFTERWARDS
    link, stored = new_link(service, "collection", until)
    view = TooLargeView(
        language=ticket.language,
        sender_name=ticket.sender_name,
        sender_email=ticket.evidence.sender_email,
        account_name=ticket.account_name,
        subject=ticket.subject,
        submitted_at=ticket.evidence.submitted_at,
        accepted_at=ticket.state.decided_at,
        zone=ZoneInfo(ticket.zone),
        reference=ticket.token,
        link=link,
        host=service.face.host,
        collect_until=until,
        parts=listed(ticket.evidence.parts),
    )
    return Draft(to_recipient(service, held, ticket, service.composer.too_large(view)), stored, sender_of(ticket))


async def _invitation(service: Service, held: mails.Claim) -> Draft | None:
    """The activation mail. Each building makes a fresh link; an earlier one that was never sent just ends unused."""
    if held.user_id is None:
        return None
    token = secret(service.random)
    until = service.clock.real() + LINK_LIFE
    async with transaction(service) as connection:
        # Locked: a change of the address waits, and then ends this link too, which goes to the address read here.
        user = await people.lock_inactive(connection, held.user_id)
        if user is None:
            return None
        await people.add_user_link(connection, sha256(token.encode()), held.user_id, until)
    view = InvitationView(
        language=user["language"],
        account_name=user["account_name"],
        email=user["email"],
        link=f"{service.face.base_url}/activate/{token}",
        valid_until=until,
        zone=ZoneInfo(user["time_zone"]),
    )
    recipient = Mailbox(kept_address(user["email"]).normalised)
    return Draft(to_sender(service, held, recipient, service.composer.invitation(view), user["language"]))


async def _address(service: Service, held: mails.Claim) -> Draft | None:
    """The question whether the account may send from an address; None: it was answered or is asked no more."""
    if held.address_id is None:
        return None
    token = secret(service.random)
    until = service.clock.real() + LINK_LIFE
    async with transaction(service) as connection:
        asked = await addresses.lock_unconfirmed(connection, held.address_id)
        if asked is None:
            return None
        await addresses.add_link(connection, sha256(token.encode()), held.address_id, until)
    view = AddressView(
        language=asked["language"],
        account_name=asked["account_name"],
        email=asked["email"],
        link=f"{service.face.base_url}/address/{token}",
        valid_until=until,
        zone=ZoneInfo(asked["time_zone"]),
    )
    recipient = Mailbox(kept_address(asked["email"]).normalised)
    return Draft(to_sender(service, held, recipient, service.composer.address(view), asked["language"]))
