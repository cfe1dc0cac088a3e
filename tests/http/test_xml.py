"""One ticket as XML: the vendor's names and forms, whatever the values hold."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.domain.content import Part
from sealpost.domain.statement import Statement
from sealpost.domain.status import status_of
from sealpost.usecases.reads.ticket import StatusLine, TicketView
from sealpost.xmlapi.document import document
from sealpost.xmlapi.writer import element

SENT = datetime(2026, 10, 25, 0, 30, 20, 123456, tzinfo=UTC)  # 02:30 in Amsterdam, for the first time that night
HASH = hashlib.sha256(b"x").digest()

TICKET = TicketView(
    token="K.abcdefghijklmnopqrstuv", account_id=123456, account_name="Alice BV", sender_name="Alice", sender_email="alice@example.org",
    recipient_email="bob@example.com", recipient_name="Bob", language="nl", subject='Tom & "Jerry" <3', submitted_at=SENT, remind_at=None,
    expire_at=SENT + timedelta(days=12), zone=ZoneInfo("Europe/Amsterdam"),
    parts=(Part("message_body", "text/plain", 1, HASH), Part("a'b&c.pdf", "application/pdf", 1, HASH)),
    own_id="", own_guid="", campaign="", address_basis="", decision=None, reason="", reached_at=None, could_know_at=None, decided_at=None,
    signature_required=False, status=status_of("reminder_offered"), event="reminder_offered",
    statuses=(
        StatusLine(SENT, status_of("submitted"), Statement("submitted"), ""),
        StatusLine(SENT + timedelta(hours=1), status_of("reminder_offered"), Statement("reminder_offered"), "250-one\n250 2.0.0 <ok> é"),
    ),
)  # fmt: skip


def test_the_vendors_names_in_the_vendors_order() -> None:
    root = ET.fromstring(document(TICKET, "nl"))
    assert root.tag == "biljetten"
    (ticket,) = root
    assert list(ticket.attrib.items()) == [
        ("id", "K.abcdefghijklmnopqrstuv"), ("afzender", "alice@example.org"), ("ontvanger", "bob@example.com"), ("onderwerp", 'Tom & "Jerry" <3'),
        ("customer_id", "123456"), ("taal", "nl"), ("handtekening_nodig", "0"),
    ]  # fmt: skip
    assert [child.tag for child in ticket] == ["bijlagen", "statussen"]
    (attached,) = ticket[0]
    assert (attached.tag, list(attached.attrib.items())) == (
        "bijlage",
        [("bijlage", "a'b&c.pdf"), ("hash", b64encode(HASH).decode()), ("geaccepteerd", "0")],
    )
    assert [list(status.attrib) for status in ticket[1]] == [
        ["statusdatumtijd", "tijdstip", "statusomschrijving", "statuscode", "statusdetail"]
    ] * 2


def test_times_are_local_and_in_utc_even_in_the_double_hour() -> None:
    first, second = ET.fromstring(document(TICKET, "nl")).iter("status")
    assert first.get("statusdatumtijd") == second.get("statusdatumtijd") == "2026-10-25 02:30:20"
    assert (first.get("tijdstip"), second.get("tijdstip")) == ("2026-10-25T00:30:20.123Z", "2026-10-25T01:30:20.123Z")
    assert (first.get("statusdetail"), second.get("statusdetail")) == (" ", "250-one\n250 2.0.0 <ok> é")
    assert (first.get("statuscode"), second.get("statuscode")) == ("10", "95")


def test_texts_in_the_language_asked_for() -> None:
    for language, words in (
        ("nl", "Herinnering aangetekende mail verstuurd"),
        ("en", "Reminder offered"),
    ):
        status = list(ET.fromstring(document(TICKET, language)).iter("status"))[1]
        assert status.get("statusomschrijving") == words


@pytest.mark.parametrize(
    ("decision", "mark"), [("accepted", "1"), ("refused", "0"), ("expired", "0"), ("withdrawn", "0"), (None, "0")]
)
def test_accepted_or_not(decision: str | None, mark: str) -> None:
    octets = document(replace(TICKET, decision=decision, signature_required=True), "nl")
    root = ET.fromstring(octets)
    assert [part.get("geaccepteerd") for part in root.iter("bijlage")] == [mark]
    assert root[0].get("handtekening_nodig") == "1"


def test_without_attachments_the_lists_are_still_there() -> None:
    root = ET.fromstring(document(replace(TICKET, parts=TICKET.parts[:1], statuses=()), "nl"))
    assert [(child.tag, len(child)) for child in root[0]] == [("bijlagen", 0), ("statussen", 0)]


@given(st.text(st.characters() | st.sampled_from("\0\x0b\ufffe\uffff\ud800\r\n\t\"'<>&\x85\u2028")))
def test_any_value_stays_well_formed_and_is_read_back(value: str) -> None:
    read = ET.fromstring(element("a", [("b", value)])).get("b")
    kept = "".join(
        c if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" else "\ufffd"
        for c in value
    )
    assert read == kept
