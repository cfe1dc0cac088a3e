"""Reads a mail that was handed in once more, with the standard library, and refuses where the two readings differ.

For ``mail/submission`` (T9 of the threat list): fields, structure, parameters, decoded octets. Large bodies in which no
line begins with ``--`` can neither end a part nor begin one for any reader, so the second reader sees a stand-in for
them, which keeps its memory and time in bounds; their decodings are compared all the same. So does it for an enclosed
mail, in which no line begins with a boundary that is open: nobody needs to read it to see where it ends.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, a2b_qp
from collections.abc import Callable
from email.message import Message
from typing import Any

from sealpost.mail.letter import UnsafeMail
from sealpost.mail.mime_fields import mailboxes, malformed, words
from sealpost.mail.mime_strict import Entity
from sealpost.mail.reread import decoded as decoded_otherwise
from sealpost.mail.reread import mailboxes as mailboxes_otherwise
from sealpost.mail.reread import parsed

LARGE = 4096
MOST_SECOND = 500_000
STAND_IN = {"base64": b"LS0=", "quoted-printable": b"=2D=2D", "7bit": b"--", "8bit": b"--"}
SEEN = b"--"
ENCLOSED, ENCLOSED_STAND_IN = "message/rfc822", b"A: b\r\n\r\nc"
NOBODY = [("", "")]  # so the library gives an empty group
DIFFERENT = "Two readers would read this mail differently"


def check_twice(root: Entity, contents: dict[Entity, bytes]) -> None:
    """Compares.

    Args:
        root: as we read it.
        contents: the decoded octets of each leaf.

    Raises:
        Refused: whatever differs.
    """
    replaced = [leaf for leaf in root.leaves() if _replaceable(leaf)]
    octets = _with_stand_ins(root, replaced)
    if octets.count(b"\n") > MOST_SECOND:
        raise malformed("There are too many lines that are not base64: send attachments in base64")
    try:
        _check(root, parsed(octets), contents, frozenset(replaced))
    except (ValueError, LookupError, TypeError, AttributeError):  # where it stumbles, others may
        raise malformed(DIFFERENT) from None


def check_fields_twice(get: Callable[[str], str | None]) -> None:
    """Compares addresses and subject as the library's own functions read them.

    Args:
        get: gives the value of a field that stands once.

    Raises:
        Refused: whatever differs.
    """
    try:
        for name in ("from", "to", "cc"):
            if (value := get(name)) is not None:
                ours = [(_squeezed(said), address) for said, address in mailboxes(name, value)]
                theirs = [(_squeezed(box.name), box.address) for box in mailboxes_otherwise(value)]
                _same(ours == theirs or (not ours and theirs == NOBODY))
        if (subject := get("subject")) is not None:
            _same(_squeezed(words(subject)) == _squeezed(decoded_otherwise(subject)))
    except (UnsafeMail, ValueError, LookupError):
        raise malformed(DIFFERENT) from None


def _replaceable(leaf: Entity) -> bool:
    if leaf.content.value == ENCLOSED:
        return True
    if leaf.end - leaf.start <= LARGE:
        return False
    begins = leaf.octets.startswith(b"--", leaf.start, leaf.end)
    return not begins and leaf.octets.find(b"\r\n--", leaf.start, leaf.end) < 0


def _with_stand_ins(root: Entity, replaced: list[Entity]) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for leaf in replaced:
        stand_in = ENCLOSED_STAND_IN if leaf.content.value == ENCLOSED else STAND_IN[leaf.encoding]
        pieces += [root.octets[at : leaf.start], stand_in]
        at = leaf.end
    return b"".join([*pieces, root.octets[at:]])


def _check(entity: Entity, message: Message, contents: dict[Entity, bytes], replaced: frozenset[Entity]) -> None:
    _same(not message.defects and _fields(message) == entity.fields)
    _same(message.get_content_type() == entity.content.value)
    _check_parameters(entity, message)
    payload: Any = message.get_payload()
    if entity.parts:
        _same(message.is_multipart() and len(payload) == len(entity.parts))
        for part, seen in zip(entity.parts, payload, strict=True):
            _check(part, seen, contents, replaced)
    elif entity.content.value == ENCLOSED:
        _same(message.is_multipart() and len(payload) == 1 and payload[0].get_payload() == "c")
    else:
        octets = contents[entity]
        _same(not message.is_multipart())
        _same(message.get_payload(decode=True) == (SEEN if entity in replaced else octets))
        _same(_decoded_otherwise(entity) == octets)


def _same(same: bool) -> None:
    if not same:
        raise malformed(DIFFERENT)


def _fields(message: Message) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), _text(value).replace("\r\n", "").strip(" \t")) for name, value in message.raw_items())


def _text(value: str) -> str:
    return value.encode("utf-8", "surrogateescape").decode()


def _check_parameters(entity: Entity, message: Message) -> None:
    for header, structured in (("content-type", entity.content), ("content-disposition", entity.disposition)):
        if structured is None or header not in message:
            continue
        parameters = _readable(message, header).get_params([], header)[1:]
        seen = [(name.lower(), _value(value)) for name, value in parameters if name]
        meant = structured.parameters
        _same(len(seen) == len(meant) and dict(seen) == meant)
    _same(message.get_content_disposition() == (entity.disposition.value if entity.disposition else None))


def _readable(message: Message, header: str) -> Message:
    """The message, or one with a field in UTF-8 as text, which the library would replace by question marks."""
    raw = {name.lower(): value for name, value in message.raw_items()}[header]
    if raw.isascii():
        return message
    again = Message()
    again[header] = _text(raw)
    return again


def _value(value: str | tuple[str | None, str | None, str]) -> str:
    if isinstance(value, str):
        return _text(value)
    charset, _language, octets = value
    return octets.encode("latin-1").decode(charset or "ascii")


def _decoded_otherwise(entity: Entity) -> bytes:
    try:
        if entity.encoding == "base64":
            return a2b_base64(entity.body)
    except Base64Error:
        raise malformed(DIFFERENT) from None
    return a2b_qp(entity.body) if entity.encoding == "quoted-printable" else entity.body


def _squeezed(text: str) -> str:
    """Without blanks: the library puts them differently between encoded words of several character sets."""
    return "".join(text.split())
