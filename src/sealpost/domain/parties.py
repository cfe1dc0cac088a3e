"""Who takes part: addresses and names (RFC 5321, 6531, 5891), the sender and the recipient of a ticket."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from sealpost.domain.errors import InvalidInput

ATEXT = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+")
LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
# Controls, line and paragraph separators, and the characters that reorder text: none belongs in a name or an address.
FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
FORBIDDEN_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufff9-\ufffb]")
# IDNA 2003, which the standard library speaks, maps these to another name than IDNA 2008 does (RFC 5894, section 7.2).
DEVIATIONS = frozenset("ßẞς\u200c\u200d")
SURROGATE = re.compile("[\ud800-\udfff]")
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


def address(field: str, text: str) -> Address:
    """Reads an address strictly: dot-atom local part (SMTPUTF8 allowed), a domain of at least two labels.

    Args:
        field: the field's name for the error.
        text: the address, nothing around it.

    Raises:
        InvalidInput: quoted local parts, comments, display names, address literals, controls, over-long parts.
    """
    if FORBIDDEN.search(text) or SURROGATE.search(text):
        raise InvalidInput(field, "has a control character")
    if len(text) > ADDRESS_OCTETS:
        raise InvalidInput(field, "is longer than an address can be")
    local, at, domain = text.rpartition("@")
    if not at:
        raise InvalidInput(field, "is not an e-mail address")
    local = unicodedata.normalize("NFC", local)
    if "=?" in local:  # no mail of ours could be sent to it: a credulous reader would decode it (RFC 2047)
        raise InvalidInput(field, "has an encoded word before the @")
    if len(local.encode()) > LOCAL_OCTETS or not all(ATEXT.fullmatch(atom) for atom in local.split(".")):
        raise InvalidInput(field, "is not an e-mail address (before the @)")
    if any(character.isspace() or unicodedata.category(character) in {"Cf", "Cn", "Co"} for character in local):
        raise InvalidInput(field, "is not an e-mail address (before the @)")
    return Address(text, local, _domain(field, domain))


def _domain(field: str, text: str) -> str:
    if DEVIATIONS & set(text):
        raise InvalidInput(field, "has a domain that two standards read differently: write it in its xn-- form")
    try:
        domain = text.lower() if text.isascii() else text.encode("idna").decode().lower()
    except UnicodeError:
        raise InvalidInput(field, "is not an e-mail address (after the @)") from None
    labels = domain.split(".")
    if len(labels) < 2 or len(domain) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        raise InvalidInput(field, "is not an e-mail address (after the @)")
    if labels[-1].isdigit():
        raise InvalidInput(field, "is not an e-mail address (a number is not a domain)")
    return domain


def line(field: str, text: str, longest: int, *, empty: bool = False) -> str:
    """One line of text (a name, a subject): normalised to NFC, no controls, no bidi controls, at most ``longest`` long.

    Raises:
        InvalidInput: naming ``field``.
    """
    if SURROGATE.search(text):
        raise InvalidInput(field, "is not valid Unicode")
    if FORBIDDEN.search(text):
        raise InvalidInput(field, "has a control character")
    if len(text) > longest:
        raise InvalidInput(field, f"is longer than {longest} characters")
    if not empty and not text.strip():
        raise InvalidInput(field, "is empty")
    return unicodedata.normalize("NFC", text)


def paragraph(field: str, text: str, longest: int) -> str:
    """Text of several lines: no controls but tab and line ends, at most ``longest`` characters.

    Raises:
        InvalidInput: naming ``field``.
    """
    if SURROGATE.search(text):
        raise InvalidInput(field, "is not valid Unicode")
    if FORBIDDEN_IN_TEXT.search(text):
        raise InvalidInput(field, "has a control character")
    if len(text) > longest:
        raise InvalidInput(field, f"is longer than {longest} characters")
    return text


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
