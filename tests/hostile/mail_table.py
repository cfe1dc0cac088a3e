"""Payloads for whatever reaches a header of a mail, and which fields do."""

from __future__ import annotations

from tests.hostile.values import ADDRESSES, C0, C1, FILE_NAMES, HARMLESS, LINES, MARK, WORDS

CHARLIE = "Bcc: charlie@evil.example"
NAMES = [
    "Subject",
    "From",
    "To",
    "Cc",
    "Bcc",
    "Reply-To",
    "Sender",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
    "Message-ID",
    "Date",
    "Return-Path",
    "Received",
    "X-A",
    "DKIM-Signature",
    "Auto-Submitted",
    "Content-Disposition",
]
ENDS = [
    "\r\n",
    "\n",
    "\r",
    "\r\n ",
    "\n\t",
    "\0",
    "\x85",
    "\u2028",
    "\x0b",
    "\x0c",
    "=0D=0A",
    "=0a",
    "%0d%0a",
    "\\r\\n",
    "&#13;&#10;",
    "\u010a",
    "\u560d\u560a",
    "&NewLine;",
    "+AA0ACg-",
    "=?utf-8?q?=0d=0a?=",
    "=?utf-8?b?DQo=?=",
    "=?us-ascii?q?=0a?=",
]
PAYLOADS: list[str] = list(
    dict.fromkeys(
        [
            *LINES, *WORDS, *HARMLESS, *(MARK + text for text in HARMLESS), *(f"a{end}{name}: charlie@evil.example" for end in ENDS for name in NAMES), *(f"{one}a" for one in C0 + C1), *FILE_NAMES,
            *(text for text in ADDRESSES if "@" in text and len(text) < 100), '"', '\\"', '"a', 'a"', "a\\", "<", ">", "a <b@c.example>", "a, b@c.example", "a; b", "(a", "a)", "group: a@b.example;", "=?utf-8?q?", "?=", "=?", "=?utf-8", "=?utf-8?b?", "?q?a?=", "=?utf-8?q?a", "a?=", "\u00e9" * 90, "\U0001f600" * 45, "中" * 60, "x" * 76, "x" * 199, "x " * 90 + "x", "  two  blanks  ",
            "a\u00a0b", "'", "`", "@", ":", ",", ";", "[", "]", "*", "*0*=utf-8''a", "utf-8''a%0ab", 'filename="b"', 'a"; filename="b', "%", "%s", "a=b", "--=_", "=_", ".", "x.", "..x", "\u0130", "ß", "\u212a", "e\u0301", "\u1e9b\u0323",
        ]
    )
)  # fmt: skip
JOINS: list[tuple[str, str]] = [
    ("=?utf-8?q?", "=0a" + CHARLIE + "?="), ("=?utf-8?q?a", "=0D=0Ab?="), ("Alice =?utf-8?b?", "DQpCY2M6IGU=?="), ("=?", "utf-8?q?=0a?="), ("=?utf-8", "?q?=0a?="), ("=?utf-8?q", "?=0a?="), ("=?utf-8?q?=0", "a?="), ("=?utf-8?q?=0a", "?="), ("=?utf-8?q?=0a?", "=x"), ("=?us-ascii?Q?x=00", "y?="), ("=?utf-8?q?=E2=80=AE", "?=x"), ("a =?", "x?b?Cg==?="),
]  # fmt: skip
"""A sender's name and a subject, each harmless alone: an announcement's subject holds both."""

PAYLOAD_FIELDS = {
    "subject": "subject",
    "sender_name": "sender_real_name",
    "recipient_name": "recipient_name",
    "own_id": "x-own-id",
    "own_guid": "x-own-guid",
    "campaign": "x-own-campaign",
    "address_basis": "address_basis",
    "recipient_email": "recipient_email",
    "sender_email": "sender_email",
    "file": "attachments[0].attachment_name",
}
"""Every field that a mail, or a page or a list, may repeat: as the service names it, and as refusals do."""
