"""The recipient's decision: exactly one, ever; at or after the end of the term none (contract, sections 8.2 and 8.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sealpost.domain.lines import paragraph
from sealpost.domain.records import Event
from sealpost.store import tickets
from sealpost.usecases.chain import plan_mail, record
from sealpost.usecases.database import transaction
from sealpost.usecases.opened import opened_ticket
from sealpost.usecases.service import Service
from sealpost.usecases.web_act import WebAct, web

LONGEST_REASON = 1000


async def decide(
    service: Service,
    ticket_token: str,
    secrets: Sequence[str],
    decision: Literal["accepted", "refused"],
    reason: str,
    act: WebAct,
) -> None:
    """Records a decision, with the delivery it calls for, in one transaction.

    Args:
        service: the parts.
        ticket_token: from the page's address.
        secrets: the link secrets that the browser holds.
        decision: what was confirmed.
        reason: why it was refused; may be empty.
        act: what the form's request says about itself.

    Raises:
        NotFound: no secret opens this ticket.
        AlreadyDecided: there is a decision.
        TermOver: the term has ended, though no job may have said so.
        InvalidInput: the reason is too long or has controls.
        Unavailable: the database is away; nothing was decided.
    """
    reason = paragraph("reason", reason.strip(), LONGEST_REASON) if decision == "refused" else ""
    async with transaction(service) as connection:
        ticket_id, link = await opened_ticket(service, connection, ticket_token, secrets)
        # Two decisions at once wait here for each other; the second then finds the first. The unique index over
        # decisions holds even where this code would not.
        ticket = await tickets.lock(connection, ticket_id)
        now = service.clock.now()
        reasons = (("refused-by-recipient", reason),) if decision == "refused" else ()
        event = Event(decision, now, now, reasons, extension=web(service, act, decision, link))
        if reason:
            await tickets.set_reason(connection, ticket_id, reason)
        await record(service, connection, ticket, [event])
        if decision == "accepted":
            await plan_mail(service, connection, ticket.account_id, "content", ticket_id)
