"""The strict reading of a user record (contract, section 2, in the vendor's names): every field checked, the one at fault named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from sealpost.domain.errors import InvalidInput
from sealpost.domain.lines import line
from sealpost.domain.parties import address
from sealpost.store.users import Details
from sealpost.usecases.fields import name as name_of

NAME = 200
USERNAME = 254  # as long as an address, which it is unless the caller names another
PHONE = re.compile(r"[+0-9 ()-]{3,30}")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class UserFields:
    """What a caller says of a user, unchecked. None: not said; an empty text: emptied.

    Args:
        date_of_birth: ``YYYY-MM-DD``.
    """

    email_address: str
    username: str | None = None
    real_name: str | None = None
    phone_number: str | None = None
    date_of_birth: str | None = None
    sender_allowed: bool | None = None


def new_details(fields: UserFields, today: date) -> Details:
    """A new user's record; an unsaid name for lists is the address.

    Raises:
        InvalidInput: naming the first field that breaks a rule.
    """
    email = address("email_address", fields.email_address)
    return _said(fields, Details(email.given, email.key, email.given), today, fields.username or email.given)


def changed_details(fields: UserFields, known: Details, today: date) -> Details:
    """The record after a change: what is not said stays.

    Raises:
        InvalidInput: naming the first field that breaks a rule.
    """
    return _said(fields, known, today, known.username if fields.username is None else fields.username)


def known_details(row: Any) -> Details:
    """The record of a user's row."""
    return Details(
        row["email"],
        row["email_key"],
        row["username"],
        row["real_name"],
        row["phone_number"],
        row["date_of_birth"],
        row["sender_allowed"],
    )


def _said(fields: UserFields, known: Details, today: date, username: str) -> Details:
    email = address("email_address", fields.email_address)
    real_name, phone, born, allowed = (
        fields.real_name,
        fields.phone_number,
        fields.date_of_birth,
        fields.sender_allowed,
    )
    return Details(
        email=email.given,
        email_key=email.key,
        username=line("username", username, USERNAME),
        real_name=known.real_name
        if real_name is None
        else name_of("real_name", real_name, NAME, own=email, empty=True),
        phone_number=known.phone_number if phone is None else _phone(phone),
        date_of_birth=known.date_of_birth if born is None else _born(born, today),
        sender_allowed=known.sender_allowed if allowed is None else allowed,
    )


def _phone(text: str) -> str:
    if text and not (PHONE.fullmatch(text) and re.search("[0-9]", text)):
        raise InvalidInput("phone_number", "must be 3 to 30 digits, spaces, dashes, brackets and +")
    return text


def _born(text: str, today: date) -> date | None:
    if not text:
        return None
    try:
        born = date.fromisoformat(text) if DATE.fullmatch(text) else None
    except ValueError:
        born = None
    if born is None:
        raise InvalidInput("date_of_birth", "must be a date, as YYYY-MM-DD")
    if born > today:
        raise InvalidInput("date_of_birth", "is in the future")
    return born
