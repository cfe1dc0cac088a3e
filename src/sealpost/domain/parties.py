"""Who takes part: addresses (RFC 5321, 6531, UTS 46), the addresses that a name holds, the sender of a ticket."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import idna

from sealpost.domain.errors import InvalidInput
from sealpost.domain.lines import FORBIDDEN, IGNORABLE, SURROGATE, visible

ATEXT = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+")
LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
# What mail clients show, and make a link of, as an address: no blanks, and at least one dot behind the @.
_SHOWN = re.compile(r"[^\s@<>(),;:\[\]\\]+@(?:[^\W_][\w-]*\.)+[^\W_][\w-]*|[^\s@<>]+@\[[0-9a-f.:]+\]")
_BRACKETED = re.compile(r"<([^<>]*@[^<>]*)>")
_QUOTES = "'\"\u2018\u2019\u201a\u201c\u201d\u201e\xab\xbb\u2039\u203a"
LOCAL_OCTETS, ADDRESS_OCTETS = 64, 254  # RFC 5321, section 4.5.3.1


@dataclass(frozen=True, slots=True)
class Address:
    """An e-mail address.

    Args:
        given: as the caller wrote it, for showing and for evidence.
        local: the part before the ``@``, normalised to NFC, case kept (RFC 5321 leaves it to the receiver).
        domain: lower case, as A-labels.
    """

    given: str
    local: str
    domain: str

    @property
    def normalised(self) -> str:
        """For comparing and for the envelope."""
        return f"{self.local}@{self.domain}"

    @property
    def key(self) -> str:
        """For finding our own users, where letter case never tells two people apart."""
        return self.normalised.casefold()


def address(field: str, text: str, *, odd_dots: bool = False) -> Address:
    """Reads an address strictly: dot-atom local part (SMTPUTF8 allowed), a domain of at least two labels.

    Args:
        field: the field's name for the error.
        text: the address, nothing around it.
        odd_dots: take dots before the ``@`` where RFC 5321 has none without quotes (``.bob..b.@``), as some
            Japanese providers gave out.

    Raises:
        InvalidInput: quoted local parts, comments, display names, address literals, controls, invisible characters,
            over-long parts.
    """
    if FORBIDDEN.search(text) or SURROGATE.search(text):
        raise InvalidInput(field, "has a control character")
    if IGNORABLE.search(text):
        raise InvalidInput(field, "has an invisible character")
    if len(text) > ADDRESS_OCTETS:
        raise InvalidInput(field, "is longer than an address can be")
    local, at, domain = text.rpartition("@")
    if not at:
        raise InvalidInput(field, "is not an e-mail address")
    return Address(text, _local(field, local, odd_dots=odd_dots), _domain(field, domain))


def kept_address(text: str) -> Address:
    """Reads an address that was taken before, maybe by an earlier release under looser rules: it stays what it was.

    Raises:
        InvalidInput: no release took it.
    """
    try:
        return address("address", text, odd_dots=True)
    except InvalidInput:
        return _former_address(text)


def _former_address(text: str) -> Address:
    """Earlier releases spoke IDNA 2003 and took some invisible characters."""
    if FORBIDDEN.search(text) or SURROGATE.search(text):
        raise InvalidInput("address", "has a control character")
    local, _, domain = text.rpartition("@")
    try:
        former = domain.encode("idna").decode()
    except UnicodeError:
        raise InvalidInput("address", "is not an e-mail address (after the @)") from None
    return Address(text, _local("address", local, odd_dots=False), _domain("address", former))


def _local(field: str, text: str, *, odd_dots: bool) -> str:
    local = unicodedata.normalize("NFC", text)
    if "=?" in local:  # no mail of ours could be sent to it: a credulous reader would decode it (RFC 2047)
        raise InvalidInput(field, "has an encoded word before the @")
    atoms = [atom for atom in local.split(".") if atom or not odd_dots]
    if len(local.encode()) > LOCAL_OCTETS or not atoms or not all(ATEXT.fullmatch(atom) for atom in atoms):
        raise InvalidInput(field, "is not an e-mail address (before the @)")
    if any(character.isspace() or unicodedata.category(character) in {"Cf", "Cn", "Co"} for character in local):
        raise InvalidInput(field, "is not an e-mail address (before the @)")
    return local


def _domain(field: str, text: str) -> str:
    """A domain as A-labels; ``ß`` and other names that IDNA 2003 changed stay what they are (UTS 46, non-transitional)."""
    if any(unicodedata.category(character) == "Cn" for character in text):  # nobody knows yet how it is written
        raise InvalidInput(field, "is not an e-mail address (after the @)")
    try:
        # One in ASCII is taken as the DNS has it, also where IDNA 2008 knows no other form of it (xn--i-7iq.example).
        domain = text.lower() if text.isascii() else idna.encode(text, uts46=True, transitional=False).decode()
    except UnicodeError:  # IDNAError is one
        raise InvalidInput(field, "is not an e-mail address (after the @)") from None
    labels = domain.split(".")
    if len(labels) < 2 or len(domain) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        raise InvalidInput(field, "is not an e-mail address (after the @)")
    if labels[-1].isdigit():
        raise InvalidInput(field, "is not an e-mail address (a number is not a domain)")
    return domain


def check_name(field: str, text: str, own: Address | None) -> None:
    """Refuses a name that a mail client would show as somebody else's address (``Bank <service@example.com>``).

    Args:
        field: the field's name for the error.
        text: the name, as a reader would see it.
        own: whose name it is: that address may stand in it, and no other; None: none may.

    Raises:
        InvalidInput: naming ``field``.
    """
    allowed = set[str]() if own is None else {_seen(own.given), _seen(own.normalised)}
    if any(found not in allowed and found.strip(_QUOTES) not in allowed for found in _addresses(_seen(text))):
        whose = "" if own is None else " that is not the own one"
        raise InvalidInput(field, f"has an e-mail address in it{whose}")


def _seen(text: str) -> str:
    """A text as a reader sees it: full-width and small forms are what they look like, invisible characters are nothing."""
    return unicodedata.normalize("NFKC", visible(text)).replace("\u3002", ".").casefold()


def _addresses(text: str) -> list[str]:
    """What looks like an address in a text, and whatever stands in angle brackets around an ``@``."""
    bracketed = [found.strip() for found in _BRACKETED.findall(text)]
    return bracketed + _SHOWN.findall(text)


@dataclass(frozen=True, slots=True)
class Sender:
    """The organisation and the person or program that acts for it.

    Args:
        account_id: the account (the vendor's ``customer_id``).
        account_name: the organisation's name.
        delegate: ``user:ID`` or ``client:NAME``; who acted.
        method: how it showed who it is: ``oauth2-client-credentials``, ``basic``, ``password``.
    """

    account_id: int
    account_name: str
    delegate: str
    method: str
