"""Strict DER (X.690, clauses 8 to 11), as far as the shape of a value shows it. For seals and time tokens, by their rules.

The readers of asn1crypto take more than DER; what could be written in two ways is refused here before they read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_SEQUENCE, _SET = 0x10, 0x11
_DEPTH = 32
_LARGEST = 256 << 10  # octets; a seal with a chain and a time token has a tenth
_TOKEN_TIME = re.compile(rb"[0-9]{14}(?:\.[0-9]*[1-9])?Z")
_TIMES = {
    0x17: 13,
    0x18: 15,
}  # UTCTime and GeneralizedTime as certificates and signatures have them (RFC 5280, 4.1.2.5)


def octets_of(value: Any) -> bytes:
    """The octets of a value as they were read; asn1crypto's ``dump`` encodes some anew, with other octets perhaps.

    Args:
        value: loaded by asn1crypto; of a choice, what was chosen.
    """
    while hasattr(value, "chosen"):
        value = value.chosen
    return value._header + value._contents + value._trailer  # noqa: SLF001 - there is no other way to them


class NotDer(ValueError):
    """Octets that are not one DER value; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs between our own seals and the tokens of others.

    Args:
        zero: whether a tag of zero may stand there.
        sets: whether the elements of every set must be in order.
        is_canonical: whether a primitive value (tag, content) is in its one form.
    """

    zero: bool
    sets: bool
    is_canonical: Callable[[int, bytes], bool]


def require_der(octets: bytes, rules: Rules) -> None:
    """One DER value and nothing after it.

    Raises:
        NotDer: see there.
    """
    _require(len(octets) <= _LARGEST, "longer than it may be")
    _require(_end(octets, 0, len(octets), 0, rules) == len(octets), "octets follow")


def length_of(octets: bytes, rules: Rules) -> int:
    """Octets of the DER value at the beginning.

    Raises:
        NotDer: there is none.
    """
    _, end = extent_of(octets, 1, len(octets))
    _require(end <= _LARGEST, "longer than it may be")
    return _end(octets, 0, len(octets), 0, rules)


def _require(truth: object, why: str) -> None:
    if not truth:
        raise NotDer(why)


def _end(octets: bytes, at: int, limit: int, depth: int, rules: Rules) -> int:
    _require(depth < _DEPTH and at + 2 <= limit, "nested too deep or cut short")
    tag = octets[at]
    _require(tag & 0x1F != 0x1F and (tag != 0 or rules.zero), "a tag that is not expected")
    start, end = extent_of(octets, at + 1, limit)
    constructed = bool(tag & 0x20)
    if tag < 0x40:
        _require(constructed == (tag & 0x1F in {_SEQUENCE, _SET}), "a constructed string")
        _require(constructed or rules.is_canonical(tag, octets[start:end]), "a value that is not in its one form")
    is_sorted, before, at = rules.sets and tag == 0x20 | _SET, b"", start
    while constructed and at < end:
        after = _end(octets, at, end, depth + 1, rules)
        if is_sorted:
            element = octets[at:after]
            _require(before <= element, "a set out of order")
            before = element
        at = after
    return end


def extent_of(octets: bytes, at: int, limit: int) -> tuple[int, int]:
    """Where a value begins and ends whose length stands at a place.

    Raises:
        NotDer: the length is not in its one form, or leads beyond the limit.
    """
    _require(at < limit, "nested too deep or cut short")
    first, start = octets[at], at + 1
    if first < 0x80:
        length = first
    else:
        start += first & 0x7F
        length = int.from_bytes(octets[at + 1 : start])
        shortest = max(1, (length.bit_length() + 7) // 8)
        _require(length >= 0x80 and start - at - 1 == shortest, "a length that is not in its shortest form")
    _require(start + length <= limit, "a length beyond the end")
    return start, start + length


def _is_plain(tag: int, content: bytes) -> bool:
    if tag == 0x01:
        return content in {b"\x00", b"\xff"}
    if tag in {0x02, 0x0A}:
        padded = len(content) > 1 and content[0] in {0x00, 0xFF} and content[0] >> 7 == content[1] >> 7
        return bool(content) and not padded
    return not content if tag == 0x05 else True


def _is_canonical_in_seal(tag: int, content: bytes) -> bool:
    if tag == 0x03:
        unused = content[0] if content else 8
        return unused < 8 and (len(content) > 1 or unused == 0) and not (content[-1] & ((1 << unused) - 1) and unused)
    if tag in _TIMES:
        return content[-1:] == b"Z" and len(content) >= _TIMES[tag]
    return _is_plain(tag, content)


def _is_canonical_in_token(tag: int, content: bytes) -> bool:
    """The time is ``YYYYMMDDhhmmss[.f…]Z`` without trailing zeros (RFC 3161 2.4.2)."""
    if tag == 0x18:
        return _TOKEN_TIME.fullmatch(content) is not None
    return _is_plain(tag, content)


SEAL = Rules(zero=False, sets=True, is_canonical=_is_canonical_in_seal)
STAMP = Rules(zero=True, sets=False, is_canonical=_is_canonical_in_token)
"""For time tokens: fractions of seconds, and no order of sets outside of attributes, as real authorities write."""
