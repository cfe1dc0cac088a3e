"""Send the accepted registered e-mail, body and attachments, to the recipient's own mailbox (contract, section 8.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID
from zoneinfo import ZoneInfo

from sealpost.domain.content import Part, shown_name
from sealpost.mail import views
from sealpost.mail.compose import Composed
from sealpost.mail.html.show import show
from sealpost.mail.letter import File
from sealpost.mail.text_twin import text_twin
from sealpost.mail.transport import Handover
from sealpost.store import mails, tickets
from sealpost.store.pool import Connection
from sealpost.usecases.chain import plan_mail
from sealpost.usecases.handover import hand_over
from sealpost.usecases.letters import sender_of, to_recipient
from sealpost.usecases.mail_bytes import opened
from sealpost.usecases.sending import Draft, Sending
from sealpost.usecases.service import Service


async def deliver(service: Service, mail_id: UUID) -> None:
    """Makes one attempt at the content mail. Too large for the server: a mail with a collection link follows."""

    async def compose(held: mails.Claim, ticket: tickets.Ticket | None) -> Draft | None:
        return await _content(service, held, ticket)

    async def too_large(connection: Connection, ticket: tickets.Ticket, handover: Handover) -> None:
        if handover.outcome == "failed" and handover.reason == "too_large":
            await plan_mail(service, connection, ticket.account_id, "collection", ticket.id)

    await hand_over(service, mail_id, Sending(compose, kinds="content", taken="delivered", afterwards=too_large))


async def _content(service: Service, held: mails.Claim, ticket: tickets.Ticket | None) -> Draft | None:
    if ticket is None or ticket.state.decision != "accepted" or ticket.state.decided_at is None:
        return None
    octets = await opened(service, service.content_vault.open, ticket.content)
    parts = ticket.evidence.parts
    cids = [f"part{number}@{service.face.mail_domain}" if _is_image(part) else "" for number, part in enumerate(parts)]
    files = [
        File(shown_name(part.name, part.content_type), part.content_type, content, cid)
        for part, content, cid in zip(parts, split(parts, octets), cids, strict=True)
    ]
    shown = {part.name: cid for part, cid in zip(parts, cids, strict=True) if cid}
    # Reading a large HTML body takes a while; the loop must not wait for it.
    composed = await asyncio.to_thread(_composed, service, ticket, files[0].content.decode(), shown)
    return Draft(to_recipient(service, held, ticket, composed, tuple(files)), on_behalf=sender_of(ticket))


def _is_image(part: Part) -> bool:
    """Whether an HTML body can show it (``cid:`` of its name)."""
    return part.content_type.lower().startswith(("image/png", "image/jpeg", "image/gif"))


def _composed(service: Service, ticket: tickets.Ticket, body: str, cids: Mapping[str, str]) -> Composed:
    return service.composer.content(_view(ticket, body, cids))


def _view(ticket: tickets.Ticket, body: str, cids: Mapping[str, str]) -> views.ContentView:
    evidence = ticket.evidence
    html = show(body, cids) if evidence.parts[0].content_type.startswith("text/html") else None
    return views.ContentView(
        language=ticket.language,
        sender_name=ticket.sender_name,
        sender_email=evidence.sender_email,
        account_name=ticket.account_name,
        subject=ticket.subject,
        submitted_at=evidence.submitted_at,
        accepted_at=ticket.state.decided_at or evidence.submitted_at,
        zone=ZoneInfo(ticket.zone),
        reference=ticket.token,
        body_text=body if html is None else text_twin(html),
        body_html=html,
        parts=listed(evidence.parts),
    )


def listed(parts: Sequence[Part]) -> tuple[views.Part, ...]:
    """The parts as mails list them, with their fingerprints."""
    return tuple(views.Part(shown_name(part.name, part.content_type), part.size, part.sha256.hex()) for part in parts)


def split(parts: Sequence[Part], octets: bytes) -> list[bytes]:
    """The parts of a message's content, which lie one behind the other."""
    pieces: list[bytes] = []
    begin = 0
    for part in parts:
        pieces.append(octets[begin : begin + part.size])
        begin += part.size
    return pieces
