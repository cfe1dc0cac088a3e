"""Every page, with what it needs to be rendered: for the tests of templates, of accessibility, and of translations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sealpost.api.openapi import document
from sealpost.api.send import SEND_PATH
from sealpost.domain.content import Part
from sealpost.domain.statement import Statement
from sealpost.domain.status import BY_CODE, TABLE, Status, status_of
from sealpost.usecases.activate import Invitation
from sealpost.usecases.ended_links import EndedLink, EndedPickup, State
from sealpost.usecases.reads.addresses import Asked
from sealpost.usecases.reads.inbox import InboxMail
from sealpost.usecases.reads.notices import CHOICES
from sealpost.usecases.reads.pickup import Pickup, PickupPart
from sealpost.usecases.reads.session import Session
from sealpost.usecases.reads.ticket import StatusLine, TicketView
from sealpost.usecases.reads.tickets import TicketPage, TicketRow
from sealpost.usecases.reads.trust import LogView
from sealpost.usecases.service import Face
from sealpost.web.dashboard.tickets import EVENTS, FILTERS
from sealpost.web.inbox.mails import read_mail
from sealpost.web.inbox.pane import FRAMED
from sealpost.web.pickup.landing import Visit
from sealpost.web.reference.view import reference
from sealpost.web.ticket.page import told

AT = datetime(2026, 11, 23, 10, 15, 2, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Amsterdam")
TOKEN = "K." + "b" * 22
FACE = Face(
    "http://127.0.0.1:8025", "127.0.0.1:8025", secure=False, demo=True, service_name="Sealpost", mail_domain="x.example"
)
HOSTILE = '<b>"Bob" & Co, José</b>'

LOGS = (
    LogView("2027", "127.0.0.1:8025/log/2027", 0, None, None),
    LogView("2026", "127.0.0.1:8025/log/2026", 48_213, AT, "the log 2027 goes on from here"),
)

RAW = (
    b"From: =?utf-8?q?Alice_via_Sealpost_=E2=9C=89?= <registered@x.example>\r\nTo: bob@example.com\r\nSubject: Hello\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=A\r\n\r\n"
    b"--A\r\nContent-Type: multipart/alternative; boundary=B\r\n\r\n"
    b"--B\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nLook: http://127.0.0.1:8025/p/abc, now.\r\n"
    b'--B\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p><a href="https://x.example/q?a=1&amp;b=2">Go</a></p>\r\n--B--\r\n'
    b"--A\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b'Content-Disposition: attachment; filename="a.pdf"\r\n\r\nJVBERi0=\r\n--A--\r\n'
)
MAIL = read_mail(InboxMail("1", "bounce@x.example", "bob@example.com", AT, RAW))

FINGERPRINT = hashlib.sha256(b"x").digest()
PARTS = (
    PickupPart(0, "message.txt", "text/plain", 12, FINGERPRINT),
    PickupPart(1, HOSTILE, "application/pdf", 2_345_678, FINGERPRINT),
)
OPEN = Pickup(
    ticket_token=TOKEN,
    language="en",
    account_name=f"Alice {HOSTILE}",
    sender_name="Alice",
    sender_email="alice@example.org",
    recipient_email="bob@example.com",
    recipient_name="Bob",
    subject=f"Notice {HOSTILE}",
    submitted_at=AT,
    expire_at=AT + timedelta(days=12),
    zone=ZONE,
    decision=None,
    decided_at=None,
    reason="",
    parts=(),
    download_until=None,
    delivery="",
)
HIDDEN = replace(OPEN, subject=None, recipient_name="")
DECIDED = {
    "accepted": replace(OPEN, decision="accepted", decided_at=AT, parts=PARTS, download_until=AT, delivery="waiting"),
    "accepted, failed": replace(
        OPEN, decision="accepted", decided_at=AT, parts=PARTS, download_until=AT, delivery="failed"
    ),
    "accepted, long ago": replace(OPEN, decision="accepted", decided_at=AT, parts=PARTS, delivery="delivered"),
    "refused": replace(OPEN, decision="refused", decided_at=AT, reason=f"No.\n{HOSTILE}"),
    "refused, no reason": replace(OPEN, decision="refused", decided_at=AT),
    "expired": replace(OPEN, decision="expired", decided_at=AT),
    "withdrawn": replace(OPEN, decision="withdrawn", decided_at=AT),
}
PERSON = Session(7, 1, "Alice Incasso N.V.", "alice@example.org", "Alice", "user", "en", ZONE)


def line(status: Status, source: str = "") -> StatusLine:
    """A line of the ticket page, with words of others that must not become markup."""
    literal = HOSTILE if status.code == 30 else ""
    return StatusLine(AT, status, Statement(status.name, source, host="mx.example"), literal)


VIEW = TicketView(
    token=TOKEN,
    account_id=1,
    account_name="Alice Incasso N.V.",
    sender_name="Alice",
    sender_email="alice@example.org",
    recipient_email="bob@example.com",
    recipient_name="",
    language="en",
    subject=f"Notice {HOSTILE}",
    submitted_at=AT,
    remind_at=AT,
    expire_at=AT,
    zone=ZONE,
    parts=(Part("message_body", "text/plain", 12, FINGERPRINT), Part("a.pdf", "application/pdf", 2345, FINGERPRINT)),
    own_id="2026-1",
    own_guid="guid",
    campaign="autumn",
    address_basis="He told us",
    decision=None,
    reason="",
    reached_at=AT,
    could_know_at=None,
    decided_at=None,
    signature_required=True,
    status=BY_CODE[96],
    event="reminder_accepted",
    statuses=tuple(line(status) for status in TABLE),
)
REFUSED = replace(VIEW, decision="refused", reason="No.", decided_at=AT, could_know_at=AT, remind_at=None, statuses=())
ROWS = tuple(
    TicketRow(TOKEN, "bob@example.com", name, HOSTILE, status_of(kind), kind, AT, None, own, "")
    for name, kind, own in (("Bob", "announcement_failed", ""), ("", "submitted", "2026-1"))
)
ASKED = Asked("desk@example.org", f"Alice {HOSTILE}", "en", AT, ZONE)
DOCUMENT = document(FACE.base_url)
# One operation, and no error whose words a page has too: they are English on this page.
SENDING = {**DOCUMENT, "paths": {SEND_PATH: DOCUMENT["paths"][SEND_PATH]}}
DOCUMENT["components"]["responses"].pop("NotFound")
OVER, REPLACED = EndedLink("over", AT, "en", ZONE), EndedLink("over", None, "en", ZONE)
INVITATION = Invitation("alice@example.org", "Alice Incasso N.V.", "en", AT, ZONE)


def sourced(source: str) -> TicketView:
    """Alice's ticket when every status is the word of a source."""
    return replace(VIEW, statuses=tuple(line(one.status, source) for one in VIEW.statuses))


def listed(chosen: dict[str, str], page: TicketPage) -> dict[str, Any]:
    """What the list of tickets is given besides who looks."""
    return {
        "tickets": page,
        "chosen": chosen,
        "asked": dict.fromkeys(FILTERS, "") | chosen,
        "statuses": EVENTS,
        "older": "/dashboard/?cursor=x" if page.next else None,
        "newest": "/dashboard/",
    }


def pages(language: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, template and context of every page in every state."""
    for kind in (400, 403, 404, 405, 413, 429, 500, 503):
        yield f"failure {kind}", "failure.html", {"kind": kind, "reference": "0198" if kind == 500 else ""}
    yield from _pickup(language)
    yield from _sender()
    inbox: dict[str, Any] = {
        "mails": [MAIL],
        "mail": MAIL,
        "framed": FRAMED,
        "utc": UTC,
        "source": "From: x",
        "cut": True,
    }
    for view in ("html", "text", "source"):
        yield f"inbox, {view}", "inbox/inbox.html", inbox | {"view": view}
    yield "inbox, list", "inbox/inbox.html", inbox | {"mail": None, "view": "text"}
    yield "log", "evidence/log.html", {"logs": LOGS, "utc": UTC}
    yield "log, none yet", "evidence/log.html", {"logs": (), "utc": UTC}
    files = [("policy", 3500, FINGERPRINT), ("roots.pem", 800, FINGERPRINT)]
    yield (
        "trust",
        "evidence/trust.html",
        {"files": files, "archive": "sealpost-trust.zip", "whole": FINGERPRINT, "anchors": ["policy", "roots.pem"]},
    )
    yield "reference", "reference/reference.html", {"reference": reference(SENDING)}
    yield "inbox, empty", "inbox/inbox.html", inbox | {"mail": None, "mails": [], "view": "text"}


def _pickup(language: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    def context(pickup: Pickup, **more: Any) -> dict[str, Any]:
        visit = Visit(pickup, ("s" * 43,), language)
        return {"pickup": pickup, "visit": visit, "problem": "", "late": False, "reason": "", **more}

    for exists in (None, False, True):
        yield f"check a reference, {exists}", "genuine/check.html", {"reference": HOSTILE, "exists": exists}
    for whole in (True, False):
        yield f"dead link, {whole}", "pickup/dead_link.html", {"whole": whole}
    kinds: tuple[tuple[State, str], ...] = (("over", "pickup"), ("over", "collection"), ("closed", "pickup"))
    for state, purpose in kinds:
        ended = EndedPickup(state, purpose, TOKEN, f"Alice {HOSTILE}", AT, AT, "en", ZONE)
        yield f"ended link, {state}, {purpose}", "pickup/ended.html", {"link": ended}
    yield "no link", "pickup/no_link.html", {}
    yield "open", "pickup/open.html", context(OPEN)
    yield "open, subject hidden", "pickup/open.html", context(HIDDEN)
    yield "open, nothing chosen", "pickup/open.html", context(OPEN, problem="choose")
    for choice in ("accept", "refuse"):
        for problem in ("", "confirm", *(("reason",) if choice == "refuse" else ())):
            yield f"{choice} {problem}", f"pickup/confirm_{choice}.html", context(OPEN, problem=problem, reason=HOSTILE)
    for name, pickup in DECIDED.items():
        for late in (False, True):
            yield f"{name}{', late' if late else ''}", f"pickup/{pickup.decision}.html", context(pickup, late=late)


def _sender() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for wrong in (False, True):
        context = {"back": "/dashboard/", "email": HOSTILE if wrong else "", "wrong": wrong, "ended": not wrong}
        yield f"sign in{', wrong' if wrong else ''}", "signin/signin.html", context
    for problem in ("", "short", "again", "name", "password"):
        context = {"invitation": INVITATION, "problem": problem, "name": HOSTILE, "shortest": 12}
        yield f"activate {problem}", "signin/activate.html", context
    for name in ("confirm", "confirmed"):
        yield f"address, {name}", f"address/{name}.html", {"asked": ASKED}
    for room in ("signin", "address"):
        for whole in (True, False):
            yield f"{room}, dead, {whole}", f"{room}/dead_link.html", {"link": None, "whole": whole}
        for link in (EndedLink("used", None, "en", ZONE), EndedLink("closed", None, "en", ZONE), OVER, REPLACED):
            yield (
                f"{room}, ended, {link.state} {link.ended_at}",
                f"{room}/dead_link.html",
                {"link": link, "whole": True},
            )
    signed_in: dict[str, Any] = {"session": PERSON}
    for name, page, first in (
        ("", TicketPage(ROWS, "a+/="), True),
        (" empty", TicketPage((), None), True),
        (" end", TicketPage((), None), False),
    ):
        yield f"tickets{name}", "dashboard/tickets.html", signed_in | listed({}, page) | {"is_first": first}
    none_fits = listed({"campaign": HOSTILE, "status": "accepted"}, TicketPage((), None)) | {"is_first": True}
    yield "tickets, none fits", "dashboard/tickets.html", signed_in | none_fits
    for saved in (False, True):
        context = {"choices": CHOICES, "chosen": ("accepted", "refused"), "saved": saved}
        yield f"notices{', saved' if saved else ''}", "dashboard/notices.html", signed_in | context
    context = signed_in | told(VIEW) | {"is_open": True, "late": False}
    yield "ticket", "ticket/ticket.html", context
    yield (
        "ticket, refused",
        "ticket/ticket.html",
        context | told(REFUSED) | {"is_open": False, "late": True},
    )
    for source in ("relay", "bounce"):
        yield f"ticket, {source}", "ticket/ticket.html", context | told(sourced(source))
    yield "ticket, none", "ticket/none.html", signed_in
    yield "withdraw", "ticket/withdraw.html", signed_in | {"ticket": VIEW}
