"""The inbox's API, for tests and tools that drive the demo. JSON; errors are the envelope's."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from litestar import Response, get

from sealpost.domain.errors import NotFound
from sealpost.usecases.reads.inbox import InboxMail, inbox, inbox_mail
from sealpost.usecases.service import Service
from sealpost.web.headers import FILE_POLICY, security_headers
from sealpost.web.inbox.mails import Mail, read_mail
from sealpost.web.pages import PageRequest, Serving

LONGEST_ID = 64


@get("/inbox/api/messages")
async def message_list(request: PageRequest, service: Serving) -> Response[list[dict[str, Any]]]:
    """All mails, or those to one address, oldest first."""
    mails = await inbox(service, request.query_params.get("to"))
    return Response([member(read_mail(mail)) for mail in mails], headers=security_headers(service.face))


@get("/inbox/api/messages/{mail_id:str}/raw")
async def message_raw(request: PageRequest, service: Serving) -> Response[bytes]:
    """The exact bytes of one mail."""
    mail = await one_mail(service, str(request.path_params["mail_id"]))
    headers = security_headers(service.face, FILE_POLICY)
    return Response(mail.raw, media_type="message/rfc822", headers=headers)


async def one_mail(service: Service, mail_id: str) -> InboxMail:
    """A mail of the inbox.

    Raises:
        NotFound: there is none of that name.
    """
    known = mail_id.isascii() and mail_id.isprintable() and len(mail_id) <= LONGEST_ID
    mail = await inbox_mail(service, mail_id) if known else None
    if mail is None:
        raise NotFound("no such mail")
    return mail


def member(mail: Mail) -> dict[str, Any]:
    """A mail as the list shows it."""
    return {
        "id": mail.id,
        "from": mail.sender,
        "to": mail.to,
        "subject": mail.subject,
        "received_at": mail.source.received_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "text": mail.text,
        "html": mail.html,
        "links": list(mail.links),
    }
