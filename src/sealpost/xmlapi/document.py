"""The XML document of the *biljetten* interface: all values are attributes, the Dutch names are the vendor's.

For ``sealpost.xmlapi.tickets``; its grammar is published as ``sealpost-biljetten.xsd``. Ours are the attributes
``tijdstip``, ``volgende`` and the sender's own references, which stand there only when the sender gave them.
"""

from __future__ import annotations

from base64 import b64encode

from sealpost.domain.canonical import instant
from sealpost.domain.content import BODY
from sealpost.text.statements import notes
from sealpost.text.statuses import vendor_text
from sealpost.usecases.reads.ticket import StatusLine, TicketView
from sealpost.xmlapi.writer import attributes, element

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def document(view: TicketView, language: str) -> bytes:
    """The document of one ticket.

    Args:
        view: the ticket.
        language: of the status texts.
    """
    return (DECLARATION + beginning(None) + ticket_element(view, language) + end()).encode()


def beginning(cursor: str | None) -> str:
    """The root's start tag.

    Args:
        cursor: of the next answer, or None.
    """
    return f"<biljetten{attributes((('volgende', cursor),) if cursor else ())}>"


def end() -> str:
    """The root's end tag."""
    return "</biljetten>\n"


def ticket_element(view: TicketView, language: str) -> str:
    """One ticket; arguments as for ``document``."""
    values = (
        ("id", view.token),
        ("afzender", view.sender_email),
        ("ontvanger", view.recipient_email),
        ("onderwerp", view.subject),
        ("customer_id", str(view.account_id)),
        ("taal", view.language),
        ("handtekening_nodig", "1" if view.signature_required else "0"),
    )
    own = (("x-own-id", view.own_id), ("x-own-guid", view.own_guid), ("x-own-campaign", view.campaign))
    given = tuple(pair for pair in own if pair[1])
    statuses = "".join(_status(line, view, language) for line in view.statuses)
    inner = element("bijlagen", inner=_parts(view)) + element("statussen", inner=statuses)
    return element("biljet", values + given, inner)


def _parts(view: TicketView) -> str:
    """The attachments; the body is not one of them, as with the vendor."""
    accepted = "1" if view.decision == "accepted" else "0"
    return "".join(
        element(
            "bijlage",
            (("bijlage", part.name), ("hash", b64encode(part.sha256).decode()), ("geaccepteerd", accepted)),
        )
        for part in view.parts
        if part.name != BODY
    )


def _status(line: StatusLine, view: TicketView, language: str) -> str:
    """The words of others stand in ``statusdetail`` literally and alone; ours stand in ``toelichting``."""
    ours = " ".join(notes(line.states, language))
    values = (
        ("statusdatumtijd", f"{line.at.astimezone(view.zone):%Y-%m-%d %H:%M:%S}"),
        ("tijdstip", instant(line.at)),
        ("statusomschrijving", vendor_text(line.states.event, language)),
        ("statuscode", str(line.status.code)),
        ("statusdetail", line.literal or " "),
    )
    return element("status", values + ((("toelichting", ours),) if ours else ()))
