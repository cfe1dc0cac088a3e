"""The demo's inbox in a browser: the list, one mail in a sandboxed frame, as text or as source, and its attachments.

For whoever tries Sealpost without a mail server. A mail may do nothing but be seen and be clicked into a new tab.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any

from litestar import Response, route

from sealpost.domain.errors import NotFound
from sealpost.usecases.reads.inbox import inbox
from sealpost.usecases.service import Service
from sealpost.web.disposition import attachment, safe_type
from sealpost.web.headers import FILE_POLICY, POLICY, security_headers
from sealpost.web.inbox.api import one_mail
from sealpost.web.inbox.mails import Mail, heading, read_mail
from sealpost.web.pages import PageRequest, Serving, chosen_language, page

FRAMED = "allow-popups allow-popups-to-escape-sandbox"
INBOX_POLICY = f"{POLICY}; frame-src 'self'"
MAIL_POLICY = (
    f"sandbox {FRAMED}; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
    "frame-ancestors 'self'"
)
HEAD = re.compile(r"<head(?:\s[^>]*)?>", re.IGNORECASE)
BASE = '<base target="_blank">'
SHOWN = 200  # mails in the list
SOURCE = 200_000  # octets of the source on the page; the rest is one click away
VIEWS = ("html", "text", "source")


@route("/inbox", http_method=["GET", "HEAD"])
async def inbox_list(request: PageRequest, service: Serving) -> Response[str]:
    return await _show(request, service, None)


@route("/inbox/{mail_id:str}", http_method=["GET", "HEAD"])
async def inbox_message(request: PageRequest, service: Serving) -> Response[str]:
    return await _show(request, service, await _mail(request, service))


@route("/inbox/{mail_id:str}/html", http_method=["GET", "HEAD"])
async def inbox_frame(request: PageRequest, service: Serving) -> Response[str]:
    """The mail's own HTML, for the frame alone."""
    mail = await _mail(request, service)
    headers = security_headers(service.face, MAIL_POLICY)
    return Response(framed(mail.html), media_type="text/html", headers=headers)


@route("/inbox/{mail_id:str}/part/{number:str}", http_method=["GET", "HEAD"])
async def inbox_file(request: PageRequest, service: Serving) -> Response[Any]:
    """An attachment, counted from 1."""
    mail = await _mail(request, service)
    number = str(request.path_params["number"])
    files = {str(position): file for position, file in enumerate(mail.files, 1)}
    if number not in files:
        raise NotFound("no such part")
    file = files[number]
    headers = security_headers(service.face, FILE_POLICY) | {"Content-Disposition": attachment(file.name)}
    return Response(file.octets, media_type=safe_type(file.content_type), headers=headers)


def framed(html: str) -> str:
    """A mail's HTML whose links open in a new tab, for the frame itself may go nowhere."""
    found = HEAD.search(html)
    return html[: found.end()] + BASE + html[found.end() :] if found else BASE + html


async def _mail(request: PageRequest, service: Service) -> Mail:
    return read_mail(await one_mail(service, str(request.path_params["mail_id"])))


async def _show(request: PageRequest, service: Service, mail: Mail | None) -> Response[str]:
    mails = [heading(one) for one in reversed(await inbox(service, None))]
    context: dict[str, Any] = {
        "mails": mails[:SHOWN],
        "mail": mail,
        "view": _view(request, mail),
        "source": "",
        "framed": FRAMED,
        "utc": UTC,
    }
    if mail is not None:
        context["source"] = mail.source.raw[:SOURCE].decode("utf-8", "replace")
        context["cut"] = len(mail.source.raw) > SOURCE
    return page(request, service.face, "inbox/inbox.html", chosen_language(request), policy=INBOX_POLICY, **context)


def _view(request: PageRequest, mail: Mail | None) -> str:
    wanted = request.query_params.get("view", "")
    best = "html" if mail and mail.html else "text"
    return wanted if wanted in VIEWS and not (wanted == "html" and best == "text") else best
