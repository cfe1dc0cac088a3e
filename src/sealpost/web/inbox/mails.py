"""Reading the demo's mails for showing: headers, texts, links and attachments (RFC 5322, RFC 2045).

For the demo's inbox only; whatever arrives here was built by us, yet it is read as if it were hostile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser, BytesParser
from html.parser import HTMLParser
from typing import Any, cast

from sealpost.usecases.reads.inbox import InboxMail

URL = re.compile(r"https?://[^\s<>\"'\\^`{|}\x00-\x20\x7f]+")
SENTENCE_END = ".,;:!?)]"


@dataclass(frozen=True, slots=True)
class File:
    """An attachment.

    Args:
        name: as the mail says; never empty.
        content_type: as the mail says.
        octets: decoded.
    """

    name: str
    content_type: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as a reader sees it.

    Args:
        id: the inbox's own name for it.
        sender: the address in From.
        sender_name: the name in From, may be empty.
        to: the addresses in To, joined by a comma and a space.
        subject: decoded.
        text: the plain text; empty if there is none.
        html: the HTML; empty if there is none.
        links: addresses in text and HTML, each once, in order.
        files: the attachments.
        source: the mail as it came.
    """

    id: str
    sender: str
    sender_name: str
    to: str
    subject: str
    text: str
    html: str
    links: tuple[str, ...]
    files: tuple[File, ...]
    source: InboxMail


def heading(source: InboxMail) -> Mail:
    """The headers of a mail alone, for a list."""
    return _mail(source, BytesHeaderParser(policy=policy.default).parsebytes(source.raw), [])


def read_mail(source: InboxMail) -> Mail:
    """The whole mail."""
    message = BytesParser(policy=policy.default).parsebytes(source.raw)
    return _mail(source, message, list(_leaves(message)))


def _mail(source: InboxMail, message: EmailMessage, leaves: list[EmailMessage]) -> Mail:
    plain, html = _body(leaves, "text/plain"), _body(leaves, "text/html")
    text = _text(plain) if plain is not None else ""
    markup = _text(html) if html is not None else ""
    files = [leaf for leaf in leaves if leaf is not plain and leaf is not html]
    name, address = _mailbox(message, "From")
    return Mail(
        id=source.id,
        sender=address or source.mail_from,
        sender_name=name,
        to=_addresses(message, "To") or source.rcpt_to,
        subject=_header(message, "Subject"),
        text=text,
        html=markup,
        links=links(text, markup),
        files=tuple(_file(leaf, number) for number, leaf in enumerate(files, 1)),
        source=source,
    )


def _leaves(message: EmailMessage) -> Iterator[EmailMessage]:
    """The parts that are no multipart; a mail inside the mail is one part."""
    if message.get_content_maintype() != "multipart" or not message.is_multipart():
        yield message
        return
    for part in cast("list[EmailMessage]", message.get_payload()):
        yield from _leaves(part)


def _body(leaves: list[EmailMessage], kind: str) -> EmailMessage | None:
    return next((leaf for leaf in leaves if leaf.get_content_type() == kind and not leaf.get_filename()), None)


def _octets(part: EmailMessage) -> bytes:
    """The part's decoded octets; those of a mail inside the mail are its source."""
    if part.is_multipart():
        inner = cast("list[EmailMessage]", part.get_payload())
        return b"".join(one.as_bytes() for one in inner)
    return cast("bytes | None", part.get_payload(decode=True)) or b""


def _text(part: EmailMessage) -> str:
    try:
        text = _octets(part).decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):
        text = _octets(part).decode("latin-1")
    return text.replace("\r\n", "\n")


def _file(part: EmailMessage, number: int) -> File:
    return File(part.get_filename() or f"part-{number}", part.get_content_type(), _octets(part))


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except Exception:  # noqa: BLE001 - the standard parser raises many kinds on hostile headers; a list must still show
        return ""


def _mailboxes(message: EmailMessage, name: str) -> list[tuple[str, str]]:
    try:
        header: Any = message.get(name)
        return [(str(one.display_name), str(one.addr_spec)) for one in header.addresses] if header else []
    except Exception:  # noqa: BLE001 - as above
        return []


def _mailbox(message: EmailMessage, name: str) -> tuple[str, str]:
    return next(iter(_mailboxes(message, name)), ("", ""))


def _addresses(message: EmailMessage, name: str) -> str:
    return ", ".join(address for _, address in _mailboxes(message, name))


def links(text: str, html: str) -> tuple[str, ...]:
    """The http(s) addresses of a mail, each once: those of the text, then those that the HTML links to."""
    reader = _Links()
    reader.feed(html)
    reader.close()
    found = [match.rstrip(SENTENCE_END) for match in URL.findall(text)]
    return tuple(dict.fromkeys([*found, *reader.found]))


class _Links(HTMLParser):
    """Collects the addresses that a page's elements link to."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's signature
        for name, value in attrs:
            if name == "href" and value and URL.fullmatch(value.strip()):
                self.found.append(value.strip())
