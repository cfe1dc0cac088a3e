"""What all our mails have in common: who they are from, their identity, and the links in them."""

from __future__ import annotations

from datetime import datetime, timedelta

from sealpost.domain.canonical import sha256
from sealpost.domain.ids import secret
from sealpost.domain.parties import kept_address
from sealpost.mail.compose import Composed
from sealpost.mail.letter import File, Letter, Mailbox
from sealpost.store import mails, tickets
from sealpost.usecases.sending import NewLink
from sealpost.usecases.service import Service

SHOWN_AFTERWARDS = timedelta(days=30)
"""How long after a ticket's term its pages still show what became of it, and accepted content can be downloaded."""


def message_id(service: Service, held: mails.Claim) -> str:
    """One per mail for ever: a repeat carries the same (RFC 5322, section 3.6.4)."""
    return f"<{held.id}@{service.face.mail_domain}>"


def ours(service: Service, name: str = "") -> Mailbox:
    """The service's own address."""
    return Mailbox(f"post@{service.face.mail_domain}", name or service.face.service_name)


def to_recipient(
    service: Service, held: mails.Claim, ticket: tickets.Ticket, composed: Composed, files: tuple[File, ...] = ()
) -> Letter:
    """A mail to the ticket's recipient, from us on behalf of the sender, whom a reply reaches (design, section 6)."""
    evidence = ticket.evidence
    return Letter(
        sender=ours(service, f"{ticket.sender_name} via {service.face.service_name}"),
        recipient=Mailbox(ticket.recipient_key, evidence.recipient_name),
        reply_to=Mailbox(evidence.sender_email, ticket.sender_name),
        subject=composed.subject,
        text=composed.text,
        html=composed.html,
        files=files,
        message_id=message_id(service, held),
        date=service.clock.now(),
        language=ticket.language,
    )


def to_sender(service: Service, held: mails.Claim, recipient: Mailbox, composed: Composed, language: str) -> Letter:
    """A mail to somebody of the account."""
    return Letter(
        sender=ours(service),
        recipient=recipient,
        reply_to=None,
        subject=composed.subject,
        text=composed.text,
        html=composed.html,
        files=(),
        message_id=message_id(service, held),
        date=service.clock.now(),
        language=language,
    )


def sender_of(ticket: tickets.Ticket) -> Mailbox:
    """The ticket's sender, as mail headers need it."""
    return Mailbox(kept_address(ticket.evidence.sender_email).normalised, ticket.sender_name)


def new_link(service: Service, purpose: str, expires_at: datetime) -> tuple[str, NewLink]:
    """A link's address, which stands in the mail only, and what is stored of it."""
    token = secret(service.random)
    return f"{service.face.base_url}/p/{token}", NewLink(sha256(token.encode()), purpose, expires_at)


def ticket_url(service: Service, token: str, language: str) -> str:
    """The ticket page's address in the vendor's form (contract, section 3)."""
    return f"{service.face.base_url}/webservice/dashboard/?ticket_token={token}&action=ticket_html&lang={language}"
