"""The cursor of a list of tickets: where it goes on, and of which question (contract, section 5).

With a cursor of another question an answer would leave tickets out, and nobody would see it.
"""

from __future__ import annotations

import re
from hashlib import sha256
from uuid import UUID

from sealpost.domain.errors import InvalidInput
from sealpost.store.ticket_lists import Wanted

_CURSOR = re.compile("([0-9a-f]{32})([0-9a-f]{16})")


def write_cursor(ticket_id: UUID, wanted: Wanted) -> str:
    """The cursor of a place in the list that this question gets."""
    return ticket_id.hex + _question(wanted)


def read_cursor(cursor: str | None, wanted: Wanted) -> UUID | None:
    """The place that a cursor names; None: the beginning.

    Raises:
        InvalidInput: it is none of ours, or of another question.
    """
    if not cursor:
        return None
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise InvalidInput("cursor", "is not one of ours")
    if found[2] != _question(wanted):
        raise InvalidInput("cursor", "belongs to other filters; a new question begins without one")
    return UUID(hex=found[1])


def _question(wanted: Wanted) -> str:
    return sha256(repr(wanted).encode("utf-8", "surrogatepass")).hexdigest()[:16]
