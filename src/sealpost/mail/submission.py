"""A mail handed in to become registered e-mail: what it says, in the one way that every reader would read it.

For ``usecases/gateway``. Clauses: RFC 5322, 2045 to 2047, 2183, 2231, 6532; RFC 3834 (automatic mail is not taken, so that
no loop begins). Walked by ``mail/mime_strict``, read again by ``mail/mime_twice``; the shapes that mail programs make
of a text with attachments are taken, everything else is refused with a sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import pybase64

from sealpost.mail.mime_fields import (
    MESSAGE_ID,
    Refused,
    base64_octets,
    blank,
    decoded,
    mailboxes,
    malformed,
    moment,
    words,
)
from sealpost.mail.mime_strict import Entity, Fields, read_entity, read_first_head, read_head
from sealpost.mail.mime_twice import check_fields_twice, check_twice

__all__ = ["Attached", "Outline", "Refused", "Submitted", "read_outline", "read_submission"]

MOST_ADDRESSES = 200
PRINTABLE = re.compile(rb"(?:[\t\x20-\x3c\x3e-\x7e]|=[0-9A-Fa-f]{2}|=\r\n|\r\n)*+")
TRAILING = re.compile(rb"[ \t](?:\r\n|\Z)")
# What relays put on top of a mail, anew at each try; everything else makes it another mail.
TRACE = frozenset({
    "received", "x-received", "return-path", "delivered-to", "received-spf", "authentication-results", "arc-seal",
    "arc-message-signature", "arc-authentication-results", "dkim-signature", "x-google-dkim-signature",
})  # fmt: skip
SIGNED = {
    "multipart/signed": "Signed mail (S/MIME, OpenPGP) is not taken: send it unsigned",
    "multipart/encrypted": "Encrypted mail is not taken: send it unencrypted",
    "application/pkcs7-mime": "S/MIME is not taken: send it unsigned and unencrypted",
    "application/x-pkcs7-mime": "S/MIME is not taken: send it unsigned and unencrypted",
    "application/pgp-encrypted": "Encrypted mail is not taken: send it unencrypted",
    "multipart/report": "Reports are not taken",
}
TEXTS = ("text/plain", "text/html")
IMAGES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif"}


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that came with the mail; ``encoded`` is its base64 without line ends."""

    name: str
    content_type: str
    encoded: bytes


@dataclass(frozen=True, slots=True)
class Outline:
    """What the header says.

    Args:
        sender: display name and address of From.
        to: display names and addresses of To.
        cc: those of Cc.
        subject: decoded; empty without one.
        message_id: with its angle brackets.
        date: None without one.
        signed: it has a DKIM signature, of whatever worth.
    """

    sender: tuple[str, str]
    to: tuple[tuple[str, str], ...]
    cc: tuple[tuple[str, str], ...]
    subject: str
    message_id: str
    date: datetime | None
    signed: bool


@dataclass(frozen=True, slots=True)
class Submitted:
    """What the mail says.

    Args:
        outline: its header.
        body: lines ending with LF.
        body_format: ``text`` or ``html``, as its part says.
        attachments: in their order.
        content_sha256: of the mail without what relays add.
    """

    outline: Outline
    body: str
    body_format: str
    attachments: tuple[Attached, ...]
    content_sha256: bytes


def read_outline(octets: bytes) -> Outline:
    """Reads the header: enough to tell who sends what to whom, at little cost.

    Args:
        octets: as it came after DATA, dots unstuffed.

    Raises:
        Refused: with the reply to give.
    """
    return _outline(read_first_head(octets)[0])


def read_submission(octets: bytes) -> Submitted:
    """Reads a whole mail.

    Args:
        octets: as it came after DATA, dots unstuffed.

    Raises:
        Refused: with the reply to give.
    """
    root = read_entity(octets)
    outline = _outline(root.fields)
    _refuse_kinds(root)
    contents = {leaf: _content(leaf) for leaf in root.leaves()}
    check_twice(root, contents)
    text, files = _parts(root, contents)
    attachments = tuple(_attached(number, leaf, contents[leaf]) for number, leaf in enumerate(files, 1))
    body_format = "html" if text.content.value == "text/html" else "text"
    return Submitted(outline, _text(text, contents[text]), body_format, attachments, trace_free_sha256(octets))


def _outline(fields: Fields) -> Outline:
    said = dict(fields)
    _refuse_automatic(fields)
    check_fields_twice(said.get)
    sender, date = _addresses(said, "from"), said.get("date")
    if len(sender) != 1:
        raise malformed("There must be exactly one sender in From")
    message_id = said.get("message-id", "")
    if not MESSAGE_ID.fullmatch(message_id):
        raise malformed("There must be a well-formed Message-ID")
    return Outline(
        sender=sender[0],
        to=_addresses(said, "to"),
        cc=_addresses(said, "cc"),
        subject=words(blank(said.get("subject", ""))),
        message_id=message_id,
        date=None if date is None else moment(date),
        signed="dkim-signature" in said,
    )


def trace_free_sha256(octets: bytes) -> bytes:
    """The fingerprint by which the same mail is known again after another way through relays.

    Raises:
        Refused: the header is malformed.
    """
    _, start = read_head(octets)
    lines = re.split(rb"\r\n(?![ \t])", octets[: max(start - 4, 0)])
    kept = [line for line in lines if line.partition(b":")[0].lower().decode("latin-1") not in TRACE]
    whole = sha256(b"\r\n".join(kept) + b"\r\n\r\n")
    whole.update(memoryview(octets)[start:])
    return whole.digest()


def _addresses(said: dict[str, str], name: str) -> tuple[tuple[str, str], ...]:
    found = mailboxes(name, said[name]) if name in said else ()
    if len(found) > MOST_ADDRESSES:
        raise malformed(f"The field {name} has more than {MOST_ADDRESSES} addresses")
    return found


def _refuse_automatic(fields: Fields) -> None:
    """Answers of machines and mails of lists: a ticket made of one could begin a loop (RFC 3834, section 2)."""
    said = dict(fields)
    submitted = said.get("auto-submitted", "no").partition(";")[0].strip().lower()
    precedence = {value.lower() for name, value in fields if name == "precedence"}
    answered = said.keys() & {"x-autoreply", "x-autorespond", "list-id"}
    if submitted != "no" or answered or precedence & {"auto_reply", "list", "junk"}:
        raise Refused("550 5.7.1", "Automatic mail and mail of lists is not taken")


def _refuse_kinds(entity: Entity) -> None:
    kind = entity.content.value
    if sentence := SIGNED.get(kind):
        raise malformed(sentence)
    if kind.startswith("message/") and kind != "message/rfc822":
        raise malformed("An enclosed message of this kind is not taken")
    for part in entity.parts:
        _refuse_kinds(part)


def _content(leaf: Entity) -> bytes:
    """A leaf's octets, strictly decoded."""
    body = leaf.body
    if leaf.encoding == "base64":
        return base64_octets(body.replace(b"\r\n", b""))
    if leaf.encoding == "quoted-printable":
        if not PRINTABLE.fullmatch(body) or TRAILING.search(body):
            raise malformed("A part is not valid quoted-printable")
        return re.sub(rb"=(?:\r\n|(..))", _octet, body)
    if leaf.encoding == "7bit" and not body.isascii():
        raise malformed("A part has 8-bit octets, but says that it has none")
    return body


def _octet(found: re.Match[bytes]) -> bytes:
    return b"" if found[1] is None else bytes.fromhex(found[1].decode("ascii"))


def _parts(root: Entity, contents: dict[Entity, bytes]) -> tuple[Entity, list[Entity]]:
    """The part that is the text, and those that are attachments."""
    first, files = root, list[Entity]()
    if root.content.value == "multipart/mixed":
        first, files = root.parts[0], list(root.parts[1:])
    if first.content.value == "multipart/related":
        first, files = first.parts[0], [*first.parts[1:], *files]
    if first.content.value == "multipart/alternative":
        first, files = _alternative(first, files, contents)
    if first.content.value not in TEXTS or _is_file(first):
        raise malformed("The text of the mail must come first, as text/plain or text/html")
    for file in files:
        if file.parts or not (_is_file(file) or file.content.value in IMAGES or file.content.value == "message/rfc822"):
            raise malformed("Behind the text only attachments are taken, each with a file name")
    return first, files


def _alternative(
    alternative: Entity, files: list[Entity], contents: dict[Entity, bytes]
) -> tuple[Entity, list[Entity]]:
    """Plain text where there is one: it needs no reader's judgement."""
    plain, rich = (*alternative.parts, None, None)[:2]
    if rich is not None and rich.content.value == "multipart/related":
        rich, files = rich.parts[0], [*rich.parts[1:], *files]
    kinds = [part.content.value for part in (plain, rich) if part is not None]
    if len(alternative.parts) > 2 or kinds not in (["text/plain", "text/html"], ["text/plain"], ["text/html"]):
        raise malformed("The alternatives of the text must be one plain text and one HTML")
    if plain is None or any(part is not None and _is_file(part) for part in (plain, rich)):
        raise malformed("An alternative of the text is an attachment")
    return (rich if rich is not None and not contents[plain].strip() else plain), files


def _is_file(part: Entity) -> bool:
    return _name(part) is not None or (part.disposition is not None and part.disposition.value == "attachment")


def _text(part: Entity, octets: bytes) -> str:
    text = decoded(octets, part.content.parameters.get("charset", "us-ascii")).replace("\r\n", "\n")
    if "\r" in text:
        raise malformed("The text has a line end that is not CR LF")
    return text


def _name(part: Entity) -> str | None:
    """A file's name: of the disposition and of the type, which must agree."""
    places = (part.disposition and part.disposition.parameters.get("filename"), part.content.parameters.get("name"))
    names = {words(name) for name in places if name is not None}
    if len(names) > 1:
        raise malformed("An attachment has two different names")
    return names.pop() if names else None


def _attached(number: int, part: Entity, octets: bytes) -> Attached:
    kind, name = part.content.value, _name(part)
    if kind == "message/rfc822":  # kept to the octet, as a file like any other
        kind, name = "application/octet-stream", name or f"message-{number}.eml"
    if name is None and kind in IMAGES:
        name = f"image-{number}.{IMAGES[kind]}"
    if name is None:
        raise malformed("An attachment has no file name")
    encoded = part.body.replace(b"\r\n", b"") if part.encoding == "base64" else pybase64.b64encode(octets)
    return Attached(name, kind, encoded)
