"""The body of a send: types and presence, missing features, and base64 text that is never copied as a whole."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.api.body import PIECE, Base64Text, submit_message
from sealpost.api.json_scan import Text
from sealpost.domain.errors import InvalidInput, TooLarge
from sealpost.domain.parties import Sender
from sealpost.usecases.reads.callers import CallerRow
from sealpost.usecases.service import Limits
from sealpost.usecases.submit_message import SubmitMessage
from tests.http.test_json_scan import mapped

ALICE = CallerRow(
    client=3, name="alice-client", kind="oauth", role="user", account_id=7, account_name="Alice BV", language="nl",
    zone="Europe/Amsterdam", authenticated_at=datetime(2026, 11, 23, tzinfo=UTC), method="oauth2-client-credentials", suspended=False,
)  # fmt: skip
FILE = {"attachment": "QUJD", "attachment_name": "a.txt", "attachment_type": "text/plain"}
ABSENT = object()


def letter(**changes: Any) -> bytes:
    members = {
        "message_body": "Dear Bob", "sender_email": "alice@example.org", "sender_real_name": "Alice", "subject": "Notice",
        "recipient_email": "bob@example.com", "attachments": [FILE],
    } | changes  # fmt: skip
    return json.dumps({name: value for name, value in members.items() if value is not ABSENT}).encode()


def read(octets: bytes, *, large: bool = False) -> SubmitMessage:
    return submit_message(octets, ALICE, Limits(), large=large)


def test_the_least_letter() -> None:
    octets = letter()
    message = read(octets)
    assert message.sender == Sender(7, "Alice BV", "client:alice-client", "oauth2-client-credentials")
    assert (message.body, message.sender_name, message.language) == ("Dear Bob", "Alice", None)
    assert (message.recipient_name, message.own_id, message.own_guid, message.campaign, message.address_basis) == (
        "",
    ) * 5
    assert (message.reminder_days, message.expiry_days, message.large) == (None, None, False)
    assert message.request_sha256 == hashlib.sha256(octets).digest()
    assert message.face == "POST /webservice/mailsender/send"
    (file,) = message.attachments
    assert (file.name, file.content_type, b"".join(file.encoded)) == ("a.txt", "text/plain", b"QUJD")


def test_the_whole_letter() -> None:
    message = read(
        letter(
            **{"x-own-id": "1", "x-own-guid": "2", "x-own-campaign": "3"}, recipient_name="Bob é", recipient_language="en",
            reminder_days=3, expiry_days=9, address_basis="from the contract", identification="none", signature_required=False, verified_tls=True,
            recipient_phone=None, unknown={"a": [1, {"b": None}]}, attachments=[],
        )
    )  # fmt: skip
    assert (message.own_id, message.own_guid, message.campaign) == ("1", "2", "3")
    assert (message.recipient_name, message.language, message.address_basis) == ("Bob é", "en", "from the contract")
    assert (message.reminder_days, message.expiry_days, message.attachments) == (3, 9, [])
    assert message.tls_verified is True


NULL = (None, False)


@pytest.mark.parametrize(("value", "demanded"), [(True, True), (False, False), (ABSENT, False), NULL])
def test_verified_tls_may_be_demanded(value: Any, demanded: bool) -> None:
    assert read(letter(verified_tls=value)).tls_verified is demanded


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    *(({name: ABSENT}, name, "is required") for name in ("message_body", "sender_email", "sender_real_name", "subject", "recipient_email", "attachments")),
    *(({name: None}, name, "must be a string") for name in ("message_body", "sender_email", "subject")),
    *(({name: wrong}, name, "must be a string") for name in ("message_body", "recipient_email", "recipient_language", "recipient_name", "address_basis") for wrong in (1, 1.5, True, [], {}, ["a"])),
    *(({name: wrong}, name, "must be an integer") for name in ("reminder_days", "expiry_days") for wrong in (True, False, 6.0, "6", [], {}, 1e3)),
    *(({"attachments": wrong}, "attachments", "must be an array") for wrong in (None, {}, "", 1, True)),
    *(({"attachments": [FILE, wrong]}, "attachments[1]", "must be an object") for wrong in (None, [], "", 1)),
    *(({"attachments": [FILE | {name: wrong}]}, f"attachments[0].{name}", "must be a string") for name in FILE for wrong in (None, 1, [])),
    *(({"attachments": [{other: "x" for other in FILE if other != name}]}, f"attachments[0].{name}", "is required") for name in FILE),
    *(({"identification": wrong}, "identification", "is not supported yet") for wrong in ("email_code", "idin", "", "NONE", "x" * 99, 0, False, [], {})),
    *(({"signature_required": wrong}, "signature_required", "is not supported yet") for wrong in (True, "no", 0, 1, [])),
    *(({name: wrong}, name, "is not supported yet") for name in ("recipient_phone", "recipient_date_of_birth") for wrong in ("+31612345678", "", 0, False)),
    *(({"verified_tls": wrong}, "verified_tls", "must be true or false") for wrong in ("true", "false", "", "yes", 0, 1, 1.0, [], [True], {})),
    *(({name: wrong}, name, "must be a string or an integer") for name in ("x-own-id", "x-own-guid", "x-own-campaign") for wrong in (1.5, 10**40, True, [], {}, ["a"])),
    *(({name: "x" * 65_537}, name, "is too long") for name in ("subject", "recipient_email", "x-own-id", "identification")),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "field", "why"), REFUSED)
def test_refused_with_the_fields_name(changes: dict[str, Any], field: str, why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(letter(**changes))
    assert (refused.value.field, refused.value.why) == (field, why)


def test_references_may_be_integers() -> None:
    message = read(letter(**{"x-own-id": 123, "x-own-guid": -7, "x-own-campaign": 12345678901234567890}))
    assert (message.own_id, message.own_guid, message.campaign) == ("123", "-7", "12345678901234567890")


def test_a_body_far_over_the_limit_is_not_even_decoded() -> None:
    with pytest.raises(TooLarge) as refused:
        read(letter(message_body="x" * 12_000_001))
    assert refused.value.field == "message_body"


ESCAPES = {
    b"QUJD": b"QUJD", b"": b"", b"a\\/b\\/": b"a/b/", b"\\u002b\\u002F\\u003d": b"+/=", b"ab\\n": b"ab\n", b"\\/" * 40_000: b"/" * 40_000,
    b"\\u0041" * 30_000: b"A" * 30_000, b"A" * (PIECE - 1) + b"\\/B": b"A" * (PIECE - 1) + b"/B",
    b"A" * (PIECE - 3) + b"\\u0042C": b"A" * (PIECE - 3) + b"BC", b"A" * PIECE + b"\\/": b"A" * PIECE + b"/",
}  # fmt: skip


@pytest.mark.parametrize(("written", "meant"), ESCAPES.items(), ids=range(len(ESCAPES)))
def test_escapes_are_undone_wherever_a_cut_falls(written: bytes, meant: bytes) -> None:
    octets = b'"' + written + b'"'
    place = Text(1, len(octets) - 1)
    assert b"".join(Base64Text(octets, place, "f")) == meant
    with mapped(octets) as view:
        pieces = list(Base64Text(view, place, "f"))
        assert b"".join(pieces) == meant
        assert max(map(len, pieces), default=0) <= PIECE


@pytest.mark.parametrize("shift", range(8))
@pytest.mark.parametrize("escape", [b"\\u00e9", b"\\ud83d\\ude00", b"\\\\/", b"\\\\\\\\"])
def test_what_no_base64_holds_is_refused_or_shown_wherever_a_cut_falls(escape: bytes, shift: int) -> None:
    octets = b'"' + b"A" * (PIECE - shift) + escape + b'AAAA"'
    with mapped(octets) as view:
        got = whole(Base64Text(view, Text(1, len(octets) - 1), "attachments[0].attachment"))
    if isinstance(got, InvalidInput):
        assert got.field == "attachments[0].attachment"
    else:
        assert got == json.loads(octets).encode()
        assert b"\\" in got, "a backslash is left for the decoder to refuse"


def whole(written: Base64Text) -> bytes | InvalidInput:
    try:
        return b"".join(written)
    except InvalidInput as refused:
        return refused


@given(st.text(alphabet='AB+/=\n"\\é', max_size=60), st.booleans())
def test_base64_text_is_what_json_says(meant: str, php: bool) -> None:
    octets = json.dumps(meant).replace("/", "\\/" if php else "/").encode()
    text = Base64Text(octets, Text(1, len(octets) - 1), "f")
    if meant.isascii():
        assert b"".join(text) == meant.encode()
    else:
        with pytest.raises(InvalidInput):
            b"".join(text)


def test_a_mapped_letter_reads_the_same() -> None:
    octets = letter(attachments=[FILE | {"attachment": os.urandom(300_000).hex()}])
    with mapped(octets) as view:
        message = submit_message(view, ALICE, Limits(), large=True)
        assert message.large
        assert message.request_sha256 == hashlib.sha256(octets).digest()
        pieces = list(message.attachments[0].encoded)
    assert max(map(len, pieces)) <= PIECE
    assert b"".join(pieces).decode() == json.loads(octets)["attachments"][0]["attachment"]
