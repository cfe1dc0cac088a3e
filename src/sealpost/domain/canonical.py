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
_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class NotCanonical(ValueError):
    """A value that canonical records do not hold: a float, a large integer, a lone surrogate, a non-ASCII name."""


def canonical(value: dict[str, Any]) -> bytes:
    """The canonical bytes of a record.

    Raises:
        NotCanonical: see there; a record that cannot be canonical is a fault of ours and is never stored.
    """
    try:
        text = _encoder.encode(value)
        octets = text.encode()
    except (TypeError, ValueError) as error:
        raise NotCanonical(str(error)) from error
    # Reading it back is the cheapest way to meet every number: it runs at C speed but for the few integers.
    json.loads(text, parse_float=_no_float, parse_int=_bounded)
    if not text.isascii():
        _check_names(value)
    return octets


def _no_float(text: str) -> float:
    raise NotCanonical(f"{text} is not an integer")


def _bounded(text: str) -> int:
    if abs(number := int(text)) > MAX_INTEGER:
        raise NotCanonical("an integer beyond 2^53 - 1")
    return number


def _check_names(value: object) -> None:
    """Beyond ASCII, RFC 8785 sorts names by UTF-16 units, which the standard library does not."""
    if isinstance(value, dict):
        for name, member in cast("dict[str, object]", value).items():
            if not name.isascii():
                raise NotCanonical("a member name that is not ASCII text")
            _check_names(member)
    elif isinstance(value, list):
        for member in cast("list[object]", value):
            _check_names(member)


def digest(sha256: bytes) -> dict[str, Any]:
    """A hash as every record writes it: algorithm URI and base64 value."""
    return {"DigestMethod": {"Algorithm": SHA256_URI}, "DigestValue": b64encode(sha256).decode()}


def sha256(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


def instant(at: datetime) -> str:
    """``YYYY-MM-DDThh:mm:ss.sssZ`` in UTC; cut, not rounded, to milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "Z"
