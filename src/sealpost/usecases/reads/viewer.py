"""Whose tickets a caller or a signed-in person may see: the account's, or with the role *user* only the own ones."""

from __future__ import annotations

from sealpost.domain.parties import kept_address
from sealpost.store.tickets import Visible
from sealpost.usecases.reads.callers import CallerRow
from sealpost.usecases.reads.session import Session


def of_caller(caller: CallerRow) -> Visible:
    """What an API client sees: an administrator's everything of the account, another's what it sent itself."""
    own = None if caller.role == "administrator" else f"client:{caller.name}"
    return Visible(caller.account_id, delegate=own)


def of_person(person: Session) -> Visible:
    """What a person sees: an administrator everything of the account, others what was sent from their address."""
    own = None if person.role == "administrator" else kept_address(person.email).key
    return Visible(person.account_id, sender_key=own)
