"""Strict DER (X.690, clauses 8 to 11), as far as the shape of a value shows it. For the seals of bundle and PDF.

The readers of asn1crypto take more than DER; what could be written in two ways is refused here before they read it.
"""

from __future__ import annotations

from typing import Any

_SEQUENCE, _SET = 0x10, 0x11
_DEPTH = 32
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


def require_der(octets: bytes) -> None:
    """One DER value and nothing after it.

    Raises:
        NotDer: see there.
    """
    if _end(octets, 0, len(octets), 0) != len(octets):
        raise NotDer("octets follow")


def length_of(octets: bytes) -> int:
    """Octets of the DER value at the beginning.

    Raises:
        NotDer: there is none.
    """
    return _end(octets, 0, len(octets), 0)


def _require(truth: object, why: str) -> None:
    if not truth:
        raise NotDer(why)


def _end(octets: bytes, at: int, limit: int, depth: int) -> int:
    _require(depth < _DEPTH and at + 2 <= limit, "nested too deep or cut short")
    tag, begin = octets[at], at
    _require(tag & 0x1F != 0x1F and tag != 0, "a tag that is not expected")
    start, end = _extent(octets, at + 1, limit)
    constructed = bool(tag & 0x20)
    if tag < 0x40:
        _require(constructed == (tag & 0x1F in {_SEQUENCE, _SET}), "a constructed string")
        _require(constructed or _is_canonical(tag, octets[start:end]), "a value that is not in its one form")
    elements, at = list[bytes](), start
    while constructed and at < end:
        after = _end(octets, at, end, depth + 1)
        elements.append(octets[at:after])
        at = after
    _require(tag != 0x20 | _SET or elements == sorted(elements), "a set out of order")
    _require(end > begin, "cut short")
    return end


def _extent(octets: bytes, at: int, limit: int) -> tuple[int, int]:
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


def _is_canonical(tag: int, content: bytes) -> bool:
    if tag == 0x01:
        return content in {b"\x00", b"\xff"}
    if tag in {0x02, 0x0A}:
        padded = len(content) > 1 and content[0] in {0x00, 0xFF} and content[0] >> 7 == content[1] >> 7
        return bool(content) and not padded
    if tag == 0x03:
        unused = content[0] if content else 8
        return unused < 8 and (len(content) > 1 or unused == 0) and not (content[-1] & ((1 << unused) - 1) and unused)
    if tag in _TIMES:
        return content[-1:] == b"Z" and len(content) >= _TIMES[tag]
    return not content if tag == 0x05 else True
