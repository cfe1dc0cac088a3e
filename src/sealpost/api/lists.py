"""Lists by pages, and the numbers that name things in addresses; for ``sealpost.api.users`` and ``sealpost.api.addresses``.

A page begins behind the last id of the one before it (keyset), so that nothing is shown twice or left out while others
add and remove.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sealpost.domain.errors import InvalidInput, NotFound

NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")  # what a bigint holds, in the one way of writing it
DEFAULT, MOST = 100, 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of a list: at most ``limit`` members, from behind the id ``after``."""

    after: int
    limit: int


def wanted(parameters: dict[str, str]) -> Wanted:
    """Reads ``cursor``, the ``next`` of an earlier answer, and ``limit``.

    Args:
        parameters: of the query.

    Raises:
        InvalidInput: a cursor that is none of ours, or a limit that is not 1 to 200.
    """
    cursor, limit = parameters.get("cursor", "0"), parameters.get("limit", str(DEFAULT))
    if not NUMBER.fullmatch(cursor):
        raise InvalidInput("cursor", "must be the next of an earlier answer")
    if not NUMBER.fullmatch(limit) or not 1 <= int(limit) <= MOST:
        raise InvalidInput("limit", f"must be 1 to {MOST}")
    return Wanted(int(cursor), int(limit))


def cursor(last: int | None) -> str | None:
    """What ``next`` says: opaque to callers, null at the end."""
    return None if last is None else str(last)


def number(text: str, what: str) -> int:
    """The id in an address.

    Args:
        text: as it stands there.
        what: for the error: ``user``.

    Raises:
        NotFound: it can be nobody's id; the same answer as for one that is nobody's.
    """
    if not NUMBER.fullmatch(text):
        raise NotFound(f"no such {what}")
    return int(text)
