"""Canonical JSON for records (RFC 8785, for the subset that evidence uses: no floats, ASCII member names).

For that subset the standard library's encoder gives the very bytes of RFC 8785, at C speed; a property test holds it
against the ``rfc8785`` package, which the verifier uses.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any, cast

MAX_INTEGER = 2**53 - 1
SHA256_URI = "http://www.w3.org/2001/04/xmlenc#sha256"


class NotCanonical(ValueError):
    """A value that canonical records do not hold: a float, a large integer, a lone surrogate, a non-ASCII name."""


def canonical(value: dict[str, Any]) -> bytes:
    """The canonical bytes of a record.

    Raises:
        NotCanonical: see there; a record that cannot be canonical is a fault of ours and is never stored.
    """
    check(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("a lone surrogate") from error


def check(value: object) -> None:
    """Walks a value and refuses what RFC 8785 or our subset of it does not allow."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is dict:
        for name, member in cast("dict[object, object]", value).items():
            if not (isinstance(name, str) and name.isascii()):
                raise NotCanonical("a member name that is not ASCII text")
            check(member)
    elif kind is list:
        for member in cast("list[object]", value):
            check(member)
    elif not (isinstance(value, int) and abs(value) <= MAX_INTEGER):
        raise NotCanonical(f"a {kind.__name__} that records do not hold")


def digest(sha256: bytes) -> dict[str, Any]:
    """A hash as every record writes it: algorithm URI and base64 value."""
    return {"DigestMethod": {"Algorithm": SHA256_URI}, "DigestValue": b64encode(sha256).decode()}


def sha256(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


def instant(at: datetime) -> str:
    """``YYYY-MM-DDThh:mm:ss.sssZ`` in UTC; cut, not rounded, to milliseconds."""
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"
